"""Measurements, run by hand (`python -m benchmarks.autodiff`, `python -m benchmarks.book`); never part of the tests."""

"""Measurements, run by hand: ``python -m benchmarks.autodiff``, ``python -m benchmarks.book``. Never part of the tests."""

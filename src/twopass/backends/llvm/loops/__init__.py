"""Chapters of `loop.py`: the nest of axes, the values at a point of it, reductions, blocks that are transposed."""

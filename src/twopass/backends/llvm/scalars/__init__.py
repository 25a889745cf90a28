"""Scalar functions as vector code, a chapter a file; ``number.py`` has the notation that they are written in."""

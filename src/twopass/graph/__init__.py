"""Functions as graphs of NumPy calls: capture, passes, printer, interpreter."""

from twopass.graph import scan

__all__ = ["scan"]

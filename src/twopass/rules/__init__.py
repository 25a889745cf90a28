"""The mathematics: the derivative of every NumPy function that twopass knows, one file a chapter."""

from twopass.rules import elementwise, index, join, product, reduce, select, shape

__all__ = ["elementwise", "index", "join", "product", "reduce", "select", "shape"]

"""The mathematics: the derivative of every NumPy function that twopass knows, one file a chapter."""

from twopass.rules import create, elementwise, index, join, pad, product, reduce, select, shape

__all__ = ["create", "elementwise", "index", "join", "pad", "product", "reduce", "select", "shape"]

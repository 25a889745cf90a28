"""How NumPy's functions are spelled in normal form: one file a chapter, one entry a function.

NumPy has many ways to say one thing. The passes after `twopass.graph.passes.normalize`, and what makes a program of a
graph, know few: see there.
"""

from twopass.graph.spellings import elements, indexing, products, reductions, shapes
from twopass.graph.spellings.table import SPELLINGS, operator_name

__all__ = ["SPELLINGS", "elements", "indexing", "operator_name", "products", "reductions", "shapes"]

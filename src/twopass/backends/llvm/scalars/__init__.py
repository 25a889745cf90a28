"""Scalar functions as vector code.

``table.py`` is the table of all operators; the formulas are in the other files, a chapter a file, in the notation of
``number.py``; the coefficients of polynomials come from ``docs/derivations/minimax.py``.
"""

from twopass.backends.llvm.scalars.table import OPERATORS, Definition

__all__ = ["OPERATORS", "Definition"]

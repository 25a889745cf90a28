"""Special functions that differentiate.

The ufuncs of ``scipy.special`` take traced arrays themselves: write ``scipy.special.gammaln(x)``. Those of its
functions that are Python code call ``np.asarray`` first, which would lose the derivative and therefore raises. They
are here instead, under the same names and with the same parameters, as plain NumPy code:

======================================================  =============================================================
`logsumexp`, `softmax`, `log_softmax`, `erf`, `erfc`    need NumPy alone
`multigammaln`, `polygamma`, `comb`, `perm`,            need SciPy (``pip install scipy``)
`factorial`
======================================================  =============================================================

Every other name is that of ``scipy.special``, so that ``tp.special.gammaln`` is ``scipy.special.gammaln``.
"""

from __future__ import annotations

from typing import Any

from twopass.special.error import erf, erfc
from twopass.special.exponential import log_softmax, logsumexp, softmax
from twopass.special.gamma import comb, factorial, multigammaln, perm, polygamma
from twopass.special.library import scipy_special

__all__ = [
    "comb",
    "erf",
    "erfc",
    "factorial",
    "log_softmax",
    "logsumexp",
    "multigammaln",
    "perm",
    "polygamma",
    "softmax",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'twopass.special' has no attribute {name!r}")
    return getattr(scipy_special(name), name)

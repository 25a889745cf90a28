"""Every public function of NumPy is supported on traced arrays, or raises an error that names it. None detaches."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import twopass as tp
from twopass.core.array import Array

MODULES = {"": np, "linalg.": np.linalg, "fft.": np.fft}

#: Functions that never see their array arguments through NumPy's protocols, with the reason that it is harmless.
NOT_DISPATCHED = {
    # Arguments that are no arrays at all.
    "arange", "array2string", "bartlett", "base_repr", "binary_repr", "blackman", "bmat", "broadcast_shapes", "dtype",
    "errstate", "eye", "fromfile", "fromfunction", "fromiter", "fromregex", "fromstring", "frombuffer",
    "from_dlpack", "genfromtxt", "get_include", "get_printoptions", "getbufsize", "geterr", "geterrcall", "hamming",
    "hanning", "identity", "indices", "info", "issubdtype", "kaiser", "load", "loadtxt", "mask_indices", "memmap",
    "nested_iters", "printoptions", "promote_types", "set_printoptions", "setbufsize", "seterr", "seterrcall",
    "show_config", "show_runtime", "test", "tri", "tril_indices", "triu_indices", "typename", "diag_indices",
    "finfo", "iinfo", "isdtype", "fftfreq", "rfftfreq", "iterable", "isscalar", "nditer", "ndenumerate", "ndindex",
    "vectorize", "frompyfunc", "broadcast", "flatiter", "poly1d", "format_float_positional",
    "format_float_scientific", "bool_", "asmatrix", "may_share_memory", "fft.test", "linalg.test", "mintypecode",
}  # fmt: skip

#: Functions of integers, dates, strings or files alone: nothing traced can get there.
OTHER_ARGUMENTS = {
    "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "datetime_as_string",
    "datetime_data", "empty", "full", "gcd", "isnat", "lcm", "left_shift", "mintypecode",
    "ones", "packbits", "ravel_multi_index", "right_shift", "unpackbits", "unravel_index", "zeros", "savetxt",
    "can_cast", "fft.fftfreq", "fft.rfftfreq", "busday_count", "busday_offset", "is_busday",
}  # fmt: skip


def public_functions():
    found = {}
    for prefix, module in MODULES.items():
        for name in dir(module):
            function = getattr(module, name)
            if name.startswith("_") or isinstance(function, type) or not callable(function):
                continue
            found.setdefault(function, prefix + name)
    return {name: function for function, name in found.items()}


FUNCTIONS = public_functions()

#: Arguments to try, most specific first, until NumPy accepts them; x is the (traced) array.
TRIALS = [
    lambda x: (x,),
    lambda x: (x, x),
    lambda x: (x, 1),
    lambda x: (x, (2, 2)),
    lambda x: (x, 1, 0),
    lambda x: ([x, x],),
    lambda x: (x > 0, x),
    lambda x: (x > 0, x, x),
    lambda x: ("ij,jk", x, x),
    lambda x: (x, [0], 1.0),
    lambda x: (x, x > 1, 1.0),
    lambda x: (x, x, x),
    lambda x: ([x > 1], [x]),
    lambda x: (x > 5, [x, x]),
    lambda x: (1, [x], x),
    lambda x: (x, [0, 1], [1, 0], 1),
    lambda x: (lambda v: v, 0, x),
    lambda x: (lambda v, axis: v, [0], x),
    lambda x: (x[0], [0, 0]),
    lambda x: (x[0],),
    lambda x: (x[0], x[0]),
    lambda x: (x[0], 2),
    lambda x: (x[0], x[0], x[0]),
    lambda x: (x[0], x[0], 1),
    lambda x: ([0, 1], x[0]),
    lambda x: (x, [[0, 1], [0, 1]], 0),
    lambda x: (x, [[0, 1], [0, 1]], x, 0),
    lambda x: (x, [x > 1], [1.0]),
    lambda x: (x, np.array([[0, 1], [0, 1]]), 0),
    lambda x: (x, np.array([[0, 1], [0, 1]]), x, 0),
    lambda x: (x, np.float32),
    lambda x: (np.ones((2, 3)) * x[0, 0], np.ones(3) * x[0, 0]),
    lambda x: (np.ones((2, 2, 2)) * x[0, 0], 2),
    lambda x: (lambda v, axis: np.sum(v, axis=axis, keepdims=True), x, [0]),
]
X = np.array([[0.53, 0.27], [0.71, 1.62]])


def plain_floats(out):
    """The float arrays in a result that are not traced."""
    return [leaf for leaf in tp.tree.leaves(out) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc"]


def varies(function, arguments):
    """Whether the result of a plain call follows small changes of the array."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        before, after = (tp.tree.leaves(function(*arguments(x.copy()))) for x in (X, X + 1e-6))
    return len(before) != len(after) or any(
        isinstance(a, np.ndarray) and a.dtype.kind in "fc" and (a.shape != b.shape or not np.array_equal(a, b, True))
        for a, b in zip(before, after, strict=True)
    )


def outcome(function, arguments):
    """What happens to a traced array: 'supported', 'refused' (a named error), 'rejected' (NumPy's own error)."""
    lost = []

    def run(x):
        out = function(*arguments(x))
        traced = [leaf for leaf in tp.tree.leaves(out) if type(leaf) is Array]
        if plain_floats(out) and not traced and varies(function, arguments):
            lost.append(out)
        return x[0, 0]

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            tp.grad(run)(X)
        except (tp.errors.UnsupportedOperatorError, tp.errors.DetachedError):
            return "refused", lost
        except Exception:
            return "rejected", lost
    return "supported", lost


def accepts(function, arguments, deprecated="error"):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter(deprecated, DeprecationWarning)
        try:
            function(*arguments(X.copy()))
        except Exception:
            return False
    return True


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - NOT_DISPATCHED))
def test_supported_or_named_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = FUNCTIONS[name]
    # A spelling on its way out need not be supported, but a whole function is.
    tried = [arguments for arguments in TRIALS if accepts(function, arguments)]
    tried = tried or [arguments for arguments in TRIALS if accepts(function, arguments, "ignore")]
    if not tried:
        # Only arguments of another kind (strings, dates, files): nothing traced can get there.
        assert name in OTHER_ARGUMENTS, f"no trial arguments for np.{name}"
        return
    for arguments in tried:
        result, lost = outcome(function, arguments)
        assert result != "rejected", f"np.{name} takes these plain arrays, but not traced ones"
        assert not lost, f"np.{name} gave a plain array for a traced one: the derivative was lost silently"

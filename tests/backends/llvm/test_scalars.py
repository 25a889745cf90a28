"""Every operator of the table, on random and on special numbers, against NumPy in more digits."""

from __future__ import annotations

import inspect
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from backends.llvm.harness import assembly, has_fma, run, ulps
from backends.llvm.references import (
    BOOL,
    FLOATS,
    INTEGERS,
    SAMPLES,
    SIGNED,
    between,
    more_digits,
    reference,
    special,
    spread,
)
from twopass.backends.llvm.scalars import OPERATORS
from twopass.backends.llvm.scalars.table import (
    condition_first,
    exponent_last,
    to_boolean,
    to_common,
    to_result,
    unconverted,
)

#: Functions of floats with floating results: those that are rounded more than once, and those that are not.
FLOATING = sorted(n for n, d in OPERATORS.items() if d.kinds.keys() >= {"f"} and d.conversion is to_result)
ROUNDED = [name for name in FLOATING if OPERATORS[name].ulps > 0.5]
EXACT = [name for name in FLOATING if OPERATORS[name].ulps == 0.5 and name != "fma"]
#: Functions of integers with results of the same dtype.
INTEGRAL = sorted(n for n, d in OPERATORS.items() if d.kinds.keys() >= {"i"} and d.conversion is to_result)
BOOLEAN = sorted(n for n, d in OPERATORS.items() if d.kinds.keys() >= {"b"} and d.conversion is to_result)
COMPARISONS = sorted(n for n, d in OPERATORS.items() if d.conversion is to_common)
LOGIC = sorted(n for n, d in OPERATORS.items() if d.conversion is to_boolean)
TESTS = sorted(n for n, d in OPERATORS.items() if d.conversion is unconverted)
#: Sums whose terms may cancel: the error is relative to the operands.
CANCELLING = {"logaddexp", "logaddexp2"}


def operand_count(name: str) -> int:
    function = reference(name)
    return function.nin if isinstance(function, np.ufunc) else len(inspect.signature(function).parameters)


def combined(columns: list[Any]) -> list[Any]:
    """All combinations of special numbers."""
    return [grid.ravel() for grid in np.meshgrid(*columns)]


def samples(name: str, dtype: Any) -> list[Any]:
    """Operands of the operator: special numbers in all combinations, random bits, its own intervals."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    count = operand_count(name)
    batches = [combined([special(dtype)] * count), [spread(dtype, rng) for _ in range(count)]]
    for domain in SAMPLES.get(name, [[between(-9, 9)] * count]):
        batches.append([sample(dtype, rng) for sample in domain])
    return [np.concatenate(column) for column in zip(*batches, strict=True)]


def exact(name: str, operands: list[Any]) -> Any:
    with np.errstate(all="ignore"):
        return reference(name)(*[x.astype(more_digits(x.dtype)) for x in operands])


def flushed(x: Any, dtype: Any) -> Any:
    """Subnormal numbers of `dtype` as zeros."""
    return np.where(np.abs(x) < np.finfo(dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def worst(name: str, errors: Any, operands: list[Any], got: Any, wanted: Any) -> str:
    k = int(np.argmax(errors))
    return f"{name}({', '.join(repr(x[k]) for x in operands)}) = {got[k]!r}, not {wanted[k]!r}: {errors[k]:.2f} ulp"


def lanes_of(how: str, *dtypes: Any) -> int:
    return 1 if how == "one" else 64 // max(d.itemsize for d in dtypes)


def errors_of(name: str, got: Any, operands: list[Any], wanted: Any) -> Any:
    scale = np.maximum(*map(np.abs, operands)) if name in CANCELLING else 0
    return ulps(got, wanted, scale)


def assert_same(name: str, got: Any, wanted: Any, operands: list[Any]) -> None:
    """The same numbers, NaNs and signs of zeros."""
    assert got.dtype == wanted.dtype
    same = (got == wanted) & (np.signbit(got) == np.signbit(wanted)) if got.dtype.kind == "f" else got == wanted
    same |= (got != got) & (wanted != wanted)
    if not same.all():
        k = int(np.argmin(same))
        raise AssertionError(f"{name}({', '.join(repr(x[k]) for x in operands)}) = {got[k]!r}, not {wanted[k]!r}")


def test_the_table_is_tested():
    special_cases = {"where", "astype", "ldexp"}
    tested = {*FLOATING, *INTEGRAL, *BOOLEAN, *COMPARISONS, *LOGIC, *TESTS, *special_cases}
    assert tested == OPERATORS.keys()
    assert set(ROUNDED) - {"degrees", "radians"} <= SAMPLES.keys(), "a rounded function needs its intervals in SAMPLES"
    assert all(callable(reference(name)) for name in OPERATORS)


# --- floats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["one", "native"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ROUNDED)
def test_errors_are_below_the_bound(name, dtype, how):
    operands = samples(name, dtype)
    wanted = exact(name, operands)
    got = run(name, *operands, result=dtype, lanes=lanes_of(how, dtype))
    errors = errors_of(name, got, operands, wanted)
    assert errors.max() <= OPERATORS[name].ulps, worst(name, errors, operands, got, wanted)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ROUNDED)
def test_without_fused_products_errors_are_little_larger(name, dtype):
    operands = samples(name, dtype)
    wanted = exact(name, operands)
    got = run(name, *operands, result=dtype, lanes=16 // dtype.itemsize, fma=False)
    errors = errors_of(name, got, operands, wanted)
    assert errors.max() <= OPERATORS[name].ulps + 0.5, worst(name, errors, operands, got, wanted)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ROUNDED)
def test_flushed_subnormal_numbers_count_as_zeros(name, dtype):
    operands = samples(name, dtype)
    got = flushed(run(name, *operands, result=dtype, lanes=lanes_of("native", dtype), flush=True), dtype)
    errors = []
    for inputs in (operands, [flushed(x, dtype) for x in operands]):
        wanted = exact(name, inputs)
        for result in (wanted, flushed(wanted, dtype)):
            errors.append(errors_of(name, got, operands, result))
    least = np.min(errors, axis=0)
    # Next to the subnormal range a result may be flushed before it is rounded into the normal one.
    edge = np.abs(wanted) <= np.finfo(dtype).tiny * (1 + 8 * np.finfo(dtype).eps)
    least = np.where(edge & (got == 0), 0, least)
    assert least.max() <= OPERATORS[name].ulps, worst(name, least, operands, got, wanted)


@pytest.mark.parametrize("how", ["one", "native"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", EXACT)
def test_exact_functions_are_numpys(name, dtype, how):
    operands = samples(name, dtype)
    got = run(name, *operands, result=dtype, lanes=lanes_of(how, dtype))
    with np.errstate(all="ignore"):
        wanted = reference(name)(*operands)
    if name in ("fmax", "fmin", "maximum", "minimum"):  # NumPy's choice among equal zeros depends on the machine
        got, wanted = np.where(got == 0, dtype.type(0), got), np.where(wanted == 0, dtype.type(0), wanted)
    assert_same(name, got, wanted, operands)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_fused_products_are_rounded_once(dtype):
    rng = np.random.default_rng(4)
    a, b = rng.uniform(1, 2, (2, 500)).astype(dtype)
    c = -(a * b) * rng.choice(np.array([1, 0.5, 1e-6], dtype), 500)
    wanted = [
        float(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))) for x, y, z in zip(a, b, c, strict=True)
    ]
    got = run("fma", a, b, c, result=dtype, lanes=4)
    if has_fma():
        assert_same("fma", got, np.array(wanted).astype(dtype), [a, b, c])
    assert_same("fma", run("fma", a, b, c, result=dtype, lanes=4, fma=False), a * b + c, [a, b, c])


#: What everybody knows by heart: an error of one unit in the last place would be seen.
KNOWN = [
    *(("cos", (0.0,), 1.0), ("sin", (np.pi / 2,), 1.0), ("sin", (0.0,), 0.0), ("tan", (0.0,), 0.0)),
    *(("exp", (0.0,), 1.0), ("log", (1.0,), 0.0), ("exp2", (3.0,), 8.0), ("log2", (8.0,), 3.0)),
    *(("tanh", (0.0,), 0.0), ("sigmoid", (0.0,), 0.5), ("cosh", (0.0,), 1.0), ("erf", (0.0,), 0.0)),
    *(("erfc", (0.0,), 1.0), ("expm1", (0.0,), 0.0), ("log1p", (0.0,), 0.0), ("arccos", (1.0,), 0.0)),
    *(("power", (2.0, 10.0), 1024.0), ("power", (3.0, 2.0), 9.0), ("hypot", (3.0, 4.0), 5.0)),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize(("name", "operands", "value"), KNOWN)
def test_well_known_values(name, operands, value, fma, dtype):
    arrays = [np.full(3, operand, dtype) for operand in operands]
    assert run(name, *arrays, result=dtype, fma=fma and has_fma()).tolist() == [value] * 3


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_large_angles(name, dtype):
    rng = np.random.default_rng(5)
    x = (10.0 ** rng.uniform(3, 38, 20_000)).astype(dtype)
    x = np.concatenate([x, -x, np.array([2.0**17, 2.0**13, 2.0**30, 2.0**20, 1e22, np.finfo(dtype).max], dtype)])
    wanted = exact(name, [x])
    for fma in (True, False):
        got = run(name, x, result=dtype, lanes=1, fma=fma)  # one lane, so that each number chooses its own way
        errors = ulps(got, wanted)
        assert errors.max() <= 4, worst(name, errors, [x], got, wanted)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("exponent", SIGNED, ids=str)
def test_ldexp(dtype, exponent):
    rng = np.random.default_rng(6)
    x, n = spread(dtype, rng), spread(exponent, rng)
    n[:20] = rng.integers(-120, 120, 20)
    got = run("ldexp", x, n, result=dtype, lanes=lanes_of("native", dtype, exponent))
    with np.errstate(all="ignore"):
        wanted = np.ldexp(x.astype(more_digits(dtype)), np.clip(n, -5000, 5000).astype(np.int32))
    assert ulps(got, wanted).max() <= OPERATORS["ldexp"].ulps


# --- integers and booleans ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("name", INTEGRAL)
def test_integers_are_numpys(name, dtype):
    operands = samples(name, dtype)
    if name == "power":
        operands[1] = np.abs(operands[1] // 2)  # NumPy refuses negative exponents
    if name == "reciprocal" and dtype.kind == "u":
        operands = [np.maximum(operands[0], 1)]  # what NumPy gives for 0 depends on the machine
    with np.errstate(all="ignore"):
        wanted = reference(name)(*operands)
    for how in ("one", "native"):
        got = run(name, *operands, result=dtype, lanes=lanes_of(how, dtype))
        assert_same(name, got, wanted.astype(dtype), operands)


@pytest.mark.parametrize("name", BOOLEAN)
def test_booleans_are_numpys(name):
    operands = combined([special(BOOL)] * operand_count(name))
    got = run(name, *operands, result=BOOL, lanes=4)
    assert_same(name, got, reference(name)(*operands).astype(bool), operands)


@pytest.mark.parametrize("name", [*COMPARISONS, *LOGIC, *TESTS])
def test_truth_values_are_numpys(name):
    dtypes = [*FLOATS, *INTEGERS, BOOL]
    mixed = [(a, b) for a in dtypes for b in dtypes if a == b or name in ("less", "equal", "logical_xor")]
    for chosen in mixed if operand_count(name) == 2 else [(a,) for a in dtypes]:
        if not OPERATORS[name].accepts(chosen, BOOL):
            continue
        rng = np.random.default_rng(7)
        with np.errstate(all="ignore"):
            operands = [
                np.concatenate(c)
                for c in zip(combined([special(d) for d in chosen]), [spread(d, rng) for d in chosen], strict=True)
            ]
            wanted = reference(name)(*operands)
        got = run(name, *operands, result=BOOL, lanes=lanes_of("native", *chosen))
        assert_same(name, got, wanted, operands)


@pytest.mark.parametrize("target", [*FLOATS, *INTEGERS, BOOL], ids=str)
@pytest.mark.parametrize("source", [*FLOATS, *INTEGERS, BOOL], ids=str)
def test_conversions_are_numpys(source, target):
    rng = np.random.default_rng(8)
    x = np.concatenate([special(source), spread(source, rng)])
    if source.kind == "f" and target.kind in "iu":
        info = np.iinfo(target)
        with np.errstate(all="ignore"):
            whole = np.trunc(x.astype(np.longdouble))
        x = x[(whole >= info.min) & (whole <= info.max)]
    with np.errstate(all="ignore"):
        wanted = x.astype(target)
    for how in ("one", "native"):
        assert_same("astype", run("astype", x, result=target, lanes=lanes_of(how, source, target)), wanted, [x])


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, BOOL], ids=str)
def test_where(dtype):
    rng = np.random.default_rng(9)
    condition, yes, no = spread(BOOL, rng), spread(dtype, rng), spread(dtype, rng)
    got = run("where", condition, yes, no, result=dtype, lanes=lanes_of("native", dtype))
    assert_same("where", got, np.where(condition, yes, no), [condition, yes, no])


@pytest.mark.parametrize("target", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"])
def test_every_operator_compiles_for_other_machines(target):
    for name, definition in OPERATORS.items():
        for dtype in (*FLOATS, np.dtype(np.int32), BOOL):
            operands = [dtype] * operand_count(name)
            operands = [*operands[:-1], np.dtype(np.int32)] if name == "ldexp" else operands
            result = dtype if definition.conversion in (to_result, condition_first, exponent_last) else BOOL
            if definition.accepts(operands, result):
                assert "operator" in assembly(name, tuple(operands), result, 4, target)


def test_operands_are_converted_to_the_result():
    x, y = np.arange(8, dtype=np.int32), np.linspace(0, 1, 8)
    assert_same("multiply", run("multiply", x, y, result=np.float64, lanes=8), x * y, [x, y])
    assert_same("true_divide", run("true_divide", x, x + 1, result=np.float64, lanes=8), x / (x + 1), [x])

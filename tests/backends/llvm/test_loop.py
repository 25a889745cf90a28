"""Loops as machine code: elementwise code, reductions and mixed layouts, on every target that runs here.

Random ones are in ``tests/fuzz``; these are the edges.
"""

import itertools
import time

import numpy as np
import pytest
from tests.fuzz.campaign import campaign
from tests.fuzz.guard import guarded
from tests.fuzz.native import compile_kernel, targets

from twopass.backends.llvm.builder import F32, F64, I8, I16, Function, literal
from twopass.backends.llvm.loop import emit_loop
from twopass.backends.llvm.loops.nest import nests
from twopass.backends.llvm.loops.planes import transpose
from twopass.backends.llvm.target import TARGETS, host
from twopass.errors import ArgumentError, UnsupportedOperatorError
from twopass.program.interpreter import run_kernel
from twopass.program.ir import Access, Instruction, Loop, Panels, Store, tasks

F4, F8, B1, U1, I4, I8_, U8 = (np.dtype(t) for t in (np.float32, np.float64, bool, np.uint8, "i4", "i8", "u8"))
AXPY = (Instruction("multiply", (0, 1), F4), Instruction("add", (3, 2), F4))
RNG = np.random.default_rng(0)


def normal(*shape, dtype=F4):
    return RNG.normal(size=shape).astype(dtype)


def loop(domain, inputs, body, stores, *, inner=0, block=0):
    """A loop; accesses are given as (dtype, strides, further arguments of Access)."""
    made = [Access(a[0], a[1], **(a[2] if len(a) > 2 else {})) for a in inputs]
    stored = [Store(n, Access(a[0], a[1], **(a[2] if len(a) > 2 else {}))) for n, a in stores]
    return Loop(tuple(domain), inner, tuple(made), tuple(body), tuple(stored), block)


def run(kernel, arrays, where=None, *, at="end", place=None, pieces=None):
    """The arrays after a kernel has run on copies of them between forbidden pages.

    `where` says which array each argument is, if not one each.
    """
    call = compile_kernel(kernel, place or targets()[0])
    copies = [guarded(array, at=at) for array in arrays]
    for begin, end in pieces or [(0, tasks(kernel))]:
        call([copies[number].ctypes.data for number in where or range(len(arrays))], begin, end)
    return copies


def check(kernel, arrays, where=None, *, tolerance=1e-6):
    """Compare all targets with the interpreter."""
    arrays = [np.ascontiguousarray(array).ravel() for array in arrays]
    exact = [array.copy() for array in arrays]
    run_kernel(kernel, [exact[number] for number in where or range(len(arrays))])
    for place, at in itertools.product(targets(), ("start", "end")):
        found = run(kernel, arrays, where, at=at, place=place)
        for result, right in zip(found, exact, strict=True):
            scale = np.abs(right[np.isfinite(right)]).max(initial=1) if right.dtype.kind == "f" else 0
            np.testing.assert_allclose(result, right, rtol=0, atol=tolerance * scale, err_msg=place.name)
    return exact


# --- elementwise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 65, 130, 1000])
@pytest.mark.parametrize("dtype", [F4, F8])
def test_flat(length, dtype):
    body = [Instruction(i.operator, i.operands, dtype) for i in AXPY]
    kernel = loop((length,), [(dtype, (1,)), (dtype, (1,)), (dtype, (0,))], body, [(4, (dtype, (1,)))])
    check(
        kernel,
        [normal(length, dtype=dtype), normal(length, dtype=dtype), normal(1, dtype=dtype), np.empty(length, dtype)],
    )


def test_no_axes():
    check(loop((), [(F4, ())] * 3, AXPY, [(4, (F4, ()))]), [normal(1)] * 4)


@pytest.mark.parametrize("domain", [(0,), (3, 0), (0, 3)])
def test_no_points(domain):
    strides = (1,) * len(domain)
    kernel = loop(domain, [(F4, strides)], [Instruction("negative", (0,), F4)], [(1, (F4, strides))])
    (_, result) = run(kernel, [normal(4), np.ones(4, F4)])
    assert (result == 1).all()


def test_broadcasting_in_every_direction():
    body = [Instruction("add", (0, 1), F4), Instruction("add", (3, 2), F4)]
    kernel = loop((5, 7, 19), [(F4, (7, 1, 0)), (F4, (19, 0, 1)), (F4, (0, 0, 0))], body, [(4, (F4, (133, 19, 1)))])
    check(kernel, [normal(35), normal(95), normal(1), np.empty(665, F4)])


def test_strides_that_are_not_one_and_negative_ones():
    body = [Instruction("negative", (0,), F4)]
    check(loop((19,), [(F4, (3,))], body, [(1, (F4, (2,)))]), [normal(55), np.zeros(37, F4)])
    kernel = loop((19,), [(F4, (-1,))], body, [(1, (F4, (1,)))])
    x = normal(19)
    call = compile_kernel(kernel, targets()[0])
    copy, result = guarded(x), guarded(np.empty(19, F4))
    call([copy.ctypes.data + 18 * 4, result.ctypes.data], 0, 1)
    assert (result == -x[::-1]).all()


@pytest.mark.parametrize("length", [5, 16, 23, 64])
def test_in_place(length):
    kernel = loop((4, length), [(F4, (length, 1))], [Instruction("square", (0,), F4)], [(1, (F4, (length, 1)))])
    check(kernel, [normal(4, length)], where=[0, 0])


def test_in_place_transposed():
    kernel = loop(
        (20, 37),
        [(F4, (37, 1)), (F4, (1, 20))],
        [Instruction("add", (0, 1), F4), Instruction("subtract", (0, 1), F4)],
        [(2, (F4, (37, 1))), (3, (F4, (1, 20)))],
    )
    check(kernel, [normal(20, 37), normal(37, 20)], where=[0, 1, 0, 1])


@pytest.mark.parametrize("dtype", [B1, U1, np.dtype("i2"), I4, I8_, U8, F8])
def test_conversions(dtype):
    values = RNG.integers(0, 100, 41)
    for source in (B1, U1, I4, U8, F4, F8):
        kernel = loop((41,), [(source, (1,))], [Instruction("astype", (0,), dtype)], [(1, (dtype, (1,)))])
        check(kernel, [values.astype(source), np.zeros(41, dtype)])


def test_positions_wrap_around():
    start = 2**64 - 5
    body = [Instruction("position", (), U8, (start, (3, 0))), Instruction("position", (), I4, (-7, (100, 1)))]
    check(loop((6, 21), [], body, [(0, (U8, (21, 1))), (1, (I4, (21, 1)))]), [np.zeros(126, U8), np.zeros(126, I4)])


def test_slack_is_used_instead_of_masks():
    kernel = loop(
        (3, 13), [(F4, (16, 1), {"slack": 3})], [Instruction("negative", (0,), F4)], [(1, (F4, (16, 1), {"slack": 3}))]
    )
    text = "".join(f.text() for f in emit_loop(kernel, "kernel", TARGETS["avx512"]))
    assert "masked" not in text
    x = normal(3, 16)
    _, result = run(kernel, [x, np.zeros((3, 16), F4)])
    assert (result[:, :13] == -x[:, :13]).all()


def test_what_does_not_change_is_computed_outside_of_the_loop():
    body = [Instruction("exp", (1,), F4), Instruction("multiply", (0, 2), F4)]
    kernel = loop((50, 1000), [(F4, (1000, 1)), (F4, (1, 0))], body, [(3, (F4, (1000, 1)))])
    reference = loop(
        (50, 1000), [(F4, (1000, 1)), (F4, (1, 0))], [Instruction("multiply", (0, 1), F4)], [(2, (F4, (1000, 1)))]
    )
    target = TARGETS["avx512"]

    def innermost(kernel):
        text = emit_loop(kernel, "kernel", target)[-1].text()
        return text[text.rindex("\nloop") :].count("\n")

    assert innermost(kernel) == innermost(reference)


# --- rows and panels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [I4, I8_, U1])
def test_rows_of_a_table(index):
    kernel = loop((9, 21), [(index, (1, 0)), (F4, (0, 1), {"through": (0, 21)})], [], [(1, (F4, (21, 1)))])
    check(kernel, [RNG.integers(0, 5, 9).astype(index), normal(5, 21), np.zeros(189, F4)])


def test_an_element_of_each_row():
    kernel = loop((37,), [(I8_, (1,)), (F4, (10,), {"through": (0, 1)})], [], [(1, (F4, (1,)))])
    check(kernel, [RNG.integers(0, 10, 37), normal(37, 10), np.zeros(37, F4)])


@pytest.mark.parametrize("widths", [(48, 48, 32), (16,) * 8, (128,), (48, 32, 48)])
def test_panels(widths):
    rows, columns = 13, 120
    panels = Panels(rows, widths)
    pack = loop((rows, columns), [(F4, (columns, 1))], [], [(0, (F4, (0, 0), {"panels": panels}))])
    matrix = normal(rows, columns)
    _, packed = check(pack, [matrix, np.zeros(panels.size, F4)])
    unpack = loop((rows, columns), [(F4, (0, 0), {"panels": panels})], [], [(0, (F4, (columns, 1)))])
    _, found = check(unpack, [packed, np.zeros(matrix.size, F4)])
    assert (found.reshape(matrix.shape) == matrix).all()


def test_panels_of_different_widths_and_their_sum():
    panels, others = Panels(7, (48, 48)), Panels(7, (32, 32, 32))
    domain, places = (7, 90), [(F4, (0, 0), {"panels": panels}), (F4, (0, 0), {"panels": others})]
    body = [Instruction("multiply", (0, 1), F4), Instruction("add.reduce", (2,), F4)]
    kernel = loop(domain, places, body, [(3, (F4, (0, 0)))], inner=2)
    check(kernel, [normal(panels.size), normal(others.size), np.zeros(1, F4)], tolerance=1e-5)


# --- reductions -------------------------------------------------------------------------------------------------------

SHAPES = [(32, 10), (32, 2), (5, 300), (40, 17), (3, 1), (1, 5000), (129, 33)]
REDUCTIONS = ["add.reduce", "multiply.reduce", "maximum.reduce", "minimum.reduce"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("operator", REDUCTIONS)
def test_rows_and_columns(operator, shape):
    rows, columns = shape
    x = 1 + normal(rows, columns) / 1000
    body = [Instruction(operator, (0,), F4)]
    check(
        loop(shape, [(F4, (columns, 1))], body, [(1, (F4, (1, 0)))], inner=1), [x, np.zeros(rows, F4)], tolerance=1e-5
    )
    kernel = loop((columns, rows), [(F4, (1, columns))], body, [(1, (F4, (1, 0)))], inner=1)
    check(kernel, [x, np.zeros(columns, F4)], tolerance=1e-5)
    check(loop(shape, [(F4, (columns, 1))], body, [(1, (F4, (0, 0)))], inner=2), [x, np.zeros(1, F4)], tolerance=1e-5)


@pytest.mark.parametrize(
    ("operator", "dtype"),
    [(operator, dtype) for operator in REDUCTIONS for dtype in (U1, I4, U8, F8)]
    + [(REDUCTIONS[2], B1), (REDUCTIONS[3], B1)],
)
def test_dtypes(operator, dtype):
    x = RNG.integers(0, 2 if dtype == B1 else 7, (6, 41)).astype(dtype)
    kernel = loop((6, 41), [(dtype, (41, 1))], [Instruction(operator, (0,), dtype)], [(1, (dtype, (1, 0)))], inner=1)
    check(kernel, [x, np.zeros(6, dtype)])


@pytest.mark.parametrize("shape", [(4, 100), (40, 10)])
@pytest.mark.parametrize("operator", REDUCTIONS[2:])
def test_nan_goes_through(operator, shape):
    x = normal(*shape)
    x[1, shape[1] // 2] = np.nan
    x[2, 0] = np.nan
    x[3] = -np.inf if operator.startswith("max") else np.inf
    kernel = loop(shape, [(F4, (shape[1], 1))], [Instruction(operator, (0,), F4)], [(1, (F4, (1, 0)))], inner=1)
    for place in targets():
        result = run(kernel, [x, np.zeros(shape[0], F4)], place=place)[1]
        np.testing.assert_array_equal(result, getattr(np, operator.split(".")[0]).reduce(x, axis=1))


@pytest.mark.parametrize(("operator", "empty"), list(zip(REDUCTIONS, (0, 1, -np.inf, np.inf), strict=True)))
def test_reductions_of_nothing(operator, empty):
    body = [Instruction(operator, (0,), F4), Instruction("add", (0, 0), F4)]
    kernel = loop((3, 0), [(F4, (0, 1))], body, [(1, (F4, (1, 0))), (2, (F4, (0, 1)))], inner=1)
    _, result, _ = run(kernel, [normal(1), np.full(3, 7, F4), normal(1)])
    assert (result == empty).all()
    assert (np.signbit(result) == np.signbit(empty)).all()


@pytest.mark.parametrize("shape", [(1, 1_000_000), (1_000_000, 1), (1000, 1000)])
def test_rounding_errors_of_sums_do_not_grow(shape):
    x = RNG.random(shape, dtype=F4)
    for axis in (0, 1):
        outer, inner = shape[1 - axis], shape[axis]
        strides = (shape[1], 1) if axis else (1, shape[1])
        kernel = loop(
            (outer, inner), [(F4, strides)], [Instruction("add.reduce", (0,), F4)], [(1, (F4, (1, 0)))], inner=1
        )
        result = run(kernel, [x, np.zeros(outer, F4)])[1]
        exact = x.sum(axis=axis, dtype=np.float64)
        assert np.abs(result / exact - 1).max() < 1e-6


def softmax(rows, columns, dtype=F4):
    body = [
        Instruction("maximum.reduce", (0,), dtype),
        Instruction("subtract", (0, 1), dtype),
        Instruction("exp", (2,), dtype),
        Instruction("add.reduce", (3,), dtype),
        Instruction("true_divide", (3, 4), dtype),
        Instruction("log", (4,), dtype),
    ]
    stores = [(5, (dtype, (columns, 1))), (6, (dtype, (1, 0)))]
    return loop((rows, columns), [(dtype, (columns, 1))], body, stores, inner=1)


@pytest.mark.parametrize("shape", [*SHAPES, (3, 20_000)])
@pytest.mark.parametrize("dtype", [F4, F8])
def test_passes(shape, dtype):
    arrays = [normal(*shape, dtype=dtype), np.zeros(shape, dtype), np.zeros(shape[0], dtype)]
    check(softmax(*shape, dtype), arrays)
    check(softmax(*shape, dtype), arrays[::2], where=[0, 0, 1])  # in place


# --- mixed layouts ----------------------------------------------------------------------------------------------------

MIXED = [
    Instruction("literal", (), F4, (0.0,)),
    Instruction("greater", (1, 2), B1),
    Instruction("where", (3, 0, 2), F4),
]


@pytest.mark.parametrize("shape", [(32, 300), (64, 64), (1, 40), (40, 1), (3, 5), (17, 33), (100, 7), (16, 15)])
def test_operands_that_lie_in_different_directions(shape):
    rows, columns = shape
    inputs, stores = [(F4, (1, rows)), (F4, (columns, 1))], [(4, (F4, (columns, 1))), (4, (F4, (1, rows)))]
    kernel = loop(shape, inputs, MIXED, stores)
    check(kernel, [normal(columns, rows), normal(*shape), np.zeros(shape, F4), np.zeros(shape, F4)])


@pytest.mark.parametrize("dtype", [B1, U1, np.dtype("i2"), I8_, F8])
def test_transposes_of_all_dtypes(dtype):
    for rows, columns in ((33, 70), (8, 64), (5, 3)):
        kernel = loop((rows, columns), [(dtype, (1, rows))], [], [(0, (dtype, (columns, 1)))])
        x = RNG.integers(0, 2, (columns, rows)).astype(dtype)
        assert (check(kernel, [x, np.zeros(x.size, dtype)])[1].reshape(rows, columns) == x.T).all()


@pytest.mark.parametrize("type", [F32, F64, I8, I16])
def test_networks_of_all_sizes(type):
    for lanes in (2, 4, 8, 16, 32):
        f = Function("f", [])
        assert len(transpose(f, [literal(0, type.wide(lanes))] * lanes)) == lanes
        assert f.text().count("shufflevector") == lanes * (lanes.bit_length() - 1)


def test_transpositions_are_one_function_for_all_kernels():
    target = TARGETS["avx512"]
    first, *_ = (loop((32, n), [(F4, (1, 32))], [], [(0, (F4, (n, 1)))]) for n in (64, 128))
    helpers = [emit_loop(kernel, "kernel", target)[:-1] for kernel in (first, softmax(32, 10))]
    assert [[helper.name for helper in each] for each in helpers] == [["transpose.v16f32"]] * 2
    assert helpers[0][0].text() == helpers[1][0].text()


# --- tasks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 3, 16, 40])
def test_any_split_gives_the_same_bits(block):
    kernels = [
        loop((100,), [(F4, (1,))] * 3, AXPY, [(4, (F4, (1,)))], block=block),
        loop((100, 5), [(F4, (5, 1))] * 3, AXPY, [(4, (F4, (5, 1)))], block=block),
        loop((100, 37), [(F4, (1, 100)), (F4, (37, 1))], MIXED, [(4, (F4, (37, 1)))], block=block),
        loop(
            (100, 37),
            [(F4, (1, 100))],
            [Instruction("add.reduce", (0,), F4)],
            [(1, (F4, (1, 0)))],
            inner=1,
            block=block,
        ),
        Loop(
            **{name: getattr(softmax(100, 10), name) for name in ("domain", "inner", "inputs", "body", "stores")},
            block=block,
        ),
    ]
    for kernel in kernels:
        arrays = [normal(100 * 37) for _ in (*kernel.inputs, *kernel.stores)]
        whole = run(kernel, arrays)
        count = tasks(kernel)
        for pieces in ([(i, i + 1) for i in range(count)][::-1], [(count // 3, count), (0, count // 3), (1, 1)]):
            split = run(kernel, arrays, pieces=pieces)
            assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, split, strict=True))


def test_tasks_along_a_reduced_axis():
    kernel = loop((64,), [(F4, (1,))], [Instruction("add.reduce", (0,), F4)], [(1, (F4, (0,)))], inner=1, block=16)
    with pytest.raises(ArgumentError, match="Reduce in two kernels"):
        emit_loop(kernel, "kernel", host())


def test_operators_that_there_is_no_code_for():
    kernel = loop((4,), [(F4, (1,))], [Instruction("frobnicate", (0,), F4)], [(1, (F4, (1,)))])
    with pytest.raises(UnsupportedOperatorError, match="frobnicate"):
        emit_loop(kernel, "kernel", host())


# --- loops, and their cost --------------------------------------------------------------------------------------------


def test_axes_are_merged_and_ordered():
    def axes(kernel):
        return [tuple(axis.length for axis in nest.axes) for nest in nests(kernel, kernel.body)]

    flat = [(F4, (60, 1, 20, 5)), (F4, (60, 1, 20, 5))]
    assert axes(loop((2, 5, 3, 4), flat[:1], [], [(0, flat[1])])) == [(120,)]
    assert axes(loop((4, 1, 6), [(F4, (6, 9, 1))], [], [(0, (F4, (8, 9, 1)))])) == [(4, 6)]
    panels = Panels(7, (48, 48, 32))
    assert axes(loop((7, 120), [(F4, (120, 1))], [], [(0, (F4, (0, 0), {"panels": panels}))])) == [(2, 7, 48), (7, 24)]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_code_for_targets_that_are_not_here(name):
    import llvmlite.binding as binding

    target = TARGETS[name]
    for kernel in (softmax(40, 10), softmax(3, 300), loop((20, 30), [(F4, (1, 20))] * 2, MIXED, [(4, (F4, (30, 1)))])):
        functions = emit_loop(kernel, "kernel", target)
        declared = sorted(set().union(*(f.declared for f in functions)))
        module = binding.parse_assembly("\n".join([*declared, *(f.text() for f in functions)]))
        module.verify()
        if target.triple:
            assert target.llvm().emit_object(module)


def test_code_is_small_and_soon_written():
    kernels = [softmax(256, 1000), softmax(32, 10), loop((32, 300), [(F4, (1, 32))] * 2, MIXED, [(4, (F4, (300, 1)))])]
    for kernel in kernels:
        start = time.process_time()
        functions = emit_loop(kernel, "kernel", TARGETS["avx512"])
        assert time.process_time() - start < 0.1
        assert sum(f.text().count("\n") for f in functions) < 1500


def test_random_loops_between_guard_pages():
    assert [str(failure) for failure in campaign("loop", 9_000_000, 60) if failure is not None] == []

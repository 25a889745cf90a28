"""Contractions as machine code: the shapes, layouts and blocks that programs use, on every target that runs here.

Random ones are in ``tests/fuzz``; these are the edges.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from tests.fuzz.campaign import campaign
from tests.fuzz.guard import guarded
from tests.fuzz.native import compile_kernel, targets

from twopass.backends.llvm.contraction import emit_contraction
from twopass.backends.llvm.target import target
from twopass.errors import ArgumentError
from twopass.program.interpreter import run_kernel
from twopass.program.ir import Access, Contraction, Instruction, Panels, Store, tasks

F4, F8, B1, U8 = (np.dtype(t) for t in (np.float32, np.float64, np.bool_, np.uint64))
BIAS_RELU = (Instruction("add", (0, 1), F4), Instruction("literal", (), F4, (0.0,)), Instruction("maximum", (2, 3), F4))
UPDATE = (Instruction("multiply", (0, 2), F4), Instruction("subtract", (1, 3), F4))


def typed(body, dtype):
    return tuple(replace(i, dtype=dtype) if i.dtype == F4 else i for i in body)


def matmul(m, n, k, *, dtype=F4, columns=None, rows=None, inputs=(), body=(), stores=None, left=None, right=None):
    """A product of C-ordered matrices, with what is given instead."""
    return Contraction(
        (),
        m,
        n,
        k,
        dtype,
        left or Access(dtype, (k, 1)),
        right or Access(dtype, (n, 1)),
        tuple(inputs),
        typed(body, dtype),
        stores or (Store(0, Access(dtype, (n, 1))),),
        columns or (n,),
        rows or (m,),
    )


def in_panels(matrix, widths):
    """A matrix as panels, with NaN as padding."""
    rows, columns = matrix.shape
    padded = np.full((rows, sum(widths)), np.nan, matrix.dtype)
    padded[:, :columns] = matrix
    ends = np.cumsum(widths)[:-1]
    return np.concatenate([panel.ravel() for panel in np.split(padded, ends, axis=1)])


def run(kernel, arrays, where=None, pieces=None):
    """The arrays after a kernel has run on copies of them between forbidden pages.

    `where` says which array each argument is, if not one each.
    """
    where = where or range(len(arrays))
    results = []
    for place in targets() if pieces is None else targets()[:1]:
        call = compile_kernel(kernel, place)
        copies = [guarded(array, at="end") for array in arrays]
        addresses = [copies[number].ctypes.data for number in where]
        for begin, end in pieces or [(0, tasks(kernel))]:
            call(addresses, begin, end)
        results.append(copies)
    return results


def check(kernel, arrays, where=None, pieces=None):
    """Compare with the interpreter, which sums in double precision."""
    where = where or range(len(arrays))
    arrays = [array.ravel() for array in arrays]
    exact = [array.copy() for array in arrays]
    run_kernel(kernel, [exact[number] for number in where])
    eps = np.finfo(kernel.dtype).eps
    for found in run(kernel, arrays, where, pieces):
        for a, b in zip(found, exact, strict=True):
            np.testing.assert_allclose(a, b, rtol=20 * eps, atol=4 * eps * max(kernel.k, 4))


def random(*shape, dtype=F4, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(1, 1, 1), (1, 1, 100), (7, 1, 33), (1, 300, 17), (5, 10, 3), (9, 17, 1), (32, 48, 2), (33, 47, 9), (70, 129, 31)],
)
def test_a_product_of_any_shape(m, n, k, dtype):
    check(matmul(m, n, k, dtype=dtype), [random(m, k, dtype=dtype), random(k, n, dtype=dtype), np.zeros((m, n), dtype)])


@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize(("m", "k"), [(1, 1), (1, 200), (3, 17), (13, 64), (40, 100), (9, 7)])
def test_a_matrix_times_a_vector(m, k, dtype):
    kernel = matmul(m, 1, k, dtype=dtype, right=Access(dtype, (1, 0)), stores=(Store(0, Access(dtype, (1, 0))),))
    check(kernel, [random(m, k, dtype=dtype), random(k, dtype=dtype, seed=1), np.zeros(m, dtype)])


def test_rows_of_the_right_operand_that_compete_for_the_cache():
    m, n, k = 150, 33, 70
    kernel = matmul(m, n, k, right=Access(F4, (1024, 1)))
    check(kernel, [random(m, k), random(k * 1024, seed=1)[: 1024 * (k - 1) + n], np.zeros((m, n), F4)])


def test_an_empty_sum_is_zero():
    check(matmul(3, 20, 0), [np.zeros(0, F4), np.zeros(0, F4), np.full((3, 20), np.nan, F4)])


@pytest.mark.parametrize(("m", "n"), [(0, 5), (5, 0)])
def test_an_empty_result_is_left_alone(m, n):
    kernel = matmul(m, n, 4, columns=(n,) if n else (), rows=(m,) if m else ())
    run(kernel, [random(m * 4 + 1), random(n * 4 + 1), np.zeros(1, F4)])


def test_a_layer_with_weights_in_panels():
    m, n, k = 30, 300, 50
    widths = (48,) * 5 + (32, 32)
    kernel = matmul(
        m,
        n,
        k,
        columns=widths,
        right=Access(F4, (0, 0), Panels(k, widths)),
        inputs=[Access(F4, (0, 1), slack=4)],
        body=BIAS_RELU,
        stores=(Store(4, Access(F4, (304, 1), slack=4)),),
    )
    bias = np.concatenate([random(n, seed=3), np.full(4, np.nan, F4)])
    arrays = [random(m * k), in_panels(random(k, n, seed=1), widths), bias, np.zeros(m * 304, F4)]
    exact = [array.copy() for array in arrays]
    run_kernel(kernel, exact)
    for found in run(kernel, arrays):
        np.testing.assert_allclose(found[3].reshape(m, 304)[:, :n], exact[3].reshape(m, 304)[:, :n], atol=1e-5)


@pytest.mark.parametrize("slack", [0, 12])
def test_an_update_in_place(slack):
    """``W -= rate * X.T @ dZ``: what is stored is what was loaded."""
    m, n, k, ld = 21, 36, 32, 36 + slack
    weights = Access(F4, (ld, 1), slack=slack)
    kernel = matmul(
        m,
        n,
        k,
        left=Access(F4, (1, m)),
        right=Access(F4, (ld, 1), slack=slack),
        inputs=[weights, Access(F4, (0, 0))],
        body=UPDATE,
        stores=(Store(4, weights),),
    )
    arrays = [random(k, m), random(k, ld, seed=1), random(m, ld, seed=2), np.array([0.5], F4)]
    exact = arrays[2].copy()
    exact[:, :n] -= 0.5 * (arrays[0].T @ arrays[1][:, :n])
    for found in run(kernel, arrays, where=[0, 1, 2, 3, 2]):
        np.testing.assert_allclose(found[2][:, :n], exact[:, :n], atol=1e-5)


def test_the_left_operand_in_panels():
    m, n, k = 29, 20, 100
    widths = (48, 32, 32)
    kernel = matmul(m, n, k, left=Access(F4, (0, 0), Panels(m, widths)))
    left, right = random(m, k), random(k, n, seed=1)
    for found in run(kernel, [in_panels(left, widths), right, np.zeros((m, n), F4)]):
        np.testing.assert_allclose(found[2], left @ right, atol=1e-4)


def test_a_left_operand_that_is_larger_than_the_cache():
    """Then lines of it are asked for ahead, also beyond its end."""
    m, n, k = 400, 20, 97
    left, right = random(m, k), random(k, n, seed=1)
    widths = (48, 32, 32)
    layouts = {
        Access(F4, (0, 0), Panels(m, widths)): in_panels(left, widths),
        Access(F4, (1, m)): np.ascontiguousarray(left.T),
    }
    for access, array in layouts.items():
        for found in run(matmul(m, n, k, left=access), [array, right, np.zeros((m, n), F4)]):
            np.testing.assert_allclose(found[2], left @ right, atol=1e-4)


def test_a_stack_of_products_with_a_shared_operand():
    kernel = replace(
        matmul(5, 18, 7),
        batch=(2, 3),
        left=Access(F4, (105, 35, 7, 1)),
        right=Access(F4, (0, 126, 18, 1)),
        stores=(Store(0, Access(F4, (270, 90, 18, 1))),),
        rows=(3, 2),
    )
    left, right = random(2, 3, 5, 7), random(3, 7, 18, seed=1)
    for pieces in (None, [(0, 5), (5, 6), (6, 12)]):
        for found in run(kernel, [left, right, np.zeros((2, 3, 5, 18), F4)], pieces=pieces):
            np.testing.assert_allclose(found[2], left @ right, atol=1e-5)


def test_values_that_vary_with_rows_or_columns_only():
    body = (
        Instruction("multiply", (1, 2), F4),  # row by row
        Instruction("add", (3, 3), F4),  # column by column
        Instruction("multiply", (0, 4), F4),
        Instruction("subtract", (6, 5), F4),
        Instruction("greater", (7, 0), B1),
    )
    inputs = [Access(F4, (1, 0)), Access(F4, (0, 0)), Access(F4, (0, 1))]
    stores = (Store(7, Access(F4, (37, 1))), Store(8, Access(B1, (37, 1))), Store(4, Access(F4, (37, 1))))
    kernel = matmul(10, 37, 6, inputs=inputs, body=body, stores=stores)
    shape = (10, 37)
    arrays = [random(10, 6), random(6, 37, seed=1), random(10, seed=2), np.array([0.3], F4), random(37, seed=3)]
    check(kernel, [*arrays, np.zeros(shape, F4), np.zeros(shape, bool), np.zeros(shape, F4)])


def test_a_counter():
    """The positions that a generator of random numbers counts with."""
    body = (
        Instruction("position", (), U8, (2**64 - 50, (41, 1))),
        Instruction("position", (), U8, (7, (0, 3))),
        Instruction("position", (), U8, (1, (2, 0))),
        Instruction("add", (1, 2), U8),
        Instruction("add", (4, 3), U8),
    )
    kernel = matmul(9, 41, 2, body=body, stores=(Store(5, Access(U8, (41, 1))),), rows=(5, 4))
    check(kernel, [random(9, 2), random(2, 41), np.zeros((9, 41), np.uint64)])


def test_long_code_for_every_element():
    body = [Instruction("tanh", (0,), F4)]
    body += [Instruction("tanh", (i,), F4) for i in range(1, 4)]
    check(
        matmul(17, 50, 4, body=body, stores=(Store(4, Access(F4, (50, 1))),)),
        [random(17, 4), random(4, 50), np.zeros((17, 50), F4)],
    )


def test_the_bits_do_not_depend_on_the_split():
    kernel = matmul(64, 100, 77, rows=(9, 9, 9, 9, 9, 9, 10), columns=(48, 48, 4))
    arrays = [random(64, 77), random(77, 100), np.zeros((64, 100), F4)]
    (whole,) = run(kernel, arrays, pieces=[(0, 21)])
    for pieces in ([(7, 21), (0, 7)], [(i, i + 1) for i in range(21)], [(0, 10), (10, 10), (10, 21)]):
        (parts,) = run(kernel, arrays, pieces=pieces)
        np.testing.assert_array_equal(whole[2], parts[2])


def test_random_kernels():
    failures = [str(failure) for failure in campaign("contraction", 0, 60) if failure is not None]
    assert not failures, "\n\n".join(failures[:5])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"right": Access(F4, (1, 8))}, "contiguous along n"),
        ({"inputs": (Access(F4, (0, 2)),)}, "stride other than"),
        ({"right": Access(F8, (8, 1))}, "float64"),
        ({"rows": (3,)}, "blocks"),
        ({"right": Access(F4, (0, 0), Panels(4, (5, 3)))}, "panels"),
    ],
)
def test_what_no_kernel_can_be_is_refused(changes, says):
    with pytest.raises(ArgumentError, match=says):
        emit_contraction(replace(matmul(8, 8, 4), **changes), "k", targets()[0])


# --- the machine code -------------------------------------------------------------------------------------------------


def hot_loop(kernel, name):
    """The instructions of the loop with the most multiplications, as assembly of a target."""
    import llvmlite.binding as binding

    functions = emit_contraction(kernel, "k", target(name))
    declared = sorted({line for function in functions for line in function.declared})
    text = "\n".join([*declared, *(f.text() for f in functions)]).replace("define internal void @k(", "define void @k(")
    module = binding.parse_assembly(text)
    module.triple = target(name).triple
    lines = [line.split("#")[0].strip() for line in target(name).llvm().emit_assembly(module).splitlines()]
    labels = {line.rstrip(":"): i for i, line in enumerate(lines) if line.endswith(":")}
    loops = []
    for i, line in enumerate(lines):
        jump = re.match(r"(?:j\w+|b\.\w+|cbnz\s+\w+,|tbz.*,)\s*(\.L\w+)$", line)
        if jump and labels.get(jump[1], i) < i:
            loops.append([x for x in lines[labels[jump[1]] : i + 1] if x and not x.startswith((".", "//"))])
    innermost = [loop for loop in loops if sum(line.startswith(("j", "b.", "cb")) for line in loop) == 1]
    return max(innermost, key=lambda loop: sum(map(is_multiplication, loop)))


def is_multiplication(line):
    return bool(re.match(r"v?f?n?m(add|la|ul)|fmla|vfmadd", line))


@pytest.mark.parametrize("name", ["avx512", "avx2", "sse2", "neon"])
@pytest.mark.parametrize("vectors", [1, 2, 3])
def test_tiles_stay_in_registers(name, vectors):
    place = target(name)
    rows, width = place.tiles[vectors - 1], vectors * place.lanes(F4)
    loop = hot_loop(
        matmul(
            rows * 3,
            width,
            200,
            inputs=[Access(F4, (0, 1))],
            body=BIAS_RELU[:1],
            stores=(Store(2, Access(F4, (width, 1))),),
        ),
        name,
    )
    multiplications = sum(map(is_multiplication, loop))
    assert multiplications % (rows * vectors) == 0 and multiplications
    assert not [line for line in loop if re.search(r"\brsp\b|\brbp\b|\[sp", line)]

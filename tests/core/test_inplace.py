"""In-place changes and views: traced arrays behave as NumPy's arrays do, and the derivatives follow."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp

# --- programs -------------------------------------------------------------------------------------------------------


gradient_by_complex_step = functools.partial(tp.finite_difference, method="complex-step")


def check(program, x, holomorphic=True):
    """Values and derivatives, in both modes, of a program that returns a scalar."""
    with np.errstate(all="raise"):
        expected = program(x.copy())
        value, gradient = tp.value_and_grad(program)(x)
        assert value == pytest.approx(expected, rel=1e-13, abs=1e-13)
        reference = (gradient_by_complex_step if holomorphic else tp.finite_difference)(program)(x)
        tolerance = 1e-11 if holomorphic else 1e-6
        np.testing.assert_allclose(gradient, reference, rtol=tolerance, atol=tolerance)
        direction = np.cos(np.arange(x.size)).reshape(x.shape)
        _, slope = tp.jvp(program, (x,), (direction,))
        assert slope == pytest.approx(np.sum(gradient * direction), rel=1e-10, abs=1e-11)


def total(*arrays):
    """A scalar that depends on every element in its own way."""
    return sum(np.sum(np.sin(a) * np.reshape(np.arange(1.0, 1 + a.size), a.shape)) for a in arrays)


X = np.linspace(0.1, 1.3, 12).reshape(3, 4)


def program(f):
    """A program that changes its argument, or what it makes of it, in place, and returns arrays to be summed up."""
    return lambda x: total(*f(x))


# --- in-place operators ---------------------------------------------------------------------------------------------


def test_in_place_operators():
    def operators(x):
        y = x.copy()
        y += x
        y -= 0.25
        y *= x[0]
        y /= 1 + x[:, :1]
        y **= 2
        z = y[:3, :3].copy()
        z @= x[:, :3]
        return x, y, z

    check(program(operators), X)


def test_in_place_operators_of_integers_in_disguise():
    def operators(x):
        x //= 0.5
        y = X * x
        y %= 0.7
        return (y,)

    expected = program(operators)(X.copy())
    value, gradient = tp.value_and_grad(program(operators))(X)
    assert value == pytest.approx(expected)
    np.testing.assert_array_equal(gradient, np.zeros_like(X))


def test_names_of_one_array_see_its_changes():
    def aliases(x):
        y = x
        y += 1
        assert y is x
        y[0] = x[1] * x[2]
        return x, y

    check(program(aliases), X)


def test_numpy_scalars_are_immutable():
    def scalars(x):
        s = x[0, 0]
        t = s
        s += 1
        s *= s
        with pytest.raises(TypeError):
            s[...] = 0
        return x * s, x * t

    check(program(scalars), X)


def test_zero_dimensional_arrays_are_not():
    def arrays(x):
        s = np.zeros_like(x[0, 0])
        t = s[...]
        t += x[0, 1]
        s[()] = s * x[1, 1]
        return s, t

    check(program(arrays), X)


def test_in_place_operators_keep_dtype_and_shape():
    x = np.ones(3, np.float32)

    def promotes(x):
        x += np.float64(1) * np.ones(3)
        assert x.dtype == np.float32
        return np.sum(x * x)

    assert tp.grad(promotes)(x).dtype == np.float32
    with pytest.raises(ValueError, match="shape"):
        tp.grad(lambda x: np.sum(x.__iadd__(np.ones((2, 3)))))(x)
    with pytest.raises(TypeError, match=r"complex64.*float32"):
        tp.grad(lambda x: np.sum(x.__imul__(1j)))(x)


# --- views ----------------------------------------------------------------------------------------------------------

VIEWS = {
    "row": lambda x: x[1],
    "slice": lambda x: x[1:, ::-2],
    "newaxis": lambda x: x[:, None, 1],
    "ellipsis": lambda x: x[..., -1:],
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "reshape": lambda x: x.reshape(2, 6),
    "reshape of a function": lambda x: np.reshape(x, [-1]),
    "ravel": np.ravel,
    "transpose": lambda x: np.transpose(x, [1, 0]),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "expand_dims": lambda x: np.expand_dims(x, (0, 2)),
    "squeeze": lambda x: np.squeeze(x[None, :2]),
    "atleast_3d": np.atleast_3d,
    "flip": np.flip,
    "fliplr": np.fliplr,
    "rot90": lambda x: np.rot90(x, 3),
    "split": lambda x: np.split(x, 2, axis=1)[1],
    "real": np.real,
    "view of a view": lambda x: x[:, 1:].T[::2][..., None],
    "itself": lambda x: x,
}


@pytest.mark.parametrize("name", VIEWS)
def test_writing_through_a_view(name):
    view = VIEWS[name]

    def writes(x):
        base = x * 1.0
        v = view(base)
        v *= v
        base[0] += 0.5
        w = view(base)
        v[...] = v + 0.1 * w
        return base, v, w

    base = X.copy()
    v = view(base)
    assert np.shares_memory(base, v), "the test is about views"
    check(program(writes), X, holomorphic=name != "real")


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_sees_changes_of_its_base(name):
    view = VIEWS[name]

    def reads(x):
        base = x * 1.0
        before = view(base)
        early = before * 1.0
        base[1:, 1] = x[0, :2]
        base *= 1.5
        return early, before, view(base)

    check(program(reads), X, holomorphic=name != "real")


COPIES = {
    "fancy index": lambda x: x[[0, 2]],
    "mask": lambda x: x[X > 0.5],
    "copy": lambda x: x.copy(),
    "flatten": lambda x: x.flatten(),
    "ravel in the other order": lambda x: np.ravel(x, order="F"),
    "reshape of a transpose": lambda x: x.T.reshape(-1),
    "take": lambda x: np.take(x, 1, axis=0),
    "roll": lambda x: np.roll(x, 0),
    "tile": lambda x: np.tile(x, 1),
    "repeat": lambda x: np.repeat(x, 1, axis=0),
    "pad": lambda x: np.pad(x, 0),
    "pad at the edges": lambda x: np.pad(x, 0, "edge"),
    "broadcast and copied": lambda x: np.broadcast_to(x, (2, 3, 4)).copy(),
    "concatenate": lambda x: np.concatenate([x]),
    "block": lambda x: np.block(x),
    "where": lambda x: np.where(True, x, x),
    "clip": lambda x: np.clip(x, -9, None),
    "astype": lambda x: x.astype(x.dtype),
    "delete": lambda x: np.delete(x, [], axis=0),
    "flat": lambda x: x.flat[1:5],
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0],
    "full_like": lambda x: np.full_like(x, x),
    "array": lambda x: np.array(x, like=x),
}


@pytest.mark.parametrize("name", COPIES)
def test_writing_into_a_copy_leaves_the_original(name):
    def writes(x):
        base = x * 1.0
        c = COPIES[name](base)
        c *= 3.0
        base += 0.25
        return base, c

    assert not np.shares_memory(X, COPIES[name](X))
    check(program(writes), X)


def test_astype_without_copy_is_the_same_array():
    def same(x):
        base = x * 1.0
        view = base.astype(base.dtype, copy=False)
        view += 1
        np.asarray(base, like=base)[0] = 3.0
        return (base,)

    check(program(same), X)


def test_views_taken_before_between_and_after():
    def views(x):
        a = x * 1.0
        first = a[0]
        a[0] = a[1] * a[2]
        second = first[::2]
        second[...] = second[::-1] * 2
        third = a.T[0]
        third -= first[0]
        inner = third[1:]
        inner[0], inner[1] = inner[1] * 1.0, inner[0] * 1.0
        return a, first, second, third, inner

    check(program(views), X)


def test_a_swap_of_overlapping_views_copies_as_numpy_does():
    def overlaps(x):
        a = x * 1.0
        a[1:] = a[:-1]
        a[:, ::-1] = a
        a[0, 1:] += a[0, :-1]
        b = np.ravel(a)
        b[2:] *= b[:-2]
        return a, b

    check(program(overlaps), X)


def test_subscripted_assignment_operators():
    def operators(x):
        a = x * 1.0
        a[1] += a[0]
        a[:, 1:3] *= 2
        a[[0, 0, 2]] += x[1]
        a[X > 0.9] **= 2
        a.T[1][1:] -= 0.5
        a.flat[3] = a.flat[4] * 2
        a.flat[[0, 1]] += 1
        a.flat[5:8] = [1.0, x[0, 0]]
        return (a,)

    check(program(operators), X)


def test_flat():
    def flat(x):
        a = x.T * 1.0
        assert len(a.flat) == 12
        a.flat[1] = 10.0
        a.flat = list(a.flat)[::-1]
        return (a,)

    check(program(flat), X)


@pytest.mark.parametrize(
    "view",
    [lambda x: np.broadcast_to(x, (2, 3, 4)), lambda x: np.broadcast_to(x, (2, 3, 4))[0].T, np.diagonal, np.diag],
)
def test_read_only_views(view):
    def writes(x):
        view(x)[...] = 1.0

    with pytest.raises(ValueError, match="read-only"):
        writes(X.copy())
    with pytest.raises(ValueError, match="read-only"):
        tp.grad(writes)(X)


def test_a_failed_write_changes_nothing():
    def writes(x):
        a = x * 1.0
        v = np.broadcast_to(a, (2, 3, 4))[1]
        with pytest.raises(ValueError, match="read-only"):
            v += 1
        with pytest.raises((ValueError, IndexError)):
            a[7] = 1
        with pytest.raises(ValueError, match="broadcast"):
            a[0] = np.ones(3)
        return a, v

    check(program(writes), X)


def test_the_diagonal_follows_its_base():
    def follows(x):
        a = x * 1.0
        d, t = a.diagonal(1), np.diag(a)
        a[1] *= x[0]
        return a, d, t

    check(program(follows), X)


def test_real_and_imaginary_parts_are_views():
    def parts(x):
        z = x + 0.5j * x[::-1]
        re, im = z.real, z.imag
        re *= 2
        z.imag += x[0]
        z.real[1] = im[0]
        im[2] = 1.0
        z[0, 0] *= 2j
        return np.sum(np.real(z * z * (1 + 0.3j))) + np.sum(re * im)

    expected = parts(X)
    value, gradient = tp.value_and_grad(parts)(X)
    assert value == pytest.approx(expected)
    np.testing.assert_allclose(gradient, tp.finite_difference(parts)(X), rtol=1e-7, atol=1e-8)
    tp.check_grads(parts, (X,))
    with pytest.raises(TypeError, match="imaginary"):
        tp.grad(lambda x: setattr(x, "imag", 1.0))(X)


def test_parts_that_are_not_finite_survive_a_write_to_the_other():
    z = np.array([complex(1, np.inf), complex(np.nan, 2)])

    def write(z):
        z.real = [3.0, 4.0]
        return z

    out, _ = tp.vjp(write, z)
    np.testing.assert_array_equal(out, write(z.copy()))


# --- out= and where= ------------------------------------------------------------------------------------------------


def test_out():
    def outs(x):
        a, b = np.zeros_like(x), np.empty_like(x)
        assert np.multiply(x, x[0], out=a) is a
        np.sin(a, b)
        np.add(b, 1.0, out=(b,))
        np.concatenate([x[:1], x[:2]], out=a[:])
        row = np.zeros_like(x, shape=4)
        np.sum(x, 0, None, row)
        np.take(x, [0, 1], 0, b[1:])
        np.clip(b, 0.2, 0.9, b)
        np.multiply(a, 2, out=a.T.T)
        quotient, rest = np.zeros_like(x), np.zeros_like(x)
        np.divmod(x, 0.41, out=(quotient, rest))
        return a, b, row, quotient, rest

    check(program(outs), X, holomorphic=False)


def test_out_of_plain_operands():
    def outs(x):
        a = x * 1.0
        np.add(np.ones(4), 2.0, out=a[0])
        np.take(np.arange(4.0), [3, 1], out=a[1, :2])
        return (a,)

    check(program(outs), X, holomorphic=False)


def test_where_keeps_the_elements_that_it_leaves_out():
    mask = X > 0.5

    def wheres(x):
        a = x * 2.0
        np.sin(x, out=a, where=mask)
        np.add(a, a, out=a, where=~mask[0])
        return (a,)

    check(program(wheres), X)
    with pytest.raises(tp.errors.UnsupportedOperatorError, match="out="):
        tp.grad(lambda x: np.sum(np.sin(x, where=mask)))(X)


def test_where_contributes_nothing_where_it_is_false():
    x = np.array([4.0, 0.0])

    def root(x):
        out = np.zeros_like(x)
        np.sqrt(x, out=out, where=x > 0)
        return np.sum(out)

    np.testing.assert_array_equal(tp.grad(root)(x), [0.25, 0.0])
    np.testing.assert_array_equal(tp.hessian(root)(x), [[-1 / 32, 0], [0, 0]])


def test_overwritten_and_unread_elements_contribute_nothing():
    x = np.array([4.0, 0.0])

    def overwritten(x):
        with np.errstate(divide="ignore"):
            y = np.sqrt(x) + np.log(x)
        y[x == 0] = 0
        return np.sum(y)

    def unread(x):
        with np.errstate(divide="ignore"):
            return np.sum((np.sqrt(x) + np.log(x))[x > 0]) + np.sqrt(x)[0] * x[1]

    for f, expected in ((overwritten, [0.5, 0.0]), (unread, [0.5, 2.0])):
        np.testing.assert_array_equal(tp.grad(f)(x), expected)
        np.testing.assert_array_equal([tp.jvp(f, (x,), (unit,))[1] for unit in np.eye(2)], expected)
        assert np.all(np.isfinite(tp.hessian(f)(x)))


# --- accumulation ---------------------------------------------------------------------------------------------------


def test_reading_many_elements_costs_no_pass_over_the_array_each():
    n = 200_000
    x = np.arange(1.0, n + 1)
    positions = range(0, n, 100)
    # 2,000 dense cotangents of 200,000 elements would be 3.2 GB of additions, several seconds.
    gradient = tp.grad(lambda x: sum(x[i] * x[i + 1] for i in positions))(x)
    expected = np.zeros(n)
    expected[::100], expected[1::100] = x[1::100], x[::100]
    np.testing.assert_array_equal(gradient, expected)


def test_accumulation_changes_no_cotangent_that_is_used_elsewhere():
    def shared(x):
        y = x * 2
        z = y + y[0] + y[1:2] * y[[0, 0, 2], 1][:, None] + y  # y's cotangent comes in by reference, too
        w = z.T
        return z, w[0], w, y[1], y

    check(program(shared), X[:3, :3])


def test_accumulation_of_arrays_without_axes():
    def f(x):
        return x[()] * 2 + x * 3 + x[...] * x[None][0] + x * 2 + x[()]

    assert tp.grad(f)(np.array(2.0)) == tp.grad(f)(2.0) == 12.0
    assert tp.hessian(f)(np.array(2.0)) == 2.0


def test_a_seed_is_not_written_to():
    x = np.ones(3)
    _, pullback = tp.vjp(lambda x: (x, x[0], x[1:]), x)
    seeds = (np.ones(3), np.ones(()), np.ones(2))
    (gradient,) = pullback(seeds)
    np.testing.assert_array_equal(gradient, [2, 2, 2])
    np.testing.assert_array_equal(seeds[0], np.ones(3))
    assert not any(np.shares_memory(gradient, seed) for seed in seeds)
    (again,) = pullback(seeds)
    np.testing.assert_array_equal(again, gradient)


def test_gradients_under_a_trace_share_nothing():
    def outer(a):
        first, second = tp.grad(lambda x, y: np.sum((x + y) * a), (0, 1))(a, a)
        first[0] = 7.0
        return np.sum(second * a)

    np.testing.assert_allclose(tp.grad(outer)(np.array([1.0, 2.0])), [2.0, 4.0])


# --- nesting --------------------------------------------------------------------------------------------------------


def test_a_buffer_of_the_outer_trace_takes_values_of_the_inner_one():
    def outer(x):
        def inner(y):
            buffer = np.zeros(3, like=y)
            buffer[0] = x * y**2
            buffer[1:] = [y * x, 2.0]
            view = buffer[:2]
            view *= buffer[1]
            return np.sum(buffer**2)

        return tp.grad(inner)(x)

    # inner = (x^2 y^3)^2 + (x^2 y^2)^2 + 4
    assert outer(1.5) == pytest.approx(6 * 1.5**9 + 4 * 1.5**7)
    tp.check_grads(outer, (1.5,), order=1)


def test_in_place_programs_differentiate_twice():
    def f(x):
        a = x * 1.0
        v = a[1:]
        v *= a[:-1]
        a[[0, 0]] = v[0]
        np.add.at(a, [0, 1, 1], v[:1, :] * x[0])
        a.sort(axis=0)
        return np.sum(a**3)

    tp.check_grads(f, (X,), order=2)


# --- random programs ------------------------------------------------------------------------------------------------


def _mask(a):
    return (np.arange(a.size).reshape(a.shape) % 3) == 1


def _first(a, b):
    """Part of b that fits a by broadcasting."""
    return b if b.shape == a.shape else np.reshape(b, -1)[0]


def _numbers(a):
    return np.arange(a.size, dtype=float).reshape(a.shape) / 10


MAKE = {
    "tail": lambda a, b: a[1:] if a.ndim and a.shape[0] > 1 else a,
    "row": lambda a, b: a[0] if a.ndim > 1 else a,
    "strided": lambda a, b: a[..., ::2] if a.ndim else a,
    "reversed": lambda a, b: a[::-1] if a.ndim else a,
    "transpose": lambda a, b: a.T,
    "flat": lambda a, b: a.reshape(-1),
    "raveled": lambda a, b: np.ravel(a),
    "swapped": lambda a, b: np.swapaxes(a, 0, -1) if a.ndim else a,
    "grown": lambda a, b: np.expand_dims(a, 1) if 0 < a.ndim < 3 else a,
    "squeezed": lambda a, b: np.squeeze(a),
    "flipped": lambda a, b: np.flip(a),
    "half": lambda a, b: np.array_split(a, 2)[1] if a.ndim and a.shape[0] > 1 else a,
    "part": lambda a, b: a.real if a.dtype.kind == "f" else a,
    "fancy": lambda a, b: a[[0, -1, 0]] if a.ndim else a,
    "chosen": lambda a, b: a[_mask(a)] if a.size > 1 else a,
    "copy": lambda a, b: a.copy(),
    "sine": lambda a, b: np.sin(a) + 0.1,
    "zeros": lambda a, b: np.zeros_like(a),
    "sum": lambda a, b: 0.3 * a + 0.2 * _first(a, b),
    "joined": lambda a, b: np.concatenate([np.ravel(a), np.ravel(b)])[:8],
    "selected": lambda a, b: np.where(_mask(a), a, _first(a, b)),
}


def _set_all(a, b):
    a[...] = 0.5 * _first(a, b)


def _set_first(a, b):
    a[0] = 0.1 * b.sum()


def _shift(a, b):
    a[1:] = 0.7 * a[:-1]


def _scale(a, b):
    a *= 0.5


def _add(a, b):
    a += 0.3 * _first(a, b)


def _subtract_reversed(a, b):
    a -= 0.5 * a[::-1]


def _square_tail(a, b):
    a[1:] *= 0.5 * a[1:]


def _fancy_set(a, b):
    a[[0, -1, 0]] = 0.1 * b.sum()


def _fancy_add(a, b):
    a[[0, -1]] += 0.2


def _masked(a, b):
    a[_mask(a)] = 0.25


def _masked_scale(a, b):
    a[_mask(a)] *= -0.5


def _out(a, b):
    np.multiply(a, 0.9, out=a)


def _where(a, b):
    np.add(a, 0.1, out=a, where=_mask(a))


def _at(a, b):
    np.add.at(a, [0, 0, -1], 0.2 * np.ravel(b)[0])


def _put(a, b):
    np.put(a, [0, a.size - 1], [0.3, 0.1])


def _copyto(a, b):
    np.copyto(a, _numbers(a), where=_mask(a))


def _flat(a, b):
    a.flat[0] = 0.5 * a.flat[a.size - 1]


def _fill(a, b):
    a.fill(0.4)


def _diagonal(a, b):
    if a.ndim == 2:
        np.fill_diagonal(a, 0.2)


CHANGE = [
    *(_set_all, _set_first, _shift, _scale, _add, _subtract_reversed, _square_tail, _fancy_set, _fancy_add, _masked),
    *(_masked_scale, _out, _where, _at, _put, _copyto, _flat, _fill, _diagonal),
]


def run(statements, x):
    """Execute statements on a growing list of arrays; the first is the (copied) input."""
    arrays = [x * 1.0, np.zeros_like(x)]
    for change, number, i, j in statements:
        a, b = arrays[i % len(arrays)], arrays[j % len(arrays)]
        if not change:
            make = list(MAKE.values())[number % len(MAKE)]
            made = make(a, b)
            if made.size and made.ndim:
                arrays.append(made)
        else:
            CHANGE[number % len(CHANGE)](a, b)
    return sum(total(np.tanh(a)) for a in arrays)


statement = st.tuples(st.booleans(), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))


@settings(max_examples=120, deadline=None)
@given(st.lists(statement, max_size=12), st.sampled_from([(4,), (2, 3), (3, 3)]))
def test_random_programs(statements, shape):
    x = np.linspace(0.2, 1.1, int(np.prod(shape))).reshape(shape)
    check(lambda x: run(statements, x), x)

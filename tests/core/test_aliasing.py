"""The model of docs/aliasing.md: which in-place changes are seen, pattern by pattern.

Three lists. A *program* is changed and read in one pass: value and derivative are NumPy's, by complex steps. A *story*
changes something between the passes, or after them, and tells what it found and what is right. What is *refused*
raises, and the message names the line with the comment ``# here``.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import twopass as tp

X = np.array([0.3, 1.7, -0.4, 0.9])
C = np.array([2.0, -1.0, 0.5, 3.0])

PROGRAMS, STORIES, REFUSED = {}, {}, {}


def pattern(kind):
    """Put a function into a list, under its name."""
    return lambda f: kind.setdefault(f.__name__.replace("_", " "), f)


program, story, refused = pattern(PROGRAMS), pattern(STORIES), pattern(REFUSED)


# --- programs: changed and read in one pass -----------------------------------------------------------------------


@program
def the_input_is_changed_after_it_was_used(x):
    y = x * x
    x[0] = 5.0
    return np.sum(y * x)


@program
def the_input_is_changed_before_it_is_used(x):
    x *= 2.0
    x[1] = x[2] * x[3]
    return np.sum(x**3)


@program
def two_names_of_one_array(x):
    y = x
    y += 1.0
    return np.sum(x * y)


@program
def a_new_array_under_an_old_name(x):
    y = x
    y = y + 1.0
    return np.sum(x * y)


@program
def a_view_is_written_to(x):
    y = x * 1.0
    tail = y[1:]
    tail[...] = tail[::-1] * 2.0
    return np.sum(y**2)


@program
def the_base_of_a_view_is_written_to(x):
    y = x * 1.0
    tail = y[1:]
    y[2] = y[0] * 3.0
    return np.sum(tail**2)


@program
def a_view_of_a_view_is_written_to(x):
    y = x * 1.0
    y.reshape(2, 2).T[0] *= y[:2]
    return np.sum(y**2)


@program
def a_fancy_index_makes_a_copy(x):
    y = x * 1.0
    part = y[np.array([0, 1])]
    part *= 7.0
    return np.sum(y**2) + np.sum(part)


@program
def a_shift_within_one_array(x):
    y = x * 1.0
    y[1:] = y[:-1]
    return np.sum(y**2)


@program
def a_swap_of_elements(x):
    y = x * 1.0
    y[0], y[1] = y[1], y[0]
    return np.sum(y * C)


@program
def a_swap_of_rows_is_wrong_as_in_numpy(x):
    y = (x * 1.0).reshape(2, 2)
    y[0], y[1] = y[1], y[0]  # both rows are views: the second row is lost
    return np.sum(y * C.reshape(2, 2))


@program
def a_swap_of_rows_by_an_index(x):
    y = (x * 1.0).reshape(2, 2)
    y[[0, 1]] = y[[1, 0]]
    return np.sum(y * C.reshape(2, 2))


@program
def out_is_an_operand(x):
    y = x * 1.0
    np.multiply(y, y, out=y)
    np.add(y[:-1], y[1:], out=y[1:])
    return np.sum(y * C)


@program
def copyto_put_fill_and_place(x):
    y, z = np.zeros_like(x), np.zeros_like(x)
    np.copyto(y, x * x, where=X > 0)
    np.put(y, [1, 2], x[:2])
    z.fill(x[3])
    np.place(z, X > 1, x[:1])
    return np.sum(y * C) + np.sum(z**2)


@program
def sorted_in_place(x):
    y = x * C
    y.sort()
    return np.sum(y * C)


@program
def a_plain_array_is_changed_after_it_was_used(x):
    c = C.copy()
    y = x * c
    c[:] = 100.0
    return np.sum(y * x)


@program
def a_plain_array_is_changed_through_a_view_after_it_was_used(x):
    c = C.copy()
    y = x * c[::-1]
    c *= 0.0
    return np.sum(y * x)


@program
def an_index_is_changed_after_it_was_used(x):
    where = np.array([0, 2, 2])
    y = x[where]
    where[:] = 1
    return np.sum(y**2)


@program
def a_list_of_indices_is_changed_after_it_was_used(x):
    where = [0, 2]
    y = x[where]
    where[0] = 3
    return np.sum(y**2)


@program
def a_mask_is_changed_after_it_was_used(x):
    mask = X > 0.5
    y, z = x[mask], np.where(mask, x, 2.0)
    mask[:] = False
    return np.sum(y**2) + np.sum(z**3)


@program
def a_keyword_is_changed_after_it_was_used(x):
    weights, where = np.array([1.0, 2.0, 3.0, 4.0]), X > 0
    y = np.average(x * x, weights=weights) + np.sum(x**2, where=where)
    weights[:] = 0.0
    where[:] = False
    return y


@program
def an_assigned_value_is_changed_after_it_was_assigned(x):
    y, value = x * 1.0, C[:2].copy()
    y[:2] = value
    value[:] = 9.0
    row = x[:2] * 3.0
    y[2:] = row
    row *= 0.0
    return np.sum(y**2)


@program
def one_buffer_for_two_results(x):
    buffer = np.empty_like(x)
    np.sin(x, out=buffer)
    first = buffer * x
    np.cos(x, out=buffer)
    return np.sum(first * buffer)


@program
def one_buffer_kept_twice(x):
    kept, buffer = [], np.zeros_like(x)
    for factor in (2.0, 3.0):
        buffer[...] = x * factor
        kept.append(buffer)  # the same array twice, as in NumPy
    return np.sum(kept[0] * kept[1])


@program
def the_same_list_entry_three_times(x):
    rows = [x[:2] * 1.0] * 3
    rows[0] += 1.0
    return np.sum(rows[1] * rows[2])


@program
def a_default_argument_that_collects(x):
    def collect(value, into=[]):  # noqa: B006 - that is the pattern
        into.append(value)
        return into

    collect(x[0] * 2.0)
    return np.prod(np.stack(collect(x[1])))


@program
def a_closure_that_keeps_a_view(x):
    y = x * 1.0
    state = {"view": y[1:3]}

    def step():
        state["view"] *= 1.5
        return np.sum(state["view"])

    return step() + step() + np.sum(y**2)


@program
def a_function_that_changes_its_argument(x):
    def normalise(v):
        v /= 1.0 + np.sum(v * v)

    y = x * 1.0
    normalise(y)
    normalise(y[:2])
    return np.sum(y * C)


@program
def a_loop_that_overwrites_its_state(x):
    state = np.zeros_like(x, shape=2)
    for value in x:
        state[0], state[1] = state[1] + value, state[0] * value
    return np.sum(state * C[:2])


@program
def zeros_of_a_traced_array(x):
    table = np.zeros_like(x, shape=(3, 2))
    table[0] = x[:2]
    table[1:, 1] = x[2:] * x[0]
    return np.sum(table**2)


@program
def zeros_of_twopass(x):
    table = tp.zeros((3, 4), x.dtype)
    table[0] = x
    table[1:, ::2] = x[:2] * x[2]
    table[2] += 1.0
    return np.sum(table**2)


@program
def zeros_of_twopass_that_nothing_is_assigned_to(x):
    return np.sum(x * x) + np.sum(tp.zeros(4)) * np.sum(x)


@program
def repeated_places(x):
    y = tp.zeros(4, x.dtype)
    y[[0, 0, 1]] = x[:3]  # the last one wins
    np.add.at(y, [2, 2, 3], x[1:])  # both count
    y[[3, 3]] += x[0]  # counts once
    return np.sum(y * C)


@program
def a_diagonal_is_filled(x):
    y = np.multiply.outer(x, x)
    np.fill_diagonal(y, x * 3.0)
    return np.sum(y * np.multiply.outer(C, C))


@program
def a_step_of_a_scan_that_changes_its_carry(x):
    def step(carry, value):
        carry[0] += value * carry[1]
        return carry, carry[0] * 2.0

    carry, ys = tp.scan(step, np.ones_like(x[:2]) * x[:2], x)
    return np.sum(carry) + np.sum(ys)


@program
def a_custom_rule_that_changes_its_argument(x):
    def cube(v):
        v = v * 1.0
        v *= v * v
        return v

    rule = tp.custom_rule(cube, jvp=lambda primals, tangents: (cube(*primals), 3 * primals[0] ** 2 * tangents[0]))
    return np.sum(rule(x)) + np.sum(x)


@program
def an_inner_gradient_is_written_into(x):
    inner = tp.grad(lambda v: np.sum(v**3 * C))(x) if not np.iscomplexobj(x) else 3 * x**2 * C
    inner[0] = x[1] * 2.0
    inner *= x
    return np.sum(inner)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    """Value and derivatives are those of NumPy's arrays, which complex steps differentiate."""
    f = PROGRAMS[name]
    plain = f(X.copy())
    given = X.copy()
    value, gradient = tp.value_and_grad(f)(given)
    np.testing.assert_array_equal(given, X)  # the caller's array is never changed
    assert value == pytest.approx(plain, rel=1e-13)
    expected = tp.finite_difference(f, method="complex-step")(X)
    np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-11)
    slope = tp.jvp(f, (X,), (C,))[1]
    assert slope == pytest.approx(np.sum(expected * C), rel=1e-11, abs=1e-11)


# --- stories: something is changed between the passes, or after them ------------------------------------------------


@story
def the_input_is_changed_before_the_backward_pass():
    x = X.copy()
    _, pullback = tp.vjp(lambda v: v * v, x)
    x[:] = 100.0
    return pullback(np.ones(4))[0], 2 * X


@story
def the_output_is_changed_before_the_backward_pass():
    out, pullback = tp.vjp(np.exp, X)
    out[:] = 100.0
    return pullback(np.ones(4))[0], np.exp(X)


@story
def the_output_is_the_input():
    out, pullback = tp.vjp(lambda v: v, X)
    out[:] = 100.0
    return [X, pullback(np.ones(4))[0]], [np.array([0.3, 1.7, -0.4, 0.9]), np.ones(4)]


@story
def a_plain_array_is_changed_before_the_backward_pass():
    c = C.copy()
    _, pullback = tp.vjp(lambda v: v * c, X)
    c[:] = 100.0
    return pullback(np.ones(4))[0], C


@story
def a_read_only_view_of_a_plain_array_is_changed_through_its_base():
    base = C.copy()
    view = base[:]
    view.flags.writeable = False
    _, pullback = tp.vjp(lambda v: v * view, X)
    base[:] = 100.0
    return pullback(np.ones(4))[0], C


@story
def a_gradient_is_written_into_and_the_pullback_called_again():
    _, pullback = tp.vjp(lambda v: v * C, X)
    first = pullback(np.ones(4))[0]
    first[:] = 100.0
    return pullback(np.ones(4))[0], C


@story
def a_cotangent_is_changed_after_it_was_used():
    _, pullback = tp.vjp(lambda v: v * 1.0, X)
    cotangent = np.ones(4)
    gradient = pullback(cotangent)[0]
    cotangent[:] = 100.0
    return gradient, np.ones(4)


@story
def a_tangent_is_changed_after_it_was_used():
    tangent = np.ones(4)
    out = tp.jvp(lambda v: v, (X,), (tangent,))[1]
    tangent[:] = 100.0
    return out, np.ones(4)


@story
def one_array_for_two_arguments():
    first, second = tp.grad(lambda a, b: np.sum(a + b), (0, 1))(X, X)
    first[:] = 100.0
    return second, np.ones(4)


@story
def one_array_twice_in_a_tree():
    gradient = tp.grad(lambda p: np.sum(p["a"] * p["b"]))({"a": X, "b": X})
    gradient["a"][:] = 100.0
    return gradient["b"], X


@story
def the_function_changes_one_of_two_names_of_its_argument():
    def f(a, b):
        a *= 2.0  # inside, the arguments are two arrays
        return np.sum(a * b)

    return list(tp.grad(f, (0, 1))(X, X)), [2 * X, 2 * X]


@story
def the_caller_keeps_its_array():
    x = X.copy()

    def f(v):
        v[:] = 0.0
        return np.sum(v)

    tp.grad(f)(x)
    tp.jvp(f, (x,), (C,))
    return x, X


@story
def an_argument_that_is_not_differentiated_is_the_callers_own():
    c = C.copy()

    def f(v, c):
        y = np.sum(v * c)
        c[:] = 0.0  # a plain array: changed, as by any function
        return y

    return [tp.grad(f)(X, c), c], [C, np.zeros(4)]


@story
def auxiliary_data_is_changed():
    _, aux = tp.grad(lambda v: (np.sum(v * v), v), has_aux=True)(X)
    aux[:] = 100.0
    return X, np.array([0.3, 1.7, -0.4, 0.9])


@story
def the_pullback_of_a_custom_rule_reads_an_array_that_changes():
    c = C.copy()

    def pullback_of(v):
        kept = c.copy()  # what a pullback of one's own keeps is its own affair
        return np.sum(v * c), lambda cotangent: (cotangent * kept,)

    rule = tp.custom_rule(lambda v: np.sum(v * c), vjp=pullback_of)
    _, pullback = tp.vjp(rule, X)
    c[:] = 100.0
    return pullback(1.0)[0], C


@story
def a_buffer_of_an_outer_trace_takes_values_of_an_inner_one():
    def outer(x):
        def inner(y):
            buffer = tp.zeros(2)
            buffer[0] = x * y**2
            buffer[1] = y
            return np.sum(buffer**2)

        return tp.grad(inner)(x)  # 4 x^5 + 2 x

    return tp.grad(outer)(1.5), 20 * 1.5**4 + 2


@story
def zeros_of_twopass_outside_of_derivatives():
    made = tp.zeros((2, 3), np.float32)
    whole = tp.grad(lambda x: (x, tp.zeros(2, int)), has_aux=True)(1.0)[1]
    return [type(made) is np.ndarray, made.dtype == np.float32, type(whole) is np.ndarray], [True, True, True]


@story
def zeros_of_twopass_in_compiled_code():
    def f(x):
        table = tp.zeros((2, 4))
        table[0] = x * x
        table[1, 1:] = table[0, :-1] * x[0]
        return np.sum(table**2)

    return [tp.compile(f)(X), tp.compile(tp.grad(f))(X)], [f(X), tp.grad(f)(X)]


@story
def an_argument_of_compiled_code_is_changed_between_calls():
    f, x = tp.compile(lambda v: v * 2.0), X.copy()
    first = f(x)
    x[:] = 1.0
    return [first, f(x)], [2 * X, np.full(4, 2.0)]


@story
def a_result_of_compiled_code_is_written_into():
    f = tp.compile(lambda v: (v, v * 2.0, np.ones(4) * 3.0))
    for result in f(X):
        result[:] = 100.0
    return list(f(X)), [X, 2 * X, np.full(4, 3.0)]


@story
def a_captured_array_is_a_constant_of_compiled_code():
    c = C.copy()
    f = tp.compile(lambda v: np.sum(v * c))
    before = f(X)
    c[:] = 0.0  # compiled code keeps what it saw: pass as an argument what changes
    return [f(X), tp.compile(lambda v: np.sum(v * c))(X)], [before, 0.0]


@story
def a_captured_array_is_a_constant_of_a_compiled_scan():
    c = np.array([2.0])
    f = tp.compile(lambda v: tp.scan(lambda total, value: (total * c[0] + value, None), 0.0, v)[0])
    before = f(X)
    c[0] = 100.0
    return f(X), before


@story
def an_eager_scan_reads_an_array_as_each_step_finds_it():
    def loop(v):
        c = np.ones(())

        def step(total, value):
            c[...] += 1.0
            return total * c + value, total

        return tp.scan(step, 0.0, v)[0]

    return tp.grad(loop)(X), tp.finite_difference(loop, method="complex-step")(X)


@story
def the_rows_of_a_fit_are_changed_by_a_callback():
    """Each epoch reads the rows as they are then."""
    x, y = np.ones((8, 1)), np.ones(8)

    class Shift(tp.train.Callback):
        def on_epoch_end(self, run, record):
            y[:] = 3.0

    def fit(backend, target, epochs, callbacks=()):
        trainer = tp.Trainer(tp.nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.1), seed=0, backend=backend)
        for epoch in range(epochs):
            trainer.fit(x, target[epoch], epochs=1, batch_size=8)
        return trainer

    found, right = [], []
    for backend in ("numpy", "auto"):
        y[:] = 1.0
        trainer = tp.Trainer(tp.nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.1), seed=0, backend=backend)
        trainer.fit(x, y, epochs=2, batch_size=8, callbacks=[Shift()])
        found.append(trainer.predict(x))
        right.append(fit(backend, [np.ones(8), np.full(8, 3.0)], 2).predict(x))
    return found, right


@story
def the_parameters_of_a_trainer_are_written_into():
    x, y = np.ones((8, 1)), np.ones(8)
    trainer = tp.Trainer(tp.nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.1), seed=0)
    trainer.fit(x, y, epochs=1)
    before = trainer.predict(x)
    for leaf in tp.tree.leaves(trainer.params):
        with pytest.raises(ValueError, match="read-only"):
            leaf[...] = 100.0
    return trainer.predict(x), before


@pytest.mark.parametrize("name", STORIES)
def test_story(name):
    found, right = STORIES[name]()
    for one, other in zip(tp.tree.leaves(found), tp.tree.leaves(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


# --- refused: raises, and names the line ----------------------------------------------------------------------------


@refused
def an_element_of_a_plain_array(x):
    b = np.zeros(4)
    b[0] = x[0]  # here
    return np.sum(b)


@refused
def a_slice_of_a_plain_array(x):
    b = np.zeros(4)
    b[1:] = x[1:]  # here
    return np.sum(b)


@refused
def places_of_a_plain_array(x):
    b = np.zeros(4)
    b[[0, 2]] = x[:2]  # here
    return np.sum(b)


@refused
def a_masked_part_of_a_plain_array(x):
    b = np.zeros(4)
    b[X > 0.5] = x[X > 0.5]  # here
    return np.sum(b)


@refused
def an_element_of_an_integer_array(x):
    b = np.zeros(4, int)
    b[0] = x[0]  # here
    return np.sum(b * x)


@refused
def an_element_of_a_traced_integer_array(x):
    b = np.zeros_like(x, dtype=int)
    b[0] = x[0]  # here
    return np.sum(b * x)


@refused
def a_plain_array_plus_equals(x):
    b = np.zeros(4)
    b += x  # here
    return np.sum(b)


@refused
def an_element_of_a_plain_array_plus_equals(x):
    b = np.zeros(4)
    b[0] += x[0]  # here
    return np.sum(b)


@refused
def a_plain_out(x):
    b = np.zeros(4)
    np.multiply(x, x, out=b)  # here
    return np.sum(b)


@refused
def a_plain_out_of_a_reduction(x):
    b = np.zeros(())
    np.sum(x, out=b)  # here
    return b * 2.0


@refused
def copyto_a_plain_array(x):
    b = np.zeros(4)
    np.copyto(b, x)  # here
    return np.sum(b)


@refused
def put_into_a_plain_array(x):
    b = np.zeros(4)
    np.put(b, [0], x[:1])  # here
    return np.sum(b)


@refused
def a_plain_array_is_filled(x):
    b = np.zeros(4)
    b.fill(x[0])  # here
    return np.sum(b)


@refused
def add_at_a_plain_array(x):
    b = np.zeros(4)
    np.add.at(b, [0, 0], x[0])  # here
    return np.sum(b)


@refused
def an_array_of_a_list(x):
    b = np.array([x[0], x[1] * 2.0])  # here
    return np.sum(b)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mode", ["reverse", "forward", "hessian"])
def test_refused(name, mode):
    """An error names the line, and what to write."""
    f = REFUSED[name]
    run = {
        "reverse": lambda: tp.grad(f)(X),
        "forward": lambda: tp.jvp(f, (X,), (C,)),
        "hessian": lambda: tp.hessian(f)(X),
    }
    with pytest.raises(tp.errors.DetachedError) as caught:
        run[mode]()
    lines, first = inspect.getsourcelines(f)
    line = first + next(number for number, text in enumerate(lines) if "# here" in text)
    assert f"test_aliasing.py:{line})" in str(caught.value)
    if name != "an element of a traced integer array":
        for advice in ("np.zeros_like", "tp.zeros", "np.stack"):
            assert advice in str(caught.value)


@pytest.mark.parametrize("name", [name for name in REFUSED if "traced" not in name])
def test_compiled_code_refuses_the_same(name):
    with pytest.raises((tp.errors.CaptureError, tp.errors.DetachedError), match=r"test_aliasing\.py"):
        tp.compile(REFUSED[name])(X)


def test_compiled_code_does_not_change_its_arguments():
    def f(x):
        x[0] = 1.0  # here
        return np.sum(x)

    _, first = inspect.getsourcelines(f)
    with pytest.raises(tp.errors.CaptureError, match=rf"test_aliasing\.py:{first + 1}\).*x = x.copy\(\)"):
        tp.compile(f)(X)


def test_a_read_only_view_is_not_written_to():
    def f(x):
        np.broadcast_to(x, (2, 4))[0] = 1.0
        return np.sum(x)

    _, first = inspect.getsourcelines(f)
    with pytest.raises(ValueError, match=rf"read-only.*test_aliasing\.py:{first + 1}\)"):
        tp.grad(f)(X)


def test_the_flat_iterator_of_a_plain_array_raises_without_advice():
    def f(x):
        b = np.zeros(4)
        b.flat[0] = x[0]  # NumPy hides why, but not where
        return np.sum(b)

    with pytest.raises(ValueError, match="single item"):
        tp.grad(f)(X)


def test_there_are_many_patterns():
    assert len(PROGRAMS) + len(STORIES) + len(REFUSED) >= 40

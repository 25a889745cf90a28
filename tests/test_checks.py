from __future__ import annotations

import typing
from collections.abc import Callable
from fractions import Fraction as Rational
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.checks import Count, Finite, Fraction, NonNegative, OpenFraction, Positive, check, interval
from twopass.errors import ArgumentError

Schedule = Positive | Callable[[Any], Any]


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (0, Fraction, 0.0),
        (np.float32(0.5), Fraction, 0.5),
        (Rational(1, 2), OpenFraction, 0.5),
        (np.int8(3), Count, 3),
        (np.array(3), Count, 3),
        (0, NonNegative, 0.0),
        (-3, Finite, -3.0),
        (True, bool, True),
        (np.bool_(False), bool, False),
        ("b", Literal["a", "b"], "b"),
        (None, Positive | None, None),
        (2, typing.Optional[Positive], 2.0),  # noqa: UP045 - the older spelling is another type
        (2, Schedule, 2.0),
        (abs, Schedule, abs),
        (abs, Callable, abs),
        (1, Positive | bool, 1.0),
        (True, Positive | bool, True),
    ],
)
def test_gives_the_one_form(value: Any, hint: Any, expected: Any) -> None:
    found = check("rate", value, hint)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "hint", [Any, float, int, str, "Positive", None, Positive | str, Annotated[float, "in metres"]]
)
def test_other_annotations_are_not_checked(hint: Any) -> None:
    value = object()
    assert check("rate", value, hint) is value


NUMBERS = "a number in "


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        (1, Fraction, NUMBERS + "[0, 1)"),
        (0, OpenFraction, NUMBERS + "(0, 1)"),
        (-1e-9, NonNegative, NUMBERS + "[0, inf)"),
        (np.nan, Finite, NUMBERS + "(-inf, inf)"),
        (np.inf, Finite, NUMBERS + "(-inf, inf)"),
        (10**400, Finite, NUMBERS + "(-inf, inf)"),
        (True, Positive, NUMBERS + "(0, inf)"),
        ("1", Positive, NUMBERS + "(0, inf)"),
        (None, Positive, NUMBERS + "(0, inf)"),
        (1j, Positive, NUMBERS + "(0, inf)"),
        (np.ones(2), Positive, NUMBERS + "(0, inf)"),
        (0, Count, "a whole number in [1, inf)"),
        (2.0, Count, "a whole number in [1, inf)"),
        (True, Count, "a whole number in [1, inf)"),
        (1, bool, "True or False"),
        ("c", Literal["a", "b"], "one of 'a', 'b'"),
        (np.ones(2), Literal["a", "b"], "one of 'a', 'b'"),
        ("relu", Callable[[Any], Any], "a function"),
        (-1, Schedule, NUMBERS + "(0, inf) or a function"),
        (0, Positive | None, NUMBERS + "(0, inf) or None"),
    ],
)
def test_says_what_is_allowed(value: Any, hint: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        check("Dropout: rate", value, hint)
    assert str(caught.value).startswith(f"Dropout: rate must be {words}, not {value!r} (at ")


@given(st.floats(-3, 3), st.sampled_from("[("), st.sampled_from("])"))
def test_an_interval_is_read_as_in_mathematics(value: float, left: str, right: str) -> None:
    inside = -1 < value < 2 or (value == -1 and left == "[") or (value == 2 and right == "]")
    for each, expected in ((value, inside), (-1.0, left == "["), (2.0, right == "]")):
        try:
            accepted = check("x", each, Annotated[float, interval(f"{left}-1, 2{right}")]) == each
        except ArgumentError:
            accepted = False
        assert accepted == expected

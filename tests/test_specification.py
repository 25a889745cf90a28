"""What all specifications share, on a family of two classes, and on the families of twopass."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from twopass import nn, optim
from twopass.checks import Count, Positive
from twopass.errors import ArgumentError, ModelError
from twopass.nn.registry import Registry
from twopass.specification import Family, Specification

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOWS: Registry[Any] = Registry("window")
WINDOWS.register("hann", np.hanning)


class Filter(Specification, abstract=True):
    family = Family("filters", "Give it again.", {"window": WINDOWS})


@dataclasses.dataclass(frozen=True)
class Blur(Filter):
    width: Positive
    border: Literal["zero", "wrap"] = "zero"
    passes: Count = dataclasses.field(default=1, kw_only=True)


@dataclasses.dataclass(frozen=True)
class Bank(Filter):
    filters: Any = ()
    offsets: Sequence[float] | None = None
    is_open: bool = True


def through_json(filter_: Filter) -> Any:
    return Filter.family.from_config(json.loads(json.dumps(filter_.config())))


EXAMPLES = [
    Blur(1.0),
    Blur(0.5, "wrap", passes=3),
    Bank(),
    Bank((Blur(1.0), Bank((), (0.5, None, "x", (True, 2))))),
    Bank("hann", is_open=False),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=repr)
def test_survives_json(example: Filter) -> None:
    again = through_json(example)
    assert again == example
    assert hash(again) == hash(example)


def test_functions_are_written_by_name() -> None:
    assert Bank(np.hanning).config() == {"class": "Bank", "filters": "hann", "offsets": None, "is_open": True}
    (again,) = through_json(Bank([functools.partial(np.hanning, M=3)])).filters
    np.testing.assert_array_equal(again(), [0, 1, 0])


def test_repr_shows_what_differs_from_the_defaults() -> None:
    assert repr(Blur(1)) == "Blur(1.0)"
    assert repr(Blur(1, "wrap", passes=2)) == "Blur(1.0, border='wrap', passes=2)"
    assert repr(Bank((Blur(1),))) == "Bank(filters=(Blur(1.0),))"
    assert repr(Bank(offsets=np.ones(2))) == "Bank(offsets=array([1., 1.]))"


def test_a_class_may_have_a_repr_of_its_own() -> None:
    @dataclasses.dataclass(frozen=True)
    class Shy(Blur):
        def __repr__(self) -> str:
            return "..."

    assert repr(Shy(1)) == "..."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blur(0), r"Blur: width must be a number in \(0, inf\), not 0 "),
        (lambda: Blur(1, "mirror"), "Blur: border must be one of 'zero', 'wrap', not 'mirror'"),
        (lambda: Blur(1, passes=0), r"Blur: passes must be a whole number in \[1, inf\), not 0"),
        (lambda: Bank(is_open=1), "Bank: is_open must be True or False, not 1"),
    ],
)
def test_parameters_are_checked(make: Callable[[], Filter], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_numpy_scalars_become_python_numbers() -> None:
    blur = Blur(np.float64(0.1), passes=np.int8(2))
    assert [type(blur.width), type(blur.passes)] == [float, int]


def test_annotations_that_cannot_be_evaluated_are_not_checked() -> None:
    class Local:
        pass

    @dataclasses.dataclass(frozen=True)
    class Holder(Blur):
        part: Local | None = None

    assert Holder(1, part=Local()).part is not None
    with pytest.raises(ArgumentError, match="Holder: width must be"):
        Holder(0)


def test_copies() -> None:
    assert Blur(1, "wrap")._replaced(width=2) == Blur(2, "wrap")
    with pytest.raises(ArgumentError, match="width must be"):
        Blur(1)._replaced(width=-1)


def test_values() -> None:
    encode, decode = Filter.family.encode, Filter.family.decode
    values = (None, True, np.int8(3), np.bool_(False), np.float64(0.5), "x", (1, [2]), np.float32([[1.5]]))
    *plain, array = decode(json.loads(json.dumps(encode(values, "the value"))))
    assert plain == [None, True, 3, False, 0.5, "x", (1, (2,))]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1.5]])


@pytest.mark.parametrize("value", [lambda x: x, object(), nn.L2(0.1), 1j, {"a": 1}, np.tan])
def test_what_cannot_be_written(value: Any) -> None:
    message = "Bank: filters is .*, which has no name to save it under.* names and numbers, never code. Give it again."
    with pytest.raises(ModelError, match=message):
        Bank((1.0, value)).config()


def test_a_specification_must_be_a_dataclass() -> None:
    class Bare(Filter):
        pass

    assert repr(Bare()) == "Bare()"
    with pytest.raises(ModelError, match=r"Bare is no dataclass.*@dataclass\(frozen=True\)"):
        Bare().config()


def test_of_two_classes_with_one_name_the_newest_is_found() -> None:
    first = dataclasses.make_dataclass("Twin", [], bases=(Filter,), frozen=True)
    second = dataclasses.make_dataclass("Twin", [], bases=(Filter,), frozen=True)
    assert type(through_json(first())) is second


@pytest.mark.parametrize(
    ("name", "base"), [("Dense", nn.Layer), ("SGD", optim.Transformation), ("F1", nn.metrics.Metric)]
)
def test_names_of_twopass_are_taken(name: str, base: type) -> None:
    with pytest.raises(ArgumentError, match=rf"class name {name} is taken by twopass\..* Rename the new class"):
        type(name, (base,), {})


def test_families_do_not_share_names() -> None:
    own = dataclasses.make_dataclass("Adam", [], bases=(Filter,), frozen=True)
    assert type(through_json(own())) is own
    assert optim.from_config({"class": "Adam"}) == optim.Adam()


FILTERS = "configuration of filters is a dict with the key 'class'"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class": "Blurr"}, "no class of filters named 'Blurr'.*Did you mean 'Blur'.*import its module"),
        ({"class": "Filter"}, "no class of filters named 'Filter'"),
        ({"class": "Blur", "size": 3}, r"\['size'\] do not make a Blur.* unexpected keyword .*pip install -U"),
        ({"class": "Blur"}, "do not make a Blur"),
        ({"class": "Blur", "width": -1.0}, "do not make a Blur.* width must be"),
        ({"class": "Bank", "filters": {"what": 1}}, r"\['what'\] are not the keys"),
        ({"class": "Bank", "filters": {"array": 1}}, "do not make a Bank.* 'dtype'"),
        ({"class": "Bank", "filters": {"array": [1], "dtype": "x"}}, "do not make a Bank"),
        ({"class": "Bank", "filters": [{"class": "Blur", "width": 0}]}, r"\['width'\] do not make a Blur"),
        ({"width": 3}, FILTERS),
        ({}, FILTERS),
        ("Blur", FILTERS),
        ({"class": ["Blur"]}, FILTERS),
    ],
)
def test_damaged_configurations(config: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Filter.family.from_config(config)

"""Which functions are differentiated and compiled: ``python -m tests.coverage_table`` writes docs/coverage.md.

The page is made from the registry of rules, and says only what has run: the examples of every function, in every mode.
What has no rule is called with a traced array; the page shows the error that it raises.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.timing import table
from tests.api.test_numpy_surface import FUNCTIONS, NOT_DISPATCHED, OTHER_ARGUMENTS, TRIALS
from tests.rules import laws

import twopass as tp
from twopass.core.array import Array
from twopass.core.rule import RULES
from twopass.program.ir import Call, Repeat
from twopass.rules.kinds import Constant, Unsupported

PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"

Run = Callable[[list[Any]], Any]

# --- what there is --------------------------------------------------------------------------------------------------


def numpy_functions(prefix: str) -> dict[str, Any]:
    """The public functions of a module of NumPy, each under all its names."""
    names: dict[Any, list[str]] = defaultdict(list)
    module = getattr(np, prefix[:-1]) if prefix else np
    for name in dir(module):
        function = getattr(module, name)
        known = _FIRST.get(function, ".") if callable(function) and not isinstance(function, type) else "."
        if known.startswith(prefix) and "." not in known[len(prefix) :]:
            names[function].append(f"np.{prefix}{name}")
    return {", ".join(found): function for function, found in names.items()}


#: The name under which `FUNCTIONS` has a function.
_FIRST = {function: name for name, function in FUNCTIONS.items()}


def scipy_functions() -> dict[str, Any]:
    """The public functions of `scipy.special`."""
    special = importlib.import_module("scipy.special")
    with contextlib.suppress(Exception):
        tp.grad(lambda x: special.expit(x))(0.5)  # rules may be registered when SciPy's functions first meet an array
    names: dict[Any, list[str]] = defaultdict(list)
    for name in dict.fromkeys(special.__all__):
        function = getattr(special, name)
        if callable(function) and not isinstance(function, type) and function not in _FIRST:
            names[function].append(f"special.{name}")
    return {", ".join(found): function for function, found in names.items()}


def scipy_trials(function: Any) -> list[Callable[[Any], Any]]:
    """Arguments for a function of `scipy.special` that has no rule."""
    if isinstance(function, np.ufunc):
        return [lambda x: (x,) * function.nin]
    return [lambda x: (x,), lambda x: (x, x), lambda x: (1, x), lambda x: (1, x, x)]


def ufunc_methods() -> dict[str, Any]:
    """Methods of ufuncs that have a rule; what all ufuncs have is listed for two of them."""
    found = [function for function in laws.examples_by_operator() if isinstance(owner(function), np.ufunc)]
    return {f"np.{laws.label(function)}": function for function in found}


def owner(function: Any) -> Any:
    """What a method belongs to."""
    return getattr(function, "__self__", None)


# --- what happens ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What is known of one function.

    Attributes
    ----------
    name : str
        With its other names.
    kind : {"derivative", "zero", "raises", "plain", "lost"}
        Differentiated; of a derivative that is zero wherever it exists; refused by name; without any argument that has
        a derivative; or giving plain numbers for traced ones, which must not be.
    cells : tuple of str
        For what is differentiated: forward, reverse, second order, compiled value, compiled gradient.
    reason : str
        For what raises: what the error advises.
    """

    name: str
    kind: str
    cells: tuple[str, ...] = ()
    reason: str = ""


def examine(name: str, function: Any, trials: Sequence[Callable[[Any], Any]]) -> Row:
    """Find out about a function: by its examples, else by calling it with traced arrays."""
    cases = laws.cases_of(function)
    if cases:
        samples = [laws.Sample(case, 0) for case in cases]
        return Row(name, "derivative", _cells([(sample.run, sample.operands) for sample in samples]))
    rule = RULES.get(function)
    if isinstance(rule, Unsupported):
        return Row(name, "raises", reason=rule.instead)
    if _FIRST.get(function) in NOT_DISPATCHED | OTHER_ARGUMENTS:
        return Row(name, "plain")
    accepted = [run for run in (_calling(function, trial) for trial in trials) if _works(run)]
    return _tried(name, accepted, isinstance(rule, Constant))


def _calling(function: Any, trial: Callable[[Any], Any]) -> Run:
    return lambda xs: function(*trial(xs[0]))


_POINT = np.array([[0.53, 0.27], [0.71, 0.62]])


def _works(run: Run) -> bool:
    """Whether NumPy takes plain arrays."""
    try:
        run([_POINT.copy()])
    except Exception:
        return False
    return True


def _tried(name: str, accepted: Sequence[Run], constant: bool) -> Row:
    """What happens to traced arrays in the calls that NumPy accepts."""
    kinds: dict[str, list[Run]] = defaultdict(list)
    reason = ""
    for run in accepted:
        try:
            kind = _outcome(run)
            if kind == "derivative":
                _ask_for_gradient(_leaves(run))  # a function may have a derivative in some of its arguments only
            kinds[kind].append(run)
        except tp.errors.DifferentiationError as error:
            kinds["raises"].append(run)
            reason = reason or re.sub(r"^.*? \(at [^)]*\)\. ", "", str(error))
        except Exception as error:
            kinds["raises"].append(run)
            reason = reason or f"({type(error).__name__}, by the library itself.)"
    if constant:
        return Row(name, "zero" if "zero" in kinds else "plain")
    if "lost" in kinds:
        return Row(name, "lost")
    if "derivative" in kinds:
        return Row(name, "derivative", _cells([(_leaves(run), [_POINT.copy()]) for run in kinds["derivative"]]))
    if "raises" in kinds:
        return Row(name, "raises", reason=reason)
    return Row(name, "zero" if accepted else "plain")


def _outcome(run: Run) -> str:
    """Whether a traced array gives traced floats, no floats, or plain ones that should be traced."""
    seen = []

    def watched(x: Any) -> Any:
        out = run([x])
        seen.extend(tp.tree.leaves(x if out is None else out))
        return x[0, 0]

    tp.grad(watched)(_POINT.copy())
    if any(type(leaf) is Array and leaf.dtype.kind in "fc" for leaf in seen):
        return "derivative"
    plain = [leaf for leaf in seen if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc"]
    return "lost" if plain and not _same(run) else "zero"


def _ask_for_gradient(run: Run) -> None:
    """Raise what twopass raises where there is no derivative; other exceptions will be seen in all modes."""
    try:
        out, pullback = tp.vjp(lambda x: run([x]), _POINT.copy())
        pullback(tuple(np.ones_like(leaf) for leaf in out))
    except tp.errors.DifferentiationError:
        raise
    except Exception:
        return


def _same(run: Run) -> bool:
    """Whether a plain call gives the same for an array that is a little different."""
    before, after = (tp.tree.leaves(run([x])) for x in (_POINT.copy(), _POINT + 1e-6))
    return len(before) == len(after) and all(map(np.array_equal, before, after))


def _leaves(run: Run) -> Run:
    """The inexact leaves of a call's result; of a function that changes its argument, the argument."""

    def leaves(xs: list[Any]) -> tuple[Any, ...]:
        xs = [np.copy(xs[0])]
        out = run(xs)
        found = tp.tree.leaves(xs if out is None else out)
        return tuple(leaf for leaf in found if getattr(leaf, "dtype", np.dtype(int)).kind in "fc")

    return leaves


def _cells(calls: Sequence[tuple[Run, list[Any]]]) -> tuple[str, ...]:
    """Run calls in every mode, and through the compiler as far as the list of kernels."""
    modes = [_run_in_every_mode(run, operands) for run, operands in calls]
    return tuple(_share(column) for column in zip(*modes, strict=True))


def _share(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else "in part native" if "native" in values else "in part"


def _run_in_every_mode(run: Run, operands: list[Any]) -> tuple[str, ...]:
    rng = np.random.default_rng(0)
    tangents = laws.direction(operands, rng)
    cotangents = tuple(laws.direction([np.asarray(leaf) for leaf in run(operands)], rng))

    def gradient(xs: list[Any]) -> Any:
        return laws.pull(run, xs, cotangents)

    def both(xs: list[Any], cts: Any) -> Any:
        out, pullback = tp.vjp(lambda *xs: run(list(xs)), *xs)
        return out, pullback(cts)

    return (
        _yes(lambda: laws.push(run, operands, tangents)),
        _yes(lambda: gradient(operands)),
        _yes(lambda: laws.push(gradient, operands, tangents)),
        _compiled(lambda xs: run(list(xs)), operands),
        _compiled(both, operands, cotangents),
    )


def _yes(do: Callable[[], Any]) -> str:
    try:
        do()
    except tp.errors.DifferentiationError:
        return "raises"
    except Exception:
        return "fails"
    return "yes"


def _compiled(function: Any, *arguments: Any) -> str:
    """Whether a function becomes kernels alone, or a program with calls of NumPy, or cannot be captured."""
    try:
        program = tp.compile(function).trace(*arguments).program
    except tp.errors.CaptureError:
        return "raises"
    except Exception:
        return "fails"
    return "NumPy" if any(_calls(program.statements)) else "native"


def _calls(statements: Sequence[Any]) -> Iterator[Call]:
    for statement in statements:
        if isinstance(statement, Repeat):
            yield from _calls(statement.body)
        elif isinstance(statement, Call):
            yield statement


# --- methods of arrays ----------------------------------------------------------------------------------------------

#: Arguments to try: the first that NumPy takes are used. (A method that writes a file gets its name.)
_METHOD_TRIALS: list[tuple[Any, ...]] = [(), ("file",), (1,), (0, 1), ([0], 1.0), ([True, False], 0), (float,)]


def array_methods() -> dict[str, Any]:
    """The public methods and attributes of arrays, as functions of the array."""
    return {f"x.{name}": name for name in dir(np.ndarray) if not name.startswith("_")}


def examine_method(name: str, attribute: str, trials: Sequence[tuple[Any, ...]]) -> Row:
    """Find out about a method or an attribute of arrays."""

    def get(xs: list[Any], arguments: tuple[Any, ...], row: bool) -> Any:
        value = getattr(xs[0][0] if row else xs[0], attribute)
        if attribute == "flat":
            return value[:]
        return value(*arguments) if callable(value) else value

    runs = [functools.partial(get, arguments=trial, row=row) for row in (False, True) for trial in trials]
    return _tried(name, [run for run in runs if _works(run)][:1], False)


# --- the page -------------------------------------------------------------------------------------------------------

SECTIONS = {
    "numpy": "`numpy`",
    "linalg": "`numpy.linalg`",
    "fft": "`numpy.fft`",
    "arrays": "Methods and attributes of arrays",
    "ufuncs": "Methods of ufuncs",
    "special": "`scipy.special`",
}
KINDS = ("derivative", "zero", "raises", "plain")
HEADER = ("", "forward", "reverse", "second order", "compiled", "compiled gradient")

INTRODUCTION = """# Coverage

{both} functions and methods are differentiated in forward and in reverse mode; {zero} more have a derivative that is
zero wherever it exists. This page is made from the registry of rules by `python -m tests.coverage_table`, with
{versions}. The examples of every function have run in every mode, on float64, and a test compares the page
with what runs. Whether the numbers are right is the matter of other tests: every rule obeys each law of
differentiation at 40 random points or more (`tests/rules/test_conformance.py`).

{summary}

- *Second order* is forward mode over reverse mode.
- *Compiled*: `tp.compile` makes kernels of the function (*native*), or a call of NumPy inside of the compiled program
  (*NumPy*); of some examples the one and of others the other (*in part native*). *Compiled gradient* says it of the
  function together with its reverse pass. What raises there has a result whose shape depends on values.
- *Zero*: comparisons, rounding, counts, positions, types. The results are plain values.
- *Raises*: the error names the function and the line, and says what to write instead, as here.
- *No derivative*: makes arrays out of nothing, or takes integers, strings, dates, files or settings only.

Operators (`+`, `@`, `x[i]`, `x[i] = y`, `+=`, `<`) are those of the functions, and are not counted."""


def rows() -> dict[str, list[Row]]:
    """Everything that the page shows, by section."""
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        os.chdir(folder)  # some functions write files
        try:
            return {
                "numpy": [examine(name, function, TRIALS) for name, function in numpy_functions("").items()],
                "linalg": [examine(name, function, TRIALS) for name, function in numpy_functions("linalg.").items()],
                "fft": [examine(name, function, TRIALS) for name, function in numpy_functions("fft.").items()],
                "arrays": [examine_method(name, own, _METHOD_TRIALS) for name, own in array_methods().items()],
                "ufuncs": [examine(name, function, ()) for name, function in ufunc_methods().items()],
                "special": [examine(name, f, scipy_trials(f)) for name, f in scipy_functions().items()],
            }
        finally:
            os.chdir(home)


def versions() -> str:
    """What the page depends on besides twopass."""
    scipy = importlib.import_module("scipy")
    return f"NumPy {_minor(np.__version__)} and SciPy {_minor(scipy.__version__)}"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def in_both_modes(found: Sequence[Row]) -> int:
    """How many are differentiated in forward and in reverse mode, in all their examples."""
    return sum(row.cells[:2] == ("yes", "yes") for row in found)


def page(found: dict[str, list[Row]]) -> str:
    """The whole page."""
    counts = [
        [in_both_modes(section), *(sum(row.kind == kind for row in section) for kind in KINDS[1:]), len(section)]
        for section in found.values()
    ]
    total = [sum(column) for column in zip(*counts, strict=True)]
    lines = zip([*(SECTIONS[name] for name in found), "all"], [*counts, total], strict=True)
    summary = table(
        ["", "both modes", "zero", "raises", "no derivative", "public"],
        [[title, *(f"{number:,}" for number in count)] for title, count in lines],
    )
    introduction = INTRODUCTION.format(both=total[0], zero=total[1], versions=versions(), summary=summary)
    return "\n\n".join([introduction, *(_section(SECTIONS[name], section) for name, section in found.items())]) + "\n"


def _section(title: str, found: Sequence[Row]) -> str:
    """The table of what is differentiated, and lists of what is not."""
    parts = [f"## {title}"]
    differentiated = [[f"`{row.name}`", *row.cells] for row in found if row.kind == "derivative"]
    if differentiated:
        parts.append(table(list(HEADER), differentiated))
    if zero := [row.name for row in found if row.kind == "zero"]:
        parts.append(f"*Zero*: {_names(zero)}.")
    reasons: dict[str, list[str]] = defaultdict(list)
    for row in found:
        if row.kind == "raises":
            reasons[row.reason].append(row.name)
    if reasons:
        parts.append("*Raises*:\n\n" + "\n".join(f"- {_names(names)}: {why}" for why, names in reasons.items()))
    if plain := [row.name for row in found if row.kind == "plain"]:
        why = (
            "*No derivative*"
            if title != SECTIONS["special"]
            else "*No derivative*, or no arguments that were tried fit"
        )
        parts.append(f"{why}: {_names(plain)}.")
    return "\n\n".join(parts)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(rows()))

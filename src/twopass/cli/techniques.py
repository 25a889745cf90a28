"""``twopass techniques``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import twopass
from twopass.cli.display import notes, results, show_fields, table
from twopass.cli.expression import Expression, parse, parse_several, parse_values
from twopass.errors import ArgumentError, compose

__all__ = ["techniques"]

_PICTURES = (".png", ".svg", ".pdf")


def techniques(
    expression: Annotated[
        str, typer.Argument(metavar="EXPRESSION", help="A formula in NumPy's notation, such as 'x**2*y + y + 2'.")
    ],
    at: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="Where to differentiate.")],
    manual: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMULA,...", help="The derivatives found by hand, in the order of the variables in --at."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw error and cost into a file (png, svg, pdf).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Differentiate a formula by all techniques, and compare what they give and cost.

    \b
    Examples:
      twopass techniques "x**2*y + y + 2" --at x=3,y=4
      twopass techniques "x**2*y + y + 2" --at x=3,y=4 --manual "2*x*y, x**2 + 1"
      twopass techniques "exp(sin(x))/x" --at x=0.5 --plot techniques.png
    """
    values = parse_values(at)
    formula = parse(expression, tuple(values))
    names = tuple(values)
    _check_names(formula, names)
    if plot is not None:
        _check_picture(plot)
    value = formula.check(values)
    by_hand = None if manual is None else _by_hand(parse_several(manual, names), names)
    compared = twopass.techniques(
        formula.function(names), *values.values(), manual=by_hand, argnums=tuple(range(len(names)))
    )
    if plot is not None:
        _draw(compared, plot)
    if as_json:
        print(json.dumps(_as_json(compared, formula, values, value), indent=2, ensure_ascii=False))
        return
    _show(compared, formula, values, value)
    if plot is not None:
        notes().print(f"Drawn into {plot}", soft_wrap=True, markup=False)


def _check_names(formula: Expression, names: Sequence[str]) -> None:
    """Raise for variables that have a value and are not in the formula."""
    for name in names:
        if name not in formula.names:
            what = f"--at gives a value to {name}, which is not in the expression"
            there = ", ".join(formula.names) or "none"
            raise ArgumentError(compose(what, instead=f"Its variables: {there}."))


def _check_picture(path: Path) -> None:
    if path.suffix.lower() not in _PICTURES:
        what = f"--plot {path} is no file of a kind that can be drawn"
        raise ArgumentError(compose(what, instead=f"End its name with {', '.join(_PICTURES)}."))
    if not path.parent.is_dir():
        raise ArgumentError(compose("the folder of the picture does not exist", where=str(path.parent)))


def _by_hand(derivatives: Sequence[Expression], names: Sequence[str]) -> Callable[..., Any]:
    if len(derivatives) != len(names):
        what = f"--manual gives {len(derivatives)} derivatives, for {len(names)} variables ({', '.join(names)})"
        raise ArgumentError(compose(what, instead='Write --manual "2*x*y, x**2 + 1", or --manual twice.'))
    functions = [derivative.function(names) for derivative in derivatives]
    return lambda *values: tuple([function(*values) for function in functions])


def _draw(compared: Any, path: Path) -> None:
    try:
        import matplotlib

        matplotlib.use("Agg")
    except ImportError:
        pass  # which plot() says better
    figure = compared.plot()[0].figure
    try:
        figure.savefig(path)
    except OSError as error:
        raise ArgumentError(compose(f"the picture cannot be written: {error.strerror}", where=str(path))) from error


def _show(compared: Any, formula: Expression, values: dict[str, float], value: float) -> None:
    console = results()
    exact = np.ravel(compared.exact)
    fields = {"f": formula.text, "at": ", ".join(f"{name} = {number:g}" for name, number in values.items())}
    fields["value"] = f"{value:.12g}"
    fields.update({f"∂f/∂{name}": f"{slope:.12g}" for name, slope in zip(values, exact, strict=True)})
    show_fields(console, fields)
    console.print()
    made = table(compared.headings, compared.cells(), right=compared.headings[2:])
    for column in made.columns:
        column.no_wrap = column.header != "gradient"
    console.print(made)
    console.print()
    for note in compared.notes():
        console.print(note, soft_wrap=True, markup=False)


def _as_json(compared: Any, formula: Expression, values: dict[str, float], value: float) -> dict[str, Any]:
    """Everything but the curves; what is no number is null."""

    def number(x: Any) -> Any:
        return float(x) if x is not None and math.isfinite(x) else None

    def gradient(parts: Any) -> Any:
        return None if parts is None else dict(zip(values, map(number, parts), strict=True))

    rows = [
        {
            "technique": row.name,
            "value": number(row.value),
            "gradient": gradient(row.gradient),
            "error": number(row.error),
            "step": row.step,
            "evaluations": row.evaluations,
            "seconds": number(row.seconds),
            "note": row.note,
        }
        for row in compared.rows
    ]
    return {
        "expression": formula.text,
        "at": values,
        "value": value,
        "gradient": gradient(compared.exact),
        "reference": compared.reference,
        "seconds": compared.seconds,
        "techniques": rows,
    }

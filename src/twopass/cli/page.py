"""``twopass train --report``: one page about a model, which needs no other file."""

from __future__ import annotations

import importlib.util
import io
import math
import shlex
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import twopass
from twopass import nn
from twopass.cli.report import Outcome, column_rows, number, rows_told
from twopass.data import Category
from twopass.errors import ArgumentError, MissingLibraryError, compose
from twopass.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_page", "write_page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: .7rem 0; font-size: .92rem; }
th, td { text-align: left; padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid #eee; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.best td { font-weight: 600; } .note { border-left: 4px solid #c8500a; padding-left: .8rem; }
pre { background: #f5f5f5; padding: .7rem 1rem; overflow-x: auto; white-space: pre-wrap; }
svg { max-width: 100%; height: auto; }
"""


def check_page(path: Path) -> None:
    """Check, before anything is trained, that a page can be written.

    Raises
    ------
    ArgumentError, MissingLibraryError
        When it is no HTML file in a folder that there is, or matplotlib is not installed.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(compose(f"--report {path} is no page", instead="End its name with .html."))
    if not path.absolute().parent.is_dir():
        what = "the folder of the report does not exist"
        raise ArgumentError(compose(what, where=str(path.parent), instead="Make it first, or choose another."))
    if importlib.util.find_spec("matplotlib") is None:
        what = "matplotlib is not installed, and --report needs it"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[plot]'."))


def write_page(path: Path, outcome: Outcome, command: Sequence[str]) -> None:
    """Write a page about a model: its data, network, training, quality, and how to make it again.

    Raises
    ------
    ArgumentError
        When the file cannot be written.
    """
    name, target = outcome.samples.name, outcome.samples.encoder.target
    title = f"{target.name} of {name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _summary(outcome),
        *_section("Data", _data(outcome)),
        *_section("Network and training", _network(outcome)),
        *_section("Quality on the test rows", _quality(outcome)),
        *_section("What the columns contribute", _importances(outcome)),
        *_section("To make it again", [f"<pre>{escape(shlex.join(command))}</pre>", _version(outcome)]),
    ]
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    page += f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    try:
        write_atomically(path, page.encode())
    except OSError as error:
        raise ArgumentError(compose(f"the report cannot be written: {error.strerror}", where=str(path))) from error


def _section(title: str, parts: Iterable[str]) -> list[str]:
    body = [part for part in parts if part]
    return [f"<h2>{escape(title)}</h2>", *body] if body else []


def _summary(outcome: Outcome) -> str:
    measure, value = next(iter(outcome.test.items()))
    others = [f"{who} {number(found[measure])}" for who, found in outcome.baselines.items()]
    beside = f" (beside it: {', '.join(others)})" if others else ""
    return f"<p>{escape(f'{measure} {number(value)} on rows that it has not seen{beside}.')}</p>"


def _data(outcome: Outcome) -> list[str]:
    samples = outcome.samples
    rows = f"{rows_told([len(part[1]) for part in (samples.train, samples.validation, samples.test)])}."
    if samples.prepared is None:
        return [f"<p>{rows}</p>"]
    remarks = [f'<p class="note">{escape(remark)}</p>' for remark in samples.prepared.remarks]
    headings = ("column", "kind", "missing", "what is done")
    return [f"<p>{rows}</p>", *remarks, _table(headings, column_rows(samples.prepared), numbers=(2,))]


def _network(outcome: Outcome) -> list[str]:
    trainer, settings = outcome.fitted.trainer, outcome.settings
    layers = [
        (row.layer, " × ".join(map(str, row.output_shape)), f"{row.parameters:,}")
        for row in nn.summary_rows(trainer.net, trainer.input_shape)
    ]
    training = f"{len(trainer.history['loss'])} of {settings.epochs} epochs in "
    training += (
        f"{math.fsum(trainer.history['seconds']):.1f} s, batches of {settings.batch_size}, {trainer.optimizer!r}"
    )
    return [
        _table(("layer", "output", "parameters"), layers, numbers=(2,)),
        f"<p>{escape(training)}</p>",
        _picture(lambda figure: _draw_history(figure, outcome), 9.0, 3.2),
    ]


def _draw_history(figure: Figure, outcome: Outcome) -> None:
    from twopass.plot import learning_curves

    history = outcome.fitted.trainer.history
    names = [name for name in history if f"val_{name}" in history] or ["loss"]
    learning_curves(history, names, figure.subplots(1, len(names), squeeze=False)[0])


def _quality(outcome: Outcome) -> list[str]:
    names = [name for name in outcome.test if name != "loss"]
    rows = [(who, *(number(found[name]) for name in names)) for who, found in outcome.baselines.items()]
    rows.append(("this network", *(number(outcome.test[name]) for name in names)))
    return [
        _table(("", *names), rows, numbers=range(1, len(names) + 1), best=len(rows) - 1),
        _picture(lambda figure: _draw_quality(figure, outcome), 9.0, 4.0),
    ]


def _draw_quality(figure: Figure, outcome: Outcome) -> None:
    from twopass.viz import quality

    target, (x, y) = outcome.samples.encoder.target, outcome.samples.test
    outputs = outcome.fitted.outputs(x)
    left, right = figure.subplots(1, 2)
    if isinstance(target, Category):
        chosen = outputs.argmax(axis=1)
        quality.draw_confusion(left, y, chosen, target.values)
        quality.draw_calibration(right, nn.softmax(outputs).max(axis=1), chosen == y)
    else:
        true, predicted = target.decode(y), target.decode(outputs)
        quality.draw_predicted(left, true, predicted)
        quality.draw_residuals(right, true, predicted)


def _importances(outcome: Outcome) -> list[str]:
    if not outcome.importances:
        return []
    height = 1.2 + 0.24 * min(20, len(outcome.importances))

    def draw(figure: Figure) -> None:
        from twopass.viz import quality

        quality.draw_importances(figure.subplots(), outcome.importances, outcome.harm)

    return [_picture(draw, 8.0, height)]


def _version(outcome: Outcome) -> str:
    trainer = outcome.fitted.trainer
    return f"<p>twopass {twopass.__version__}, NumPy {np.__version__}, seed {trainer.seed}.</p>"


def _table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = (), best: int = -1
) -> str:
    right = set(numbers)

    def line(cells: Sequence[str], kind: str) -> str:
        parts = [
            f"<{kind}{' class=number' if index in right else ''}>{escape(cell)}</{kind}>"
            for index, cell in enumerate(cells)
        ]
        return "".join(parts)

    body = [f"<tr{' class=best' if index == best else ''}>{line(cells, 'td')}</tr>" for index, cells in enumerate(rows)]
    return f"<table><tr>{line(headings, 'th')}</tr>{''.join(body)}</table>"


def _picture(draw: Callable[[Any], None], width: float, height: float) -> str:
    """A picture as SVG, to be put into a page as it is."""
    import matplotlib
    from matplotlib.figure import Figure

    # Text stays text, and nothing in the file depends on the time.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "twopass", "font.size": 9.0}):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    return f"<div>{svg[svg.index('<svg') :]}</div>"

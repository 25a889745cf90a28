"""``twopass export``."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from twopass import io, nn
from twopass.cli.columns import described, preprocessing, summary
from twopass.cli.display import results, show_fields
from twopass.cli.model import Fitted
from twopass.data import Category, Encoder
from twopass.errors import ArgumentError, compose

__all__ = ["export"]

Array = np.ndarray[Any, np.dtype[Any]]

#: Seconds that the compiler may take for the size of the object.
_PATIENCE = 60


def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model, as twopass train has saved it.")],
    onnx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an ONNX file.")] = None,
    c: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a C file, and its header beside it.")] = None,
) -> None:
    """Write a model for other programs: as ONNX, or as C99 that needs nothing but math.h.

    The preprocessing is in the file. Its input x has one number for each column of the table, unscaled, in the order in
    which the file lists them: a category is the index of its value, yes is 1 and no is 0, a date is the days since
    1970, and NaN is a missing value where the training data had some. Of a model that was saved from Python, the
    network is exported as it is.

    \b
    Examples:
      twopass export digits-model --onnx digits.onnx
      twopass export digits-model --c digits.c
    """
    if onnx is None and c is None:
        instead = "Add --onnx FILE, --c FILE, or both."
        raise ArgumentError(compose("nothing says what to export the model to", instead=instead))
    has_columns = "encoder" in (io.load_model(folder).config.get("extra") or {})
    fitted = Fitted.load(folder) if has_columns else None
    outside = {} if fitted is None else _outside(fitted)
    model = folder if fitted is None else fitted.trainer
    if onnx is not None:
        io.export_onnx(model, onnx, metadata={} if fitted is None else _metadata(fitted.encoder), **outside)
        show_fields(results(), {"ONNX": str(onnx), "size": f"{onnx.stat().st_size:,} bytes"})
    if c is not None:
        files = io.export_c(model, c, notes=[] if fitted is None else _notes(fitted.encoder), **outside)
        show_fields(results(), {"C": f"{files.source}, {files.header}", **_sizes(files)})


def _outside(fitted: Fitted) -> dict[str, Any]:
    """What is around the network, as the exporters take it."""
    encoder = fitted.encoder
    target = encoder.target
    found: dict[str, Any] = {}
    before = preprocessing(encoder)
    if before is not None:
        found |= {"before": before, "input_shape": (len(encoder.features),), "input_dtype": np.float64}
    if isinstance(target, Category):
        return found | {
            "after": lambda outputs: _classes(fitted.together(outputs)),
            "output_names": ["probabilities", "label"],
            "labels": {"label": target.values},
        }
    return found | {"after": lambda outputs: target.decode(fitted.together(outputs)), "output_names": ["prediction"]}


def _classes(outputs: Array) -> tuple[Array, Array]:
    """The probabilities of the classes, and the index of the most probable one."""
    return nn.softmax(outputs), np.argmax(outputs, axis=1).astype(np.int32)


def _metadata(encoder: Encoder) -> dict[str, str]:
    """The columns, for the ONNX file."""
    columns = [described(column) for column in encoder.features]
    return {"columns": json.dumps(columns), "target": json.dumps(described(encoder.target))}


def _notes(encoder: Encoder) -> list[str]:
    """The columns, for the comment of the C file."""
    listed = textwrap.wrap(", ".join(map(summary, encoder.features)) + ".", 96, break_long_words=False)
    return [
        "",
        "The columns, in this order:",
        *(f"  {line}" for line in listed),
        f"What is predicted: {encoder.target.name}.",
    ]


def _sizes(files: io.CFiles) -> Mapping[str, str]:
    sizes = {"tables": f"{files.constant_bytes:,} bytes", "stack": f"{files.stack_bytes:,} bytes in a call"}
    size = _object_size(files.source)
    return sizes if size is None else {**sizes, "object": f"{size:,} bytes, compiled with cc -O2"}


def _object_size(source: Path) -> int | None:
    """Bytes of the compiled file, if there is a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "model.o")
        command = [compiler, "-std=c99", "-O2", "-c", str(source.absolute()), "-o", str(made)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE)
        except (OSError, subprocess.SubprocessError):
            return None
        return made.stat().st_size

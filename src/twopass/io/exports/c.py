"""C99 files: a model as one function, with its numbers in tables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twopass.errors import ArgumentError, ModelError, compose
from twopass.files import write_atomically
from twopass.graph.ir import Graph, Node
from twopass.io.exports.c_expressions import FUNCTIONS, TYPES, literals
from twopass.io.exports.c_loops import Loops
from twopass.io.exports.rows import check_names, forward
from twopass.io.exports.stages import Chain, chain_of

__all__ = ["CFiles", "export_c", "to_c"]

#: Numbers in a line of a table.
_PER_LINE = 6
#: How formulas are written in a file of plain ASCII.
_ASCII = str.maketrans({"√": "sqrt", "Φ": "Phi", "²": "^2", "³": "^3", "π": "pi", "×": "x", "−": "-", "·": "*"})
#: What the variables, tables and functions of a file are called.
_OURS = re.compile(r"[a-w]|(t|v|c|total|best|x)\d*|(layer|larger|smaller|squared|sign|step|log_of_sum|modulo|whole)_.*")
#: Words of C and C++ that a result might be called.
_TAKEN = {
    *("auto", "bool", "break", "case", "char", "class", "const", "continue", "default", "delete", "do", "double"),
    *("else", "enum", "extern", "false", "float", "for", "goto", "if", "int", "long", "new", "place", "private"),
    *("public", "register", "restrict", "return", "row", "short", "signed", "sizeof", "static", "struct", "switch"),
    *("template", "this", "true", "typedef", "union", "unsigned", "void", "volatile", "while"),
}


class CFiles(NamedTuple):
    """What `export_c` wrote.

    Parameters
    ----------
    source, header : Path
        The two files.
    constant_bytes : int
        Size of the tables.
    stack_bytes : int
        Size of the arrays that a call of the function needs.
    """

    source: Path
    header: Path
    constant_bytes: int
    stack_bytes: int


def export_c(
    model: Any,
    file: str | os.PathLike[str],
    *,
    before: Callable[[Any], Any] | None = None,
    after: Callable[[Any], Any] | None = None,
    input_shape: Sequence[int] | None = None,
    input_dtype: Any = None,
    output_names: Sequence[str] = ("y",),
    labels: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
) -> CFiles:
    """Write a model as C99: a source file and its header, which need nothing but ``math.h``.

    The function ``<name>_predict(x, y, n)`` computes n rows. It allocates nothing, has no state, and can be called
    from several threads; names begin with the file's.

    Parameters
    ----------
    model : Trainer, or path of a model folder
        What to export, with its parameters.
    file : path
        The source file, ``name.c``; the header ``name.h`` lies beside it.
    before, after : callable, optional
        Plain NumPy functions of a batch that become part of the file: the preprocessing, and what makes predictions
        of the network's outputs, such as `nn.softmax`.
    input_shape, input_dtype : optional
        Shape of one row and dtype of what `before` takes; by default those of the network's input.
    output_names : sequence of str
        One for each output.
    labels : mapping of str to sequence of str, optional
        For outputs that are indices, by name: the texts that they stand for, as a table in the file.
    notes : sequence of str
        Lines for the comment in the header, such as the names of the columns.

    Raises
    ------
    ArgumentError
        When something calls a function that cannot be translated (the message names it), a row's outputs depend on
        other rows, or the names do not fit.
    ModelError
        When the folder holds no model, or the files cannot be written.

    Examples
    --------
    >>> import tempfile, twopass as tp
    >>> net = tp.nn.Sequential(tp.nn.Dense(8, activation="relu"), tp.nn.Dense(3))
    >>> trainer = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((4,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = export_c(trainer, f"{folder}/toy.c")
    ...     "void toy_predict(const float *x, float *y, size_t n);" in files.header.read_text()
    ...     files.constant_bytes, files.stack_bytes
    True
    (224, 76)
    """
    path = Path(file)
    if path.suffix != ".c":
        what = f"{path.name!r} does not end in .c"
        raise ArgumentError(compose(what, instead=f"Write {path.with_suffix('.c')}."))
    chain = chain_of(model, before=before, after=after, input_shape=input_shape, input_dtype=input_dtype)
    source, header, constants, stack = to_c(chain, path.stem, output_names, labels or {}, notes)
    files = CFiles(path, path.with_suffix(".h"), constants, stack)
    try:
        write_atomically(files.header.absolute(), header.encode("ascii", "replace"))
        write_atomically(files.source.absolute(), source.encode("ascii", "replace"))
    except OSError as error:
        what = f"the C file cannot be written: {error.strerror}"
        raise ModelError(compose(what, where=os.fspath(file))) from error
    return files


def to_c(
    chain: Chain, stem: str, output_names: Sequence[str], labels: Mapping[str, Sequence[str]], notes: Sequence[str]
) -> tuple[str, str, int, int]:
    """The text of the source and of the header, and the bytes of tables and arrays; see `export_c`."""
    captured = forward(chain)
    graph = captured.row
    check_names(graph, output_names, labels)
    outputs = _variables(output_names)
    comments = {title: [_plain(line) for line in (title, *stage.formulas)] for title, stage in captured.stages.items()}
    loops = Loops(graph, captured.names, outputs, comments)
    texts = {key: labels[name] for name, key in zip(output_names, outputs, strict=True) if name in labels}
    stack = loops.scratch
    constants = sum(table.nbytes for table in loops.tables.values())
    about = [_plain(line) for line in _about(chain, graph, outputs, constants, stack, notes)]
    name = _identifier(stem)
    return (
        _source(name, stem, graph, outputs, loops, texts, about),
        _header(name, stem, graph, outputs, texts, about),
        constants,
        stack,
    )


def _identifier(text: str) -> str:
    """A name in C that resembles a text."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII).strip("_") or "model"
    return f"model_{name}" if name[0].isdigit() else name


def _variables(texts: Sequence[str]) -> list[str]:
    """Names in C for results, which nothing else in the file has."""
    names: list[str] = []
    for text in texts:
        name = _identifier(text)
        if name in _TAKEN or name in FUNCTIONS or _OURS.fullmatch(name) or name.isupper():  # macros are written so
            name = f"out_{name}"
        while name in names:
            name += "_"
        names.append(name)
    return names


def _plain(text: str) -> str:
    """A text of one line for a comment, in ASCII."""
    text = re.sub(r"\s", " ", text.translate(_ASCII)).replace("*/", "* /").replace("/*", "/ *")
    return text.encode("ascii", "replace").decode("ascii").replace("??", "? ?")


def _about(
    chain: Chain, graph: Graph, outputs: Sequence[str], constants: int, stack: int, notes: Sequence[str]
) -> list[str]:
    from twopass import __version__  # here: the package imports this module before it has a version

    lines = [f"A model, exported by twopass {__version__}:", *(f"  {stage.title}" for stage in chain.stages), ""]
    arrays = zip([node.name for node in graph.inputs] + list(outputs), [*graph.inputs, *graph.outputs], strict=True)
    lines += [f"a row of {name}: {_size(node)}" for name, node in arrays]
    return [*lines, *notes, "", f"{constants:,} bytes of tables, {stack:,} bytes of the stack in a call."]


def _size(node: Node) -> str:
    shape = node.shape[1:]
    if len(shape) > 1:
        return f"an array of {' x '.join(map(str, shape))} numbers in C order"
    return f"{node.size} numbers" if node.size > 1 else "1 number"


# --- the files --------------------------------------------------------------------------------------------------------


def _parameters(graph: Graph, outputs: Sequence[str], spelled: str = "*") -> str:
    given = [f"const {TYPES[node.dtype.name]} {spelled}{node.name}" for node in graph.inputs]
    made = [f"{TYPES[node.dtype.name]} {spelled}{name}" for name, node in zip(outputs, graph.outputs, strict=True)]
    return ", ".join(given + made)


def _header(
    name: str,
    stem: str,
    graph: Graph,
    outputs: Sequence[str],
    texts: Mapping[str, Sequence[str]],
    about: Sequence[str],
) -> str:
    guard = f"{name.upper()}_H"
    lines = [*_block([f"{stem}.h", "", *about]), f"#ifndef {guard}", f"#define {guard}", "", "#include <stddef.h>", ""]
    lines += ["#ifdef __cplusplus", 'extern "C" {', "#endif", ""]
    arrays = zip([node.name for node in graph.inputs] + list(outputs), [*graph.inputs, *graph.outputs], strict=True)
    lines += [f"#define {name.upper()}_{array.upper()}_SIZE {node.size}" for array, node in arrays]
    for key, labels in texts.items():
        lines += ["", f"/* What the values of {key} stand for, in UTF-8. */"]
        lines += [f"extern const char *const {name}_{key}_texts[{len(labels)}];"]
    lines += ["", "/* Computes n rows; the results must not overlap the inputs. */"]
    lines += [f"void {name}_predict({_parameters(graph, outputs)}, size_t n);", ""]
    lines += ["#ifdef __cplusplus", "}", "#endif", "", "#endif"]
    return "\n".join(lines) + "\n"


def _source(
    name: str,
    stem: str,
    graph: Graph,
    outputs: Sequence[str],
    loops: Loops,
    texts: Mapping[str, Sequence[str]],
    about: Sequence[str],
) -> str:
    lines = [*_block([f"{stem}.c", "", *about]), f'#include "{stem}.h"', "", "#include <math.h>", ""]
    for key, labels in texts.items():
        quoted = ",\n    ".join(map(_quoted, labels))
        lines += [f"const char *const {name}_{key}_texts[{len(labels)}] = {{\n    {quoted}\n}};", ""]
    for table, values in loops.tables.items():
        lines += [*_table(table, values), ""]
    for definition in loops.helpers.definitions.values():
        lines += [definition, ""]
    row = _parameters(graph, outputs, "*restrict ")
    lines += ["/* One row. */", f"static void row({row})", "{"]
    body = loops.lines[1:] if loops.lines[:1] == [""] else loops.lines
    lines += [f"    {line}" if line else "" for line in body]
    lines += ["}", "", f"void {name}_predict({_parameters(graph, outputs)}, size_t n)", "{"]
    arrays = zip([node.name for node in graph.inputs] + list(outputs), [*graph.inputs, *graph.outputs], strict=True)
    moved = ", ".join(f"{array} + i * {node.size}" if node.size > 1 else f"{array} + i" for array, node in arrays)
    lines += ["    for (size_t i = 0; i < n; ++i) {", f"        row({moved});", "    }", "}"]
    return "\n".join(lines) + "\n"


def _block(lines: Sequence[str]) -> list[str]:
    """A comment of several lines."""
    return [f"/* {lines[0]}", *(f" * {line}".rstrip() for line in lines[1:]), " */"]


def _table(name: str, values: np.ndarray[Any, Any]) -> list[str]:
    """An array of constants; its axes are told in a comment."""
    texts = literals(values.reshape(-1))
    lines = ["    " + ", ".join(texts[i : i + _PER_LINE]) + "," for i in range(0, len(texts), _PER_LINE)]
    shape = " x ".join(map(str, values.shape))
    comment = [f"/* {shape} */"] if values.ndim > 1 else []
    return [*comment, f"static const {TYPES[values.dtype.name]} {name}[{values.size}] = {{", *lines, "};"]


def _quoted(text: str) -> str:
    """A string literal; what is not plain ASCII is written as octal numbers."""
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'

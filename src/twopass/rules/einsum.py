"""Einstein sums: a sum of products of any number of tensors, whose axes are named by letters."""

from __future__ import annotations

import operator
import string
from typing import Any

import numpy as np

from twopass.core.operators import as_array, scatter
from twopass.core.rule import invoke
from twopass.rules.kinds import call, composite, constant, multilinear, operand

__all__ = ["LETTERS", "einsum", "labels"]

#: In the order of their codes, which is the order of axes in an output that is not spelled out.
LETTERS = string.ascii_uppercase + string.ascii_lowercase


def _letters(sublist: Any) -> str:
    """A list of axis numbers as letters."""
    numbers = [label if label is Ellipsis else operator.index(label) for label in sublist]
    if any(number is not Ellipsis and not 0 <= number < len(LETTERS) for number in numbers):
        raise ValueError(f"axes of an Einstein sum are numbered from 0 to {len(LETTERS) - 1}, not {sublist}")
    return "".join("..." if number is Ellipsis else LETTERS[number] for number in numbers)


def _spelled(operands: Any) -> tuple[str, Any]:
    """Subscripts and arrays of a call, which may also be spelled ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""
    if isinstance(operands[0], str):
        return operands[0], operands[1:]
    count = len(operands) // 2
    terms = ",".join(map(_letters, operands[1 : 2 * count : 2]))
    output = "->" + _letters(operands[-1]) if len(operands) % 2 else ""
    return terms + output, operands[: 2 * count : 2]


def labels(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """One letter for each axis of each operand and of the output, with ellipses spelled out."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    widths = [n - len(term) + 3 if "..." in term else 0 for term, n in zip(terms, ndims, strict=True)]
    unused = [letter for letter in LETTERS if letter not in subscripts]
    ellipsis = "".join(unused[: max(widths)])
    if not arrow:
        output = "..." + "".join(letter for letter in LETTERS if inputs.count(letter) == 1)
    spelled = [
        term.replace("...", ellipsis[len(ellipsis) - width :]) for term, width in zip(terms, widths, strict=True)
    ]
    return spelled, output.replace("...", ellipsis)


def einsum(*operands: Any, subscripts: str, **parameters: Any) -> Any:
    """``np.einsum`` with the subscripts as text."""
    return np.einsum(subscripts, *operands, **parameters)


@multilinear(
    einsum,
    views=True,
    examples=[
        call(operand(3, 4), operand(4, 2), subscripts="ij,jk->ik"),
        call(operand(3, 3), subscripts="ii->i"),
        call(operand(2, 3), operand(1, 3), operand(3), subscripts="ij,ij,j", optimize=True),
    ],
)
def _einsum_transpose(slot: int, ct: Any, *operands: Any, subscripts: str, **_parameters: Any) -> Any:
    """The same products summed over other axes: those that the operand does not have."""
    inputs, output = labels(subscripts, [x.ndim for x in operands])
    others = [i for i in range(len(operands)) if i != slot]
    terms = [output, *(inputs[i] for i in others)]
    sizes = dict(zip(inputs[slot], operands[slot].shape, strict=True))
    # An axis that the operand was stretched along is summed. One that it alone has was summed before, so that its
    # elements have equal cotangents. Either has length 1 here, and the sweep stretches it if need be.
    shared = [letter for letter, n in sizes.items() if n != 1 and any(letter in term for term in terms)]
    factors = (ct, *(operands[i] for i in others))
    # Contracted pairwise, by matrix products: never slower than the forward sum, whatever its order was.
    total = np.einsum(",".join(terms) + "->" + "".join(shared), *factors, optimize=len(factors) > 1)
    lengths = dict(zip(shared, total.shape, strict=True))
    total = np.reshape(total, [lengths.get(letter, 1) for letter in sizes])
    if len(sizes) == operands[slot].ndim:
        return total
    # A repeated letter is a diagonal.
    places = dict(zip(sizes, np.indices(tuple(sizes.values()), sparse=True), strict=True))
    diagonal = np.broadcast_to(total, tuple(sizes.values()))
    index = tuple(places[letter] for letter in inputs[slot])
    return scatter(diagonal, shape=operands[slot].shape, index=index, distinct=True)


@composite(
    np.einsum,
    examples=[
        call("ij,jk", operand(3, 4), operand(4, 2)),
        call("ij -> ji", operand(3, 4)),
        call("ij->j", operand(3, 4)),
        call("ii", operand(3, 3)),
        call("iij->ji", operand(2, 2, 3)),
        call("ii,i->", operand(3, 3), operand(3)),
        call("ij,ij->i", operand(3, 4), operand(1, 4)),
        call("...j,j...->...", operand(2, 3, 4), operand(4, 3)),
        call("i...->...", operand(3, 2)),
        call("b...k,...kd", operand(2, 5, 3, 4), operand(4, 2)),
        call(",i", operand(), operand(3)),
        call("i,j,k->kji", operand(2), operand(3), operand(2)),
        call("ij,jk,kl->il", operand(2, 3), operand(3, 4), operand(4, 2), optimize="optimal"),
        call("ij,jk,kl->il", operand(2, 3), operand(3, 4), operand(4, 2)),
        call("ij,jk->ik", np.arange(6).reshape(2, 3), operand(3, 4), optimize=["einsum_path", (0, 1)]),
        call(operand(3, 4), [0, 1], operand(4, 2), [1, 2], [0, 2]),
        call(operand(3, 3), [30, 30]),
        call(operand(2, 3, 4), [Ellipsis, 27], operand(4), [27]),
        call("ij,i,k->j", operand(2, 3), operand(2), operand(2)),
        call("ij,ij->", operand(3, 4), [[1.0, 2.0, 0.0, 1.0]] * 3),
    ],
)
def _einsum(*operands: Any, out: Any = None, **parameters: Any) -> Any:
    subscripts, arrays = _spelled(operands)
    return invoke(einsum, *map(as_array, arrays), subscripts=subscripts, **parameters)


constant(np.einsum_path)

"""The scalar code of a kernel: instructions, given the values that were loaded.

Both kinds of kernels use this: a `Loop` for everything it computes, a `Contraction` for what happens to its product.
The operators themselves are in the table ``scalars.OPERATORS``; here is what is special: literals, conversions, and
the contraction of a product and a sum to one rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from twopass.backends.llvm import scalars
from twopass.backends.llvm.builder import BOOL, I32, I64, Function, Type, Value, literal, scalar_type
from twopass.errors import UnsupportedOperatorError, compose
from twopass.program.ir import Instruction

__all__ = [
    "closure",
    "contracted",
    "convert",
    "emit_instruction",
    "from_memory",
    "number_literal",
    "register_type",
    "to_memory",
]

DType = np.dtype[Any]

#: What `contracted` puts in the place of sums and differences: which of a, b, c change sign in ``a * b + c``.
_FUSED = {"fma": "", "fma.minus": "c", "fma.from": "a"}


# --- booleans are bytes in memory, one bit in registers -------------------------------------------------------------


def register_type(dtype: DType, lanes: int = 1) -> Type:
    """The type of a value of a body."""
    return (BOOL if dtype.kind == "b" else scalar_type(dtype)).wide(lanes)


def from_memory(f: Function, value: Value, dtype: DType) -> Value:
    """A loaded value as the body sees it."""
    return f.icmp("ne", value, literal(0, value.type)) if dtype.kind == "b" else value


def to_memory(f: Function, value: Value, dtype: DType) -> Value:
    """A value of the body as it is stored."""
    return f.convert("zext", value, "i8") if dtype.kind == "b" else value


# --- literals and conversions ---------------------------------------------------------------------------------------


def number_literal(number: Any, dtype: DType) -> Value:
    """A constant of a dtype; integers wrap around."""
    if dtype.kind in "iu":
        bits = 8 * dtype.itemsize
        number = (int(number) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
    return literal(number, register_type(dtype))


def convert(f: Function, value: Value, source: DType, target: DType) -> Value:
    """``value.astype(target)``. Floats out of an integer's range give any integer, as in C."""
    if source == target:
        return value
    if target.kind == "b":
        zero = literal(0, value.type) if not value.type.is_float else literal(0.0, value.type)
        return f.fcmp("une", value, zero) if source.kind == "f" else f.icmp("ne", value, zero)
    to = scalar_type(target)
    if source.kind == "f" and target.kind == "f":
        return f.convert("fptrunc" if target.itemsize < source.itemsize else "fpext", value, to)
    if source.kind == "f":
        return _to_integer(f, value, target)
    if target.kind == "f":
        return f.convert("sitofp" if source.kind == "i" else "uitofp", value, to)
    if source.kind == "b" or target.itemsize > source.itemsize:
        return f.convert("sext" if source.kind == "i" else "zext", value, to)
    return value if target.itemsize == source.itemsize else f.convert("trunc", value, to)


def _to_integer(f: Function, value: Value, target: DType) -> Value:
    """A float, rounded towards zero. Small integers are cut out of larger ones, so that they wrap around as NumPy's."""
    if target == np.dtype(np.uint64):
        # Below zero the signed conversion has the bits that NumPy gives, above 2**63 only the unsigned one is right.
        large = f.fcmp("oge", value, literal(2.0**63, value.type))
        shifted = f.convert("fptosi", f.fsub(value, f.select(large, literal(2.0**63, value.type), _zero(value))), I64)
        top = f.select(large, literal(-(2**63), shifted.type), literal(0, shifted.type))
        return f.binary("xor", shifted, top)
    wide = I64 if target == np.dtype(np.uint32) or target.itemsize == 8 else I32
    return f.convert("trunc", f.convert("fptosi", value, wide), scalar_type(target))


def _zero(value: Value) -> Value:
    return literal(0.0, value.type)


# --- instructions ---------------------------------------------------------------------------------------------------


def contracted(body: Sequence[Instruction], first: int, results: Iterable[int]) -> tuple[Instruction, ...]:
    """A body in which sums and differences with a product are fused, if the product has no other use.

    Value numbers stay; the products that are no longer used are to be left out (see `closure`).

    Parameters
    ----------
    body : sequence of Instruction
        Its values are numbered from `first`.
    first : int
        How many values are loaded.
    results : iterable of int
        Numbers of the values that are stored.
    """
    uses: dict[int, int] = {}
    for number in [*results, *(o for instruction in body for o in instruction.operands)]:
        uses[number] = uses.get(number, 0) + 1

    def product(number: int, dtype: DType) -> tuple[int, int] | None:
        made = body[number - first] if number >= first else None
        fits = made is not None and made.operator == "multiply" and made.dtype == dtype and uses[number] == 1
        return (made.operands[0], made.operands[1]) if made is not None and fits else None

    return tuple(_fused(instruction, product) for instruction in body)


def _fused(instruction: Instruction, product: Any) -> Instruction:
    """An instruction, fused with the product that it takes, if there is one."""
    if instruction.operator not in ("add", "subtract") or instruction.dtype.kind != "f":
        return instruction
    a, b = instruction.operands
    if found := product(a, instruction.dtype):
        operator = "fma" if instruction.operator == "add" else "fma.minus"
        return Instruction(operator, (*found, b), instruction.dtype)
    if found := product(b, instruction.dtype):
        return Instruction("fma" if instruction.operator == "add" else "fma.from", (*found, a), instruction.dtype)
    return instruction


def closure(body: Sequence[Instruction], first: int, results: Iterable[int]) -> set[int]:
    """The numbers of all values that results depend on, with their own."""
    needed = set(results)
    for number in range(first + len(body) - 1, first - 1, -1):
        if number in needed:
            needed.update(body[number - first].operands)
    return needed


def emit_instruction(
    f: Function, instruction: Instruction, operands: Sequence[Value], dtypes: Sequence[DType]
) -> Value:
    """The result of any instruction but ``"position"`` and the reductions.

    Scalar operands are repeated in all lanes if others are vectors.
    """
    operator = instruction.operator
    if operator == "literal":
        return number_literal(instruction.parameters[0], instruction.dtype)
    lanes = max(operand.type.lanes for operand in operands)
    operands = [f.splat(operand, lanes) if operand.type.lanes != lanes else operand for operand in operands]
    if operator == "astype":
        return convert(f, operands[0], dtypes[0], instruction.dtype)
    if operator in _FUSED:
        a, b, c = operands
        negative = _FUSED[operator]
        return f.fma(f.fneg(a) if negative == "a" else a, b, f.fneg(c) if negative == "c" else c)
    if operator not in scalars.OPERATORS:
        raise UnsupportedOperatorError(
            compose(
                f"There is no native code for the operator {operator!r}.",
                why="A kernel contains only operators of the table twopass.program.scalar.OPERATORS.",
                instead="Let NumPy compute it: lower it to a Call.",
            )
        )
    return scalars.OPERATORS[operator].emit(f, operands, dtypes, instruction.dtype)

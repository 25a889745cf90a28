"""Writing LLVM's textual intermediate representation: typed values, functions, loops.

Text is the fastest way to get code into LLVM: making a line costs a string, parsing a module a few milliseconds. (The
object model of ``llvmlite.ir`` is several times slower, and all of that would be spent whenever a user compiles.)

>>> f = Function("axpy", [(F64, "a"), (PTR, "x"), (I64, "n")])
>>> a, x, n = f.parameters
>>> def body(i):
...     place = f.element(x, F64, i)
...     f.store(f.fmul(a, f.load(place, F64)), place)
>>> _ = f.loop(n, body)
>>> print(f.text())
define internal void @axpy(double %a, ptr %x, i64 %n) nounwind {
entry:
  br label %loop1
loop1:
  %i1 = phi i64 [ 0, %entry ], [ %t6, %loop1 ]
  %t2 = getelementptr double, ptr %x, i64 %i1
  %t3 = load double, ptr %t2, align 8
  %t4 = fmul double %a, %t3
  store double %t4, ptr %t2, align 8
  %t5 = add nuw nsw i64 %i1, 1
  %t6 = freeze i64 %t5
  %t7 = icmp eq i64 %t6, %n
  br i1 %t7, label %done1, label %loop1
done1:
  ret void
}
<BLANKLINE>
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

__all__ = [
    "BOOL",
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "PTR",
    "VOID",
    "Function",
    "Type",
    "Value",
    "literal",
    "scalar_type",
]

_BYTES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "double": 8, "ptr": 8}


class Type:
    """A scalar type, or (with more than one lane) a vector of it. There is one object for each."""

    __slots__ = ("bytes", "is_float", "lanes", "scalar", "text")

    _known: ClassVar[dict[tuple[str, int], Type]] = {}

    #: Name of the scalar, and how many there are.
    scalar: str
    lanes: int
    #: How it is spelled.
    text: str
    #: Bytes of one lane in memory.
    bytes: int
    #: Whether the lanes are floating-point numbers.
    is_float: bool

    def __new__(cls, scalar: str, lanes: int = 1) -> Type:
        """The type, as it is already, or new."""
        known = cls._known.get((scalar, lanes))
        if known is None:
            known = super().__new__(cls)
            known.scalar, known.lanes = scalar, lanes
            known.text = scalar if lanes == 1 else f"<{lanes} x {scalar}>"
            known.bytes = _BYTES.get(scalar, 0)
            known.is_float = scalar in ("float", "double")
            known = cls._known.setdefault((scalar, lanes), known)
        return known

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Type({self.scalar!r}, {self.lanes})"

    def of(self, scalar: str | Type) -> Type:
        """The type with as many lanes of another scalar."""
        return Type(scalar.scalar if isinstance(scalar, Type) else scalar, self.lanes)

    def wide(self, lanes: int) -> Type:
        """The vector of so many lanes."""
        return Type(self.scalar, lanes)

    @property
    def suffix(self) -> str:
        """How the names of intrinsics spell the type: ``v16f32``, ``f64``, ``v8i64``."""
        kind = {"float": "f32", "double": "f64"}.get(self.scalar, self.scalar)
        return kind if self.lanes == 1 else f"v{self.lanes}{kind}"


VOID, BOOL, I8, I16, I32, I64 = (Type(scalar) for scalar in ("void", "i1", "i8", "i16", "i32", "i64"))
F32, F64, PTR = Type("float"), Type("double"), Type("ptr")

_OF_DTYPE = {"f4": F32, "f8": F64, "b1": I8, "i1": I8, "u1": I8, "i2": I16, "u2": I16}
_OF_DTYPE |= {"i4": I32, "u4": I32, "i8": I64, "u8": I64}


def scalar_type(dtype: Any) -> Type:
    """The type of one element in memory. A boolean is a byte there, and an ``i1`` in registers."""
    return _OF_DTYPE[np.dtype(dtype).str[1:]]


#: A number in a constant of floats.
_LITERAL = re.compile("^(?:splat \\(\\w+ )?0x([0-9A-F]{16})\\)?$")


class Value(NamedTuple):
    """A typed operand: a register, a parameter or a literal."""

    text: str
    type: Type

    def __str__(self) -> str:
        return self.text


def _spelled(number: Any, type: Type) -> str:
    if type.is_float:
        # LLVM reads the bits of a double for both types; a float literal must be exact in single precision.
        exact = float(np.float32(number)) if type.scalar == "float" else float(number)
        return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    if type.scalar == "i1":
        return "true" if number else "false"
    return str(int(number))


def literal(number: Any, type: Type) -> Value:
    """A constant; the same in every lane of a vector.

    Examples
    --------
    >>> print(literal(1.5, F32), literal(3, I32.wide(4)))
    0x3FF8000000000000 splat (i32 3)
    """
    spelled = str(number) if number.__class__ is int and type.scalar == "i64" else _spelled(number, type)
    return Value(spelled if type.lanes == 1 else f"splat ({type.scalar} {spelled})", type)


def _numbers(a: Value, b: Value) -> tuple[int, int] | None:
    """Two literal indices as numbers, if they are that."""
    if a.type != I64 or a.text.startswith("%") or b.text.startswith("%"):
        return None
    return int(a.text), int(b.text)


class Function:
    """A function being written, instruction by instruction, into its current block."""

    def __init__(
        self,
        name: str,
        parameters: Sequence[tuple[Type, str]],
        *,
        result: Type = VOID,
        internal: bool = True,
        attributes: str = "nounwind",
        qualifiers: str = "",
        has_fma: bool = True,
    ) -> None:
        """Start a function; `qualifiers` are attributes of all its pointers, such as ``noalias``.

        Without `has_fma` the target has no fused multiply-add: `fma` would call a slow function of the C library.
        """
        self.name = name
        self.has_fma = has_fma
        self.parameters = [Value(f"%{label}", type) for type, label in parameters]
        extra = f" {qualifiers}" if qualifiers else ""
        listed = ", ".join(f"{t}{extra if t == PTR else ''} %{label}" for t, label in parameters)
        #: Whether nothing outside of its module calls it.
        self.internal = internal
        self._head = f"{result} @{name}({listed}) {attributes} {{\nentry:"
        self._declaration = f"declare {result} @{name}({', '.join(str(type) for type, _ in parameters)})"
        self._lines: list[str] = []
        self._slots: list[str] = []
        self._count = 0
        self.block = "entry"
        self.ended = False
        #: Declarations of the intrinsics and functions that it calls.
        self.declared: set[str] = set()

    # --- text ---------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The definition."""
        head = f"define {'internal ' if self.internal else ''}{self._head}"
        end = "" if self.ended else "\n  ret void"
        return "\n".join([head, *self._slots, *self._lines]) + end + "\n}\n"

    @property
    def length(self) -> int:
        """Lines of code."""
        return len(self._lines)

    def publish(self) -> str:
        """Let other modules call it: the declaration that they need."""
        self.internal = False
        return self._declaration

    def line(self, text: str) -> None:
        """An instruction without a result."""
        self._lines.append(f"  {text}")

    def emit(self, text: str, type: Type) -> Value:
        """An instruction with a result."""
        self._count += 1
        name = f"%t{self._count}"
        self._lines.append(f"  {name} = {text}")
        return Value(name, type)

    def label(self, stem: str) -> str:
        """A new name for a block."""
        self._count += 1
        return f"{stem}{self._count}"

    def start(self, block: str) -> None:
        """Begin a block; what came before must have branched."""
        self._lines.append(f"{block}:")
        self.block = block

    def ret(self, value: Value | None = None) -> None:
        """Return, which ends the function's text unless another block is started."""
        self.line("ret void" if value is None else f"ret {value.type} {value}")
        self.ended = True

    # --- arithmetic ---------------------------------------------------------------------------------------------------

    def binary(self, operation: str, a: Value, b: Value) -> Value:
        """Any instruction of two operands of one type: ``fadd``, ``sub nsw``, ``ashr``, ``xor``..."""
        return self.emit(f"{operation} {a.type.text} {a.text}, {b.text}", a.type)

    def fadd(self, a: Value, b: Value) -> Value:
        """Sum of floats."""
        return self.binary("fadd", a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        """Difference of floats."""
        return self.binary("fsub", a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        """Product of floats."""
        return self.binary("fmul", a, b)

    def fneg(self, a: Value) -> Value:
        """The number with the other sign."""
        if found := _LITERAL.search(a.text):
            changed = f"0x{int(found[1], 16) ^ 1 << 63:016X}"
            return Value(a.text.replace(f"0x{found[1]}", changed), a.type)
        return self.emit(f"fneg {a.type} {a}", a.type)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """``a * b + c``, rounded once; twice if the target cannot."""
        if not self.has_fma:
            return self.fadd(self.fmul(a, b), c)
        return self.intrinsic("llvm.fma", a, b, c)

    def add(self, a: Value, b: Value) -> Value:
        """Sum of integers; of a literal zero and something, that."""
        if b.text == "0":
            return a
        if a.text == "0":
            return b
        known = _numbers(a, b)
        return literal(sum(known), a.type) if known else self.binary("add", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        """Product of integers; by a literal one, the other."""
        if b.text == "1":
            return a
        if a.text == "1":
            return b
        known = _numbers(a, b)
        return literal(known[0] * known[1], a.type) if known else self.binary("mul", a, b)

    def offset(self, i: Value, step: int) -> Value:
        """``i * step`` for an index and a constant."""
        return literal(0, I64) if step == 0 else self.mul(i, literal(step, I64))

    def fcmp(self, predicate: str, a: Value, b: Value) -> Value:
        """Compare floats: ``olt``, ``une``, ``uno``..."""
        return self.emit(f"fcmp {predicate} {a.type} {a}, {b}", a.type.of("i1"))

    def icmp(self, predicate: str, a: Value, b: Value) -> Value:
        """Compare integers: ``eq``, ``slt``, ``ult``..."""
        return self.emit(f"icmp {predicate} {a.type} {a}, {b}", a.type.of("i1"))

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        """`yes` where the condition holds, else `no`; lane by lane if the condition is a vector."""
        return self.emit(f"select {condition.type} {condition}, {yes.type} {yes}, {no.type} {no}", yes.type)

    def convert(self, operation: str, a: Value, scalar: Type | str) -> Value:
        """A conversion: ``sitofp``, ``fptrunc``, ``zext``, ``bitcast``..., to as many lanes of `scalar`."""
        type = a.type.of(scalar)
        return a if type == a.type else self.emit(f"{operation} {a.type} {a} to {type}", type)

    def intrinsic(self, name: str, *operands: Value, result: Type | None = None, overload: str | None = None) -> Value:
        """Call an intrinsic overloaded on the type of its first operand (or spelled with `overload`)."""
        type = operands[0].type if result is None else result
        suffix = operands[0].type.suffix if overload is None else overload
        return self.call(f"{name}.{suffix}" if suffix else name, operands, type)

    def call(self, name: str, operands: Sequence[Value], result: Type = VOID, *, declare: bool = True) -> Value:
        """Call a function of the module, an intrinsic, or (declared) one outside of it."""
        if declare:
            self.declared.add(f"declare {result.text} @{name}({', '.join([o.type.text for o in operands])})")
        text = f"call {result.text} @{name}({', '.join([f'{o.type.text} {o.text}' for o in operands])})"
        if result is VOID:
            self.line(text)
            return Value("void", VOID)
        return self.emit(text, result)

    # --- vectors ------------------------------------------------------------------------------------------------------

    def splat(self, a: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if lanes == 1:
            return a
        if not a.text.startswith("%"):
            return Value(f"splat ({a.type} {a})", a.type.wide(lanes))
        wide = a.type.wide(lanes)
        first = self.emit(f"insertelement {wide} poison, {a.type} {a}, i64 0", wide)
        return self.emit(f"shufflevector {wide} {first}, {wide} poison, <{lanes} x i32> zeroinitializer", wide)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """A vector of chosen lanes of `a` and, counted on from its last, of `b`."""
        chosen = ", ".join(f"i32 {lane}" for lane in lanes)
        mask = f"<{len(lanes)} x i32> <{chosen}>"
        return self.emit(f"shufflevector {a.type} {a}, {b.type} {b}, {mask}", a.type.wide(len(lanes)))

    def extract(self, a: Value, lane: int) -> Value:
        """One lane of a vector."""
        return a if a.type.lanes == 1 else self.emit(f"extractelement {a.type} {a}, i64 {lane}", a.type.wide(1))

    def lane_numbers(self, type: Type) -> Value:
        """The vector 0, 1, 2, ... of an integer type."""
        if type.lanes == 1:
            return literal(0, type)
        return Value("<" + ", ".join(f"{type.scalar} {i}" for i in range(type.lanes)) + ">", type)

    def first_lanes(self, count: Value, lanes: int) -> Value:
        """The mask of the first `count` (an i64) of so many lanes."""
        wide = I64.wide(lanes)
        return self.icmp("slt", self.lane_numbers(wide), self.splat(count, lanes))

    # --- memory -------------------------------------------------------------------------------------------------------

    def element(self, pointer: Value, type: Type, index: Value | int) -> Value:
        """The address of an element, counted in scalars of `type` from a pointer."""
        index = literal(index, I64) if isinstance(index, int) else index
        if index.text == "0":
            return pointer
        return self.emit(f"getelementptr {type.scalar}, ptr {pointer.text}, i64 {index.text}", PTR)

    def load(self, pointer: Value, type: Type, align: int | None = None) -> Value:
        """What is at an address; a vector need not be aligned to more than its elements."""
        return self.emit(f"load {type.text}, ptr {pointer.text}, align {align or type.bytes}", type)

    def store(self, value: Value, pointer: Value, align: int | None = None) -> None:
        """Write to an address."""
        self.line(f"store {value.type.text} {value.text}, ptr {pointer.text}, align {align or value.type.bytes}")

    def load_masked(self, pointer: Value, type: Type, mask: Value, other: Value | None = None) -> Value:
        """Lanes of a vector from memory, where the mask holds; `other` (by default zero) elsewhere."""
        rest = other or (literal(0, type) if not type.is_float else Value("zeroinitializer", type))
        self.declared.add(f"declare {type} @llvm.masked.load.{type.suffix}.p0(ptr, i32, {mask.type}, {type})")
        return self.emit(
            f"call {type} @llvm.masked.load.{type.suffix}.p0(ptr {pointer}, i32 {type.bytes}, {mask.type} {mask},"
            f" {type} {rest})",
            type,
        )

    def store_masked(self, value: Value, pointer: Value, mask: Value) -> None:
        """Write the lanes where the mask holds."""
        type = value.type
        self.declared.add(f"declare void @llvm.masked.store.{type.suffix}.p0({type}, ptr, i32, {mask.type})")
        self.line(
            f"call void @llvm.masked.store.{type.suffix}.p0({type} {value}, ptr {pointer}, i32 {type.bytes},"
            f" {mask.type} {mask})"
        )

    def slot(self, type: Type, count: int = 1, align: int = 64) -> Value:
        """Memory on the stack for the whole function."""
        self._count += 1
        name = f"%slot{self._count}"
        self._slots.append(f"  {name} = alloca {type}, i64 {count}, align {align}")
        return Value(name, PTR)

    # --- control ------------------------------------------------------------------------------------------------------

    def loop(
        self,
        stop: Value | int,
        body: Callable[..., Sequence[Value] | None],
        carried: Sequence[Value] = (),
        *,
        start: Value | int = 0,
        step: int = 1,
    ) -> list[Value]:
        """Run ``body(i, *carried)``, which gives the next carried values, for i from `start` to before `stop`.

        The count must not be zero: the test is at the end, where it costs least. For counts that may be zero see
        `when`. `stop` minus `start` must be a multiple of `step`.
        """
        self._count += 1
        number = self._count
        head, done, before = f"loop{number}", f"done{number}", self.block
        first = literal(start, I64) if isinstance(start, int) else start
        last = literal(stop, I64) if isinstance(stop, int) else stop
        i = Value(f"%i{number}", I64)
        inside = [Value(f"%c{number}_{k}", value.type) for k, value in enumerate(carried)]
        self.line(f"br label %{head}")
        self.start(head)
        place = len(self._lines)
        after = list(body(i, *inside) or ())
        end = self.block
        # Frozen: LLVM would spend a fifth of its time on choosing other induction variables.
        following = self.emit(f"freeze i64 {self.emit(f'add nuw nsw i64 {i}, {step}', I64)}", I64)
        finished = self.icmp("eq", following, last)
        self.line(f"br i1 {finished}, label %{done}, label %{head}")
        phis = [f"  {i} = phi i64 [ {first}, %{before} ], [ {following}, %{end} ]"]
        for name, old, new in zip(inside, carried, after, strict=True):
            phis.append(f"  {name} = phi {name.type} [ {old}, %{before} ], [ {new}, %{end} ]")
        self._lines[place:place] = phis
        self.start(done)
        return after

    def when(self, condition: Value, body: Callable[[], None]) -> None:
        """Run a body that gives nothing, if a condition (an ``i1``) holds."""
        yes, done = self.label("then"), self.label("after")
        self.line(f"br i1 {condition}, label %{yes}, label %{done}")
        self.start(yes)
        body()
        self.line(f"br label %{done}")
        self.start(done)

    def choose(self, condition: Value, yes: Callable[[], Value], no: Callable[[], Value]) -> Value:
        """What one of two bodies gives, of which only that one runs."""
        then, other, done = self.label("then"), self.label("else"), self.label("after")
        self.line(f"br i1 {condition}, label %{then}, label %{other}")
        self.start(then)
        a, after_yes = yes(), self.block
        self.line(f"br label %{done}")
        self.start(other)
        b, after_no = no(), self.block
        self.line(f"br label %{done}")
        self.start(done)
        return self.emit(f"phi {a.type} [ {a}, %{after_yes} ], [ {b}, %{after_no} ]", a.type)

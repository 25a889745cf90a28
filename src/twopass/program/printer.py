"""Programs as text that can be read: kernels as formulas, buffers with where they lie.

``print(program)`` shows for every statement what it computes and from where::

    for m in 32, n in 300, k in 784:  a1
        a1[m, n] = maximum(sum_k(x[m, k] * w1[k, n]) + b1[n], 0.0)

The indices of a buffer are those that its address depends on, the one with the longest stride first (a minus is that
of a negative stride, a factor that of the last one), and after a semicolon the element where it starts if that is not
the first. ``t`` (``t2`` in a nested repetition) is the number of the iteration.
"""

from __future__ import annotations

from collections.abc import Sequence

from twopass.program.ir import (
    Access,
    Argument,
    Buffer,
    Call,
    Contraction,
    Instruction,
    Kernel,
    Launch,
    Operand,
    Program,
    Repeat,
    Statement,
    arguments_of,
)
from twopass.program.scalar import REDUCTIONS

__all__ = ["listing", "unit"]

#: Operators between their operands, and how tightly they bind.
_INFIX = {
    "add": ("+", 4),
    "subtract": ("-", 4),
    "multiply": ("*", 5),
    "true_divide": ("/", 5),
    "floor_divide": ("//", 5),
    "remainder": ("%", 5),
    "bitwise_and": ("&", 3),
    "bitwise_xor": ("^", 2),
    "bitwise_or": ("|", 1),
    "less": ("<", 0),
    "less_equal": ("<=", 0),
    "greater": (">", 0),
    "greater_equal": (">=", 0),
    "equal": ("==", 0),
    "not_equal": ("!=", 0),
}
_UNARY, _ATOM = 6, 7
_SUMS = {"add.reduce": "sum", "multiply.reduce": "prod", "maximum.reduce": "max", "minimum.reduce": "min"}
#: A formula that is longer than this and used twice gets a name.
_LONG = 12

Text = tuple[str, int]


def listing(program: Program) -> str:
    """A program as text."""
    return "\n".join(_Printer(program).lines())


def unit(number: float, name: str) -> str:
    """A quantity with a prefix.

    Examples
    --------
    >>> unit(37_632, "B"), unit(5, "B"), unit(25.1e6, "FLOP")
    ('37.6 kB', '5 B', '25.1 MFLOP')
    """
    for prefix in ("", "k", "M", "G"):
        if abs(number) < 999.5:
            return f"{number:.3g} {prefix}{name}"
        number /= 1000
    return f"{number:.3g} T{name}"


def _axes(kernel: Kernel) -> list[str]:
    """Names of the axes of a kernel's domain."""
    if isinstance(kernel, Contraction):
        return [*_letters("bcde", len(kernel.batch)), "m", "n"]
    return _letters("ijkl", len(kernel.domain))


def _letters(alphabet: str, count: int) -> list[str]:
    if count <= len(alphabet):
        return list(alphabet[:count])
    return [f"{alphabet[0]}{number}" for number in range(count)]


class _Printer:
    """The lines of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = _named(program)

    def lines(self) -> list[str]:
        """Everything."""
        return [*self.buffers(), "", *self.statements(self.program.statements, "")]

    def buffers(self) -> list[str]:
        """A table of the buffers."""
        rows = [
            (name, str(buffer.dtype), f"{buffer.size:,}", unit(buffer.nbytes, "B"), self.place(buffer))
            for buffer, name in self.names.items()
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
        return [
            f"{name:<{widths[0]}}  {dtype:<{widths[1]}}  {size:>{widths[2]}}  {nbytes:>{widths[3]}}  {place}"
            for name, dtype, size, nbytes, place in rows
        ]

    def place(self, buffer: Buffer) -> str:
        """Where a buffer lies."""
        if buffer in self.program.offsets:
            return f"arena at {self.program.offsets[buffer]:,}"
        both = buffer in self.program.inputs and buffer in self.program.outputs
        return "input, updated in place" if both else buffer.role

    def statements(self, statements: Sequence[Statement], indent: str, depth: int = 0) -> list[str]:
        """Statements, those of repetitions indented."""
        found: list[str] = []
        for statement in statements:
            if isinstance(statement, Repeat):
                limit = "" if statement.limit is None else f", at most {self.element(statement.limit, ())}"
                found.append(f"{indent}repeat {statement.count} times{limit}, {_iteration(depth)}:")
                found += self.statements(statement.body, indent + "    ", depth + 1)
            elif isinstance(statement, Launch):
                found += [indent + line for line in self.launch(statement)]
            else:
                found.append(indent + self.call(statement))
        return found

    def call(self, call: Call) -> str:
        """A call of NumPy."""
        operands = ", ".join(map(self.operand, call.operands))
        results = ", ".join(map(self.operand, call.results))
        return f"{results} = numpy {call.name}({operands})" + (f"  at {call.line}" if call.line else "")

    def operand(self, operand: Operand) -> str:
        """An operand of a call."""
        shape = ", ".join(map(str, operand.shape))
        return f"{self.element(operand.argument, ())}[{shape}]"

    def launch(self, launch: Launch) -> list[str]:
        """A kernel: its loops, then what each store gets."""
        kernel = launch.kernel
        axes = _axes(kernel)
        formulas = _Formulas(kernel, axes, [self.reads(launch, number) for number in range(len(launch.loads))])
        stores = []
        for argument, store in zip(launch.targets, kernel.stores, strict=True):
            place = self.access(argument, store.access, axes, [])
            stores.append(f"    {place} = {formulas.text(store.value)[0]}")
        head = f"for {_loops(kernel, axes)}:" + (f"  {launch.note}" if launch.note else "")
        return [head, *(f"    {line}" for line in formulas.named), *stores]

    def reads(self, launch: Launch, number: int) -> str:
        """What a kernel loads through one of its arguments."""
        kernel, axes = launch.kernel, _axes(launch.kernel)
        if isinstance(kernel, Contraction):
            batch = axes[:-2]
            if number < 2:
                own = ["m", "k"] if number == 0 else ["k", "n"]
                return self.access(launch.loads[number], (kernel.left, kernel.right)[number], [*batch, *own], [])
            return self.access(launch.loads[number], kernel.inputs[number - 2], axes, [])
        access = kernel.inputs[number]
        rows = [self.reads(launch, access.through[0])] if access.through is not None else []
        return self.access(launch.loads[number], access, axes, rows)

    def access(self, argument: Argument, access: Access, axes: Sequence[str], rows: Sequence[str]) -> str:
        """An element of a buffer, with the axes that its address depends on."""
        strided = zip(access.strides, axes, strict=True)
        terms = [(abs(stride), _term(stride, axis)) for stride, axis in strided if stride]
        if access.panels is not None:
            terms += [(1, axes[-2]), (0, axes[-1])]
        if access.through is not None:
            terms += [(abs(access.through[1]), row) for row in rows]
        terms.sort(key=lambda term: -term[0])
        smallest = min((stride for stride, _ in terms), default=1)
        listed = [axis for _, axis in terms]
        if terms and smallest > 1:
            sign = listed[-1].startswith("-")
            listed[-1] = f"{'-' if sign else ''}{smallest}*{listed[-1].lstrip('-')}"
        return self.element(argument, listed)

    def element(self, argument: Argument, indices: Sequence[str]) -> str:
        """A place in a buffer."""
        steps = [_iteration(depth) for depth, step in enumerate(argument.steps) if step]
        inside = ", ".join([*steps, *indices]) + (f"; {argument.offset}" if argument.offset else "")
        name = self.names[argument.buffer]
        return f"{name}[{inside}]" if inside else name


def _named(program: Program) -> dict[Buffer, str]:
    """Names of all buffers, made different; inputs, outputs, temporaries, constants."""
    used = [argument.buffer for statement in program.statements for argument in arguments_of(statement)]
    temporaries = [b for b in dict.fromkeys(used) if b.role == "temporary"]
    names: dict[Buffer, str] = {}
    taken: set[str] = set()
    for buffer in dict.fromkeys([*program.inputs, *program.outputs, *temporaries, *program.constants()]):
        name, number = buffer.name, 2
        while name in taken:
            name, number = f"{buffer.name}.{number}", number + 1
        taken.add(name)
        names[buffer] = name
    return names


def _iteration(depth: int) -> str:
    return f"t{depth + 1}" if depth else "t"


def _term(stride: int, axis: str) -> str:
    return f"-{axis}" if stride < 0 else axis


def _loops(kernel: Kernel, axes: Sequence[str]) -> str:
    """The loops of a kernel, and the pieces that it is cut into."""
    if isinstance(kernel, Contraction):
        lengths = [*kernel.batch, kernel.m, kernel.n]
        product = ", ".join(f"{axis} in {n}" for axis, n in zip([*axes, "k"], [*lengths, kernel.k], strict=True))
        shared = ", by rows" if kernel.by_rows else ""
        return f"{product}, tiles of {_runs(kernel.rows)} x {_runs(kernel.columns)}{shared}"
    outer = len(kernel.domain) - kernel.inner
    loops = [f"{axis} in {n}" for axis, n in zip(axes, kernel.domain, strict=True)]
    blocks = f", blocks of {kernel.block}" if kernel.block else ""
    return "; ".join(part for part in (", ".join(loops[:outer]), ", ".join(loops[outer:])) if part) + blocks


def _runs(numbers: Sequence[int]) -> str:
    """Numbers, those that follow each other more than once with how often.

    Examples
    --------
    >>> _runs((48, 48, 48, 32))
    '48*3+32'
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][0] == number:
            found[-1][1] += 1
        else:
            found.append([number, 1])
    return "+".join(f"{number}*{times}" if times > 1 else str(number) for number, times in found)


class _Formulas:
    """The values of a kernel as formulas; long ones that are used twice get lines of their own."""

    def __init__(self, kernel: Kernel, axes: Sequence[str], loads: Sequence[str]) -> None:
        self.kernel = kernel
        self.axes = axes
        self.named: list[str] = []
        self.values: list[Text] = []
        uses = _uses(kernel)
        if isinstance(kernel, Contraction):
            self.values.append((f"sum_k({loads[0]} * {loads[1]})", _ATOM))
            loads = loads[2:]
            self.name(0, uses)
        self.values += [(load, _ATOM) for load in loads]
        for instruction in kernel.body:
            self.values.append(self.formula(instruction))
            if instruction.operator not in ("literal", "position"):
                self.name(len(self.values) - 1, uses)

    def name(self, number: int, uses: Sequence[int]) -> None:
        """Give a value a name, if that makes formulas shorter."""
        text = self.values[number][0]
        if uses[number] > 1 and len(text) > _LONG:
            name = f"v{len(self.named) + 1}"
            self.named.append(f"{name} = {text}")
            self.values[number] = (name, _ATOM)

    def text(self, number: int) -> Text:
        """A value's formula, and how tightly it binds."""
        return self.values[number]

    def bound(self, number: int, least: int) -> str:
        """A value's formula, in parentheses if it binds less tightly than that."""
        text, tightness = self.values[number]
        return text if tightness >= least else f"({text})"

    def formula(self, instruction: Instruction) -> Text:
        """The formula of an instruction."""
        operator, operands = instruction.operator, instruction.operands
        if operator == "literal":
            # As short as it can be written in its own precision: 0.01, not 0.009999999776482582.
            return str(instruction.dtype.type(instruction.parameters[0])), _ATOM
        if operator == "position":
            return self.position(*instruction.parameters), _ATOM
        if operator in _INFIX:
            sign, tightness = _INFIX[operator]
            left, right = self.bound(operands[0], tightness), self.bound(operands[1], tightness + 1)
            return f"{left} {sign} {right}", tightness
        if operator == "negative":
            return f"-{self.bound(operands[0], _UNARY)}", _UNARY
        if operator == "fma":
            a, b, c = (self.bound(x, least) for x, least in zip(operands, (5, 6, 5), strict=True))
            return f"{a} * {b} + {c}", 4
        listed = ", ".join(self.values[x][0] for x in operands)
        if operator in REDUCTIONS:
            inner = self.axes[len(self.axes) - getattr(self.kernel, "inner", 0) :]
            return f"{_SUMS[operator]}_{''.join(inner)}({listed})", _ATOM
        return f"{instruction.dtype if operator == 'astype' else operator}({listed})", _ATOM

    def position(self, start: int, strides: Sequence[int]) -> str:
        """A counter."""
        terms = [axis if s == 1 else f"{s}*{axis}" for s, axis in zip(strides, self.axes, strict=True) if s]
        return f"({' + '.join([str(start), *terms] if start or not terms else terms)})"


def _uses(kernel: Kernel) -> list[int]:
    """How often each value is used."""
    first = len(kernel.inputs) + isinstance(kernel, Contraction)
    uses = [0] * (first + len(kernel.body))
    for store in kernel.stores:
        uses[store.value] += 1
    for number, instruction in reversed(list(enumerate(kernel.body, first))):
        # What is not used itself uses nothing.
        for operand in instruction.operands if uses[number] else ():
            uses[operand] += 1
    return uses

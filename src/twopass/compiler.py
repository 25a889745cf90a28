"""Compiling functions of arrays: from Python to machine code, and back to arrays.

    f --capture--> graph --passes--> graph --lower--> program --backend--> a function of arrays

`compile` gives a function that does this once for each combination of shapes, dtypes and static values that it meets.
``docs/compiler.md`` follows one layer all the way.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import tree
from twopass.core.rule import is_traced
from twopass.core.trace import WATCHING
from twopass.errors import ArgumentError, compose, unknown_name
from twopass.foreign import native, speaks_dlpack

# What compiles is imported by the first call that needs it.
if TYPE_CHECKING:
    from twopass.graph.capture import Arguments, Outputs
    from twopass.graph.ir import Graph
    from twopass.program.ir import Program

__all__ = ["BACKENDS", "Compiled", "Specialization", "compile"]

_LOG = logging.getLogger("twopass.compiler")

BACKENDS = ("auto", "llvm", "numpy")

#: How many specializations of one function are kept: those used last.
KEPT = 64

Function = Callable[..., Any]
Executor = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(eq=False)
class Specialization:
    """A function, compiled for arguments of certain shapes and dtypes.

    Attributes
    ----------
    graph : Graph
        What the function computes, after all passes.
    state : int
        How many leaves of the arguments, the first ones, the first leaves of the result take the place of: see `lower`.
    """

    graph: Graph
    outputs: Outputs
    backend: str
    threads: int | None = None
    state: int = 0

    @functools.cached_property
    def program(self) -> Program:
        """What the machine runs."""
        from twopass.backends.llvm.target import host
        from twopass.program.lower import lower

        return lower(self.graph, host().machine(), self.state)

    @functools.cached_property
    def execute(self) -> Executor:
        """Computes the graph's outputs from its inputs."""
        if self.backend == "numpy":
            return functools.partial(_evaluate, self.graph)
        from twopass.backends import llvm

        shapes = [node.shape for node in self.graph.outputs]
        return llvm.compile(self.program, threads=self.threads, shapes=shapes)

    @functools.cached_property
    def build(self) -> Callable[[Sequence[Any]], Any]:
        """Makes the function's result of the graph's outputs."""
        kinds = [kind for kind, _ in self.outputs.leaves]
        numbers = [what for _, what in self.outputs.leaves]
        if kinds == ["array"] * len(kinds) and numbers == list(range(len(kinds))):
            return tree.builder(self.outputs.structure)
        return self.outputs.build


class Compiled:
    """A function that runs as machine code; see `compile`.

    Attributes
    ----------
    graph : Graph
        What the last call computed, after all passes; printing it shows formulas.
    program : Program
        How: kernels, their order and their memory.
    """

    def __init__(self, f: Function, backend: str = "auto", threads: int | None = None) -> None:
        if backend not in BACKENDS:
            raise ArgumentError(unknown_name("backend", backend, BACKENDS))
        if threads is not None:
            from twopass.backends.llvm.threads import check_threads

            check_threads(threads)
        functools.update_wrapper(self, f)
        self._function = f
        self._backend = "llvm" if backend == "auto" else backend
        self._threads = threads
        self._kept: OrderedDict[Any, Specialization] = OrderedDict()
        self._last: Specialization | None = None
        self._lock = threading.RLock()
        # The way of the call before, which most calls take again: how to take the arrays out, their shapes, how to run.
        self._way: tuple[Any, Any, Any, Any] | None = None

    def __repr__(self) -> str:
        return f"twopass.compile({getattr(self._function, '__qualname__', self._function)})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the function."""
        if WATCHING.get() is not None:
            return self._function(*args, **kwargs)  # `twopass.debug` looks at each operation
        way = self._way
        if way is not None and not kwargs:
            read, shapes, quick, build = way
            leaves = read(args)
            if leaves is not None:
                try:
                    if [leaf.shape for leaf in leaves] == shapes:
                        results = quick(leaves)  # which looks at types, dtypes and layouts itself
                        if results is not None:
                            return build(results)
                except AttributeError:  # not an array
                    pass
        return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Any call: the arguments are taken apart, and compiled for if they are new."""
        leaves = tree.leaves((args, kwargs))
        if any(map(is_traced, leaves)):
            return self._function(*args, **kwargs)  # it is being differentiated, or captured by another function
        if any(map(speaks_dlpack, leaves)):
            args, kwargs = tree.map(native, (args, kwargs))
        given, found = self._find(args, kwargs)
        result = found.build(found.execute(given.leaves))
        quick = getattr(found.execute, "quick", None)
        plain = not kwargs and not given.static and all(type(leaf) is np.ndarray for leaf in given.leaves)
        if quick is not None and plain:
            shapes = [leaf.shape for leaf in given.leaves]
            self._way = (tree.reader(given.structure), shapes, quick, found.build)
        return result

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any], state: int = 0) -> tuple[Arguments, Specialization]:
        """The arguments taken apart, and what is compiled for such ones."""
        from twopass.graph.capture import split

        given = split((*args, kwargs) if kwargs else args)
        static = tuple((place, type(value), value) for place, value in given.static)
        key = (given.structure, static, tuple(map(_type, given.leaves)), bool(kwargs), state)
        _check_hashable(given.static)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = self._specialize(args, kwargs, state)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            self._last = found
        return given, found

    def specialization(self, *args: Any, state: int = 0) -> Specialization:
        """What a call with such arguments runs, for callers that keep a state in the program's own layout.

        Parameters
        ----------
        *args : tree of arrays
            Of which shapes and dtypes matter.
        state : int
            See `Specialization`.
        """
        return self._find(args, {}, state)[1]

    def _specialize(self, args: tuple[Any, ...], kwargs: dict[str, Any], state: int = 0) -> Specialization:
        from twopass.graph.capture import capture
        from twopass.graph.passes import run

        function = self._function
        if kwargs:

            def function(*everything: Any) -> Any:
                return self._function(*everything[:-1], **everything[-1])

            args = (*args, kwargs)
        graph, outputs = capture(function, args, _names(self._function, kwargs))
        graph = run(graph)
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("captured %r for new shapes: %d operations", self, len(graph.nodes()))
        return Specialization(graph, outputs, self._backend, self._threads, state)

    def trace(self, *args: Any, **kwargs: Any) -> Specialization:
        """Capture the function for these arguments, without running it: ``.graph`` and ``.program`` show the result."""
        with self._lock:
            self._last = self._specialize(args, kwargs)
        return self._last

    def _latest(self) -> Specialization:
        if self._last is None:
            what = f"{self!r} has not been compiled yet"
            why = "That takes arguments, whose shapes and dtypes decide."
            raise ArgumentError(compose(what, why=why, instead="Call it, or .trace(*args), first."))
        return self._last

    @property
    def graph(self) -> Graph:
        """What the last call computed."""
        return self._latest().graph

    @property
    def program(self) -> Program:
        """The kernels of the last call."""
        return self._latest().program

    def explain(self) -> str:
        """A table of the kernels of the last call, with operations, bytes, calls of NumPy, and memory."""
        from twopass.program.explain import explain

        return explain(self.program)


def _names(function: Function, kwargs: dict[str, Any]) -> list[str]:
    """Names of the parameters that may be passed by position, for the graph's inputs."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a built-in function may have none
        return []
    by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [name for name in by_position if name not in kwargs]


def _evaluate(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """Compute a graph with NumPy; no two results share memory, and none does with an argument or a constant."""
    from twopass.graph.interpreter import evaluate

    return [np.array(value) if isinstance(value, np.ndarray) else value for value in evaluate(graph, values)]


def _check_hashable(static: Sequence[tuple[int, Any]]) -> None:
    for _, value in static:
        try:
            hash(value)
        except TypeError:
            what = f"a {type(value).__name__} cannot be an argument of a compiled function"
            instead = "Pass arrays, numbers and text, in lists, tuples and dicts."
            raise ArgumentError(compose(what, why="It is neither an array nor a constant.", instead=instead)) from None


def _type(leaf: Any) -> Any:
    """What of an argument a compiled function depends on."""
    if type(leaf) is float:
        return float
    return leaf.shape, leaf.dtype, isinstance(leaf, np.generic)


def compile(f: Function, *, backend: str = "auto", threads: int | None = None) -> Compiled:
    """Compile a function of arrays to machine code.

    The first call with arguments of new shapes or dtypes runs `f` once to see which NumPy functions it calls, on what;
    these are compiled as a whole, and later calls run the machine code. What has no native code is a call of NumPy
    inside of it, which `Compiled.explain` lists.

    Parameters
    ----------
    f : callable
        Plain NumPy code, derivatives of such code included. It must do the same whatever the *values* of its arrays
        are: no ``if`` on an element (write ``np.where``), no loop whose length depends on one (`twopass.scan`). It
        runs only when it is compiled, so printing shows nothing afterwards, and arrays that it finds outside of its
        arguments are constants.
    backend : {"auto", "llvm", "numpy"}
        Who computes: machine code made by LLVM, or NumPy, call by call (to compare).
    threads : int, optional
        How many threads the machine code uses; by default as many as pay. Results have the same bits with any number.

    Returns
    -------
    Compiled
        Takes the arguments of `f`: trees of arrays and numbers. Arrays, NumPy scalars and Python floats may change
        from call to call; other arguments (integers, booleans, strings) are static: a new value compiles anew.
        Traced arrays pass through it: a compiled function may be differentiated.

    Raises
    ------
    ArgumentError
        For an unknown backend, or an impossible number of threads.
    CaptureError
        When called, if `f` needs to know the value of an array.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> def loss(w, x, y):
    ...     return np.mean((np.tanh(x @ w) - y) ** 2)
    >>> step = tp.compile(tp.value_and_grad(loss))
    >>> value, gradient = step(np.zeros(2), np.eye(2), np.ones(2))
    >>> float(value), gradient
    (1.0, array([-1., -1.]))
    """
    return Compiled(f, backend, threads)

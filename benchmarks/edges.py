"""The edges of docs/kinks.md in other libraries, too: ``python -m benchmarks.edges`` prints and writes docs/edges.md.

Each expression of ``tests/rules/edges.py`` runs as it is written, on the library's own NumPy (for PyTorch, on the
functions of ``benchmarks/peers/torch_numpy.py``). An answer is right if it is the derivative or, where there is none,
in the set of the subgradients. Peers that are not installed are named and left out.
"""

from __future__ import annotations

import importlib
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from tests.rules import edges
from tests.rules.edges import Edge

from benchmarks.page import machine
from benchmarks.timing import table

PAGE = Path(__file__).parent.parent / "docs" / "edges.md"
OUTCOMES = ("right", "wrong", "NaN", "not there")


class Library(NamedTuple):
    """What answers: its version, what the expressions refer to, and its gradient of a function with one result."""

    version: str
    names: Mapping[str, Any]
    total: Callable[[Any], Any]
    gradient: Callable[[Callable[[Any], Any]], Callable[[Any], Any]]
    point: Callable[[Any], Any] = lambda x: x
    conjugate: bool = False  # whether its gradients of complex arguments are the conjugates of ours


class Answer(NamedTuple):
    """What a library says, and whether it is right."""

    outcome: str
    text: str


def of_twopass() -> Library:
    """The library that the list is the policy of."""
    import twopass as tp

    return Library(f"twopass {tp.__version__}", edges.names(), np.sum, tp.grad)


def of_autograd() -> Library:
    """HIPS autograd."""
    autograd = importlib.import_module("autograd")
    numpy = importlib.import_module("autograd.numpy")
    version = importlib.import_module("importlib.metadata").version("autograd")
    names = {"np": numpy, "special": importlib.import_module("autograd.scipy.special")}
    return Library(f"autograd {version}", names, numpy.sum, autograd.grad, _scalar, conjugate=True)


def _scalar(x: Any) -> Any:
    """A NumPy scalar for a Python number, whose powers of 0 raise."""
    return np.asarray(x)[()]


def of_jax() -> Library:
    """JAX, in double precision as NumPy is."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    nn = SimpleNamespace(**vars(jax.nn))
    nn.gelu = lambda x: jax.nn.gelu(x, approximate=False)
    nn.gelu_tanh = jax.nn.gelu
    names = {
        "np": jax.numpy,
        "nn": nn,
        "special": jax.scipy.special,
        "set_at": lambda array, index, value: array.at[index].set(value),
        "add_at": lambda array, index, value: array.at[index].add(value),
    }
    return Library(f"jax {jax.__version__}", names, jax.numpy.sum, jax.grad, jax.numpy.asarray, conjugate=True)


def of_torch() -> Library:
    """PyTorch."""
    torch = importlib.import_module("torch")
    peer = importlib.import_module("benchmarks.peers.torch_numpy")

    def gradient(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def differentiated(x: Any) -> Any:
            x = x if x.requires_grad else x.detach().requires_grad_()
            (found,) = torch.autograd.grad(f(x), x, create_graph=True)
            return found

        return differentiated

    names = {
        "np": peer.numpy_names,
        "nn": peer.activations,
        "losses": peer.losses,
        "special": peer.special,
        "set_at": edges.set_at,
        "add_at": lambda array, index, value: array.index_add(0, index, value),
    }
    return Library(peer.VERSION, names, torch.sum, gradient, lambda x: peer.tensor(np.array(x)))


LIBRARIES = {"twopass": of_twopass, "autograd": of_autograd, "jax": of_jax, "torch": of_torch}


def derivative(library: Library, edge: Edge) -> Any:
    """What the library says that the derivative is, as a NumPy array."""
    f = edge.function(**library.names)

    def first(x: Any) -> Any:
        return library.total(f(x))

    second = first if edge.order == 1 else lambda x: library.total(library.gradient(first)(x))
    found = library.gradient(second)(library.point(edge.point()))
    found = np.asarray(found.numpy(force=True) if hasattr(found, "numpy") else found)
    return np.conj(found) if library.conjugate and found.dtype.kind == "c" else found


def answer(library: Library, edge: Edge) -> Answer:
    """A library's answer, judged."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = derivative(library, edge)
    except Exception as error:  # whatever a library says when it cannot do something
        if edge.raises:
            return Answer("right", type(error).__name__)
        return Answer("not there", "")
    text = shown(found)
    if edges.is_right(edge, found):
        return Answer("right", text)
    return Answer("NaN" if np.isnan(found).any() else "wrong", text)


def shown(value: Any) -> str:
    """An array as short text."""
    numbers = [f"{number:.4g}" for number in np.ravel(value) + 0.0]
    return numbers[0] if np.ndim(value) == 0 else f"[{', '.join(numbers)}]"


def report(libraries: Mapping[str, Library]) -> str:
    """The page."""
    answers = {name: [answer(library, edge) for edge in edges.EDGES] for name, library in libraries.items()}
    counts = {name: Counter(answer.outcome for answer in found) for name, found in answers.items()}
    totals = [[libraries[name].version, *(str(counts[name][outcome]) for outcome in OUTCOMES)] for name in libraries]
    rows = []
    for place, edge in enumerate(edges.EDGES):
        cells = [_cell(answers[name][place]) for name in libraries]
        rows.append([f"`{edge.code}`", f"`{edge.at}`", "second" if edge.order == 2 else "", _truth(edge), *cells])
    return "\n".join(
        [
            "# Edges: what other libraries answer",
            "",
            f"The {len(edges.EDGES)} edges of [the policy](kinks.md), each run through the gradient function of every",
            "library: `python -m benchmarks.edges`. An answer is right if it is the derivative (to five digits), or a",
            "subgradient where there is no derivative; where there is neither, or the value itself is NaN, nothing is",
            "wrong. **Bold** answers are wrong, or NaN although there is something right to say. An empty cell: the",
            "library has no such function, or raises. Complex gradients are conjugated where that is the library's",
            "convention.",
            "",
            table(["library", *OUTCOMES], totals),
            "",
            table(["expression", "at x =", "", "right", *libraries], rows),
            "",
            machine([library.version for library in libraries.values()]),
            "",
        ]
    )


def _truth(edge: Edge) -> str:
    """What is right, for the table."""
    if edge.raises:
        return "an exception"
    if edge.is_free():
        return "none"
    shape = np.shape(edge.expected())
    return " to ".join(shown(np.reshape(point, shape)) for point in edge.right())


def _cell(answer: Answer) -> str:
    return answer.text if answer.outcome == "right" else f"**{answer.text}**" if answer.text else ""


def main() -> None:
    """Print the page, and write it."""
    libraries = {}
    for name, load in LIBRARIES.items():
        try:
            libraries[name] = load()
        except ImportError as error:
            print(f"{name} is left out: {error.name} is not installed (pip install {error.name})")
    text = report(libraries)
    print(text)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()

"""The passes: each takes a graph and gives one that computes the same, better suited to what comes after it."""

from twopass.graph.ir import Graph
from twopass.graph.passes.contract import contract
from twopass.graph.passes.defer import defer
from twopass.graph.passes.fold import fold
from twopass.graph.passes.normalize import normalize
from twopass.graph.passes.prune import prune
from twopass.graph.passes.rewriting import Pass
from twopass.graph.passes.share import share
from twopass.graph.passes.simplify import simplify

__all__ = ["PIPELINE", "Pass", "contract", "defer", "fold", "normalize", "prune", "run", "share", "simplify"]

#: The passes in order, each with what it is for.
PIPELINE: list[tuple[Pass, str]] = [
    (prune, "what loops compute for nobody"),
    (normalize, "one spelling for what NumPy can say in many ways"),
    (fold, "what is computed from constants alone is computed now"),
    (share, "the same call of the same operands is made once"),
    (simplify, "algebra that needs fewer operations"),
    (contract, "transposes around a contraction become other subscripts"),
    (defer, "sums over the steps of a loop are made after it, all at once"),
    (fold, "again: algebra makes constants"),
    (simplify, "again: what was a constant then"),
    (share, "again: what became equal"),
]


def run(graph: Graph) -> Graph:
    """Send a graph through the pipeline."""
    for step, _ in PIPELINE:
        graph = step(graph)
    return graph

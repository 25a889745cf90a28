"""The passes: each takes a graph and gives one that computes the same, better suited to what comes after it."""

from twopass.graph.ir import Graph
from twopass.graph.passes.normalize import normalize
from twopass.graph.passes.rewriting import Pass

__all__ = ["PIPELINE", "Pass", "normalize", "run"]

#: The passes in order, each with what it is for.
PIPELINE: list[tuple[Pass, str]] = [
    (normalize, "one spelling for what NumPy can say in many ways"),
]


def run(graph: Graph) -> Graph:
    """Send a graph through the pipeline."""
    for step, _ in PIPELINE:
        graph = step(graph)
    return graph

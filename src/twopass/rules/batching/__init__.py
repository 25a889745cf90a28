"""How functions run on a whole batch of examples: the trace of `twopass.vmap`, and its table, one file a chapter."""

from twopass.rules.batching import indexing, products, reductions, shapes
from twopass.rules.batching.trace import Batched, BatchTrace, Call

__all__ = ["BatchTrace", "Batched", "Call", "indexing", "products", "reductions", "shapes"]

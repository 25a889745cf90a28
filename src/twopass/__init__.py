"""twopass: one forward pass, one backward pass, then a gradient-descent step."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"

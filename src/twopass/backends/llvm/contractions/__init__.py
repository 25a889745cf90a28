"""The parts of a contraction's code: how columns and rows are cut, the product of a tile, and what happens to it."""

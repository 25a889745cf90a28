"""The engine: rules, traces, the traced array, and the two sweeps."""

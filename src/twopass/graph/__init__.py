"""Functions as graphs of NumPy calls: capture, passes, printer, interpreter."""

"""The program: what a machine runs."""

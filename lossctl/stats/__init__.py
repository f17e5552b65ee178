"""Statistics: standard errors and intervals from merged states. NumPy and the standard library only."""

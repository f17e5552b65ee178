"""Arithmetic that plain float64 does not give: pairs of floats, logarithms to more digits, exact sums (README.md)."""

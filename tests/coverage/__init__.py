"""How often intervals of nominally 95 % hold the truth, and how often verdicts are false; `make coverage`."""

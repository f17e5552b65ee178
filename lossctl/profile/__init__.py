"""Profile: what is in the rows of some data, as states that merge; `choose` and `validate` read it."""

"""What a pass over data says of its columns, their numbers and the roles they play; `choose` and `validate` read it."""

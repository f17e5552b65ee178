"""The losses, one file per family; each is one declaration from which everything else derives."""

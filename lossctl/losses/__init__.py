"""The losses, each file of one family; a loss is one declaration from which everything else derives."""

"""Results: what a command has to say, as values without any form, and their JSON, written and read in one place."""

"""Gate: rules and numbers to a verdict, without files or output; nothing in it passes for want of a number."""

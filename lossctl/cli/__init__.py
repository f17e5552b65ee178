"""The command line: one thin file per command; work is imported inside the functions, so that help is instant."""

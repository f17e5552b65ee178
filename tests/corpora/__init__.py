"""Files that others have broken, and our own of each kind, judged by the strict readers of Python."""

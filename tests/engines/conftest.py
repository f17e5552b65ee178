"""Keeps pytest, which imports every module in search of doctests, away from modules whose packages it has not."""

collect_ignore_glob = ["*"]

"""Choosing a loss: what the data look like, which rules speak, and what is recommended."""

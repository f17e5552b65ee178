"""The engine: a plan of distinct quantities, blocks reduced in threads, states merged. Knows no files and no names."""

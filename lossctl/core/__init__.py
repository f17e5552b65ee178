"""The numerical heart: domains, batches, exact states and the Loss value. NumPy only."""

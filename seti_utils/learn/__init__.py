"""The training loop and everything that it takes as a value."""

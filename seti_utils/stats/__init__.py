"""AUC, intervals, the bootstrap and seeds: numbers about scores."""

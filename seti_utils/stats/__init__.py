"""AUC, intervals, bootstraps and seeds: numbers about scores, without torch or files."""

"""A competition's bytes: cadences, folders, tables, folds, stores, sources and batches."""

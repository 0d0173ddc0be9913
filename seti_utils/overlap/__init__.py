"""Which files show the same sky, and panels less that sky."""

"""Which files show the same sky, and panels minus that sky."""

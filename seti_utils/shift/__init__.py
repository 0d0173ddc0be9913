"""The domain-shift study: how the test differs from the training data, and what that does to predictions."""

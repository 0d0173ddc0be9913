"""The logistic function."""

import numpy as np


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """The logistic function in float64, without overflow at either end."""
    small = np.exp(-np.abs(np.asarray(logit, np.float64)))
    return np.where(np.asarray(logit) >= 0, 1.0, small) / (1.0 + small)

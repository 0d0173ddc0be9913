"""Medians and quartiles, fast on a CPU too."""

import numpy as np
import torch
from torch import Tensor

QUARTILES_TO_SIGMA = 1.348980
"""Distance between the quartiles of a Gaussian of standard deviation 1."""


def sort_along(x: Tensor, dim: int) -> Tensor:
    """Sorted values; on a CPU by NumPy, whose vectorised sort is 10 to 35 times as fast as torch's here."""
    if x.device.type == "cpu":
        return torch.from_numpy(np.sort(x.detach().numpy(), axis=dim))
    return x.sort(dim).values


def median_along(x: Tensor, dim: int) -> Tensor:
    """The median along ``dim``, the lower of two, as ``torch.median`` gives it; on a CPU by NumPy, in a tenth of the time."""
    middle = (x.shape[dim] - 1) // 2
    if x.device.type == "cpu":
        return torch.from_numpy(np.partition(x.detach().numpy(), middle, dim)).select(dim, middle)
    return x.median(dim).values


def level_and_scatter(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Median and robust standard deviation (from the quartiles) along ``dim``, which is kept with size 1.

    Where the quartiles coincide but something varies (one spike in a constant row), the scatter is the plain standard
    deviation about the median; where nothing varies it is 1, so that dividing by it is always safe.
    """
    ordered = sort_along(x, dim)
    size = x.shape[dim]

    def value(rank: float) -> Tensor:
        below = int(rank)
        low = ordered.narrow(dim, below, 1)
        return low.lerp(ordered.narrow(dim, min(below + 1, size - 1), 1), rank - below)

    median = value((size - 1) / 2)
    scatter = (value(0.75 * (size - 1)) - value(0.25 * (size - 1))) / QUARTILES_TO_SIGMA
    spread = (x - median).square().mean(dim, keepdim=True).sqrt()
    scatter = torch.where(scatter > spread * 1e-6, scatter, spread)
    return median, torch.where(scatter > 0, scatter, 1)

"""Mean 0, standard deviation 1."""

import math

import torch
from torch import Tensor

CONSTANT = 1e-6
"""A standard deviation below this share of the mean is rounding: nothing varies."""


def normalised(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """A new ``x`` with mean 0 and standard deviation 1 over ``dims``, in the dtype of ``x``; arithmetic in float32.

    Pixels that are not finite do not count and become 0. Where nothing varies (a constant panel, a single finite
    pixel) the result is 0.
    """
    value = x.to(torch.float32, copy=True)
    mean = value.mean(dims, keepdim=True)
    value -= mean
    size = math.prod(x.shape[dim] for dim in dims)
    std = torch.linalg.vector_norm(value, dim=dims, keepdim=True) / math.sqrt(size)
    value *= torch.where(std > mean.abs() * CONSTANT, 1 / std, 0)
    clean = std.isfinite()
    # On a GPU the question would wait for the device, and the answer costs less than that.
    if x.device.type == "cpu" and clean.all():
        return value.to(x.dtype)
    return torch.where(clean, value, normalised_finite(x, dims)).to(x.dtype)


def normalised_finite(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The same in float32, of the finite pixels alone: slower."""
    finite = x.isfinite()
    count = finite.sum(dims, keepdim=True).clamp(min=1)
    value = torch.where(finite, x, 0).float()
    mean = value.sum(dims, keepdim=True) / count
    value = torch.where(finite, value - mean, 0)
    std = (value.square().sum(dims, keepdim=True) / count).sqrt()
    return value * torch.where(std > mean.abs() * CONSTANT, 1 / std, 0)


def normalise_panels(x_BPTF: Tensor) -> Tensor:
    """Every panel with mean 0 and standard deviation 1 (population), as the competition's current data have it.

    (..., T, F) of any float dtype -> the same shape and dtype. Constant panels and pixels that are not finite become 0.
    """
    return normalised(x_BPTF, (-2, -1))

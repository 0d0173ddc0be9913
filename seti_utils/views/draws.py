"""Random numbers for augmentations: per cadence, batched, on the generator's device, from that generator alone."""

import torch
from torch import Generator, Tensor

from seti_utils.sky.draws import coin


def chosen(batch: int, p: float, generator: Generator) -> Tensor:
    """Bool (B,): each cadence with probability ``p``."""
    return coin(p, (batch,), generator=generator)


def orders(batch: int, size: int, generator: Generator) -> Tensor:
    """Int64 (B, size): an independent permutation of 0..size-1 per cadence, all equally likely."""
    return torch.rand(batch, size, generator=generator, device=generator.device, dtype=torch.float64).argsort(1)


def whole_numbers(low: int, high: int, batch: int, generator: Generator) -> Tensor:
    """Int64 (B,): low, ..., high - 1, all equally likely."""
    return torch.randint(low, high, (batch,), generator=generator, device=generator.device)


def partners(batch: int, generator: Generator) -> Tensor:
    """Int64 (B,): with whom each cadence is mixed; one random cycle through the batch, so never itself when B > 1."""
    cycle = torch.randperm(batch, generator=generator, device=generator.device)
    partner = torch.empty_like(cycle)
    partner[cycle] = cycle.roll(-1)
    return partner


def gamma(shape_parameter: Tensor, generator: Generator) -> Tensor:
    """Gamma(shape_parameter, scale 1) of the parameter's shape and dtype."""
    # torch.distributions calls the same sampler, but its public face takes no generator.
    return torch._standard_gamma(shape_parameter, generator=generator)  # pyright: ignore[reportPrivateImportUsage]


def beta(alpha: float, batch: int, generator: Generator) -> Tensor:
    """Float32 (B,) of Beta(alpha, alpha)."""
    pair = gamma(torch.full((2, batch), alpha, dtype=torch.float64, device=generator.device), generator)
    tiny = torch.finfo(torch.float64).tiny
    return ((pair[0] + tiny) / (pair.sum(0) + 2 * tiny)).float()


def per_cadence(values: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1) as ``like`` needs it for broadcasting."""
    return values.view(-1, *[1] * (like.ndim - 1))

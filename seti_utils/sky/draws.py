"""Random numbers of the sky: batched, on the generator's device, from that generator alone; and when they may be looked at."""

import math
from collections.abc import Sequence

import torch


def uniform(low: float, high: float, shape: Sequence[int], *, generator: torch.Generator) -> torch.Tensor:
    """Uniform float32 numbers in [low, high) on the generator's device."""
    return torch.rand(tuple(shape), generator=generator, device=generator.device) * (high - low) + low


def log_uniform(low: float, high: float, shape: Sequence[int], *, generator: torch.Generator) -> torch.Tensor:
    """Log-uniform float32 numbers in [low, high) on the generator's device; both bounds positive."""
    return uniform(math.log(low), math.log(high), shape, generator=generator).exp()


def coin(share: float | torch.Tensor, shape: Sequence[int], *, generator: torch.Generator) -> torch.Tensor:
    """Bool, True with probability ``share``, on the generator's device."""
    return torch.rand(tuple(shape), generator=generator, device=generator.device) < share


def may_look(values: torch.Tensor) -> bool:
    """May the program ask what ``values`` are, to leave out work that they make unnecessary? On a GPU it would wait for the
    answer."""
    return values.device.type == "cpu"

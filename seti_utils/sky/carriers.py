"""In which panels a needle is, and how bright: candidates in ON panels alone, terrestrial ones also in OFF panels."""

from collections.abc import Sequence

import torch

from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.sky.draws import coin, log_uniform
from seti_utils.sky.ranges import ECHO, ECHO_SNR, TERRESTRIAL_KINDS


def mostly_all(batch: int, *, generator: torch.Generator, panels: Sequence[int] = ON, every: float = 0.7) -> torch.Tensor:
    """Bool (B, 6): which of ``panels`` carry the needle: all with probability ``every``, else all but one or more."""
    order = torch.rand(batch, len(panels), generator=generator, device=generator.device).argsort(1)
    most = len(panels)
    some = 1 + (torch.rand(batch, generator=generator, device=generator.device) * (most - 1)).long() if most > 1 else 1
    count = torch.where(coin(every, (batch,), generator=generator), most, some)
    carriers = torch.zeros(batch, PANELS, dtype=torch.bool, device=generator.device)
    carriers[:, list(panels)] = order < count[:, None]
    return carriers


def any_subset(batch: int, *, generator: torch.Generator, panels: Sequence[int] = ON) -> torch.Tensor:
    """Bool (B, 6): one of the non-empty subsets of ``panels`` for each needle, all equally likely."""
    subset = torch.randint(1, 2 ** len(panels), (batch,), generator=generator, device=generator.device)
    carriers = torch.zeros(batch, PANELS, dtype=torch.bool, device=generator.device)
    for bit, panel in enumerate(panels):
        carriers[:, panel] = (subset >> bit) % 2 == 1
    return carriers


def terrestrial_carriers(
    kind: torch.Tensor, snr: torch.Tensor, *, generator: torch.Generator, echo: tuple[float, float] = ECHO
) -> tuple[torch.Tensor, torch.Tensor]:
    """Carriers bool (B, 6) and brightness float32 (B, 6) of terrestrial needles of these kinds (B,), whole numbers.

    ``kind``: index into :data:`~seti_utils.sky.ranges.TERRESTRIAL_KINDS`. ``snr`` (B,): integrated over a panel, where it is
    brightest. An echo's OFF panels have each their own share of it within ``echo``, but never less than ``ECHO_SNR`` asks
    for.
    """
    off = mostly_all(len(kind), generator=generator, panels=OFF)
    on = mostly_all(len(kind), generator=generator)
    weaker = log_uniform(*echo, (len(kind), PANELS), generator=generator)
    weaker = torch.maximum(weaker, (ECHO_SNR / snr.clamp(min=1e-6))[:, None]).clamp(max=1)
    names = list(TERRESTRIAL_KINDS)
    every = (kind == names.index("all"))[:, None]
    is_echo = (kind == names.index("echo"))[:, None]
    carriers = off | every | (is_echo & on)
    return carriers, torch.where(is_echo & off, weaker, 1.0)

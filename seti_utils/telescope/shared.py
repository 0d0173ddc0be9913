"""What stands still in a cadence's OFF panels, taken off all of its panels before tracks are summed.

Emission that stands still is a spectrum times a course in time; :mod:`seti_utils.nets.shared_sky` finds such spectra. Those of
the OFF panels are not a signal of the target, however its course differs from panel to panel, so ON panels lose them all.
OFF panels lose only what two of them show: a line that drifts is elsewhere in every panel, and has to stay where it can
speak against the ON panels' track.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from seti_utils.nets.shared_sky import not_noise, strongest

WINDOW = 256
"""Channels whose spectra are looked for together; windows overlap by half and fade into each other."""

SURE = 2.5
"""A spectrum counts where it stands out of its own noise by this many sigma: else a bright line that is in it somewhere would be
taken off as its ghost everywhere."""

BATCH = 32
"""Windows at a time."""


def less_shared(panels: Sequence[Tensor], on: Sequence[int], off: Sequence[int], first: int = 0) -> list[Tensor]:
    """``panels`` (T, F), in sigma, minus the spectra that the ``off`` panels show. ``first``: number of the first channel."""
    size = panels[0].shape[1]
    width = min(WINDOW, size)
    half = max(width // 2, 1)
    starts = [start - first for start in range(-(-first // half) * half, first + size - width + 1, half)]
    starts = sorted({0, *starts, size - width})
    out = [torch.zeros_like(panel) for panel in panels]
    weight = panels[0].new_zeros(size)
    fade = 1 - (torch.arange(width, device=weight.device) + 0.5 - width / 2).abs() / (width / 2)
    for begin in range(0, len(starts), BATCH):
        some = starts[begin : begin + BATCH]
        cut = [torch.stack([panel[:, at : at + width] for at in some]) for panel in panels]
        for number, values in enumerate(cleaned(cut, on, off)):
            for at, value in zip(some, values.mul_(fade), strict=True):
                out[number][:, at : at + width] += value
        for at in some:
            weight[at : at + width] += fade
    return [panel.div_(weight) for panel in out]


def cleaned(panels: Sequence[Tensor], on: Sequence[int], off: Sequence[int]) -> list[Tensor]:
    """Windows of panels (B, T, F) minus the spectra of the ``off`` panels, each in units of the noise."""
    sample = torch.cat([panels[number] for number in off], 1)
    spectra, strength = strongest(sample)
    parts = [panel @ spectra for panel in panels]
    size = sample.shape[2]
    alone = torch.stack([parts[number].square().sum(1) for number in off])
    shared = alone.topk(min(2, len(off)), dim=0).values[-1]
    share_on = not_noise(strength.square(), sample.shape[1], size)
    rows = max(panels[number].shape[1] for number in off)
    share_off = not_noise(shared, rows, size)
    shares = [(share_on if number in on else torch.minimum(share_on, share_off)).unsqueeze(1) for number in range(len(panels))]
    lit = torch.where(spectra.abs() * strength.unsqueeze(1) > SURE, spectra, 0)
    return [panel - (part * share) @ lit.mT for panel, part, share in zip(panels, parts, shares, strict=True)]

"""Needles with their places: what a detector is taught with."""

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import PANELS
from seti_utils.data.needles import Tracks, draw, local_sigma, log_uniform, random_carriers, random_tracks
from seti_utils.errors import InputError
from seti_utils.views.normalising import normalise_panels

ALL_PANELS = 0.3
"""Probability that a drawn needle is on in all six panels; otherwise in one to five of them, any count alike."""

SHARE = 0.8
"""Probability that a needle is drawn at all, so that empty cadences are seen too."""


def sow(
    x_BPTF: Tensor, *, generator: Generator, families: tuple[str, ...], amplitude: tuple[float, float], needles: int,
    freq: int, time: int, cleaned: bool = False,
) -> tuple[Tensor, Tensor]:
    """Draw up to ``needles`` needles into any panels of every cadence, and say where they are.

    (B, 6, T, F) of any float dtype -> the panels as float32, normalised again to mean 0, std 1 (``cleaned`` ones stay in
    their unit, sigma); and float32 (B, 6, ``freq``, ``time``), 1 where a needle passes a place of that grid.
    ``amplitude`` in sigma of the local noise, log-uniform. Which panels are ON does not matter here: the question is where
    a needle is, not whose. Labels do not enter. Raises ``InputError`` unless all six panels are there and the amplitudes rise.
    """
    if x_BPTF.shape[1] != PANELS:
        raise InputError(f"{x_BPTF.shape[1]} panels", remedy="a detector learns on all six")
    if not 0 < amplitude[0] <= amplitude[1]:
        raise InputError(f"amplitude {amplitude}", remedy="give (low, high) in sigma, 0 < low <= high")
    x = x_BPTF.to(torch.float32, copy=True)
    batch = len(x)
    sigma = x.new_ones(batch, PANELS) if cleaned else local_sigma(x)
    places = x.new_zeros(batch, PANELS, freq, time)
    for _ in range(needles):
        carriers = random_carriers(batch, generator=generator, panels=range(PANELS), every=ALL_PANELS)
        tracks = random_tracks(families, batch, generator=generator, carriers=carriers, freq=x.shape[3], time=x.shape[2])
        there = torch.rand(batch, generator=generator, device=generator.device) < SHARE
        draw(x, tracks, log_uniform(*amplitude, (batch,), generator=generator) * there, sigma=sigma, inplace=True)
        mark(places, tracks, there, x.shape[3])
    return x if cleaned else normalise_panels(x), places


def mark(places: Tensor, tracks: Tracks, there: Tensor, channels: int) -> None:
    """Set ``places`` (B, P, freq, time) to 1, in place, where the visible rows of the tracks that are ``there`` pass."""
    freq, time = places.shape[-2:]
    rows = tracks.freq.shape[-1]
    visible = tracks.visible(channels) & there[:, None, None]
    row = torch.arange(rows, device=places.device) * time // rows
    channel = tracks.freq.round().clamp(0, channels - 1).long() * freq // channels
    places.flatten(2).scatter_reduce_(2, channel * time + row, visible.to(places.dtype), "amax")

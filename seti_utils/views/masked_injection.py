"""Needles with their places: what a detector is taught with."""

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.sky.needles import Tracks, coin, draw, log_uniform, random_carriers, random_tracks, uniform
from seti_utils.views.normalising import normalise_panels

SHARE = 0.8
"""Probability that a needle is drawn at all, so that empty cadences are seen too."""

CANDIDATES = 0.6
"""Share of the drawn needles that are in ON panels only; the others are terrestrial, a third of them each in OFF panels
only, in all six alike, and in ON panels with an echo in some OFF panel."""

ECHO = (0.3, 1.0)
"""How bright an echo is in OFF panels, of what it is in ON panels."""


def inject_with_mask(
    x_BPTF: Tensor,
    *,
    generator: Generator,
    families: tuple[str, ...],
    amplitude: tuple[float, float],
    needles: int,
    freq: int,
    time: int,
    cleaned: bool = False,
) -> tuple[Tensor, Tensor]:
    """Draw up to ``needles`` needles, candidates and terrestrial ones, into every cadence, and say where candidates are.

    (B, 6, T, F) of any float dtype -> the panels as float32, normalised again to mean 0, std 1 (``cleaned`` ones stay in
    their unit, sigma); and float32 (B, 9, ``freq``, ``time``), 1 where a needle passes a place of that grid: any needle in
    the six panels, then the three ON panels with needles that are in no OFF panel. ``amplitude`` in sigma of the local
    noise, log-uniform. Labels do not enter: give negatives, whose own needles are all terrestrial. Raises ``InputError``
    unless all six panels are there and the amplitudes rise.
    """
    if x_BPTF.shape[1] != PANELS:
        raise InputError(f"{x_BPTF.shape[1]} panels", remedy="a detector learns on all six")
    if not 0 < amplitude[0] <= amplitude[1]:
        raise InputError(f"amplitude {amplitude}", remedy="give (low, high) in sigma, 0 < low <= high")
    x = x_BPTF.to(torch.float32, copy=True)
    batch = len(x)
    sigma = x.new_ones(batch, PANELS) if cleaned else local_sigma(x)
    places = x.new_zeros(batch, PANELS + len(ON), freq, time)
    for _ in range(needles):
        carriers, share = random_sources(batch, generator)
        tracks = random_tracks(families, batch, generator=generator, carriers=carriers, freq=x.shape[3], time=x.shape[2])
        there = coin(SHARE, (batch,), generator=generator)
        peak = log_uniform(*amplitude, (batch,), generator=generator) * there
        draw(x, tracks, peak[:, None] * share, sigma=sigma, inplace=True)
        candidate = there & ~carriers[:, OFF].any(1)
        mark(
            places, tracks, torch.cat([there[:, None].expand(-1, PANELS), candidate[:, None].expand(-1, len(ON))], 1), x.shape[3]
        )
    return x if cleaned else normalise_panels(x), places


def random_sources(batch: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Which panels carry a needle, bool (B, 6), and how bright it is there, float32 (B, 6): see :data:`CANDIDATES`."""
    on = random_carriers(batch, generator=generator)
    off = random_carriers(batch, generator=generator, panels=OFF)
    kind = uniform(0, 1, (batch, 1), generator=generator)
    step = (1 - CANDIDATES) / 3
    in_off, in_all = kind >= 1 - step, (kind >= 1 - 2 * step) & (kind < 1 - step)
    echo = (kind >= CANDIDATES) & (kind < 1 - 2 * step)
    carriers = torch.where(in_off, off, torch.where(echo, on | off, on)) | in_all
    share = torch.ones(batch, PANELS, device=on.device)
    share[:, OFF] = torch.where(echo, uniform(*ECHO, (batch, 1), generator=generator), share[:, OFF])
    return carriers, share


def mark(places: Tensor, tracks: Tracks, there: Tensor, channels: int) -> None:
    """Set ``places`` (B, 9, freq, time) to 1, in place, where tracks pass the six panels and again the ON panels, visibly.

    ``there`` bool (B, 9) says in which of the nine.
    """
    freq, time = places.shape[-2:]
    rows = tracks.freq.shape[-1]
    panels = [*range(PANELS), *ON]
    visible = tracks.visible(channels)[:, panels] & there[..., None]
    row = torch.arange(rows, device=places.device) * time // rows
    channel = tracks.freq[:, panels].round().clamp(0, channels - 1).long() * freq // channels
    places.flatten(2).scatter_reduce_(2, channel * time + row, visible.to(places.dtype), "amax")

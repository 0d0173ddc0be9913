"""Needles with their places: what a detector is taught with."""

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import CLEANED_LIMIT, OFF, ON, PANELS, SIX, Panels
from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.sky.background import random_glare
from seti_utils.sky.carriers import mostly_all, terrestrial_carriers
from seti_utils.sky.draws import coin, log_uniform, may_look, uniform
from seti_utils.sky.nature import FWHM, natural
from seti_utils.sky.needles import Tracks, draw, pixels, random_tracks
from seti_utils.sky.ranges import TERRESTRIAL_KINDS
from seti_utils.views.layout import check_panels, kinds_of
from seti_utils.views.normalising import normalise_panels

SHARE = 0.8
"""Probability that a needle is drawn at all, so that empty cadences are seen too."""

CANDIDATES = 0.6
"""Share of the drawn needles that are in ON panels only; the others are terrestrial, a third of them each in OFF panels
only, in all six alike, and in ON panels with an echo in some OFF panel."""

ECHO = (0.3, 1.0)
"""How bright an echo of a needle without ``nature`` is in OFF panels, of what it is in ON panels, even. With it, echoes are
as in the sky: :func:`seti_utils.sky.carriers.terrestrial_carriers`."""


def inject_with_mask(
    x_BPTF: Tensor,
    *,
    generator: Generator,
    panels: Panels = SIX,
    families: tuple[str, ...],
    amplitude: tuple[float, float],
    needles: int,
    freq: int,
    time: int,
    nature: tuple[str, ...] = (),
    fwhm: tuple[float, float] = FWHM,
    glare: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Draw up to ``needles`` needles, candidates and terrestrial ones, into every cadence, and say where candidates are.

    (B, 6, T, F) of any float dtype, holding ``panels`` -> the panels as float32, normalised again to mean 0, std 1 (cleaned
    ones stay in their unit, sigma, and hold what cleaning lets them hold, ``CLEANED_LIMIT``); and float32 (B, 9, ``freq``,
    ``time``), 1 where a needle passes a place of that grid: any needle in the six panels, then the three ON panels with
    needles that are in no OFF panel. ``amplitude`` in sigma of the local noise, log-uniform. ``nature``: the aspects in which
    needles vary (:mod:`seti_utils.sky.nature`; none: all have the real needle's profile, and are steady), ``fwhm`` their
    widths in channels. A needle passes the channel nearest to its track; with ``nature``, all that are at least half as
    bright as the brightest of the row. ``glare``: share of the cadences that get bright backgrounds too
    (:func:`seti_utils.sky.background.random_glare`), which are not needles and get no mark, so that bright is not the same as
    a needle. Labels do not enter: give negatives, whose own needles are all terrestrial. Raises ``InputError`` unless all six
    panels are there and the amplitudes rise, and for an unknown family or aspect.
    """
    check_panels(x_BPTF, panels)
    kinds = kinds_of(panels)
    if len(kinds) > 1 or len(panels) != PANELS:
        raise InputError(f"panels {panels}", remedy="a detector learns on all six, raw or cleaned")
    cleaned = kinds[0][2]
    if not 0 < amplitude[0] <= amplitude[1]:
        raise InputError(f"amplitude {amplitude}", remedy="give (low, high) in sigma, 0 < low <= high")
    x = x_BPTF.to(torch.float32, copy=True)
    batch = len(x)
    sigma = x.new_ones(batch, PANELS) if cleaned else local_sigma(x)
    places = x.new_zeros(batch, PANELS + len(ON), freq, time)
    if glare:
        dazzle(x, sigma, glare, generator)
    for _ in range(needles):
        if nature:
            there = coin(SHARE, (batch,), generator=generator)
            peak = log_uniform(*amplitude, (batch,), generator=generator) * there
            carriers, share = natural_sources(peak * x.shape[2] ** 0.5, generator)
        else:
            carriers, share = random_sources(batch, generator)
        tracks = random_tracks(families, batch, generator=generator, carriers=carriers, freq=x.shape[3], time=x.shape[2])
        if nature:
            tracks = natural(tracks, nature, generator=generator, fwhm=fwhm, wanted=there)
        else:
            there = coin(SHARE, (batch,), generator=generator)
            peak = log_uniform(*amplitude, (batch,), generator=generator) * there
        draw(x, tracks, peak[:, None] * share, sigma=sigma, inplace=True)
        candidate = there & ~carriers[:, OFF].any(1)
        both = torch.cat([there[:, None].expand(-1, PANELS), candidate[:, None].expand(-1, len(ON))], 1)
        (mark_wide if nature else mark)(places, tracks, both, x.shape[3])
    return x.clamp_(-CLEANED_LIMIT, CLEANED_LIMIT) if cleaned else normalise_panels(x), places


def dazzle(x: Tensor, sigma: Tensor, share: float, generator: Generator) -> None:
    """Add bright backgrounds to a ``share`` of the cadences ``x`` (B, 6, T, F), in place; ``sigma`` (B, 6) is their unit."""
    chosen = coin(share, (len(x),), generator=generator)
    unit = (sigma * chosen[:, None])[..., None, None]
    rows = chosen.nonzero()[:, 0] if may_look(chosen) else slice(None)
    light = random_glare(len(unit[rows]), generator=generator, freq=x.shape[3], time=x.shape[2])
    x[rows] += light * unit[rows]


def natural_sources(snr: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Which panels carry needles of this integrated ``snr`` (B,), bool (B, 6), and how bright they are there, float32 (B, 6).

    Candidates in the share :data:`CANDIDATES`, terrestrial ones of the sky's kinds in equal shares.
    """
    batch, device = len(snr), snr.device
    kind = torch.randint(len(TERRESTRIAL_KINDS), (batch,), generator=generator, device=device)
    candidate = coin(CANDIDATES, (batch, 1), generator=generator)
    on = mostly_all(batch, generator=generator)
    carriers, share = terrestrial_carriers(kind, snr, generator=generator)
    return torch.where(candidate, on, carriers), torch.where(candidate, 1.0, share)


def random_sources(batch: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Which panels carry a needle, bool (B, 6), and how bright it is there, float32 (B, 6): see :data:`CANDIDATES`."""
    on = mostly_all(batch, generator=generator)
    off = mostly_all(batch, generator=generator, panels=OFF)
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


def mark_wide(places: Tensor, tracks: Tracks, there: Tensor, channels: int) -> None:
    """:func:`mark` for any profile: the channels of a row that are at least half as bright as its brightest."""
    freq, time = places.shape[-2:]
    rows = tracks.freq.shape[2]
    lit = torch.zeros_like(places[:, :PANELS])
    flat = lit.view(-1)
    for some in pixels(tracks, there[:, :PANELS].to(places.dtype), range(PANELS)):
        panel, row = some.row // rows, some.row % rows
        inside = (some.channel >= 0) & (some.channel < channels)
        bright = inside & (some.value > 0) & (some.value >= some.value.amax(1, keepdim=True) / 2)
        at = (panel[:, None] * freq + some.channel.clamp(0, channels - 1) * freq // channels) * time + (row * time // rows)[
            :, None
        ]
        flat.scatter_reduce_(0, at.flatten(), bright.to(places.dtype).flatten(), "amax")
    lit = torch.cat([lit, lit[:, ON]], 1) * there[..., None, None]
    torch.maximum(places, lit, out=places)

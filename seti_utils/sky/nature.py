"""Needles as nature draws them: every profile, and every course of brightness, that a transmitter or the medium makes.

Whoever draws needles (the sky, the injection into training rows, a detector's lesson) names the **aspects** in which they
vary; without one a needle is as the real needle of :mod:`seti_utils.sky.profiles`, steady, in whole panels or as its
family's gate has it. ``"all"`` stands for every aspect.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from seti_utils.data.cadence import PANELS
from seti_utils.errors import InputError
from seti_utils.sky.draws import coin, log_uniform, may_look, uniform
from seti_utils.sky.needles import Tracks
from seti_utils.sky.profiles import LINES, NEVER, REAL_FWHM, SHAPES, Profiles

ASPECTS = ("width", "lines", "smear", "scintillation", "gaps", "pulses", "span", "saturation")
"""In what needles vary: the width and shape of a line; two lines, or a carrier with sidebands; smearing by the drift within
a row; scintillation; gaps; pulses; start and end anywhere; a receiver that saturates."""
ALL = "all"

FWHM = (0.5, 6.0)
"""Full width of a line at half its height in channels, log-uniform."""
REAL_SHARE = 0.25
"""Share of needles with the real needle's own profile."""
SHAPE_SHARES = (0.45, 0.2, 0.2, 0.15)
"""Of the other needles, by :data:`seti_utils.sky.profiles.SHAPES`."""
TWO_LINES, SIDEBANDS = 0.1, 0.1
"""Shares of needles with two lines, and with a carrier and two sidebands."""
SPACING = (1.0, 12.0)
"""Channels between lines, log-uniform, and at least the width of a line."""
HEIGHT = (0.1, 1.0)
"""How high a further line is, of the first, log-uniform."""
SCINTILLATING = 0.5
"""Share of needles that scintillate, with a depth from none (constant) to full (exponentially distributed power), even."""
COHERENCE_ROWS = (1.5, 800.0)
"""Rows over which scintillation stays alike, log-uniform: from row to row, to panels of different brightness."""
GAPPED, GAPS, GAP_ROWS = 0.15, 4, (4.0, 100.0)
"""Share of needles with gaps, how many at most, and how long, log-uniform."""
PULSED, PULSE_PERIOD, PULSE_DUTY = 0.08, (6.0, 120.0), (0.08, 0.5)
"""Share of needles that pulse, the period in rows, log-uniform, and the share of it that they are on."""
SPANNED = 0.2
"""Share of needles that start and end somewhere."""
SATURATED, CEILING = 0.08, (0.2, 0.9)
"""Share of needles that saturate the receiver, and at which share of their peak."""


def chosen_aspects(nature: Sequence[str]) -> frozenset[str]:
    """The aspects that ``nature`` names. Raises ``InputError`` for an unknown one."""
    unknown = set(nature) - {ALL, *ASPECTS}
    if unknown or isinstance(nature, str):
        named = nature if isinstance(nature, str) else ", ".join(sorted(unknown))
        raise InputError(f"unknown aspect {named!r} of needles", remedy=f"give a tuple of {', '.join((ALL, *ASPECTS))}")
    return frozenset(ASPECTS if ALL in nature else nature)


def natural(
    tracks: Tracks,
    nature: Sequence[str],
    *,
    generator: torch.Generator,
    fwhm: tuple[float, float] = FWHM,
    wanted: torch.Tensor | None = None,
) -> Tracks:
    """``tracks`` with a profile and a course of brightness each, as ``nature`` (aspects) has them; none: as they are.

    ``fwhm``: range of the lines' widths in channels. ``wanted`` bool (B,): the needles that will be drawn at all; the
    others' brightness is left alone. What changes is where and how brightly a needle shows, never in which panels it may.
    Raises ``InputError`` for an unknown aspect, and for widths that do not rise from above 0.
    """
    aspects = chosen_aspects(nature)
    if not 0 < fwhm[0] <= fwhm[1]:
        raise InputError(f"fwhm {fwhm}", remedy="give (low, high) in channels, 0 < low <= high")
    if not aspects:
        return tracks
    profile = random_profiles(len(tracks.freq), aspects, generator=generator, fwhm=fwhm)
    timed = {"scintillation", "gaps", "pulses", "span"} & aspects
    if not timed:
        return replace(tracks, profile=profile)
    rows = None
    if wanted is not None and may_look(wanted):
        rows = wanted.nonzero()[:, 0]
    gate = tracks.gate if rows is None else tracks.gate[rows]
    lit = brightness(gate, timed, generator=generator)
    return replace(tracks, gate=lit if rows is None else tracks.gate.index_copy(0, rows, lit), profile=profile)


def random_profiles(
    batch: int, aspects: frozenset[str], *, generator: torch.Generator, fwhm: tuple[float, float] = FWHM
) -> Profiles:
    """Draw a profile for each of ``batch`` needles; every number is drawn whatever the aspects."""
    device = generator.device
    real = coin(REAL_SHARE, (batch,), generator=generator)
    bounds = torch.tensor(SHAPE_SHARES, device=device).cumsum(0)[:-1]
    shape = torch.bucketize(torch.rand(batch, generator=generator, device=device), bounds)
    wide = log_uniform(*fwhm, (batch,), generator=generator)
    if "width" not in aspects:
        real = torch.ones_like(real)
    shape = torch.where(real, SHAPES.index("gaussian"), shape)
    wide = torch.where(real, REAL_FWHM, wide)

    kind = uniform(0, 1, (batch, 1), generator=generator)
    apart = torch.maximum(log_uniform(*SPACING, (batch, 1), generator=generator), wide[:, None])
    high = log_uniform(*HEIGHT, (batch, 1), generator=generator)
    side = torch.where(coin(0.5, (batch, 1), generator=generator), 1, -1)
    lines = "lines" in aspects
    second, third = lines & (kind < TWO_LINES + SIDEBANDS), lines & (kind < SIDEBANDS)
    none = torch.zeros_like(apart)
    offset = torch.cat([none, torch.where(second, side * apart, 0), torch.where(third, -side * apart, 0)], 1)
    height = torch.cat([none + 1, torch.where(second, high, 0), torch.where(third, high, 0)], 1)

    saturates = coin(SATURATED, (batch,), generator=generator) & ("saturation" in aspects)
    ceiling = torch.where(saturates, uniform(*CEILING, (batch,), generator=generator), NEVER)
    smear = torch.full((batch,), "smear" in aspects, device=device)
    assert offset.shape == (batch, LINES)
    return Profiles.of(shape, wide, offset, height, ceiling, smear)


def brightness(gate: torch.Tensor, aspects: set[str], *, generator: torch.Generator) -> torch.Tensor:
    """``gate`` (B, 6, T) times the course of brightness: scintillation (mean 1), gaps, pulses, start and end."""
    batch, time = len(gate), gate.shape[2]
    rows = PANELS * time
    row = torch.arange(rows, device=gate.device)[None]
    course = gate.reshape(batch, rows)

    def number(bounds: tuple[float, float], *shape: int) -> torch.Tensor:
        return log_uniform(*bounds, (batch, *(shape or (1,))), generator=generator)

    def even(low: float = 0.0, high: float = 1.0, *shape: int) -> torch.Tensor:
        return uniform(low, high, (batch, *(shape or (1,))), generator=generator)

    def some(share: float) -> torch.Tensor:
        return coin(share, (batch, 1), generator=generator)

    if "scintillation" in aspects:
        depth = torch.where(some(SCINTILLATING), even(), 0)
        course = course * scintillation(depth, number(COHERENCE_ROWS), rows, generator=generator)
    if "gaps" in aspects:
        gapped, begin, length = some(GAPPED), even(0, rows, GAPS), number(GAP_ROWS, GAPS)
        begin = torch.where(gapped, begin, math.inf)
        for one in range(GAPS):
            start = begin[:, one, None]
            course = torch.where((row >= start) & (row < start + length[:, one, None]), 0, course)
    if "pulses" in aspects:
        pulsed, period, duty, lag = some(PULSED), number(PULSE_PERIOD), even(*PULSE_DUTY), even()
        course = torch.where(pulsed & ((row / period + lag) % 1 >= duty), 0, course)
    if "span" in aspects:
        # Between two rows around one of those in which it is on.
        spanned, inside, early, late = some(SPANNED), even(), even(), even()
        on = (course > 0).float().cumsum(1)
        total = on[:, -1:]
        begin, end = inside * early * total, total - (1 - inside) * late * total
        course = torch.where(spanned & ((on <= begin) | (on > end)), 0, course)
    return course.view_as(gate)


def scintillation(depth: torch.Tensor, coherence: torch.Tensor, rows: int, *, generator: torch.Generator) -> torch.Tensor:
    """Power (B, rows) of a steady wave and a scattered one: mean 1; Rice's law.

    ``depth`` (B, 1): share of the scattered wave, 0 constant, 1 exponentially distributed. It is a complex Gaussian whose
    correlation falls to nothing over ``coherence`` (B, 1) rows, 1 or more.
    """
    batch, device = len(depth), generator.device
    knots = torch.randn(batch, 2, rows + 2, generator=generator, device=device)
    at = torch.arange(rows, device=device) / coherence + uniform(0, 1, (batch, 1), generator=generator)
    before = at.long()
    angle = (at - before) * (math.pi / 2)  # weights whose squares add up to 1 keep the variance between knots
    before = before[:, None].expand(-1, 2, -1)
    wave = angle.cos()[:, None] * knots.gather(2, before) + angle.sin()[:, None] * knots.gather(2, before + 1)
    scattered = wave * (depth / 2).sqrt()[:, None]
    return (scattered[:, 0] + (1 - depth).sqrt()).square_() + scattered[:, 1].square_()

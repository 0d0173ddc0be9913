"""What a needle looks like across frequency: its profile, and the pixels that a track with a profile lights.

The one real needle that could be measured (``0028a35de92941d``, along 7.50 channels per panel) follows
``exp(-d**2 / (2 * 0.306**2))`` with ``d`` the distance in channels from the track: the neighbours of the peak channel
hold 5-6 % of it, and the amplitude is the same number of local sigmas (15.5-16.5) in every panel. A needle without
:class:`Profiles` has that profile. A profile is taken at the centres of the channels, as setigen's is.

**Amplitude** is in sigma per pixel, at the centre of a needle with the real needle's profile. Every other profile is
scaled to the same energy (the sum of its squares over a row), so that a filter of the needle's own shape sees equal
amplitudes equally well: a broad needle's pixels are fainter. ``amplitude * sqrt(rows)`` is what the sky calls a needle's
integrated SNR, whatever its width: setigen's, for the real needle's width. The filter itself, which knows every pixel, sees
:data:`KNOWN` of that.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from seti_utils.sky.draws import may_look

PROFILE_SIGMA = 0.306
"""Standard deviation of the real needle's profile in channels (full width at half maximum 0.72)."""
REAL_FWHM = PROFILE_SIGMA * 2 * math.sqrt(2 * math.log(2))
ENERGY = PROFILE_SIGMA * math.sqrt(math.pi)
"""Energy of a row of the real needle at amplitude 1: the square of its profile, integrated over frequency (0.54)."""
KNOWN = math.sqrt(ENERGY)
"""SNR of the filter that knows every pixel of a needle, over ``amplitude * sqrt(rows)`` (0.74)."""

SHAPES = ("gaussian", "lorentzian", "sinc2", "flat")
"""A profile's shape: a Gaussian; 1 / (1 + d**2), with wings; the square of a sinc, with side lobes; flat-topped,
``exp(-|d|**6)``."""
SINC = 0.8858929
"""Full width at half maximum of ``sinc(x)**2`` (its first zero at 1)."""
LINES = 3
"""Lines of a profile at most: one; two beside each other; or a carrier with a sideband on either side."""
SMEAR = 8 * math.log(2) / 12
"""A box of width w has the variance w**2 / 12; a Gaussian's full width at half maximum, squared, is 8 ln 2 times its variance."""
REACH = 32
"""Channels from the track beyond which nothing is drawn; wings fade out towards it."""
FAINT = 0.05
"""Wings are drawn down to this amplitude, in sigma."""


NEVER = 1e6
"""A ceiling above every needle. Not infinite: zero light times infinity is not a number."""


@dataclass(frozen=True)
class Profiles:
    """One profile per needle, each field (B,) or (B, LINES) on one device.

    ``shape`` int64: index into :data:`SHAPES`. ``fwhm`` float32: full width of each line at half its height, in channels.
    ``offset`` and ``height`` float32 (B, LINES): where the lines stand beside the track, in channels, and how high; the
    first is the track itself, 0 and 1; height 0 means no line. ``ceiling`` float32: the receiver saturates at this share of
    the needle's peak (``NEVER``: it does not). ``smear`` bool: a row shows the needle wherever it has been meanwhile.
    """

    shape: Tensor
    fwhm: Tensor
    offset: Tensor
    height: Tensor
    ceiling: Tensor
    smear: Tensor
    peak: Tensor

    @classmethod
    def of(cls, shape: Tensor, fwhm: Tensor, offset: Tensor, height: Tensor, ceiling: Tensor, smear: Tensor) -> "Profiles":
        """Profiles with the energy of the real needle."""
        span = offset.abs().amax(1) + 8 * fwhm
        distance = torch.linspace(-1, 1, 257, device=fwhm.device) * span[:, None]
        value = line_values(shape[:, None, None], distance[..., None] - offset[:, None], fwhm[:, None, None])
        energy = (value * height[:, None]).sum(2).square().sum(1) * span / 128
        return cls(shape, fwhm, offset, height, ceiling, smear, (ENERGY / energy).sqrt())

    def rows(self, chosen: Tensor | slice) -> "Profiles":
        """The profiles of the needles ``chosen`` (int64 indices, bool, or a slice)."""
        return Profiles(*(getattr(self, field.name)[chosen] for field in fields(self)))


def plain_profiles(batch: int, fwhm: float = REAL_FWHM, shape: str = "gaussian", device: torch.device | str = "cpu") -> Profiles:
    """One line of ``fwhm`` channels for each of ``batch`` needles, smeared by its drift, never saturated."""
    lines = torch.zeros(batch, LINES, device=device)
    height = lines.clone()
    height[:, 0] = 1
    full = torch.full((batch,), float(fwhm), device=device)
    kind = torch.full((batch,), SHAPES.index(shape), device=device)
    return Profiles.of(kind, full, lines, height, torch.full_like(full, NEVER), torch.ones_like(full, dtype=torch.bool))


def line_values(shape: Tensor, distance: Tensor, fwhm: Tensor) -> Tensor:
    """Height of a line ``distance`` channels from its centre: 1 there, a half at ``fwhm / 2``; all broadcast."""
    x = (2 * distance / fwhm).square()
    kinds = shape.unique().tolist() if may_look(shape) else range(len(SHAPES))
    if len(kinds) == 1:
        return shape_value(SHAPES[kinds[0]], x, distance)
    value = torch.zeros_like(x)
    for kind in kinds:
        value = torch.where(shape == kind, shape_value(SHAPES[kind], x, distance), value)
    return value


def shape_value(shape: str, x: Tensor, distance: Tensor) -> Tensor:
    """The formulas: ``x`` is the square of the distance in half widths; wings fade out at the end of ``REACH``."""
    if shape == "gaussian":
        return torch.exp(-math.log(2) * x)
    if shape == "flat":
        return torch.exp(-math.log(2) * x * x * x)
    fade = (1 - (distance / (REACH + 1)).square().square()).clamp(min=0).square()
    return fade / (1 + x) if shape == "lorentzian" else fade * torch.sinc(SINC / 2 * x.sqrt()).square()


def extent(profiles: Profiles, peak: Tensor) -> Tensor:
    """Channels from the track, (B,), beyond which a needle with this ``peak`` (B,), in sigma, is below ``FAINT``."""
    over = (peak / FAINT).clamp(min=1 + 1e-6)
    halves = torch.stack([
        (over.log() / math.log(2)).sqrt(),
        over.sqrt(),
        over.sqrt() * (2 / (math.pi * SINC)),
        (over.log() / math.log(2)) ** (1 / 6),
    ])  # fmt: skip
    mine = halves.gather(0, profiles.shape[None])[0] * profiles.fwhm / 2
    return (mine + profiles.offset.abs().amax(1) + 1).clamp(max=REACH)


def row_values(profiles: Profiles, distance: Tensor, speed: Tensor) -> Tensor:
    """A row's profile (R, K), 1 at its line's centre, at ``distance`` (R, K) channels from the track; a profile per row.

    ``speed`` (R,): channels that the track moves within the row. A smeared line is as much wider as a box of that width
    makes it, and fainter, so that it keeps its light.
    """
    wide = (profiles.fwhm.square() + SMEAR * (speed * profiles.smear).square()).sqrt()
    shape = profiles.shape[:, None]
    value = line_values(shape, distance, wide[:, None])
    for line in range(1, LINES):
        height = profiles.height[:, line, None]
        if not may_look(height) or bool(height.any()):
            value += height * line_values(shape, distance - profiles.offset[:, line, None], wide[:, None])
    return value.mul_((profiles.fwhm / wide)[:, None])


@dataclass(frozen=True)
class Pixels:
    """Some of the pixels of some rows: ``row`` int64 (R,), ``channel`` int64 (R, K), may lie outside the window, and
    ``value`` float32 (R, K)."""

    row: Tensor
    channel: Tensor
    value: Tensor


def plain_pixels(row: Tensor, centre: Tensor, brightness: Tensor) -> Pixels:
    """The pixels of needles with the real needle's profile: three channels around ``centre`` (R,), as bright as
    ``brightness``."""
    nearest = torch.arange(-1, 2, device=centre.device)
    channel = centre.round()[:, None] + nearest
    value = brightness[:, None] * torch.exp((channel - centre[:, None]) ** 2 / (-2 * PROFILE_SIGMA**2))
    return Pixels(row, channel.clamp(-4e6, 4e6).long(), value)


def shaped_pixels(
    row: Tensor, which: Tensor, centre: Tensor, light: Tensor, speed: Tensor, profiles: Profiles, reach: Tensor, top: Tensor
) -> Iterator[Pixels]:
    """The pixels of rows with any profile: ``which`` (R,) of the needles each is of, as the last three arguments have them.

    ``light`` (R,): amplitude of the row. ``speed``: see :func:`row_values`; ``reach`` (N,): see :func:`extent`; ``top`` (R,):
    the receiver saturates there.
    """
    widest, groups = REACH, [slice(None)]
    if may_look(row):  # most needles are narrow, and need few channels
        level = (2 ** reach.clamp(min=1).log2().ceil() * len(SHAPES)).long() + profiles.shape
        mine = level[which]
        groups = [(mine == one).nonzero()[:, 0] for one in mine.unique().tolist()]
    for group in groups:
        needle = which[group]
        own, far = profiles.rows(needle), reach[needle]
        if may_look(row):
            widest = math.floor(float(far.max()))
        near = torch.arange(-widest, widest + 1, device=row.device)
        channel = centre[group].round()[:, None] + near
        distance = channel - centre[group][:, None]
        value = row_values(own, distance, speed[group]).mul_((light[group] * own.peak)[:, None])
        value = torch.minimum(value, (top[group] * own.peak * own.ceiling)[:, None])
        value = value.mul_(distance.abs() <= far[:, None])
        yield Pixels(row[group], channel.clamp(-4e6, 4e6).long(), value)

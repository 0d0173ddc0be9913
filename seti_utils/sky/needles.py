"""Needles: narrow tracks across the six panels, drawn batched on any device.

A needle runs as if the six panels were contiguous in time (no slew gap): so does the real needle of
``0028a35de92941d``. How wide it is, and what an amplitude means, stands in :mod:`seti_utils.sky.profiles`.

Frequencies are in channels (0 is the centre of the first), times in rows, drift in channels per panel.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from seti_utils.data.cadence import FREQ, PANELS, TIME
from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.sky.carriers import mostly_all
from seti_utils.sky.draws import coin, log_uniform, may_look, uniform
from seti_utils.sky.profiles import ENERGY, Pixels, Profiles, extent, plain_pixels, shaped_pixels

CHIRPS = ("chirp_linear", "chirp_quadratic", "chirp_exponential", "chirp_hyperbolic")
GATED = ("bursts", "intermittent", "one_panel", "partial")
FAMILIES = ("line", "drift", "quadratic", *CHIRPS, "sine", "walk", *GATED)
ALIASES = {"chirp": CHIRPS}

LINE_DRIFT = 1.0
"""Largest drift of a ``line``, channels per panel."""
DRIFT = (1.0, 40.0)
"""Drift of all slanted families, channels per panel, log-uniform, either sign. Real: 7.5; 43 crosses the window
once in a cadence."""
CURVE = (0.5, 5.0)
"""Acceleration of ``quadratic``, channels per panel squared."""
SINE_AMPLITUDE = (8.0, 45.0)
"""Amplitude of the S-shape in channels."""
SINE_PERIOD = (1.5, 6.0)
"""Period of the S-shape in panels: at its steepest 0.7 channels per row, so smearing within a row may be left out."""
WALK_STEP = (0.05, 0.35)
"""Standard deviation of one step of the random walk, channels per row."""
BURST_ROWS = (80.0, 180.0)
"""Length of a burst and of the gap after it (real bursts: about 130 rows)."""
FLICKER_ROWS = (12.0, 60.0)
"""Period of an intermittent needle in rows; it is on for 30-70 % of it."""
EDGE = 16.0
"""A track passes its anchor row at least this many channels from the window's edge."""


@dataclass(frozen=True)
class Tracks:
    """One track per cadence: where it is and how bright, row by row.

    ``freq`` float32 (B, 6, T): channel of the track, may lie outside the window. ``gate`` float32 (B, 6, T):
    brightness, 1 for a steady needle, 0 where it is off. ``family`` int64 (B,): index into :data:`FAMILIES`.
    ``drift`` float32 (B,): channels per panel between the first and the last row that is on. ``profile``: across
    frequency; None is the real needle's.
    """

    freq: torch.Tensor
    gate: torch.Tensor
    family: torch.Tensor
    drift: torch.Tensor
    profile: Profiles | None = None

    def rows(self, chosen: torch.Tensor | slice) -> "Tracks":
        """The tracks of the cadences ``chosen`` (int64 indices, bool, or a slice)."""
        profile = None if self.profile is None else self.profile.rows(chosen)
        return Tracks(self.freq[chosen], self.gate[chosen], self.family[chosen], self.drift[chosen], profile)

    def visible(self, freq: int = FREQ) -> torch.Tensor:
        """Bool (B, 6, T): the needle is on and inside a window of ``freq`` channels."""
        return (self.gate > 0) & (self.freq > -0.5) & (self.freq < freq - 0.5)


def family_indices(families: Sequence[str]) -> list[int]:
    """Indices into :data:`FAMILIES`; ``chirp`` stands for the four chirps. An unknown name is refused."""
    names = [name for family in families for name in ALIASES.get(family, (family,))]
    unknown = [name for name in names if name not in FAMILIES]
    if unknown or not names:
        raise InputError(
            f"unknown needle family {', '.join(unknown)!r}" if unknown else "no needle family given",
            remedy=f"choose from {', '.join((*ALIASES, *FAMILIES))}",
        )
    return [FAMILIES.index(name) for name in names]


def chirp_frequency(method: str, f0: torch.Tensor, f1: torch.Tensor, t: torch.Tensor, t1: float) -> torch.Tensor:
    """Instantaneous frequency of ``scipy.signal.chirp``: ``f0`` at 0, ``f1`` at ``t1``; all broadcastable.

    ``method``: ``linear`` ``quadratic`` ``exponential`` ``hyperbolic``; the last two need ``f0``, ``f1`` > 0.
    """
    if method == "linear":
        return f0 + (f1 - f0) * t / t1
    if method == "quadratic":
        return f0 + (f1 - f0) * (t / t1) ** 2
    if method == "exponential":
        return f0 * (f1 / f0) ** (t / t1)
    return f0 * f1 * t1 / ((f0 - f1) * t + f1 * t1)


def random_tracks(
    families: Sequence[str],
    batch: int,
    *,
    generator: torch.Generator,
    carriers: torch.Tensor | None = None,
    anchors: torch.Tensor | None = None,
    freq: int = FREQ,
    time: int = TIME,
) -> Tracks:
    """Draw one track per cadence, its family even over ``families``, on the generator's device.

    ``carriers`` bool (B, 6) names the panels that carry it (default: :func:`mostly_all` of ON). Every
    track passes the middle of a carrying panel at least ``EDGE`` channels inside the window, so it is visible there
    unless its own gate (bursts, intermittent, partial) is off; ``anchors`` bool (B, 6) narrows that panel's choice.
    """
    indices = family_indices(families)
    pick = (torch.rand(batch, generator=generator, device=generator.device) * len(indices)).long()
    lot = Lot(torch.tensor(indices, device=generator.device)[pick], generator)
    if carriers is None:
        carriers = mostly_all(batch, generator=generator)
    path, anchored = random_paths(lot, carriers if anchors is None else anchors, freq, time)
    gate = random_gates(lot, carriers, anchored, time)
    on = gate.int()
    begin, stop = on.argmax(1), PANELS * time - 1 - on.flip(1).argmax(1)
    ends = path.gather(1, torch.stack([begin, stop], 1))
    drift = (ends[:, 1] - ends[:, 0]) / (stop - begin).clamp(min=1) * time
    shape = (batch, PANELS, time)
    return Tracks(path.reshape(shape), gate.float().reshape(shape), lot.family, drift)


@dataclass(frozen=True)
class Lot:
    """Numbers for needles whose ``family`` (B,) is drawn. Every number is drawn for every one of them, used or not, so that the
    stream of random numbers does not depend on the families."""

    family: torch.Tensor
    generator: torch.Generator

    def among(self, *names: str) -> torch.Tensor:
        """Bool (B, 1): which needles are of these families."""
        named = torch.tensor([FAMILIES.index(name) for name in names], device=self.family.device)
        return torch.isin(self.family, named)[:, None]

    def number(self, bounds: tuple[float, float]) -> torch.Tensor:
        """A number (B, 1) within ``bounds``, even."""
        return uniform(*bounds, (len(self.family), 1), generator=self.generator)

    def either_sign(self, number: torch.Tensor) -> torch.Tensor:
        """``number`` (B, 1), or its negative."""
        return torch.where(coin(0.5, (len(self.family), 1), generator=self.generator), number, -number)


def random_paths(lot: Lot, anchors: torch.Tensor, freq: int, time: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The channel (B, 6 T) of every needle row by row, and the panel (B,) of ``anchors`` (B, 6) in whose middle it is in view."""
    batch, generator, device = len(lot.family), lot.generator, lot.family.device
    t = ((torch.arange(PANELS * time, device=device) + 0.5) / time)[None]  # in panels
    slant = lot.either_sign(log_uniform(*DRIFT, (batch, 1), generator=generator))
    level = lot.number((-LINE_DRIFT, LINE_DRIFT))
    curve = lot.either_sign(lot.number(CURVE))
    amplitude, period, phase = lot.number(SINE_AMPLITUDE), lot.number(SINE_PERIOD), lot.number((0, 2 * math.pi))
    step = lot.number(WALK_STEP)
    shaken = torch.randn(batch, PANELS * time, generator=generator, device=device)
    start, end = (lot.number((EDGE, freq - EDGE)) for _ in range(2))
    path = torch.where(lot.among("line", "sine", "walk"), level, slant) * t
    path = path + torch.where(lot.among("quadratic"), curve, 0.0) * (t - 3.0) ** 2
    path = path + torch.where(lot.among("sine"), amplitude, 0.0) * torch.sin(2 * math.pi * t / period + phase)
    path = path + torch.where(lot.among("walk"), step, 0.0) * shaken.cumsum(1)
    anchored = (anchors * uniform(0.1, 1.0, (batch, PANELS), generator=generator)).argmax(1)
    anchor = lot.number((EDGE, freq - EDGE))
    path = path - path.gather(1, (anchored * time + time // 2)[:, None]) + anchor
    for name in CHIRPS:
        chirp = chirp_frequency(name.removeprefix("chirp_"), start, end, t, float(PANELS))
        path = torch.where(lot.among(name), chirp, path)
    return path, anchored


def random_gates(lot: Lot, carriers: torch.Tensor, anchored: torch.Tensor, time: int) -> torch.Tensor:
    """Bool (B, 6 T): the rows of the panels ``carriers`` (B, 6) in which every needle is on; ``anchored`` (B,): the only panel
    of some."""
    row = torch.arange(PANELS * time, device=carriers.device)[None]
    only = torch.zeros_like(carriers).scatter(1, anchored[:, None], True)
    carriers = torch.where(lot.among("one_panel"), carriers & only, carriers)
    gate = carriers.repeat_interleave(time, 1)
    run, lag = lot.number(BURST_ROWS), lot.number((0, 1))
    gate = gate & (~lot.among("bursts") | ((row / (2 * run) + lag) % 1 < 0.5))
    flicker, duty = lot.number(FLICKER_ROWS), lot.number((0.3, 0.7))
    gate = gate & (~lot.among("intermittent") | ((row / flicker + lag) % 1 < duty))
    # A partial needle starts late in its first panel (0028a35de92941d: at row 192) or ends early in its last one.
    first = carriers.int().argmax(1, keepdim=True) * time
    last = (PANELS - carriers.flip(1).int().argmax(1, keepdim=True)) * time
    cut = lot.number((0.25, 0.8)) * time
    late = coin(0.5, (len(gate), 1), generator=lot.generator)
    return gate & (~lot.among("partial") | torch.where(late, row >= first + cut, row < last - cut))


def pixels(tracks: Tracks, peak: torch.Tensor, panels: Sequence[int], sigma: torch.Tensor | None = None) -> Iterator[Pixels]:
    """The pixels that needles light, group by group; a row's number counts the rows of ``panels`` of all cadences.

    ``peak`` (B, P): amplitude in ``panels``, times ``sigma`` (B, P) in the panel's own units; 0 draws nothing.
    """
    picked = list(panels)
    centre, gate = tracks.freq[:, picked], tracks.gate[:, picked]
    batch, count, time = centre.shape
    height = peak if sigma is None else peak * sigma
    light = (gate * height[..., None]).reshape(-1)
    row = torch.arange(len(light), device=light.device)
    if may_look(light):
        row = (light != 0).nonzero()[:, 0]
    light, centre = light[row], centre.reshape(-1)
    if tracks.profile is None:
        yield plain_pixels(row, centre[row], light)
        return
    place, last = row % time, time - 1
    speed = (centre[row + (place < last).long()] - centre[row - (place > 0).long()]).abs()
    speed = torch.where((place == 0) | (place == last), speed, speed / 2)
    reach = extent(tracks.profile, (peak * gate.amax(2)).amax(1) * tracks.profile.peak)
    top = height.reshape(-1)[row // time]
    yield from shaped_pixels(row, row // (count * time), centre[row], light, speed, tracks.profile, reach, top)


def draw(
    x_BPTF: torch.Tensor,
    tracks: Tracks,
    amplitude: torch.Tensor,
    *,
    sigma: torch.Tensor | None = None,
    panels: Sequence[int] = tuple(range(PANELS)),
    inplace: bool = False,
) -> torch.Tensor:
    """Add one needle per cadence; only channels near the track are touched (three, with the real needle's profile).

    ``x_BPTF`` floating, holding ``panels`` of the six (``ON`` for an ON-only store). ``amplitude`` (B,) or (B, P): see
    :mod:`seti_utils.sky.profiles`, in units of ``sigma`` (B, P), the local noise, measured by :func:`local_sigma` when
    not given; amplitude 0 draws nothing. Returns a new tensor, or ``x_BPTF`` itself with ``inplace``.
    """
    if sigma is None:
        sigma = local_sigma(x_BPTF)
    peak = amplitude[:, None].expand_as(sigma) if amplitude.ndim == 1 else amplitude
    out = x_BPTF if inplace else x_BPTF.clone(memory_format=torch.contiguous_format)
    return add_light(out, pixels(tracks, peak, panels, sigma))


def add_light(x_BPTF: torch.Tensor, light: Iterable[Pixels], sigma: torch.Tensor | None = None) -> torch.Tensor:
    """Add ``light`` to the panels that it was made for, times ``sigma`` (B, P) where that is given, in place."""
    freq, time, flat = x_BPTF.shape[3], x_BPTF.shape[2], x_BPTF.view(-1)
    for lit in light:
        inside = (lit.channel >= 0) & (lit.channel < freq)
        where = lit.row[:, None] * freq + lit.channel.clamp(0, freq - 1)
        value = lit.value * inside
        if sigma is not None:
            value = value * sigma.reshape(-1)[lit.row // time][:, None]
        flat.index_add_(0, where.reshape(-1), value.reshape(-1).to(flat.dtype))
    return x_BPTF


def light_snr(light: Iterable[Pixels], like: torch.Tensor, freq: int = FREQ) -> torch.Tensor:
    """Integrated SNR of every panel as drawn, float32 (B, P), of ``light`` in sigma: exact for any profile, gate and window.

    What a filter of the needle's own shape sees, over what it sees, on average, of one row of the real needle at amplitude
    1: ``amplitude * sqrt(rows)`` for a steady needle inside the window of ``freq`` channels. ``like`` (B, P, T): the shape.
    """
    energy = torch.zeros(like.shape[:2], device=like.device)
    for lit in light:
        inside = (lit.channel >= 0) & (lit.channel < freq)
        energy.view(-1).index_add_(0, lit.row // like.shape[2], (lit.value * inside).square().sum(1))
    return (energy / ENERGY).sqrt()

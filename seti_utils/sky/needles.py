"""Needles: narrow tracks across the six panels, drawn batched on any device.

A needle is one channel wide, and it runs as if the six panels were contiguous in time (no slew gap). Both are
measured on the real needle of ``0028a35de92941d``: along its track (7.50 channels a panel) the pixel values follow
``exp(-d**2 / (2 * 0.306**2))`` with ``d`` the distance in channels from the track, so the neighbours of the peak
channel hold 5-6 % of it, and the amplitude is the same number of local sigmas (15.5-16.5) in every panel.

Frequencies are in channels (0 is the centre of the first), times in rows, drift in channels per panel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seti_utils.data.cadence import FREQ, ON, PANELS, TIME
from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError

PROFILE_SIGMA = 0.306
"""Standard deviation of a needle's frequency profile in channels (full width at half maximum 0.72)."""

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
"""Period of the S-shape in panels: at its steepest 0.7 channels a row, so smearing within a row may be left out."""
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
    brightness in [0, 1], 0 where the needle is off. ``family`` int64 (B,): index into :data:`FAMILIES`.
    ``drift`` float32 (B,): channels per panel between the first and the last row that is on.
    """

    freq: torch.Tensor
    gate: torch.Tensor
    family: torch.Tensor
    drift: torch.Tensor

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


def uniform(low: float, high: float, shape: Sequence[int], *, generator: torch.Generator) -> torch.Tensor:
    """Uniform float32 numbers in [low, high) on the generator's device."""
    return torch.rand(tuple(shape), generator=generator, device=generator.device) * (high - low) + low


def log_uniform(low: float, high: float, shape: Sequence[int], *, generator: torch.Generator) -> torch.Tensor:
    """Log-uniform float32 numbers in [low, high) on the generator's device; both bounds positive."""
    return uniform(math.log(low), math.log(high), shape, generator=generator).exp()


def coin(share: float | torch.Tensor, shape: Sequence[int], *, generator: torch.Generator) -> torch.Tensor:
    """Bool, True with probability ``share``, on the generator's device."""
    return torch.rand(tuple(shape), generator=generator, device=generator.device) < share


def random_carriers(batch: int, *, generator: torch.Generator, panels: Sequence[int] = ON, every: float = 0.7) -> torch.Tensor:
    """Bool (B, 6): which of ``panels`` carry the needle: all with probability ``every``, else all but one or more."""
    order = torch.rand(batch, len(panels), generator=generator, device=generator.device).argsort(1)
    most = len(panels)
    some = 1 + (torch.rand(batch, generator=generator, device=generator.device) * (most - 1)).long() if most > 1 else 1
    count = torch.where(coin(every, (batch,), generator=generator), most, some)
    carriers = torch.zeros(batch, PANELS, dtype=torch.bool, device=generator.device)
    carriers[:, list(panels)] = order < count[:, None]
    return carriers


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

    ``carriers`` bool (B, 6) names the panels that carry it (default: :func:`random_carriers`, ON only). Every
    track passes the middle of a carrying panel at least ``EDGE`` channels inside the window, so it is visible there
    unless its own gate (bursts, intermittent, partial) is off; ``anchors`` bool (B, 6) narrows that panel's choice.
    """
    device, indices = generator.device, family_indices(families)
    pick = (torch.rand(batch, generator=generator, device=device) * len(indices)).long()
    family = torch.tensor(indices, device=device)[pick]
    if carriers is None:
        carriers = random_carriers(batch, generator=generator)

    def among(*names: str) -> torch.Tensor:
        return torch.isin(family, torch.tensor([FAMILIES.index(name) for name in names], device=device))[:, None]

    def draw_number(bounds: tuple[float, float]) -> torch.Tensor:
        return uniform(*bounds, (batch, 1), generator=generator)

    def either_sign(number: torch.Tensor) -> torch.Tensor:
        return torch.where(coin(0.5, (batch, 1), generator=generator), number, -number)

    # Paths, as channels against t in panels. Every number is drawn for every row of the batch, used or not, so the
    # stream of random numbers does not depend on the families.
    t = ((torch.arange(PANELS * time, device=device) + 0.5) / time)[None]
    slant = either_sign(log_uniform(*DRIFT, (batch, 1), generator=generator))
    level = draw_number((-LINE_DRIFT, LINE_DRIFT))
    curve = either_sign(draw_number(CURVE))
    amplitude, period, phase = draw_number(SINE_AMPLITUDE), draw_number(SINE_PERIOD), draw_number((0, 2 * math.pi))
    step = draw_number(WALK_STEP)
    shaken = torch.randn(batch, PANELS * time, generator=generator, device=device)
    start, end = (draw_number((EDGE, freq - EDGE)) for _ in range(2))
    gentle = among("line", "sine", "walk")
    path = torch.where(gentle, level, slant) * t
    path = path + torch.where(among("quadratic"), curve, 0.0) * (t - 3.0) ** 2
    path = path + torch.where(among("sine"), amplitude, 0.0) * torch.sin(2 * math.pi * t / period + phase)
    path = path + torch.where(among("walk"), step, 0.0) * shaken.cumsum(1)

    anchors = carriers if anchors is None else anchors
    one = (anchors * uniform(0.1, 1.0, (batch, PANELS), generator=generator)).argmax(1)
    anchor_row = one * time + time // 2
    anchor = draw_number((EDGE, freq - EDGE))
    path = path - path.gather(1, anchor_row[:, None]) + anchor
    for name in CHIRPS:
        chirp = chirp_frequency(name.removeprefix("chirp_"), start, end, t, float(PANELS))
        path = torch.where(among(name), chirp, path)

    # Gates.
    row = torch.arange(PANELS * time, device=device)[None]
    only = torch.zeros_like(carriers).scatter(1, one[:, None], True)
    carriers = torch.where(among("one_panel"), carriers & only, carriers)
    gate = carriers.repeat_interleave(time, 1)
    run, lag = draw_number(BURST_ROWS), draw_number((0, 1))
    gate = gate & (~among("bursts") | ((row / (2 * run) + lag) % 1 < 0.5))
    flicker, duty = draw_number(FLICKER_ROWS), draw_number((0.3, 0.7))
    gate = gate & (~among("intermittent") | ((row / flicker + lag) % 1 < duty))
    # A partial needle starts late in its first panel (0028a35de92941d: at row 192) or ends early in its last one.
    first = carriers.int().argmax(1, keepdim=True) * time
    last = (PANELS - carriers.flip(1).int().argmax(1, keepdim=True)) * time
    cut = draw_number((0.25, 0.8)) * time
    late = coin(0.5, (batch, 1), generator=generator)
    gate = gate & (~among("partial") | torch.where(late, row >= first + cut, row < last - cut))

    on = gate.int()
    begin, stop = on.argmax(1), PANELS * time - 1 - on.flip(1).argmax(1)
    ends = path.gather(1, torch.stack([begin, stop], 1))
    drift = (ends[:, 1] - ends[:, 0]) / (stop - begin).clamp(min=1) * time
    shape = (batch, PANELS, time)
    return Tracks(path.reshape(shape), gate.float().reshape(shape), family, drift)


def draw(
    x_BPTF: torch.Tensor,
    tracks: Tracks,
    amplitude: torch.Tensor,
    *,
    sigma: torch.Tensor | None = None,
    panels: Sequence[int] = tuple(range(PANELS)),
    inplace: bool = False,
) -> torch.Tensor:
    """Add one needle per cadence: only the three channels around the track are touched.

    ``x_BPTF`` floating, holding ``panels`` of the six (``ON`` for an ON-only store). ``amplitude`` (B,) or (B, P):
    value at the track's centre in units of ``sigma`` (B, P), the local noise, measured by :func:`local_sigma` when
    not given; amplitude 0 draws nothing. Returns a new tensor, or ``x_BPTF`` itself with ``inplace``.
    """
    batch, count, time, freq = x_BPTF.shape
    if sigma is None:
        sigma = local_sigma(x_BPTF)
    picked = list(panels)
    centre, gate = tracks.freq[:, picked], tracks.gate[:, picked]
    peak = (amplitude[:, None] if amplitude.ndim == 1 else amplitude) * sigma
    brightness = (gate * peak[..., None]).reshape(-1)
    centre = centre.reshape(-1)
    row = torch.arange(batch * count * time, device=x_BPTF.device)
    if x_BPTF.device.type == "cpu":  # elsewhere the selection would wait for the device
        lit = brightness != 0
        centre, brightness, row = centre[lit], brightness[lit], row[lit]
    channel = (centre.round()[:, None] + torch.arange(-1, 2, device=x_BPTF.device)).clamp(-2, freq + 1)
    value = brightness[:, None] * torch.exp((channel - centre[:, None]) ** 2 / (-2 * PROFILE_SIGMA**2))
    inside = (channel >= 0) & (channel < freq)
    where = row[:, None] * freq + channel.clamp(0, freq - 1).long()
    out = x_BPTF if inplace else x_BPTF.clone(memory_format=torch.contiguous_format)
    flat = out.view(-1)
    flat.index_add_(0, where.reshape(-1), (value * inside).reshape(-1).to(flat.dtype))
    return out

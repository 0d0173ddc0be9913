"""Tracks measured: where exactly they are, how fast they drift, with what error, and how bright each panel is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seti_utils.telescope.grid import Grid, astray
from seti_utils.views.medians import QUARTILES_TO_SIGMA

SHOWING = 3.0
"""A panel has a say in where the track is from this SNR on."""

ROUNDS = ((1.5, 1.5, 13, 13), (0.25, 0.4, 9, 9), (0.75, 0.25, 9, 7))
"""Rounds of the search for the best track: half ranges and numbers of drifts and channels, in widths. A drift of one width
shifts the track's ends by one width against each other, from the first to the last panel that shows it."""

ROUGH = (6.0, 6.0, 25, 25)
"""The round before them, where all that is known of a track is rough."""

GRAIN = 0.29
"""Channels (standard deviation) by which a track's place inside a channel is unknown where it does not cross several."""

MOST = 1_000_000
"""Pixels that are looked up at once."""

NEIGHBOURS = range(5, 21)
"""Widths to both sides at which tracks say how much sums scatter there."""


@dataclass(frozen=True)
class Measured:
    """Tracks (N,): channel at the cadence's middle, drift and its error in channels per second; ``snr`` (N, P).

    An OFF panel's SNR is the largest within :func:`grid.astray` channels of the track.
    """

    channel: Tensor
    drift: Tensor
    error: Tensor
    snr: Tensor


def measure(
    flat: Sequence[Tensor],
    grid: Grid,
    width: int,
    channel: Tensor,
    drift: Tensor,
    on: Sequence[int],
    rough: bool = False,
) -> Measured:
    """Refine tracks over the ON panels that show them, then sum every panel along them.

    ``flat``: panels in sigma minus their level, summed over ``width`` channels (:func:`normalising.flattened`).
    ``channel`` and ``drift`` (N,) float64: a guess, off by at most the ranges of the first round, or of :data:`ROUGH`, in the
    middle of the panels that show the track: it turns about there, for elsewhere another drift is another channel too. The error
    is where the squared SNR has fallen by one, one standard deviation when the noise is Gaussian, and :data:`GRAIN`.
    """
    if not len(channel):
        empty = channel.new_zeros(0)
        return Measured(empty, empty, empty, channel.new_zeros(0, len(flat)))
    aside = ROUGH[1] / ROUNDS[0][1] if rough else 1.0
    showing = panel_snr(flat, grid, channel, drift, aside * width, panels=on)[:, list(on)] >= SHOWING
    use = torch.where(showing.any(1, keepdim=True), showing, True)
    found = refined(flat, grid, width, channel, drift, use, on, (ROUGH, *ROUNDS) if rough else ROUNDS)
    # what was refined in one panel may pass through others now: their lever arm tells its drift better
    shown = use | (found.snr[:, list(on)] >= SHOWING)
    more = (shown != use).any(1)
    if not more.any():
        return found
    again = refined(flat, grid, width, found.channel[more], found.drift[more], shown[more], on, ROUNDS)
    for field in fields(Measured):
        getattr(found, field.name)[more] = getattr(again, field.name)
    return found


def refined(
    flat: Sequence[Tensor],
    grid: Grid,
    width: int,
    channel: Tensor,
    drift: Tensor,
    use: Tensor,
    on: Sequence[int],
    rounds: Sequence[tuple[float, float, int, int]],
) -> Measured:
    """The best tracks near guesses, over the ON panels in ``use`` (N, P), after these ``rounds``; see :func:`measure`."""
    first, last = ends_of(grid, use, on)
    seconds, pivot = last - first, (first + last) / 2
    unit = width / seconds
    channel = channel + drift * pivot
    for drifts, channels, many, fine in rounds:
        offsets = torch.linspace(-drifts, drifts, many, dtype=torch.float64)
        shifts = torch.linspace(-channels, channels, fine, dtype=torch.float64) * width
        begun = drift
        channel, drift, profile = best_of(flat, grid, channel, drift, pivot, unit[:, None] * offsets, shifts, use, on)
    vertex, error = parabola(offsets, profile)
    drift = begun + vertex * unit
    channel = channel - drift * pivot
    grain = GRAIN / seconds / (1 + drift.abs() * seconds).sqrt()
    snr = panel_snr(flat, grid, channel, drift, astray(width), on)
    return Measured(channel, drift, torch.hypot(error * unit, grain), snr)


def ends_of(grid: Grid, use: Tensor, on: Sequence[int]) -> tuple[Tensor, Tensor]:
    """When the first of the ON panels in use (N, P) begins and the last ends, (N,) seconds from the cadence's middle."""
    half = torch.tensor([grid.rows[panel] * grid.row / 2 for panel in on], dtype=torch.float64)
    middle = torch.tensor([grid.middles[panel] - grid.middle for panel in on], dtype=torch.float64)
    first = torch.where(use, middle - half, torch.inf).amin(1)
    return first, torch.where(use, middle + half, -torch.inf).amax(1)


def best_of(
    flat: Sequence[Tensor],
    grid: Grid,
    channel: Tensor,
    drift: Tensor,
    pivot: Tensor,
    offsets: Tensor,
    shifts: Tensor,
    use: Tensor,
    on: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor]:
    """The best of all combinations of drift ``offsets`` (N, D) and channel ``shifts`` (S,) around each track; ``channel`` is that
    ``pivot`` (N,) seconds from the cadence's middle.

    Returns channel, drift, and the SNR at every offset from the drift that came in, each at its best channel (N, D).
    """
    rows = sum(grid.rows[panel] for panel in on)
    at_once = max(MOST // (rows * offsets.shape[1] * len(shifts)), 1)
    parts = []
    for first in range(0, len(channel), at_once):
        some = slice(first, first + at_once)
        total = torch.zeros(len(channel[some]), offsets.shape[1], len(shifts), dtype=torch.float64)
        count = torch.zeros(len(channel[some]), dtype=torch.float64)
        speed = (drift[some, None] + offsets[some])[:, :, None]
        for place, panel in enumerate(on):
            time = panel_times(grid, panel) - pivot[some, None, None]
            summed = interpolated_sums(flat[panel], channel[some, None, None] + speed * time, shifts)
            total += torch.where(use[some, place, None, None], summed, 0)
            count += use[some, place] * float(grid.rows[panel])
        profile, best = (total / count.sqrt()[:, None, None]).max(2)
        where = profile.argmax(1, keepdim=True)
        moved = offsets[some].gather(1, where)[:, 0]
        parts.append((channel[some] + shifts[best.gather(1, where)[:, 0]], drift[some] + moved, profile))
    channel, found, profile = (torch.cat(part) for part in zip(*parts, strict=True))
    return channel, found, profile


def parabola(offsets: Tensor, profile: Tensor) -> tuple[Tensor, Tensor]:
    """Where a parabola through ``profile`` (N, D) at ``offsets`` (D,) is highest, and how far from there the squared
    SNR is lower by one. Where it has no top, the highest point and the whole range."""
    terms = torch.stack([offsets**0, offsets, offsets**2], 1)
    level, slope, bend = (profile @ torch.linalg.pinv(terms).T).unbind(1)
    most = offsets.abs().max()
    round_top = bend < 0
    safe = torch.where(round_top, bend, -1.0)
    vertex = torch.where(round_top, -slope / (2 * safe), offsets[profile.argmax(1)]).clamp(-most, most)
    height = (level + slope * vertex + bend * vertex**2).clamp(min=1e-3)
    error = torch.where(round_top, (2 * height * -safe).rsqrt(), most).clamp(max=float(most))
    return vertex, error


def panel_times(grid: Grid, panel: int) -> Tensor:
    """Seconds of a panel's rows from the cadence's middle, float64."""
    rows = grid.rows[panel]
    return (torch.arange(rows, dtype=torch.float64) - (rows - 1) / 2) * grid.row + (grid.middles[panel] - grid.middle)


def interpolated_sums(y_TF: Tensor, where: Tensor, shifts: Tensor) -> Tensor:
    """(..., S): sums of ``y_TF`` along tracks at the fractional channels ``where`` (..., T) and beside them by ``shifts`` (S,),
    ascending; linear between channels, beyond the edges 0.

    Of every row a few neighbouring channels are taken, and all shifts are sums of them with weights: a shift is a whole
    number of channels and a fraction, and there are few different fractions.
    """
    ahead = shifts - shifts[0]
    whole = (ahead + 1e-6).floor().long()
    fractions, kind = (ahead - whole).mul(1e6).round().unique(return_inverse=True)
    where = where + shifts[0]
    low = where.floor()
    part = (where - low).float()[..., None, :] + (fractions / 1e6).float()[:, None]  # (..., fractions, T), below 2
    weights = part.new_empty(*part.shape[:-2], 3, *part.shape[-2:])  # filled in place: to stack them would be a pass more
    left, middle, right = weights.unbind(-3)
    torch.sub(1, part, out=left).clamp_(min=0)
    torch.sub(part, 1, out=right)
    torch.sub(1, right.abs(), out=middle)
    right.clamp_(min=0)
    sums = weights.flatten(-3, -2) @ patches(y_TF, low.long(), int(whole[-1]) + 3)
    sums = sums.unflatten(-2, (3, len(fractions)))
    left, middle, right = (sums[..., step, kind, whole + step] for step in range(3))
    return left + middle + right


def patches(y_TF: Tensor, low: Tensor, many: int) -> Tensor:
    """(..., T, ``many``): every row's channels from ``low`` (..., T), int64, on; beyond the edges 0."""
    rows, size = y_TF.shape
    first, last = (int(edge) for edge in low.aminmax()) if low.numel() else (0, 0)
    if first < 0 or last + many > size:
        y_TF, low, size = F.pad(y_TF, (many, many)), low.clamp(-many, size) + many, size + 2 * many
    place = low + torch.arange(rows) * size
    return y_TF.reshape(-1).unfold(0, many, 1).index_select(0, place.reshape(-1)).view(*place.shape, many)


def panel_snr(
    flat: Sequence[Tensor],
    grid: Grid,
    channel: Tensor,
    drift: Tensor,
    beside: float,
    exact: Sequence[int] = (),
    panels: Sequence[int] | None = None,
) -> Tensor:
    """(N, P): each panel's sum along the tracks, at the nearest channels, over the square root of its rows.

    Panels not in ``exact``: the largest of the track itself and those up to ``beside`` channels to both sides. Only those in
    ``panels`` are summed; others are 0.
    """
    out = torch.zeros(len(channel), len(flat), dtype=torch.float64)
    for panel in range(len(flat)) if panels is None else panels:
        steps = [0] if panel in exact else sorted({round(step * beside / 2) for step in range(-2, 3)})
        out[:, panel] = sums_beside(flat[panel], panel_times(grid, panel), channel, drift, steps).amax(1)
    return out


def sums_beside(y_TF: Tensor, time: Tensor, channel: Tensor, drift: Tensor, steps: Sequence[int]) -> Tensor:
    """(N, S): sums of a panel along tracks ``steps`` channels beside, at the nearest channels, over the square root of its
    rows."""
    rows, first, many = len(y_TF), min(steps), max(steps) - min(steps) + 1
    nearest = (channel[:, None] + drift[:, None] * time).round().long()
    wanted = torch.tensor(steps) - first
    sums = [nearest.new_zeros(0, len(steps), dtype=torch.float64)]
    for some in nearest.split(max(MOST // (rows * many), 1)):
        sums.append(patches(y_TF, some + first, many).sum(1)[:, wanted].double() / rows**0.5)
    return torch.cat(sums)


def significance(calm: Sequence[Tensor], grid: Grid, width: int, channel: Tensor, drift: Tensor, on: Sequence[int]) -> Tensor:
    """(N, P): each panel's sum along the tracks minus the median of tracks beside them, in units of their scatter, at least 1.

    An OFF panel's is the largest within :func:`grid.astray` channels of the track.
    """
    out = panel_snr(calm, grid, channel, drift, astray(width), on)
    steps = [sign * width * step for step in NEIGHBOURS for sign in (-1, 1)]
    for panel, values in enumerate(calm):
        ordered = sums_beside(values, panel_times(grid, panel), channel, drift, steps).sort(1).values
        quarter = len(steps) // 4
        scatter = (ordered[:, -quarter - 1] - ordered[:, quarter]) / QUARTILES_TO_SIGMA
        out[:, panel] = (out[:, panel] - ordered[:, len(steps) // 2]) / scatter.clamp(min=1)
    return out


def together(snr: np.ndarray) -> np.ndarray:
    """(N,): SNR of ON panels (N, P) together: of the brightest one, two, … whichever is most."""
    ordered = np.cumsum(-np.sort(-snr.astype(np.float64), axis=1), axis=1)
    return (ordered / np.sqrt(np.arange(1, snr.shape[1] + 1))).max(1)

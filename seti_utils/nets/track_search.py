"""The brightest tracks through a cadence: sums along drifting lines, joined by the best path (Viterbi's) through all panels.

Every panel is cut into ``SEGMENTS`` spans. In each span the pixels are summed along straight tracks, one for every channel
and drift, as Taylor's tree (1974) does, here exactly, by turning phases in the Fourier domain. A path takes one straight
track per span, each beginning where the one before ended; a change of drift costs. So lines, chirps and S-shapes are all
integrated over six panels, gaps cost little, and OFF panels are looked at along the track that the ON panels show.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.errors import InputError
from seti_utils.keeping import keep
from seti_utils.wording import quantity

SEGMENTS = 4
"""Spans of a panel: 73 s each, in which a typical S-shape bends by half a channel."""

STEEPEST = 18 / 256
"""Steepest drift within a span, in bandwidths: 72 channels per panel."""

MARGIN = 1 / 16
"""How far beyond either edge of the window tracks are followed, in bandwidths."""

TURN = 0.35
"""What a change of drift by one channel per span costs, in log-likelihood."""

TURNS = (1, 2, 4, 8)
"""Changes of drift by up to their sum are possible from one span to the next."""

SLOW = 2
"""Drifts up to this many channels per span are slow: a needle's spectrum can then pass for a background's."""

DOUBT = 4.0
"""What a sum along a slow track is lowered by, in sigma, because its background is not known to be white."""

GAIN, WORTH, LEAST, MOST = 2.0, 1.0, -1.0, 60.0
"""The evidence of a span whose sum is S sigma: GAIN (S - WORTH), within LEAST (a gap) and MOST."""

CLEANED_MOST = 250.0
"""MOST of cleaned panels, whose noise is a fiftieth: with 60 a needle of hundreds of sigma had as much on tracks that only
cross it, and its own got lost among them."""

OFF_SHARE = 0.5
"""OFF panels attract a path by this share of their evidence, so that it follows an echo through them."""

SUPPORT = 6.0
"""What the rest of the cadence adds, at most, when the tracks of one panel are ranked."""

EACH = 4
"""Tracks that are taken from every ON panel."""

APART = 4
"""Tracks of one panel differ by more channels than this in its middle."""


ASIDE, LOWEST = 8, 2.0
"""Another track is more than this many channels away; evidence below the second is noise, and counts as nothing."""


class Found(NamedTuple):
    """K = 3 ``EACH`` tracks per cadence.

    ``channel`` (B, K, 6, T): where each is in every time bin; it may leave the window. ``nearby`` (B, K, 6, 4): the highest
    evidence that a panel alone holds for any track within 2, 8 and 32 channels of this one, in its middle, and
    anywhere: an echo that the path has lost still shows. ``alike`` (B, K, 6): share of the panel's other channels where some
    track has at least half of this one's evidence: a needle has none, a background many.
    """

    channel: Tensor
    nearby: Tensor
    alike: Tensor


def find_tracks(x_BPTF: Tensor, still: Tensor | None = None, each: int = EACH, most: float = MOST) -> Found:
    """The ``each`` best tracks of every ON panel of white panels (B, 6, T, F), float32, followed through all six.

    ``still``: the same panels cleaned so that what stands still remains; sums along slow tracks are taken from there where
    they are beyond doubt. ``most``: the evidence that one span can give. T is a multiple of ``SEGMENTS``. No gradient: what
    is found are places.
    """
    batch, panels, time, freq = x_BPTF.shape
    if panels != PANELS or time % SEGMENTS:
        raise InputError(
            f"{quantity(panels, 'panel')} of {quantity(time, 'time bin')}",
            remedy=f"give {PANELS} and a multiple of {SEGMENTS}, such as 48",
        )
    grid = grid_of(freq)
    with torch.no_grad():
        sums = track_sums(x_BPTF, grid)
        if still is not None:
            slow = slice(grid.steepest - SLOW, grid.steepest + SLOW + 1)
            sums[:, :, slow] = torch.maximum(sums[:, :, slow], track_sums(still, grid, slow).sub_(DOUBT))
        evidence = evidence_of(sums, most)
        middle = [panel * SEGMENTS + SEGMENTS // 2 for panel in ON]
        upto, after = best_paths(evidence, middle[0], middle[-1])
        own = best_through(evidence.view(batch * PANELS, SEGMENTS, grid.drifts, grid.size), SEGMENTS // 2)
        own = own.view(batch, PANELS, grid.drifts, grid.size)
        whole, alone = upto[:, middle] + after[:, middle], own[:, ON]
        start, drift = seeds(alone + (whole - alone).clamp(max=SUPPORT), each)
        starts, drifts = follow(evidence, upto, after, start, drift, grid)
        within = (torch.arange(time // SEGMENTS, device=x_BPTF.device) + 0.5) / (time // SEGMENTS)
        channel = (starts - grid.margin)[..., None] + (drifts - grid.steepest)[..., None] * within
        height, middle = own.amax(2), starts.unflatten(2, (PANELS, SEGMENTS))[..., SEGMENTS // 2]
        nearby = highest_nearby(height, middle)
    return Found(channel.reshape(batch, -1, PANELS, time), nearby, as_high(height, middle, nearby[..., 0]))


class Grid(NamedTuple):
    """``size`` channels, the window with ``margin`` more on either side, and drifts of -``steepest`` .. ``steepest``."""

    size: int
    margin: int
    steepest: int

    @property
    def drifts(self) -> int:
        return 2 * self.steepest + 1


def grid_of(freq: int) -> Grid:
    """The grid for a window of ``freq`` channels."""
    steepest = max(2, round(STEEPEST * freq))
    margin = max(steepest // 2 + 1, round(MARGIN * freq))  # less would wrap tracks around in the Fourier domain
    return Grid(freq + 2 * margin, margin, steepest)


@keep(8)
def phases(rows: int, grid: Grid, device: torch.device) -> Tensor:
    """Complex (wave number, rows, drifts): what shifts a row to where a track of a drift began."""
    wave = torch.arange(grid.size // 2 + 1, dtype=torch.float64) / grid.size
    row = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    drift = torch.arange(-grid.steepest, grid.steepest + 1, dtype=torch.float64)
    angle = 2 * math.pi * wave[:, None, None] * row[None, :, None] * drift
    return torch.polar(torch.full_like(angle, 1 / math.sqrt(rows)), angle).to(torch.complex64).to(device)


def track_sums(x_BPTF: Tensor, grid: Grid, drifts: slice = slice(None)) -> Tensor:
    """(B, 6 ``SEGMENTS``, drifts, size): sums of white panels along tracks, by drift and by where they begin, in sigma."""
    batch, _, time, _ = x_BPTF.shape
    rows = time // SEGMENTS
    spans = F.pad(x_BPTF.reshape(-1, rows, x_BPTF.shape[-1]), (grid.margin, grid.margin))
    waves = torch.fft.rfft(spans).permute(2, 0, 1) @ phases(rows, grid, x_BPTF.device)[..., drifts]
    return torch.fft.irfft(waves.permute(1, 2, 0), n=grid.size).unflatten(0, (batch, -1))


def evidence_of(sums: Tensor, most: float = MOST) -> Tensor:
    """What a span's sum says for a needle, in log-likelihood; in place."""
    evidence = sums.sub_(WORTH).mul_(GAIN).clamp_(LEAST, most)
    evidence.unflatten(1, (PANELS, SEGMENTS))[:, OFF] *= OFF_SHARE
    return evidence


def best_paths(evidence: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    """For every span, drift and beginning (B, N, drifts, size): the best path up to and with it, and the best one after it.

    What nobody asks for is left out: the first is there for spans up to ``last``, the other one from span ``first`` on.
    """
    upto, after = torch.empty_like(evidence), torch.empty_like(evidence)
    end = evidence.shape[1] - 1
    upto[:, 0], after[:, end] = evidence[:, 0], 0
    for span in range(1, last + 1):
        torch.add(turned(shifted(upto[:, span - 1], 1)), evidence[:, span], out=upto[:, span])
    for span in range(end, first, -1):
        after[:, span - 1] = shifted(turned(evidence[:, span] + after[:, span]), -1)
    return upto, after


def best_through(evidence: Tensor, middle: int) -> Tensor:
    """The best path through every drift and beginning of the span ``middle`` alone, (B, drifts, size): the sum of what
    :func:`best_paths` gives there, at half the cost."""
    upto, after = evidence[:, 0], torch.zeros_like(evidence[:, 0])
    for span in range(1, middle + 1):
        upto = turned(shifted(upto, 1)) + evidence[:, span]
    for span in range(evidence.shape[1] - 1, middle, -1):
        after = shifted(turned(evidence[:, span] + after), -1)
    return upto + after


def shifted(x: Tensor, sign: int) -> Tensor:
    """(B, drifts, size): every drift's row moved by ``sign`` times that drift, zeros coming in; a new tensor."""
    batch, drifts, size = x.shape
    reach = drifts // 2
    padded = F.pad(x, (reach, reach + 1))
    width = size + 2 * reach + 1
    place = (drifts * width, width - sign, 1), (2 * reach if sign > 0 else 0)
    return padded.as_strided((batch, drifts, size), *place).contiguous()


def turned(x: Tensor) -> Tensor:
    """The best value over the drifts that a path may turn from, each minus its cost; in place."""
    for by in TURNS:
        if by < x.shape[1]:
            dearer = x - TURN * by
            torch.maximum(x[:, :-by], dearer[:, by:], out=x[:, :-by])
            torch.maximum(x[:, by:], dearer[:, :-by], out=x[:, by:])
    return x


def seeds(rank: Tensor, each: int) -> tuple[Tensor, Tensor]:
    """From (B, 3, drifts, size) the ``each`` best beginnings of a panel, ``APART``, and their drifts: (B, 3 ``each``)."""
    height, drift = rank.max(2)
    at = torch.arange(height.shape[-1], device=rank.device)
    found = []
    for _ in range(each):
        found.append(height.argmax(-1))
        height = height.masked_fill((at - found[-1][..., None]).abs() <= APART, -torch.inf)
    start = torch.stack(found, 2)
    return start.flatten(1), drift.gather(2, start).flatten(1)


def follow(evidence: Tensor, upto: Tensor, after: Tensor, start: Tensor, drift: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """From seeds (B, K) in the middle of the ON panels the best paths: beginnings and drifts (B, K, 6 ``SEGMENTS``)."""
    spans, count = evidence.shape[1], start.shape[1]
    device = evidence.device
    middles = [panel * SEGMENTS + SEGMENTS // 2 for panel in ON]
    seed = torch.tensor(middles, device=device).repeat_interleave(count // len(ON))
    row = torch.arange(len(evidence), device=device)[:, None]
    every = torch.arange(grid.drifts, device=device)
    turn = (every[:, None] - every).abs()
    cost = (turn * TURN).masked_fill(turn > sum(TURNS), torch.inf)
    ahead, back = [(start, drift)], [(start, drift)]
    for step in range(1, spans - min(middles)):
        span, (at, slope) = (seed + step).clamp(max=spans - 1), ahead[-1]
        at = (at + slope - grid.steepest).clamp(0, grid.size - 1)
        ahead.append((at, (evidence[row, span, :, at] + after[row, span, :, at] - cost[slope]).argmax(-1)))
    for step in range(1, max(middles) + 1):
        span, (at, slope) = (seed - step).clamp(min=0), back[-1]
        come = (at[..., None] - every + grid.steepest).clamp(0, grid.size - 1)
        slope = (upto[row[..., None], span[:, None], every, come] - cost[slope]).argmax(-1)
        back.append((come.gather(2, slope[..., None])[..., 0], slope))
    away = (torch.arange(spans, device=device) - seed[:, None]).expand(*start.shape, spans)
    place = torch.where(away >= 0, away, len(ahead) - 1 - away)  # what lies back comes after what lies ahead
    starts, drifts = (torch.stack([step[part] for step in (*ahead, *back[1:])], 2) for part in range(2))
    return starts.gather(2, place), drifts.gather(2, place)


def highest_nearby(height: Tensor, start: Tensor) -> Tensor:
    """(B, 6, size) evidence of panels alone, at ``start`` (B, K, 6): the highest within 2, 8, 32 channels and anywhere."""
    wide = [F.max_pool1d(height, 2 * reach + 1, 1, reach) for reach in (2, 8, 32)]
    wide.append(height.amax(2, keepdim=True).expand_as(height))
    place = start.transpose(1, 2)
    return torch.stack([one.gather(2, place) for one in wide], 3).transpose(1, 2)


def as_high(height: Tensor, start: Tensor, mine: Tensor) -> Tensor:
    """Share of the channels more than ``ASIDE`` from ``start`` (B, K, 6) where ``height`` (B, 6, size) is at least half of
    ``mine``."""
    at = torch.arange(height.shape[2], device=height.device)
    aside = (at - start[..., None]).abs() > ASIDE
    high = height[:, None] >= (mine / 2).clamp(min=LOWEST)[..., None]
    return (high & aside).float().mean(3)

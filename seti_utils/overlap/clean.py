"""Overlap cleaning: a cadence minus the same sky as its neighbours show it, so that needles stand alone.

Every panel was scaled to mean 0 and deviation 1 after its needles were drawn, so windows of one sky differ by scale and
offset. Both are fitted panel by panel, the aligned neighbours are combined, and their sky is subtracted. What is left
is the row's own needle, rounding, and whatever noise the windows do not share.

Of K neighbours over a channel the lower median is taken: the one itself; the smaller of two; the median of three; the
second smallest of four. Needles are positive, so a neighbour's needle is out of it from two neighbours on. With one
neighbour its needle stays, as a negative shadow.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from seti_utils.data.cadence import CLEANED_LIMIT, FREQ, PANELS
from seti_utils.data.noise import local_sigma
from seti_utils.overlap.check import common
from seti_utils.views.whitening import LEAST, whiten

MOST = 5
"""Neighbours combined in one channel; a sixth would lower unshared noise by 2 % more."""

ROUNDS, KEPT_SIGMA = 3, 3.0
"""Rounds of the fit, and the deviations beyond which a pixel (a needle) does not take part."""

FIT_ROWS = 2
"""Every second row takes part in the fit."""


def clean_panels(own: Tensor, others: Tensor, shifts: Sequence[int], agree: Tensor) -> tuple[Tensor, Tensor]:
    """One cadence without its sky, in sigma of its own local noise: float32 (6, T, F), and bool (6, F), what was covered.

    ``own`` (6, T, F) and ``others`` (K, 6, T, F) are panels of any float dtype; channel f of ``own`` is channel
    f - ``shifts[k]`` of neighbour k; ``agree`` bool (K, 6) says which panels show the same sky. Sigma is
    :func:`seti_utils.data.noise.local_sigma` of the raw panel, so a needle keeps its amplitude in sigma. Channels
    without a neighbour are whitened instead (:func:`seti_utils.views.whitening.whiten`), in the same unit. Nothing is
    clipped below +-``CLEANED_LIMIT``, which only keeps float16 from overflowing.
    """
    own = own.float()
    sigma = local_sigma(own[None])[0].clamp(min=LEAST)[:, None, None]
    cleaned = whiten(own[None], limit=CLEANED_LIMIT)[0]
    covered = torch.zeros(PANELS, FREQ, dtype=torch.bool, device=own.device)
    aligned = [aligned_to(own, other.float(), shift) for other, shift in zip(others, shifts, strict=True)]
    for panel in range(PANELS):
        held = [k for k in range(len(shifts)) if agree[k, panel]]
        for start, end in segments([shifts[k] for k in held]):
            over = [k for k in held if common(shifts[k])[0].start <= start and end <= common(shifts[k])[0].stop]
            if not over:
                continue
            nearest = sorted(over, key=lambda k: abs(shifts[k]))[:MOST]
            sky = lower_median([aligned[k][panel, :, start:end] for k in nearest])
            rest = own[panel, :, start:end] - sky
            # The lower of two neighbours with noise of their own lies low: the level says by how much.
            rest = rest - rest[::4].median()
            cleaned[panel, :, start:end] = (rest / sigma[panel]).clamp_(-CLEANED_LIMIT, CLEANED_LIMIT)
            covered[panel, start:end] = True
    return cleaned, covered


def segments(shifts: Sequence[int]) -> list[tuple[int, int]]:
    """The window's channels cut where a neighbour begins or ends: (start, end) of each piece."""
    edges = sorted({0, FREQ, *(edge for shift in shifts for edge in (common(shift)[0].start, common(shift)[0].stop))})
    return list(pairwise(edges))


def lower_median(values: Sequence[Tensor]) -> Tensor:
    """Element by element the lower median of a few tensors, from minima and maxima: 100 times as fast as a sort."""
    rest = list(values)
    for _ in range((len(values) + 1) // 2):
        least = rest[0]
        for place in range(1, len(rest)):
            least, rest[place] = torch.minimum(least, rest[place]), torch.maximum(least, rest[place])
        rest = rest[1:]
    return least


def aligned_to(own: Tensor, other: Tensor, shift: int) -> Tensor:
    """``other`` (6, T, F) in the channels and the scale of ``own``; 0 in channels that it does not hold."""
    here, there = common(shift)
    scale, offset = fit_scale(own[:, ::FIT_ROWS, here], other[:, ::FIT_ROWS, there])
    out = torch.zeros_like(own)
    torch.addcmul(offset[:, None, None], other[..., there], scale[:, None, None], out=out[..., here])
    return out


def fit_scale(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and offset (P,) with x = scale y + offset of panels (P, T, F) that show the same sky.

    The ratio of the deviations of both (the reduced major axis), because unshared noise is in both alike; a least-squares
    slope would come out too small. Begun from medians, and repeated without pixels that are off by more than ``KEPT_SIGMA``
    robust deviations: needles of either.
    """
    scale = local_sigma(x[None])[0] / local_sigma(y[None])[0].clamp(min=1e-12)
    offset = (x - scale[:, None, None] * y).flatten(1).median(1).values
    for _ in range(ROUNDS):
        off = x - scale[:, None, None] * y - offset[:, None, None]
        spread = 1.4826 * off[:, ::4].abs().flatten(1).median(1).values + 1e-6
        kept = (off.abs() <= KEPT_SIGMA * spread[:, None, None]).float()
        count = kept.sum((1, 2)).clamp(min=1)
        mean_x, mean_y = ((value * kept).sum((1, 2)) / count for value in (x, y))
        var_x, var_y = ((((value - mean[:, None, None]) ** 2) * kept).sum((1, 2)) for value, mean in ((x, mean_x), (y, mean_y)))
        scale = torch.where(var_y > 0, (var_x / var_y.clamp(min=1e-30)).sqrt(), scale)
        offset = mean_x - scale * mean_y
    return scale, offset

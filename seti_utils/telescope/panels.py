"""What panels become before they are searched: usable pixels, fewer rows, units of noise, without what OFF panels show."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from seti_utils.telescope.bandpass import Bandpass
from seti_utils.telescope.classical import Arrangement
from seti_utils.telescope.grid import ALIGNED, Scale
from seti_utils.telescope.normalising import added_up, calmed, flattened
from seti_utils.telescope.shared import less_shared


def usable(panel: np.ndarray, bandpass: Bandpass, first: int, last: int) -> tuple[Tensor, np.ndarray]:
    """A panel (T, F), the channels ``first`` to ``last``, as a tensor: pixels that are not finite become the median of the
    :data:`grid.ALIGNED` channels around them, and the coarse channels' spikes their neighbours' level.

    Also returns how many pixels of every channel were not finite, (F,).
    """
    values = np.ascontiguousarray(panel)
    bad = np.zeros(values.shape[1], np.int64)
    if not torch.from_numpy(values).sum().isfinite():  # a quarter of the time that looking at every pixel takes
        wrong = ~np.isfinite(values)
        bad += wrong.sum(0)
        for around in np.unique((np.flatnonzero(bad) + first) // ALIGNED):
            some = slice(max(around * ALIGNED - first, 0), (around + 1) * ALIGNED - first)
            part, lost = values[:, some], wrong[:, some]
            part[lost] = np.median(part[~lost]) if not lost.all() else 0
    if len(spikes := bandpass.spikes_between(first, last)):
        left, right = np.maximum(spikes - 1, 0), np.minimum(spikes + 1, values.shape[1] - 1)
        values[:, spikes] = (values[:, left] + values[:, right]) / 2
    return torch.from_numpy(values), bad


def averaged(panel: Tensor, rows: int) -> Tensor:
    """Means of ``rows`` rows each; a rest at the end is left out."""
    count = len(panel) // rows
    return panel[: count * rows].unflatten(0, (count, rows)).mean(1) if rows > 1 else panel


def by_segment(function: Callable[[Tensor], Tensor], panel: Tensor, segments: Sequence[tuple[int, int]]) -> Tensor:
    """``function`` of every segment of ``panel`` (T, F) by itself; 0 between them."""
    if segments == [(0, panel.shape[1])]:
        return function(panel)
    out = torch.zeros_like(panel)
    for first, last in segments:
        out[:, first:last] = function(panel[:, first:last])
    return out


def without_shared(
    panels: Sequence[Tensor], arrangement: Arrangement, segments: Sequence[tuple[int, int]], first: int
) -> list[Tensor]:
    """``panels`` minus what the OFF panels of an arrangement show, segment by segment."""
    out = [torch.zeros_like(panel) for panel in panels]
    for begin, end in segments:
        parts = less_shared([panel[:, begin:end] for panel in panels], arrangement.on, arrangement.off, first + begin)
        for panel, part in zip(out, parts, strict=True):
            panel[:, begin:end] = part
    return out


def levelled(panels: Sequence[Tensor], scale: Scale, segments: Sequence[tuple[int, int]]) -> tuple[list[Tensor], list[Tensor]]:
    """Panels in the channels of ``scale``, minus their level, summed over its width; and the same with bursts calmed."""
    if many := scale.added - 1:
        panels = [added_up(panel, scale.added) for panel in panels]
        segments = [(-(-first // scale.added), last // scale.added) for first, last in segments if last - first > 2 * many]
    flat = [by_segment(partial(flattened, width=scale.width), panel, segments) for panel in panels]
    return flat, [by_segment(partial(calmed, width=scale.width, added=scale.added), panel, segments) for panel in flat]

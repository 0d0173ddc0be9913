"""A block of channels searched: read, brought to units of its noise, searched both ways, what was found measured.

A block is the unit of work: it needs nothing of other blocks, the same block gives the same bytes in any process, and its
result is small.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from seti_utils.data.cadence import FREQ
from seti_utils.errors import InputError
from seti_utils.telescope.bandpass import Bandpass
from seti_utils.telescope.classical import CELL, STANDING_REACH, Arrangement, doubt_of, search_alone, search_scale
from seti_utils.telescope.grid import WIDTHS, Grid
from seti_utils.telescope.network import WINDOW, ShippedDetector, score_windows
from seti_utils.telescope.normalising import calmed, flattened, in_sigma
from seti_utils.telescope.shared import less_shared
from seti_utils.telescope.tracks import FILE_HIT, TRACK, measured_files, measured_hits, measured_windows

BLOCK_BYTES = 32 << 20
"""Most bytes of a block's pixels as they are read; with everything made of them a process stays below 1 GiB."""

TILE_BYTES = 96 << 20
"""Most bytes of what is made of the channels that are searched at a time."""

LARGEST_TILE = 16384
"""Channels that are searched at a time, at most: rows of more do not fit a processor's cache."""

COPIES = 8
"""Panels of a tile that are held at once: flattened, calmed, clipped, those of the arrangement before, and three on the way."""


class Readable(Protocol):
    """What a block is read from: a cadence of telescope files, or anything that looks like one."""

    @property
    def channels(self) -> int: ...

    @property
    def width(self) -> float:
        """MHz of a channel."""
        ...

    @property
    def rows(self) -> tuple[int, ...]: ...

    def read(self, start: int, stop: int, average: int = 1) -> list[np.ndarray]:
        """Each panel's channels, float32 (rows // average, stop - start)."""
        ...

    def segments(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Runs of neighbouring channels in ``start`` to ``stop``, counted from ``start``; there are no data between them."""
        ...

    def windows(self, start: int, stop: int) -> list[int]:
        """First channels of the network's windows that begin in ``start`` to ``stop``."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class Search:
    """Everything that a block's search depends on. ``snr``: the smallest SNR that is asked for."""

    cadence: Readable
    grid: Grid
    bandpass: Bandpass
    on: tuple[int, ...]
    arrangements: tuple[Arrangement, ...]
    snr: float
    detector: ShippedDetector | None = None
    device: str = "cpu"


COUNTS = ("channels", "pixels", "unusable pixels", "tracks", "cells", "windows")
"""What is counted in a block: live channels, pixels read, pixels that are not finite, tracks, cells and windows looked at."""


@dataclass
class Found:
    """What a block gave: ``tracks`` and ``windows`` of every arrangement, hits of single ``files``, and counts."""

    tracks: np.ndarray = field(default_factory=lambda: np.empty(0, TRACK))
    windows: np.ndarray = field(default_factory=lambda: np.empty(0, WINDOW))
    files: np.ndarray = field(default_factory=lambda: np.empty(0, FILE_HIT))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(COUNTS), np.int64))

    def arrays(self) -> dict[str, np.ndarray]:
        """By name."""
        return dict(self.__dict__)


def joined(parts: Sequence[Found]) -> Found:
    """The results of several blocks as one."""
    names = ("tracks", "windows", "files")
    whole = {name: np.concatenate([getattr(Found(), name), *(getattr(part, name) for part in parts)]) for name in names}
    return Found(**whole, counts=sum((part.counts for part in parts), np.zeros(len(COUNTS), np.int64)))


def plan_blocks(cadence: Readable, grid: Grid, network: bool) -> list[tuple[int, int]]:
    """First and last + 1 channels of the blocks: even ones, whole cells, as large as :data:`BLOCK_BYTES` allow."""
    rows = sum(cadence.rows) if network else sum(grid.rows)
    most = max(BLOCK_BYTES // (4 * rows) - 2 * grid.reach, 4 * CELL)
    count = -(-cadence.channels // most)
    width = -(-cadence.channels // count // CELL) * CELL
    return [(start, min(start + width, cadence.channels)) for start in range(0, cadence.channels, width)]


def search_block(search: Search, start: int, stop: int) -> Found:
    """Search the channels ``start`` to ``stop``; one thread, so that every process gives the same bytes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            return _search_block(search, start, stop)
    finally:
        torch.set_num_threads(threads)


def _search_block(search: Search, start: int, stop: int) -> Found:
    cadence, grid = search.cadence, search.grid
    ahead = grid.reach if search.detector is None else max(grid.reach, FREQ)  # the last window begins just before the block's end
    first, last = max(start - grid.reach, 0), min(stop + ahead, cadence.channels)
    found = Found()
    if search.detector is not None:
        raw, bad = usable(cadence.read(first, last), search.bandpass, first, last)
        starts = cadence.windows(start, stop)
        found.windows = score_windows(search.detector, raw, first, starts, search.arrangements, grid)
        panels = [averaged(panel, grid.average) for panel in raw]
        del raw
    else:
        panels, bad = usable(cadence.read(first, last, grid.average), search.bandpass, first, last)
    segments = cadence.segments(first, last)
    for number in range(len(panels)):  # one after the other, so that what a panel was read as can go
        panels[number] = by_segment(in_sigma, panels[number].to(search.device), segments)
    less = [without_shared(panels, one, segments, first) for one in search.arrangements]
    alive = torch.stack([panel.abs().amax(0) > 0 for panel in panels]).any(0)[start - first : stop - first]
    pixels = sum(grid.rows) * (stop - start)
    live = int(alive.sum())
    found.counts = np.array([live, pixels, bad, live * grid.tracks, 0, len(found.windows)], np.int64)
    parts = [found]
    size = tile_size(grid)
    for begin in range(start, stop, size):
        end = min(begin + size, stop)
        low, high = max(begin - grid.reach, first), min(end + grid.reach, last)
        tile = [[panel[:, low - first : high - first] for panel in one] for one in (panels, *less)]
        inside = found.windows[in_core(found.windows["start"], begin, end)]
        parts.append(search_tile(search, tile, cadence.segments(low, high), low, (begin - low, end - low), inside))
    return joined(parts)


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


def tile_size(grid: Grid) -> int:
    """Channels that are searched at a time. Raises ``InputError`` where tracks cross too many channels for the memory."""
    displacements = max(len({grid.displacement(0, scale.width, drift) for drift in scale.drifts}) for scale in grid.scales)
    per_channel = 4 * (COPIES * sum(grid.rows) + (displacements + 4 * STANDING_REACH + 2) * len(grid.rows))
    room = TILE_BYTES // per_channel - 2 * grid.reach
    if room < 4 * CELL:
        raise InputError(
            f"tracks cross {grid.reach:,} channels, too many for the memory", remedy="choose a smaller largest drift: -M HZ_S"
        )
    return min(room, LARGEST_TILE) // CELL * CELL


def in_core(channels: np.ndarray, begin: int, end: int) -> np.ndarray:
    return (channels >= begin) & (channels < end)


def usable(panels: Sequence[np.ndarray], bandpass: Bandpass, first: int, last: int) -> tuple[list[Tensor], int]:
    """Panels as tensors: pixels that are not finite and the coarse channels' spikes become their neighbours' level.

    Also returns how many pixels were not finite.
    """
    spikes, bad, out = bandpass.spikes_between(first, last), 0, []
    for panel in panels:
        values = np.ascontiguousarray(panel)
        wrong = ~np.isfinite(values)
        if count := int(wrong.sum()):
            bad += count
            rest = values[~wrong]
            values[wrong] = np.median(rest) if rest.size else 0
        if len(spikes):
            left, right = np.maximum(spikes - 1, 0), np.minimum(spikes + 1, values.shape[1] - 1)
            values[:, spikes] = (values[:, left] + values[:, right]) / 2
        out.append(torch.from_numpy(values))
    return out, bad


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


def search_tile(
    search: Search,
    panels: Sequence[Sequence[Tensor]],
    segments: Sequence[tuple[int, int]],
    low: int,
    core: tuple[int, int],
    windows: np.ndarray,
) -> Found:
    """Search the channels ``core`` of the panels, which begin at channel ``low``; measure what is worth it.

    ``panels``: as they are, for the hits of single files; then, for each arrangement, minus what its OFF panels show.
    """
    grid, parts = search.grid, [Found()]
    nearer = windows.copy()
    nearer["channel"] -= low
    for scale in grid.scales:
        flat, calm = levelled(panels[0], scale.width, segments)
        alone = search_alone(calm, grid, scale, core)
        doubts = [doubt_of(calm, arrangement) for arrangement in search.arrangements]
        parts.append(Found(files=measured_files(alone, [panel.cpu() for panel in flat], grid, scale, search.snr)))
        for number, arrangement in enumerate(search.arrangements):
            flat, calm = levelled(panels[number + 1], scale.width, segments)
            hits = search_scale(calm, doubts[number], grid, scale, arrangement, number, core)
            flat, calm = [panel.cpu() for panel in flat], [panel.cpu() for panel in calm]
            tracks = [measured_hits(hits, flat, calm, doubts[number].cpu(), grid, scale, arrangement, search.snr)]
            mine = nearer[nearer["arrangement"] == number]
            if scale.width in WIDTHS and len(mine):
                tracks.append(measured_windows(mine, flat, calm, grid, scale, arrangement))
            part = Found(np.concatenate(tracks))
            part.tracks["arrangement"] = number
            part.counts[COUNTS.index("cells")] = len(hits)
            parts.append(part)
    whole = joined(parts)
    whole.tracks["channel"] += low
    whole.files["channel"] += low
    return whole


def levelled(panels: Sequence[Tensor], width: int, segments: Sequence[tuple[int, int]]) -> tuple[list[Tensor], list[Tensor]]:
    """Panels minus their level, summed over ``width`` channels; and the same with bursts calmed."""
    flat = [by_segment(partial(flattened, width=width), panel, segments) for panel in panels]
    return flat, [by_segment(partial(calmed, width=width), panel, segments) for panel in flat]

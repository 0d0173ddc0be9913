"""A block of channels searched: read, brought to units of its noise, searched both ways, what was found measured.

A block is the unit of work: it needs nothing of other blocks, the same block gives the same bytes in any process, and its
result is small.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seti_utils.data.cadence import FREQ
from seti_utils.errors import InputError
from seti_utils.telescope.bandpass import Bandpass
from seti_utils.telescope.classical import STANDING_REACH, Arrangement, doubt_of, search_alone, search_scale
from seti_utils.telescope.grid import WIDTHS, Grid
from seti_utils.telescope.network import WINDOW, ShippedDetector, score_windows, standing, windows_to_score
from seti_utils.telescope.normalising import in_sigma
from seti_utils.telescope.panels import by_segment, levelled, without_shared
from seti_utils.telescope.pixels import Pixels, Readable, read_pixels
from seti_utils.telescope.tracks import (
    FILE_HIT,
    MEASURED,
    TRACK,
    in_channels,
    measured_files,
    measured_hits,
    measured_windows,
    told_apart,
)
from seti_utils.threads import one_thread

BLOCK_BYTES = 16 << 20
"""Most bytes of a block's pixels, rows averaged; with everything made of them a process stays below 1 GiB."""

ABREAST = 2
"""The number of blocks is a multiple of this, so that two processes end together."""

TILE_BYTES = 160 << 20
"""Most bytes of what is made of the channels that are searched at a time."""

LARGEST_TILE = 16384
"""Channels that are searched at a time, at most: rows of more do not fit a processor's cache."""

COPIES = 8
"""Panels of a tile that are held at once: flattened, calmed, clipped, those of the arrangement before, and three on the way."""


SEEN = 0.0
"""The network's track is measured in windows with higher logits."""


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
"""What is counted in a block: live channels, pixels read, pixels that are not finite, tracks tried, cells in which ON panels show
anything, and windows looked at."""


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


def plan_blocks(cadence: Readable, grid: Grid) -> list[tuple[int, int]]:
    """First and last + 1 channels of the blocks: even ones, aligned, as large as :data:`BLOCK_BYTES` allow."""
    most = max((BLOCK_BYTES // (4 * sum(grid.rows)) - 2 * grid.reach) // grid.aligned, 1) * grid.aligned
    count = -(-cadence.channels // most)
    count += -count % ABREAST if count > 1 else 0
    width = -(-cadence.channels // count // grid.aligned) * grid.aligned
    return [(start, min(start + width, cadence.channels)) for start in range(0, cadence.channels, width)]


def search_block(search: Search, start: int, stop: int, pixels: Pixels | None = None) -> Found:
    """Search the channels ``start`` to ``stop``; one thread, so that every process gives the same bytes. ``pixels``: those of
    :func:`channels_of_block`, or more, where they have been read."""
    with one_thread(), torch.inference_mode():
        first, last = channels_of_block(search, start, stop)
        pixels = read_for(search, first, last) if pixels is None else pixels.cut(first, last)
        return _search_block(search, start, stop, pixels)


def read_for(search: Search, first: int, last: int) -> Pixels:
    """The channels ``first`` to ``last`` as a search needs them."""
    return read_pixels(search.cadence, search.bandpass, search.grid.average, search.detector, first, last)


def channels_of_block(search: Search, start: int, stop: int) -> tuple[int, int]:
    """First and last + 1 channel that are read for a block: its tracks, and the last window, reach beyond its ends."""
    ahead = search.grid.reach if search.detector is None else max(search.grid.reach, FREQ)
    return max(start - search.grid.reach, 0), min(stop + ahead, search.cadence.channels)


def _search_block(search: Search, start: int, stop: int, pixels: Pixels) -> Found:
    cadence, grid, detector, first = search.cadence, search.grid, search.detector, pixels.first
    last = first + pixels.size
    segments = cadence.segments(first, last)
    panels = [by_segment(in_sigma, panel.to(search.device), segments) for panel in pixels.panels]
    less = [without_shared(panels, one, segments, first) for one in search.arrangements]
    alive = torch.stack([panel.abs().amax(0) > 0 for panel in panels]).any(0)[start - first : stop - first]
    live, many, bad = int(alive.sum()), sum(grid.rows) * (stop - start), pixels.bad[start - first : stop - first].sum()
    parts = [Found(counts=np.array([live, many, bad, live * grid.tracks, 0, 0], np.int64))]
    tiles = -(-(stop - start) // tile_size(grid))
    size = -(-(stop - start) // (tiles * grid.aligned)) * grid.aligned
    for begin in range(start, stop, size):
        end = min(begin + size, stop)
        low, high = max(begin - grid.reach, first), min(end + grid.reach, last)
        tile = [[panel[:, low - first : high - first] for panel in one] for one in (panels, *less)]
        parts.append(search_tile(search, tile, cadence.segments(low, high), low, (begin - low, end - low)))
    if detector is not None:
        known = np.concatenate([part.tracks for part in parts])
        arranged = zip(less, search.arrangements, strict=True)
        still = [first + standing(mine, arrangement, segments, search.snr) for mine, arrangement in arranged]
        starts = cadence.windows(first, last)
        windows = windows_to_score(starts, search.arrangements, known, still, search.snr, (start, stop))
        parts.append(look(search, detector, pixels.shown, less, first, windows, known))
    return joined(parts)


def look(
    search: Search,
    detector: ShippedDetector,
    shown: Sequence[Tensor],
    less: Sequence[Sequence[Tensor]],
    first: int,
    windows: np.ndarray,
    known: np.ndarray,
) -> Found:
    """What the network says of ``windows``, ``network.WINDOW`` rows that are filled, and the tracks it sees there.

    ``shown`` and ``less``: panels in the detector's time bins, and those of each arrangement minus what its OFF panels show, from
    channel ``first`` on. ``known``: tracks that were measured; of the network's only others are.
    """
    cadence, grid = search.cadence, search.grid
    score_windows(detector, shown, first, windows, search.arrangements, grid)
    seen = windows[windows["score"] > SEEN]
    tracks, new = told_apart(seen, known, grid, search.arrangements)
    parts = [tracks]
    for number, arrangement in enumerate(search.arrangements):
        for low, high, some in neighbours(new[new["arrangement"] == number], grid.reach, first, first + less[0][0].shape[1]):
            near = [panel[:, low - first : high - first] for panel in less[number]]
            for scale in (one.coarser() for one in grid.scales if one.width in WIDTHS):
                flat, calm = levelled(near, scale, cadence.segments(low, high))
                flat, calm = [panel.cpu() for panel in flat], [panel.cpu() for panel in calm]
                mine = some.copy()
                mine["channel"] = (some["channel"] - low) / scale.added
                mine["drift"] /= scale.added
                found = in_channels(measured_windows(mine, flat, calm, grid, scale, arrangement), scale, low)
                found["arrangement"] = number
                parts.append(found)
    counts = np.zeros(len(COUNTS), np.int64)
    counts[COUNTS.index("windows")] = len(windows)
    return Found(np.concatenate(parts), windows, counts=counts)


def neighbours(windows: np.ndarray, reach: int, first: int, last: int) -> list[tuple[int, int, np.ndarray]]:
    """Windows, by their first channel, in groups that overlap with what lies within ``reach``: first and last + 1 channel that a
    group needs, between ``first`` and ``last``, and its windows."""
    groups: list[tuple[int, int, np.ndarray]] = []
    for window in windows[np.argsort(windows["start"], kind="stable")]:
        begin = int(window["start"])
        low, high, mine = max(begin - reach, first), min(begin + FREQ + reach, last), window[None]
        if groups and low < groups[-1][1]:
            before, _, others = groups.pop()
            low, mine = before, np.concatenate([others, mine])
        groups.append((low, high, mine))
    return groups


def tile_size(grid: Grid) -> int:
    """Channels that are searched at a time. Raises ``InputError`` where tracks cross too many channels for the memory."""
    displacements = max(len(np.unique(grid.displacement(0, scale.width, np.array(scale.drifts)))) for scale in grid.scales)
    per_channel = 4 * (COPIES * sum(grid.rows) + (displacements + 4 * STANDING_REACH + 2) * len(grid.rows))
    room = TILE_BYTES // per_channel - 2 * grid.reach
    if room < grid.aligned:
        raise InputError(
            f"tracks cross {grid.reach:,} channels, too many for the memory", remedy="choose a smaller largest drift: -M HZ_S"
        )
    return min(room, LARGEST_TILE) // grid.aligned * grid.aligned


def search_tile(
    search: Search, panels: Sequence[Sequence[Tensor]], segments: Sequence[tuple[int, int]], low: int, core: tuple[int, int]
) -> Found:
    """Search the channels ``core`` of the panels, which begin at channel ``low``; measure what is worth it.

    ``panels``: as they are, for the hits of single files; then, for each arrangement, minus what its OFF panels show."""
    grid, whole = search.grid, [Found()]
    for scale in (one.coarser() for one in grid.scales):
        flat, calm = levelled(panels[0], scale, segments)
        inner = core[0] // scale.added, min(-(-core[1] // scale.added), flat[0].shape[1])
        alone = search_alone(calm, grid, scale, inner, MEASURED * search.snr)
        doubts = [doubt_of(calm, arrangement) for arrangement in search.arrangements]
        part = Found(files=measured_files(alone, [panel.cpu() for panel in flat], grid, scale, search.snr))
        in_channels(part.files, scale, low)
        whole.append(part)
        del flat, calm  # before the next ones are made
        for number, arrangement in enumerate(search.arrangements):
            flat, calm = levelled(panels[number + 1], scale, segments)
            hits, cells = search_scale(calm, doubts[number], grid, scale, arrangement, number, inner, MEASURED * search.snr)
            flat, calm = [panel.cpu() for panel in flat], [panel.cpu() for panel in calm]
            part = Found(measured_hits(hits, flat, calm, doubts[number].cpu(), grid, scale, arrangement, search.snr))
            in_channels(part.tracks, scale, low)
            part.tracks["arrangement"] = number
            part.counts[COUNTS.index("cells")] = cells
            whole.append(part)
            del flat, calm
    return joined(whole)

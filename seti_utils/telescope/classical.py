"""The classical search: sums along tracks, OFF taken off place by place, and the best track of every cell of channels.

OFF counts before any maximum is taken: a track's score is what its ON panels show, times how quiet the OFF panels are
along the same track. Tracks that move are summed over panels minus each channel's median; tracks that stand still over
panels minus what the OFF panels show there, in units that grow with it. So neither a spike nor a standing line is a
maximum for everything that crosses it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seti_utils.sky.reference import LOUD, QUIET, STEADY
from seti_utils.telescope.grid import Grid, Scale
from seti_utils.telescope.normalising import PIXEL_CLIP, column_medians, in_own_scatter
from seti_utils.telescope.tree import drift_sums, rounded

CELL = 64
"""Channels of a cell: of every kind of track it gives its best one."""

KINDS = ("standing in all ON", "standing in some ON", "moving in all ON", "moving in some ON")
"""Kinds of tracks. Each has false alarms of its own, and is calibrated by itself."""

IN_SOME = (1, 3)

ON_ALONE = len(KINDS)
"""A further kind: the cell's best track whatever the OFF panels show. It is not a candidate. But of a bright terrestrial
track pieces remain that happen to miss the OFF panels, and whoever sees the whole track knows what they are."""

AHEAD = 4.0
"""By how much a panel may stand out over the faintest ON panel before "in all ON" stops counting the excess."""

ASTRAY = 1
"""Widths by which an OFF panel's track may lie beside that of the ON panels."""

TOGETHER = 1 << 15
"""Sums of tracks that are compared at once: few enough for a processor's cache, and enough to be worth a call."""

STANDING_REACH = 3
"""Displacements within a panel, in widths, for which sums of standing tracks are made."""

HIT = np.dtype(
    [
        ("arrangement", np.int16),  # 0: the cadence as it is; 1: ON and OFF exchanged
        ("kind", np.int16),
        ("width", np.int16),
        ("score", np.float32),
        ("channel", np.int64),  # at the cadence's middle, counted as the panels' channels are
        ("drift", np.float32),  # channels per second
    ]
)


@dataclass(frozen=True)
class Arrangement:
    """Which panels are taken as ON, and which as OFF. Every panel stays at its own time."""

    on: tuple[int, ...]
    off: tuple[int, ...]


@dataclass
class PanelSums:
    """Sums of one width along the tracks of a panel, in units of their scatter, by displacement: moving and standing ones."""

    moving: dict[int, Tensor]
    standing: dict[int, Tensor]


def search_scale(
    calm: Sequence[Tensor],
    doubt: Tensor,
    grid: Grid,
    scale: Scale,
    arrangement: Arrangement,
    number: int,
    core: tuple[int, int],
) -> np.ndarray:
    """Best tracks of one width, of every cell and kind, under the arrangement with this ``number``.

    ``calm``: (T, F) per panel, see :func:`normalising.calmed`; ``doubt`` (F,): see :func:`doubt_of`. ``core``: first and
    last + 1 of the channels whose tracks are wanted. Channels that a panel does not have count as 0. :data:`HIT` rows with
    scores above 0.
    """
    clipped = [panel.clamp(-PIXEL_CLIP, PIXEL_CLIP) for panel in calm]
    return best_tracks(all_sums(clipped, doubt, grid, scale, arrangement), grid, scale, arrangement, number, core)


def doubt_of(calm: Sequence[Tensor], arrangement: Arrangement) -> Tensor:
    """(F,): by how much a pixel may be off where OFF panels show a line that stands still; ``calm`` before that was taken off."""
    lines = [calm[panel].clamp(-PIXEL_CLIP, PIXEL_CLIP).mean(0).abs() for panel in arrangement.off]
    return STEADY * torch.stack(lines).amax(0)


def search_alone(calm: Sequence[Tensor], grid: Grid, scale: Scale, core: tuple[int, int]) -> np.ndarray:
    """Best tracks of one width, of every cell of each file alone, as :data:`HIT` rows: they have the panel's number as
    ``arrangement``, and ``channel`` at the panel's own middle."""
    out = [np.empty(0, HIT)]
    for panels in alike(calm):
        clipped = torch.stack([calm[panel] for panel in panels], 1).clamp_(-PIXEL_CLIP, PIXEL_CLIP)
        wanted = sorted({grid.displacement(panels[0], scale.width, drift) for drift in scale.drifts})
        held = _sums_of(clipped, wanted, scale.added)
        seconds = max(len(clipped) - 1, 1) * grid.row
        for place, panel in enumerate(panels):
            mine = {displacement: row[place] for displacement, row in held.items()}
            out.append(best_alone(mine, seconds, scale, panel, core))
    return np.concatenate(out)


def alike(panels: Sequence[Tensor]) -> list[list[int]]:
    """Numbers of panels that have the same number of rows: their sums are made together."""
    groups: dict[int, list[int]] = {}
    for number, panel in enumerate(panels):
        groups.setdefault(len(panel), []).append(number)
    return list(groups.values())


def all_sums(flat: Sequence[Tensor], doubt: Tensor, grid: Grid, scale: Scale, arrangement: Arrangement) -> list[PanelSums]:
    """The sums along every track that the arrangement needs, panel by panel. ``doubt`` (F,): see :func:`doubt_of`."""
    width = scale.width
    near = [width * number for number in range(-STANDING_REACH, STANDING_REACH + 1)]
    stands = any(grid.standing(scale, drift) for drift in scale.drifts)
    moves = [drift for drift in scale.drifts if not grid.standing(scale, drift)]
    level = torch.stack([flat[panel].mean(0) for panel in arrangement.off]).median(0).values
    out: dict[int, PanelSums] = {}
    for panels in alike(flat):
        some = torch.stack([flat[panel] for panel in panels], 1)
        weight = (1 + len(some) * doubt.square()).rsqrt_()
        standing = _sums_of((some - level).mul_(weight), near, scale.added) if stands else {}
        wanted = sorted({grid.displacement(panels[0], width, drift) for drift in moves})
        moving = _sums_of(some.sub_(column_medians(some)), wanted, scale.added) if wanted else {}
        for place, panel in enumerate(panels):
            moved, stood = ({where: row[place] for where, row in held.items()} for held in (moving, standing))
            out[panel] = PanelSums(moved, stood)
    return [out[number] for number in range(len(flat))]


def _sums_of(panels_TPF: Tensor, displacements: list[int], added: int) -> dict[int, Tensor]:
    """Sums (P, F) of panels along every displacement, in units of their own scatter."""
    sums = in_own_scatter(drift_sums(panels_TPF, displacements), len(panels_TPF), added)
    return dict(zip(displacements, sums, strict=True))


class Best:
    """The best track of every cell so far, of several kinds at once."""

    def __init__(self, kinds: int, size: int, cell: int, device: torch.device):
        """``cell``: channels of a cell, of ``size``."""
        self.cell, cells = cell, -(-size // cell)
        self.score = torch.zeros(kinds, cells, device=device)
        self.drift, self.channel = torch.zeros_like(self.score), torch.zeros_like(self.score, dtype=torch.long)
        self.padded = torch.zeros(kinds, at_once(size), cells * cell, device=device)
        """Room for the scores (kinds, drifts, channels) of the tracks of some drifts."""

    def take(self, drifts: Sequence[float]) -> None:
        """The first rows of ``padded`` are of tracks of these drifts. Of equal scores the first counts."""
        value, where = self.padded[:, : len(drifts)].unflatten(2, (-1, self.cell)).max(3)
        value, row = value.max(1)
        better = value > self.score
        self.score = torch.maximum(self.score, value)
        self.drift = torch.where(better, torch.tensor(drifts, device=row.device)[row], self.drift)
        self.channel = torch.where(better, where.gather(1, row[:, None])[:, 0], self.channel)


def cell_of(scale: Scale) -> int:
    """Channels of a cell, counted as ``scale`` counts them."""
    return max(CELL // scale.added, 1)


def at_once(size: int) -> int:
    """How many drifts are tried at once in ``size`` channels."""
    return max(TOGETHER // size, 1)


def best_tracks(
    sums: Sequence[PanelSums], grid: Grid, scale: Scale, arrangement: Arrangement, number: int, core: tuple[int, int]
) -> np.ndarray:
    """The best track of every cell and kind under one arrangement, as :data:`HIT` rows."""
    stood = best_of_kind(sums, grid, scale, arrangement, core, True)
    moved = best_of_kind(sums, grid, scale, arrangement, core, False)
    faster = moved.score[2] > stood.score[2]
    score, drift, channel = (
        torch.cat([still[:2], moving[:2], torch.where(faster, moving[2], still[2])[None]])
        for still, moving in (
            (stood.score, moved.score),
            (stood.drift, moved.drift),
            (stood.channel, moved.channel),
        )
    )
    return as_hits(score, drift, channel, scale, number, core[0])


def best_of_kind(
    sums: Sequence[PanelSums], grid: Grid, scale: Scale, arrangement: Arrangement, core: tuple[int, int], standing: bool
) -> Best:
    """The best ``standing`` or moving track of every cell: in all ON panels, in some, and whatever the OFF panels show."""
    size, margin = core[1] - core[0], ASTRAY * scale.width
    device = next(iter((sums[0].moving or sums[0].standing).values())).device
    best = Best(3, size, cell_of(scale), device)
    drifts = [drift for drift in scale.drifts if grid.standing(scale, drift) == standing]
    room = torch.empty(len(sums), at_once(size), size + 2 * margin, device=device)
    for first in range(0, len(drifts), at_once(size)):
        some = drifts[first : first + at_once(size)]
        tracks = room[:, : len(some)]
        for panel, rows in enumerate(tracks.unbind()):
            held = sums[panel].standing if standing else sums[panel].moving
            for row, drift in zip(rows.unbind(), some, strict=True):
                displacement = grid.displacement(panel, scale.width, drift)
                cut_into(row, held[displacement], core[0] + grid.offset(panel, displacement, drift) - margin)
        in_every, in_some = on_scores([tracks[panel, :, margin : margin + size] for panel in arrangement.on])
        trust = quietness([tracks[panel] for panel in arrangement.off], margin)
        in_all, partly, alone = best.padded[:, : len(some), :size].unbind()
        torch.mul(in_every, trust, out=in_all)
        torch.mul(in_some, trust, out=partly)
        torch.maximum(in_every, in_some, out=alone)
        best.take(some)
    return best


def best_alone(sums: Mapping[int, Tensor], seconds: float, scale: Scale, number: int, core: tuple[int, int]) -> np.ndarray:
    """The best track of every cell of one file: standing lines are lines here, as no OFF panel speaks.

    ``sums`` (F,) by displacement, which takes ``seconds``.
    """
    size = core[1] - core[0]
    best = Best(1, size, cell_of(scale), next(iter(sums.values())).device)
    every = list(sums.items())
    for first in range(0, len(every), at_once(size)):
        some = every[first : first + at_once(size)]
        for row, (displacement, sums_F) in zip(best.padded[0].unbind(), some, strict=False):
            cut_into(row[:size], sums_F, core[0] - rounded(displacement, 2))
        best.take([displacement / seconds for displacement, _ in some])
    return as_hits(best.score, best.drift, best.channel, scale, number, core[0])


def cut_into(out: Tensor, row: Tensor, begin: int) -> None:
    """``out`` becomes ``row`` from ``begin`` on; beyond its ends 0."""
    size, length = out.shape[0], row.shape[0]
    if begin >= 0 and begin + size <= length:
        out.copy_(row[begin : begin + size])
        return
    out.zero_()
    first, last = max(begin, 0), min(begin + size, length)
    if first < last:
        out[first - begin : last - begin] = row[first:last]


def on_scores(on: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Scores of tracks from the sums of the three ON panels: "in all", and "in some".

    In all: the three together, a panel counting at most ``AHEAD`` more than the faintest. In some: the better of the
    brightest and the two brightest together. Never below 0.
    """
    first, second, third = on
    faintest = torch.minimum(torch.minimum(first, second), third)
    most = faintest + AHEAD
    every = torch.minimum(first, most).add_(torch.minimum(second, most)).add_(torch.minimum(third, most))
    pair = (first + second).add_(third).sub_(faintest).mul_(2**-0.5)
    some = torch.maximum(torch.maximum(first, second), third)
    return every.mul_(3**-0.5).clamp_(min=0), torch.maximum(some, pair, out=some).clamp_(min=0)


def quietness(off: Sequence[Tensor], margin: int) -> Tensor:
    """Between 1, no OFF panel shows anything within ``margin`` channels of the track, and 0, one surely does."""
    loudest = off[0]
    for track in off[1:]:
        loudest = torch.maximum(loudest, track)
    size = loudest.shape[-1] - 2 * margin
    around, reach = loudest, 1
    while reach < 2 * margin + 1:  # the maximum over 2 * margin + 1 places, doubled step by step
        step = min(reach, 2 * margin + 1 - reach)
        around = torch.maximum(around[..., :-step], around[..., step:])
        reach += step
    return (LOUD - around[..., :size]).div_(LOUD - QUIET).clamp_(0, 1)


def as_hits(best: Tensor, drifts: Tensor, channels: Tensor, scale: Scale, arrangement: int, first: int) -> np.ndarray:
    """Every cell's best tracks with a score above 0, as :data:`HIT` rows; ``first`` is the first cell's first channel."""
    kinds, cells = (index.cpu().numpy() for index in (best > 0).nonzero(as_tuple=True))
    hits = np.empty(len(kinds), HIT)
    hits["arrangement"], hits["kind"], hits["width"] = arrangement, kinds, scale.width
    hits["score"] = best.cpu().numpy()[kinds, cells]
    hits["drift"] = drifts.cpu().numpy()[kinds, cells]
    hits["channel"] = channels.cpu().numpy()[kinds, cells] + cells * cell_of(scale) + first
    return hits

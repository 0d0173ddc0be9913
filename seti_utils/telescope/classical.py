"""The classical search: sums along tracks, OFF taken off place by place, and the best track of every cell of channels.

OFF counts before any maximum is taken: a track's score is what its ON panels show, times how quiet the OFF panels are
along the same track. Tracks that move are summed over panels minus each channel's median; tracks that stand still over
panels minus what the OFF panels show there, in units that grow with it. So neither a spike nor a standing line is a
maximum for everything that crosses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seti_utils.sky.reference import LOUD, QUIET, STEADY
from seti_utils.telescope.grid import Grid, Scale, astray
from seti_utils.telescope.lines import Sums, through
from seti_utils.telescope.normalising import PIXEL_CLIP, column_medians, in_own_scatter, spaced
from seti_utils.telescope.tree import drift_sums

CELL = 64
"""Channels of a cell: of every kind of track it gives its best one."""

KINDS = ("standing in all ON", "standing in some ON", "moving in all ON", "moving in some ON")
"""Kinds of tracks, each by the number of its place here."""

ON_ALONE = len(KINDS)
"""A further kind: the cell's best track whatever the OFF panels show. It is not a candidate. But of a bright terrestrial
track pieces remain that happen to miss the OFF panels, and whoever sees the whole track knows what they are."""

AHEAD = 4.0
"""By how much a panel may stand out over the faintest ON panel before "in all ON" stops counting the excess."""

TOGETHER = 1 << 15
"""Sums of tracks that are compared at once: few enough for a processor's cache, and enough to be worth a call."""

ROUNDING = 1e-5
"""Relative error, at most, of a few numbers' sum."""

TIED = 1e-3
"""Scores are equal that differ by less: neighbouring drifts share the sums of some panels, and the last digit would choose."""

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


CANDIDATE = np.dtype(
    [("kind", np.int16), ("cell", np.int64), ("score", np.float32), ("channel", np.int64), ("drift", np.float32)]
)
"""A track on its way to be the best of its cell; ``channel`` counts from the first cell's first."""


@dataclass(frozen=True)
class Arrangement:
    """Which panels are taken as ON, and which as OFF. Every panel stays at its own time."""

    on: tuple[int, ...]
    off: tuple[int, ...]


@dataclass(frozen=True)
class PanelSums:
    """Sums of one width along a panel's tracks, those that move and those that stand still; None where it has no such tracks."""

    moving: Sums | None
    standing: Sums | None


def search_scale(
    calm: Sequence[Tensor],
    doubt: Tensor,
    grid: Grid,
    scale: Scale,
    arrangement: Arrangement,
    number: int,
    core: tuple[int, int],
    least: float,
) -> tuple[np.ndarray, int]:
    """Best tracks of one width, of every cell and kind, under the arrangement with this ``number``.

    ``calm``: (T, F) per panel, see :func:`normalising.calmed`; ``doubt`` (F,): see :func:`doubt_of`. ``core``: first and
    last + 1 of the channels whose tracks are wanted. Channels that a panel does not have count as 0. :data:`HIT` rows with
    scores of at least ``least``, which is above 0, by kind and channel; and in how many cells anything was seen.
    """
    sums = all_sums(calm, doubt, grid, scale, arrangement)
    found, cells = [np.empty(0, CANDIDATE)], 0
    for moving in (False, True):
        tracks = np.flatnonzero(grid.standing(scale) != moving)
        if len(tracks):
            mine = [panel.moving if moving else panel.standing for panel in sums]
            some, seen = candidates([one for one in mine if one], grid, scale, arrangement, tracks, moving, core, least)
            found, cells = [*found, *some], cells + seen
    return best_of(np.concatenate(found), scale, number, core[0], least), cells


def doubt_of(calm: Sequence[Tensor], arrangement: Arrangement) -> Tensor:
    """(F,): by how much a pixel may be off where OFF panels show a line that stands still; ``calm`` before that was taken off."""
    return STEADY * off_spectra(calm, arrangement).abs_().amax(0)


def off_spectra(calm: Sequence[Tensor], arrangement: Arrangement) -> Tensor:
    """(OFF panels, F): their mean spectra, pixels clipped."""
    return torch.stack([calm[panel].clamp(-PIXEL_CLIP, PIXEL_CLIP).mean(0) for panel in arrangement.off])


def search_alone(calm: Sequence[Tensor], grid: Grid, scale: Scale, core: tuple[int, int], least: float) -> np.ndarray:
    """Best tracks of one width, of every cell of each file alone, as :data:`HIT` rows: they have the panel's number as
    ``arrangement``, and ``channel`` at the panel's own middle. Standing lines are lines here, as no OFF panel speaks."""
    out, cell = [np.empty(0, HIT)], cell_of(scale)
    for panels in alike(calm):
        clipped = side_by_side([calm[panel] for panel in panels])
        wanted = np.unique(grid.displacement(panels[0], scale.width, np.array(scale.drifts)))
        drifts = wanted / (max(len(clipped) - 1, 1) * grid.row)
        for panel, sums in zip(panels, sums_of(clipped, wanted, scale.added), strict=True):
            lines = through(sums, grid, panel, scale.width, drifts, core[0], alone=True)
            parts = [np.empty(0, CANDIDATE)]
            for drift, at in worth_a_look(lines.highest(-(-(core[1] - core[0]) // cell), cell), cell, least):
                score = cut_off(lines.cut(drift, at * cell, cell), at, core)
                parts.append(as_candidates(score, 0, drifts, drift, at))
            out.append(best_of(np.concatenate(parts), scale, panel, core[0], least))
    return np.concatenate(out)


def side_by_side(calm: Sequence[Tensor]) -> Tensor:
    """(T, P, F): panels (T, F) that are alike, their pixels clipped."""
    out = spaced(len(calm[0]), len(calm), calm[0].shape[1], device=calm[0].device)
    for place, panel in enumerate(calm):
        torch.clamp(panel, -PIXEL_CLIP, PIXEL_CLIP, out=out[:, place])
    return out


def alike(panels: Sequence[Tensor]) -> list[list[int]]:
    """Numbers of panels that have the same number of rows: their sums are made together."""
    groups: dict[int, list[int]] = {}
    for number, panel in enumerate(panels):
        groups.setdefault(len(panel), []).append(number)
    return list(groups.values())


def all_sums(calm: Sequence[Tensor], doubt: Tensor, grid: Grid, scale: Scale, arrangement: Arrangement) -> list[PanelSums]:
    """The sums along every track that the arrangement needs, panel by panel. ``doubt`` (F,): see :func:`doubt_of`."""
    width, still = scale.width, grid.standing(scale)
    near = np.array([width * number for number in range(-STANDING_REACH, STANDING_REACH + 1)])
    level = off_spectra(calm, arrangement).median(0).values
    out: dict[int, PanelSums] = {}
    for panels in alike(calm):
        some = side_by_side([calm[panel] for panel in panels])
        weight = (1 + len(some) * doubt.square()).rsqrt_()
        standing = sums_of((some - level).mul_(weight), near, scale.added) if still.any() else [None] * len(panels)
        wanted = np.unique(grid.displacement(panels[0], width, np.array(scale.drifts)[~still]))
        moving = sums_of(some.sub_(column_medians(some)), wanted, scale.added) if len(wanted) else [None] * len(panels)
        out.update({panel: PanelSums(*both) for panel, *both in zip(panels, moving, standing, strict=True)})
    return [out[number] for number in range(len(calm))]


def sums_of(panels_TPF: Tensor, displacements: np.ndarray, added: int) -> list[Sums]:
    """Sums of each of P panels along every displacement, in units of their own scatter."""
    values = in_own_scatter(drift_sums(panels_TPF, displacements.tolist()), len(panels_TPF), added)
    return [Sums(values, displacements, place) for place in range(values.shape[1])]


def cell_of(scale: Scale) -> int:
    """Channels of a cell, counted as ``scale`` counts them."""
    return max(CELL // scale.added, 1)


def candidates(
    sums: Sequence[Sums],
    grid: Grid,
    scale: Scale,
    arrangement: Arrangement,
    tracks: np.ndarray,
    moving: bool,
    core: tuple[int, int],
    least: float,
) -> tuple[list[np.ndarray], int]:
    """Tracks of some of the scale's drifts (``tracks``, their numbers), standing or moving, that score at least ``least``: in all
    ON panels, in some, and whatever the OFF panels show; :data:`CANDIDATE` rows. And in how many cells anything was seen.

    No track of a cell scores more than the highest sums of all ON panels there would together.
    """
    drifts, margin, cell = np.array(scale.drifts)[tracks], astray(scale.width), cell_of(scale)
    lines = [through(one, grid, panel, scale.width, drifts, core[0]) for panel, one in enumerate(sums)]
    cells = -(-(core[1] - core[0]) // cell)
    most = torch.maximum(*on_scores([lines[panel].highest(cells, cell) for panel in arrangement.on]))
    seen = int((most > 0).any(0).sum())
    kind, found = 2 * moving, []
    for drift, at in worth_a_look(most, cell, least):
        every, some = on_scores([lines[panel].cut(drift, at * cell, cell) for panel in arrangement.on])
        trust = quietness([lines[panel].cut(drift, at * cell - margin, cell + 2 * margin) for panel in arrangement.off], margin)
        for number, score in ((kind, every * trust), (kind + 1, some * trust), (ON_ALONE, torch.maximum(every, some))):
            found.append(as_candidates(cut_off(score, at, core), number, drifts, drift, at))
    return found, seen


def worth_a_look(most: Tensor, cell: int, least: float) -> list[tuple[Tensor, Tensor]]:
    """Numbers of drifts and cells whose tracks may score ``least`` and not more than ``most`` (D, cells), some at a time."""
    drift, at = (most >= least * (1 - ROUNDING)).nonzero().unbind(1)
    some = max(TOGETHER // cell, 1)
    return list(zip(drift.split(some), at.split(some), strict=True))


def cut_off(score: Tensor, at: Tensor, core: tuple[int, int]) -> Tensor:
    """``score`` (N, channels of a cell) of the cells ``at`` (N,) with 0 beyond the end of the core; in place."""
    cell = score.shape[1]
    if (core[1] - core[0]) % cell:
        channel = at[:, None] * cell + torch.arange(cell, device=at.device)
        score.masked_fill_(channel >= core[1] - core[0], 0)
    return score


def as_candidates(score: Tensor, kind: int, drifts: np.ndarray, drift: Tensor, at: Tensor) -> np.ndarray:
    """:data:`CANDIDATE` rows of one kind: the best channel of cells ``at`` (N,), along ``drifts`` of the numbers ``drift``."""
    value, where = score.max(1)
    out = np.empty(len(score), CANDIDATE)
    out["kind"], out["cell"], out["score"] = kind, at.cpu().numpy(), value.cpu().numpy()
    out["drift"] = drifts[drift.cpu().numpy()]
    out["channel"] = where.cpu().numpy() + out["cell"] * score.shape[1]
    return out


def best_of(found: np.ndarray, scale: Scale, arrangement: int, first: int, least: float) -> np.ndarray:
    """The best of the :data:`CANDIDATE` rows of every cell and kind as :data:`HIT` rows; of equal ones the first.

    ``first`` is the first cell's first channel."""
    found = found[found["score"] >= least]
    found = found[np.lexsort((-np.rint(found["score"] / TIED), found["cell"], found["kind"]))]
    new = np.ones(len(found), bool)
    new[1:] = (np.diff(found["cell"]) != 0) | (np.diff(found["kind"]) != 0)
    found = found[new]
    hits = np.empty(len(found), HIT)
    hits["arrangement"], hits["width"], hits["channel"] = arrangement, scale.width, found["channel"] + first
    for name in ("kind", "score", "drift"):
        hits[name] = found[name]
    return hits


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

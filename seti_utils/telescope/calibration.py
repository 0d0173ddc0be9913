"""How often no signal at all scores as high: false alarms per MHz and hour, counted on the same files with OFF panels as ON.

The cadence is searched once more with ON and OFF exchanged: what shows in OFF panels only is not from the target, and has the
same band, the same interference and the same noise. Every panel stays at its own time, so that interference that drifts through
all six is on one line here as there (panels that change places would make a candidate of it). Each kind of track has its own
tail, and so has the network; a track's rarity is how often its kind scores as high. What is rare in any kind is an event, and
events are counted once more, so that the rate is that of the whole search.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seti_utils.data.cadence import FREQ
from seti_utils.telescope.blocks import Found
from seti_utils.telescope.classical import IN_SOME, KINDS, Arrangement
from seti_utils.telescope.grid import Grid
from seti_utils.telescope.measuring import together
from seti_utils.telescope.merging import merge
from seti_utils.telescope.tracks import MEASURED, NETWORK

UNLIKELY = 10.0
"""A track in only some ON panels has to be this many times rarer than one in all of them: a signal of the target is expected in
all, and whatever is on for a minute is in some."""

DENIED = -1.0
"""Below this logit the network denies an event that it has looked at, and the event has to be :data:`UNLIKELY` times rarer too:
of the needles that it can see it denies few, of blobs and combs that only ON panels happen to show many."""

FITTED, FEWEST_FITTED = 0.05, 10
"""Share of a kind's false tracks, the highest, from which its tail is extrapolated, and how many at least."""

USUAL = 0.1
"""How fast a tail falls before anything is known of it: logarithm of the score, or the network's logit over 10, per factor e."""

TRUSTED = 5
"""The usual fall weighs as much as this many tracks."""

FARTHEST = 100.0
"""By how much a rate is extrapolated below one false event in all that was looked at."""


def arrangements(on: Sequence[int], off: Sequence[int]) -> tuple[Arrangement, ...]:
    """The cadence as it is, and with ON and OFF exchanged."""
    return Arrangement(tuple(on), tuple(off)), Arrangement(tuple(off), tuple(on))


@dataclass(frozen=True)
class Tail:
    """How often a score is reached: ``scores`` of false tracks, descending, in ``exposure`` MHz·h."""

    scores: np.ndarray
    exposure: float
    floor: float
    logarithmic: bool

    def rate(self, score: np.ndarray) -> np.ndarray:
        """False tracks per MHz·h with at least ``score``: counted, and extrapolated beyond the highest one as the tail falls."""
        score = np.asarray(score, np.float64)
        counted = np.searchsorted(-self.scores, -score, side="right")
        top = self.scores[0] if len(self.scores) else self.floor
        beyond = np.exp(-np.maximum(self._scaled(score) - self._scaled(top), 0) / self._fall)
        return np.where(score > top, beyond, np.maximum(counted, 1)) / self.exposure

    @property
    def _fall(self) -> float:
        high = self._scaled(self.scores[: max(int(FITTED * len(self.scores)), FEWEST_FITTED)])
        excess = float((high - high[-1]).sum()) if len(high) else 0.0
        usual = USUAL if self.logarithmic else 10 * USUAL
        return max((excess + TRUSTED * usual) / (max(len(high) - 1, 0) + TRUSTED), 1e-3)

    def _scaled(self, score: np.ndarray | float) -> np.ndarray:
        return np.log(np.maximum(score, 1e-3)) if self.logarithmic else np.asarray(score, np.float64)


@dataclass(frozen=True)
class Calibration:
    """Tails by (kind, width), and the rarest values that false events reached, ascending, in ``exposure`` MHz·h."""

    tails: dict[tuple[int, int], Tail]
    events: np.ndarray
    exposure: float

    def rarity(self, tracks: np.ndarray) -> np.ndarray:
        """How often each track's kind scores as high, per MHz·h. ``tracks`` has kind, width and score."""
        out = np.full(len(tracks), np.inf)
        for (kind, width), tail in self.tails.items():
            mine = (tracks["kind"] == kind) & ((tracks["width"] == width) | (kind == NETWORK))
            out[mine] = tail.rate(tracks["score"][mine]) * (UNLIKELY if kind in IN_SOME else 1)
        return out

    def false_alarms(self, rarity: np.ndarray) -> np.ndarray:
        """False events per MHz·h of the whole search that are as rare as this or rarer.

        What is rarer than every false event is extrapolated, by at most a factor :data:`FARTHEST`.
        """
        rarity = np.asarray(rarity, np.float64)
        rarest = self.events[0] if len(self.events) else 1 / self.exposure
        counted = np.searchsorted(self.events, rarity, side="right")
        return np.where(counted > 0, counted, np.clip(rarity / rarest, 1 / FARTHEST, 1)) / self.exposure


def calibrate(found: Found, grid: Grid, off: Sequence[int], exposure: float, network: bool, snr: float) -> Calibration:
    """The calibration from what was found with ON and OFF exchanged, in ``exposure`` MHz·h.

    False events have to be as bright as events: the OFF panels together reach ``snr``.
    """
    false = found.tracks[found.tracks["arrangement"] > 0]
    windows = found.windows[found.windows["arrangement"] > 0]
    tails: dict[tuple[int, int], Tail] = {}
    for scale in grid.scales:
        for kind in range(len(KINDS)):
            scores = false["score"][(false["kind"] == kind) & (false["width"] == scale.width)]
            tails[kind, scale.width] = Tail(-np.sort(-scores.astype(np.float64)), exposure, MEASURED * snr, True)
    if network:
        tails[NETWORK, 0] = Tail(-np.sort(-windows["score"].astype(np.float64)), exposure, 0.0, False)
    calibration = Calibration(tails, np.zeros(0), exposure)
    groups = group(false[together(false["snr"][:, list(off)]) >= snr], windows, calibration, grid, off)
    return Calibration(tails, np.sort([one.rarity for one in groups if one.trust > 0]), exposure)


@dataclass(frozen=True)
class Group:
    """The tracks of one event, the brightest first: it says where the event is, and whether the OFF panels show it.

    ``rarity``: that of the rarest track, when what the OFF panels show along the brightest one is taken from all of them.
    ``network``: the network's highest logit, of a track or else of a window that holds the event; NaN where it did not look.
    """

    tracks: np.ndarray
    trust: float
    rarity: float
    network: float


def group(tracks: np.ndarray, windows: np.ndarray, calibration: Calibration, grid: Grid, on: Sequence[int]) -> list[Group]:
    """Tracks that meet in an ON panel as events. A piece of a terrestrial track is not more than the whole of it.

    ``windows``: the network's, of the same arrangement as the tracks.
    """
    order = np.lexsort((tracks["drift"], tracks["channel"], -tracks["bright"]))
    tracks = tracks[order]
    labels = merge(tracks["channel"], tracks["drift"], tracks["width"], grid, on)
    groups = []
    for leader in np.unique(labels):
        members = tracks[labels == leader]
        trust = float(members["trust"][0])
        believed = members.copy()
        believed["score"] = np.where(members["kind"] == NETWORK, members["score"], members["score"] * trust)
        believed["score"][0] = members["score"][0]
        network = network_of(members, windows)
        rarity = float(calibration.rarity(believed).min()) * (UNLIKELY if network < DENIED else 1)
        groups.append(Group(members, trust, rarity, network))
    return groups


def network_of(tracks: np.ndarray, windows: np.ndarray) -> float:
    """The network's highest logit for the tracks of an event, or else for a window that holds the first track's middle."""
    scores = tracks["score"][tracks["kind"] == NETWORK]
    if not len(scores):
        middle = tracks["channel"][0]
        scores = windows["score"][(windows["start"] <= middle) & (middle < windows["start"] + FREQ)]
    return float(scores.max()) if len(scores) else np.nan

"""How much a search finds in a person's own files: needles in the OFF panels, searched with ON and OFF exchanged.

The same search, the same calibration and the same merging as of the files themselves, three times: with what the network
found, with what the sums found, and with both. Recall is given at a rate of false alarms, with Wilson's interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from seti_utils.errors import InputError
from seti_utils.progress import progress
from seti_utils.stats.recall import shares_above
from seti_utils.telescope.blocks import Found, Search, joined
from seti_utils.telescope.calibration import Calibration, Group, calibrate, groups_of
from seti_utils.telescope.grid import Grid
from seti_utils.telescope.injecting import Recipe, inject
from seti_utils.telescope.jobs import Job
from seti_utils.telescope.running import search_here
from seti_utils.telescope.tracks import NETWORK

BOTH, NETWORK_ALONE, CLASSICAL = "both", "network", "classical"
NEAR = 12.0
"""Channels within which an event has to pass a needle's place in the middle of a panel that carries it."""

DRIFTS = (0.0, 0.5, 2.0, 5.0, 10.0, 20.0, 40.0, np.inf)
"""Edges of the bins of drift, in channels per panel."""

FWHMS = (0.0, 1.0, 2.0, 4.0, np.inf)
"""Edges of the bins of width, in channels."""

EMPTY = 50
"""Draws without a needle, of all passes together, after which none is expected."""


@dataclass(frozen=True)
class Sensitivity:
    """``needles``: one row each, with a column per way: false events per MHz·h at which it is found (NaN: never).
    ``table``: way, ``by`` (snr, drift, fwhm, family, and of needles of at least ``bright``), group, found, of, recall and its
    interval."""

    needles: pd.DataFrame
    table: pd.DataFrame
    exposure: float


def measure_sensitivity(
    job: Job, recipe: Recipe, *, needles: int, rate: float, bright: float, seed: int = 0, processes: int | None = None
) -> Sensitivity:
    """Draw at least ``needles`` needles into the OFF panels of ``job``'s cadence and search for them.

    ``rate``: false events per MHz·h that are accepted. ``bright``: SNR from which needles count in recall by drift, width
    and family. Raises ``InputError`` for one file alone, and for a band too narrow for a needle.
    """
    search, cadence = job.search, job.cadence
    if not job.calibrated:
        raise InputError("one file has no OFF panels to draw needles into", remedy="give the six files of a cadence")
    exchanged = replace(search, arrangements=search.arrangements[1:])
    passes, drawn, empty = [], 0, 0
    while drawn < needles:
        try:
            injected, truth = inject(cadence, cadence.off, recipe, seed + len(passes) + empty)
        except InputError:  # of a narrow band's few needles all may drift too fast
            empty += 1
            if empty == EMPTY:
                raise
            continue
        passes.append((replace(exchanged, cadence=injected), truth))
        drawn += len(truth)
    searches = [search, *(one for one, _ in passes)]
    parts: list[dict[tuple[int, int], Found]] = [{} for _ in searches]
    tasks = [(number, block) for number in range(len(searches)) for block in job.blocks]
    for (number, block), found in progress(search_here(searches, tasks, processes), len(tasks), desc="search", unit="block"):
        parts[number][block] = found
    found = [joined([mine[block] for block in job.blocks]) for mine in parts]
    exposure = float(found[0].counts[0]) * cadence.width * cadence.hours
    ways = (BOTH, NETWORK_ALONE, CLASSICAL) if search.detector is not None else (CLASSICAL,)
    truths = [truth for _, truth in passes]
    for way in ways:
        network = way != CLASSICAL and search.detector is not None
        calibration = calibrate(only(found[0], way), search.grid, cadence.on, cadence.off, exposure, network, search.snr)
        for truth, one in zip(truths, found[1:], strict=True):
            truth[way] = rates_of(truth, only(one, way), calibration, search, cadence.off)
    every = pd.concat(truths, ignore_index=True)
    return Sensitivity(every, recall_table(every, ways, rate, bright, search.grid, cadence.width * 1e6), exposure)


def only(found: Found, way: str) -> Found:
    """What one way of searching found."""
    if way == BOTH:
        return found
    network = found.tracks["kind"] == NETWORK
    if way == NETWORK_ALONE:
        return replace(found, tracks=found.tracks[network])
    return replace(found, tracks=found.tracks[~network], windows=found.windows[:0])


def rates_of(truth: pd.DataFrame, found: Found, calibration: Calibration, search: Search, off: Sequence[int]) -> np.ndarray:
    """(N,): the lowest rate of false alarms at which an event passes each needle of ``truth``; NaN: none does."""
    grid = search.grid
    groups = [one for one in groups_of(found, 0, grid, off, calibration.network, search.snr) if one.trust == 1]
    out = np.full(len(truth), np.nan)
    if not groups:
        return out
    rates = calibration.false_alarms(np.array([one.odds for one in groups]))
    near = passes(groups, truth, grid, off)
    passed = np.any(near, axis=1)
    out[passed] = np.where(near, rates, np.inf).min(1)[passed]
    return out


def passes(groups: Sequence[Group], truth: pd.DataFrame, grid: Grid, panels: Sequence[int]) -> np.ndarray:
    """Bool (needles, events): whether an event's line passes a needle of ``truth`` (:func:`injecting.inject`) within :data:`NEAR`
    in the middle of one of ``panels`` that shows it."""
    channel = np.array([one.tracks["channel"][0] for one in groups])
    drift = np.array([one.tracks["drift"][0] for one in groups])
    places = truth[[f"channel_{panel + 1}" for panel in panels]].to_numpy()
    times = np.array([grid.middles[panel] - grid.middle for panel in panels])
    lines = channel[:, None] + drift[:, None] * times
    return np.any(np.abs(lines - places[:, None]) <= NEAR, axis=2)


def recall_table(
    needles: pd.DataFrame, ways: Sequence[str], rate: float, bright: float, grid: Grid, hertz: float
) -> pd.DataFrame:
    """Recall of every way by SNR and, of needles of at least ``bright``, by drift (channels per panel), width and family."""
    speed = needles["drift"].abs() / hertz * grid.panel
    high = needles["snr"] >= bright
    groups = {
        "snr": (needles["snr"], needles["snr"] > 0),
        "drift": (binned_from(speed, DRIFTS), high),
        "fwhm": (binned_from(needles["fwhm"], FWHMS), high),
        "family": (needles["family"], high),
    }
    parts = []
    for way in ways:
        score = -needles[way].fillna(np.inf)
        for by, (label, chosen) in groups.items():
            if chosen.any():
                shares = shares_above(score[chosen], -rate * (1 + 1e-9), label[chosen].to_numpy())
                parts.append(shares.assign(way=way, by=by))
    table = pd.concat(parts, ignore_index=True).rename(columns={"share": "recall"})
    return table[["way", "by", "group", "found", "of", "recall", "low", "high"]]


def binned_from(values: pd.Series, edges: Sequence[float]) -> pd.Series:
    """The lower edge of the bin of every value."""
    return pd.Series(np.asarray(edges)[np.digitize(values, edges[1:-1])], index=values.index)

"""What is found is measured: hits, windows and files' hits become tracks with a place, a drift, an error and an SNR per panel."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seti_utils.data.cadence import PANELS
from seti_utils.telescope.classical import ON_ALONE, Arrangement, alike, cell_of, on_scores, quietness
from seti_utils.telescope.grid import STANDING, Grid, Scale
from seti_utils.telescope.measuring import Measured, measure, panel_times, significance, together

TRACK = np.dtype(
    [
        ("arrangement", np.int16),
        ("kind", np.int16),  # of classical tracks; -1: the network's
        ("width", np.int16),
        ("score", np.float32),  # the search's score with what the OFF panels take from it; the network's logit
        ("bright", np.float32),  # SNR of the ON panels together, restless surroundings discounted
        ("trust", np.float32),  # 1: no OFF panel shows anything along the track; 0: one surely does
        ("channel", np.float64),  # at the cadence's middle
        ("drift", np.float64),  # channels per second
        ("error", np.float64),
        ("snr", np.float32, PANELS),  # of each panel
    ]
)
NETWORK = -1

FILE_HIT = np.dtype(
    [
        ("panel", np.int16),
        ("width", np.int16),
        ("channel", np.float64),  # at the panel's middle
        ("drift", np.float64),  # channels per second
        ("error", np.float64),
        ("snr", np.float32),
    ]
)

MEASURED = 0.5
"""Tracks are measured from this share of the smallest SNR on that is asked for."""

APART = 16
"""Widths beside a track, and more, that are looked at when it is measured."""

NEARBY = 4
"""Cells around a candidate in which the ON panels' best tracks are measured too, whatever the OFF panels show."""

SAME = 6.0
"""Channels, on average over the middles of the ON panels, by which the network's track may miss one that was measured."""


def measured_hits(
    hits: np.ndarray,
    flat: Sequence[Tensor],
    calm: Sequence[Tensor],
    doubt: Tensor,
    grid: Grid,
    scale: Scale,
    arrangement: Arrangement,
    snr: float,
) -> np.ndarray:
    """:data:`TRACK` rows of one width's hits (``classical.HIT``) under one arrangement.

    Those of a score that may matter are refined in ``flat`` (panels minus their level), and scored again along the refined
    track, in ``calm``. ``doubt`` (F,): see :func:`classical.doubt_of`.
    """
    loud = worth_measuring(hits, MEASURED * snr, cell_of(scale))
    found, shown = measured(hits["channel"][loud], hits["drift"][loud], flat, calm, grid, scale, arrangement)
    found["kind"] = hits["kind"][loud]
    on = shown[:, list(arrangement.on)]
    on = on * believed(found, doubt, grid, scale, arrangement.on)
    every, some = on_scores(on.unbind(1))
    score = np.where(found["kind"] % 2 == 0, every.numpy(), some.numpy())
    found["score"] = np.where(found["kind"] == ON_ALONE, 0, score * found["trust"])
    return found


def believed(tracks: np.ndarray, doubt: Tensor, grid: Grid, scale: Scale, on: Sequence[int]) -> Tensor:
    """(N, ON panels): what a sum counts after the doubt in lines that OFF panels show, for tracks that stand still."""
    channel, drift = (torch.from_numpy(tracks[name].copy()) for name in ("channel", "drift"))
    out = []
    for panel in on:
        time = panel_times(grid, panel)
        where = (channel[:, None] + drift[:, None] * time).round().long().clamp(0, len(doubt) - 1)
        out.append((1 + len(time) * doubt[where].double().square().mean(1)).rsqrt())
    moving = (drift.abs() * grid.panel >= STANDING * scale.width)[:, None]
    return torch.where(moving, 1.0, torch.stack(out, 1))


def worth_measuring(hits: np.ndarray, least: float, size: int) -> np.ndarray:
    """Which hits are worth it: candidates of at least this score, and the ON panels' best tracks in the cells around them, of
    ``size`` channels."""
    candidate = (hits["kind"] != ON_ALONE) & (hits["score"] >= least)
    cell = hits["channel"] // size
    taken = np.unique(cell[candidate])
    if not len(taken):
        return candidate
    after = np.searchsorted(taken, cell).clip(1, len(taken)) if len(taken) > 1 else np.ones(len(cell), int)
    nearest = np.minimum(abs(cell - taken[after - 1]), abs(cell - taken[after.clip(max=len(taken) - 1)]))
    own = {(row["channel"], row["drift"]) for row in hits[candidate]}
    other = np.array([(row["channel"], row["drift"]) not in own for row in hits], bool)
    return candidate | ((hits["kind"] == ON_ALONE) & (hits["score"] >= least) & (nearest <= NEARBY) & other)


def measured(
    channel: np.ndarray,
    drift: np.ndarray,
    flat: Sequence[Tensor],
    calm: Sequence[Tensor],
    grid: Grid,
    scale: Scale,
    arrangement: Arrangement,
    rough: bool = False,
) -> tuple[np.ndarray, Tensor]:
    """:data:`TRACK` rows of guesses, measured under an arrangement, and (N, P) how much every panel shows along them.

    Kind and score are still to be filled in. ``rough``: see :func:`measuring.measure`.
    """
    on = list(arrangement.on)
    guess = torch.from_numpy(channel.astype(np.float64)), torch.from_numpy(drift.astype(np.float64))
    found = measure(flat, grid, scale.width, *guess, arrangement.on, rough)
    shown = significance(calm, grid, scale.width, found.channel, found.drift, on)
    out = filled(found, scale.width)
    out["bright"] = together(shown[:, on].numpy())
    out["trust"] = quietness([shown[:, panel] for panel in arrangement.off], 0)
    return out, shown


def filled(found: Measured, width: int) -> np.ndarray:
    """:data:`TRACK` rows with what was measured."""
    out = np.zeros(len(found.channel), TRACK)
    out["width"], out["channel"], out["drift"], out["error"] = width, found.channel, found.drift, found.error
    out["snr"][:, : found.snr.shape[1]] = found.snr
    return out


def in_channels(rows: np.ndarray, scale: Scale, first: int) -> np.ndarray:
    """:data:`TRACK` or :data:`FILE_HIT` rows, counted as ``scale`` counts, in the files' own channels; the data began at
    channel ``first``.

    The middle of an even number of channels lies half a channel below the one that its sum stands at.
    """
    width = scale.width * scale.added
    rows["channel"] = rows["channel"] * scale.added + (first - 0.5 * (width % 2 == 0))
    rows["width"] = width
    for name in ("drift", "error"):
        rows[name] *= scale.added
    return rows


def told_apart(
    windows: np.ndarray, tracks: np.ndarray, grid: Grid, arrangements: Sequence[Arrangement]
) -> tuple[np.ndarray, np.ndarray]:
    """The network's windows (``network.WINDOW``) whose track is one of ``tracks``, as that one with the network's score; and the
    other windows.

    Of several tracks it is the brightest of every width. What only the ON panels show (``ON_ALONE``) is not a candidate.
    """
    same, new = [np.empty(0, TRACK)], []
    for window in windows:
        number = window["arrangement"]
        mine = tracks[(tracks["arrangement"] == number) & (tracks["kind"] != ON_ALONE)]
        times = np.array([grid.middles[panel] - grid.middle for panel in arrangements[number].on])
        apart = mine["channel"] - window["channel"] + np.multiply.outer(times, mine["drift"] - window["drift"])
        mine = mine[np.abs(apart).mean(0) <= SAME]
        for width in np.unique(mine["width"]):
            wide = mine[mine["width"] == width]
            best = wide[wide["bright"].argmax()][None].copy()
            best["kind"], best["score"] = NETWORK, window["score"]
            same.append(best)
        if not len(mine):
            new.append(window)
    return np.concatenate(same), np.array(new, windows.dtype)


def measured_windows(
    windows: np.ndarray,
    flat: Sequence[Tensor],
    calm: Sequence[Tensor],
    grid: Grid,
    scale: Scale,
    arrangement: Arrangement,
) -> np.ndarray:
    """:data:`TRACK` rows of the network's windows (``network.WINDOW``), its track taken as a rough guess."""
    found, _ = measured(windows["channel"], windows["drift"], flat, calm, grid, scale, arrangement, rough=True)
    found["kind"], found["score"] = NETWORK, windows["score"]
    return found


def measured_files(hits: np.ndarray, flat: Sequence[Tensor], grid: Grid, scale: Scale, snr: float) -> np.ndarray:
    """:data:`FILE_HIT` rows: the hits of every file by itself that reach ``snr``.

    Panels that are alike are laid side by side, so far apart that no track reaches the next one, and measured as one.
    """
    out = [np.empty(0, FILE_HIT)]
    for panels in alike(flat):
        mine = hits[np.isin(hits["arrangement"], panels) & (hits["score"] >= MEASURED * snr)]
        drift = torch.from_numpy(mine["drift"].astype(np.float64))
        alone = replace(grid, rows=(len(flat[panels[0]]),), middles=(0.0,), middle=0.0)
        apart = int(float(drift.abs().max()) * alone.panel) + APART * scale.width if len(mine) else 0
        side_by_side = torch.cat([F.pad(flat[panel], (0, apart)) for panel in panels], 1)
        begin = np.searchsorted(panels, mine["arrangement"]) * (flat[panels[0]].shape[1] + apart)
        channel = torch.from_numpy((mine["channel"] + begin).astype(np.float64))
        found = measure([side_by_side], alone, scale.width, channel, drift, (0,))
        rows = np.zeros(len(mine), FILE_HIT)
        rows["panel"], rows["width"], rows["drift"], rows["error"] = mine["arrangement"], scale.width, found.drift, found.error
        rows["channel"], rows["snr"] = found.channel.numpy() - begin, found.snr[:, 0]
        out.append(rows[rows["snr"] >= snr])
    return np.concatenate(out)

"""What keeps the detector `raw` from a higher AUC: by SNR, what is missing, whether the search or the judge loses it, and what a filter that is told the track has.

    python benchmarks/response.py raw                                   # first: scores and references, kept in out/response
    python benchmarks/detector_bounds.py [--doc docs/detector.md]

For the needles of the same test: is a track of the needle among the twelve that the search finds, what does the judge say when
the needle's true track is shown to it beside those twelve, and how much light lies along that track. For the empty cadences: how much
the best of all straight lines holds by chance. A minute of one core.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from detector_lessons import RESIZE, marks, shown
from judging import TOGETHER, open_network
from pages import write_section
from response import TEST, judged_rows, markdown

from seti_utils.data.cadence import ON, PANELS, SHAPE, SIX
from seti_utils.data.competition import read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.nets import track_views
from seti_utils.nets.detector import answers
from seti_utils.nets.shared_sky import compress, residuals
from seti_utils.nets.shipped import ShippedDetector, load_detector
from seti_utils.nets.track_search import (
    DOUBT,
    SEGMENTS,
    SLOW,
    Found,
    as_high,
    best_through,
    evidence_of,
    find_tracks,
    grid_of,
    highest_nearby,
    track_sums,
)
from seti_utils.nets.track_views import REACH, along, light_of
from seti_utils.sky.folder import needles_of
from seti_utils.sky.ranges import SKY_VERSION
from seti_utils.stats.auc import auc
from seti_utils.stats.recall import binned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/response"), help="where response.py keeps its parts")
    parser.add_argument("--test", type=int, default=TEST)
    parser.add_argument("--doc", type=Path, help="write the table into this page, between the marks of `bounds`")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = judged_rows(open_network("raw"), args.out, args.test)
    rows = rows.join(told_tracks(args.out, args.test))
    text = f"{table(rows)}\n{chance(args.out, args.test, rows)}\n"
    print(text)
    if args.doc:
        write_section(args.doc, "bounds", text)


def told_tracks(out: Path, test: int) -> pd.DataFrame:
    """By id of every needle: ``found``, whether a track of it is among the twelve; ``told``, the logit with its true one beside them; and
    ``light``, what the panels it is drawn into hold along that one, in sigma together, in the width that has most."""
    sky = out / f"sky{SKY_VERSION}_{test}"
    source, detector = open_cadences(read_competition(sky), "test", None, SIX), load_detector("raw")
    place, parts = {row: number for number, row in enumerate(source.ids)}, []
    for ids, content in needles_of(sky, "test"):
        for some in content.target.nonzero()[:, 0].split(TOGETHER):
            names = [ids[row] for row in some.tolist()]
            x_BPTF = torch.empty(len(some), *SHAPE, dtype=torch.float16)
            source.read_into([place[name] for name in names], x_BPTF)
            mine = content.rows(some)
            true = F.adaptive_avg_pool1d(mine.star.tracks.freq.flatten(0, 1)[:, None], RESIZE["time"]).view(len(some), PANELS, -1)
            with patch.object(track_views, "find_tracks", beside(true)), torch.no_grad():
                views = shown(x_BPTF)
                seen = detector.network.judge(views)
            right = answers(views.channel[:, :-1], marks(mine))[1]
            columns = {
                "found": (right == 1).any(1),
                "told": seen.logit,
                "light": light_of_needles(plain_residual(detector, x_BPTF), true, mine.star.tracks.gate),
            }
            parts.append(pd.DataFrame({"id": names} | {name: column.numpy() for name, column in columns.items()}))
    return pd.concat(parts).set_index("id")


def plain_residual(detector: ShippedDetector, x_BPTF: Tensor) -> Tensor:
    """What a detector searches: cadences (B, 6, 273, 256) in its time bins minus the sky that their panels share, (B, 6, time, freq) in sigma."""
    return compress(residuals(detector.image(x_BPTF).transpose(2, 3).contiguous()).plain)


def light_of_needles(left: Tensor, true: Tensor, gate: Tensor) -> Tensor:
    """(B,): light of :func:`plain_residual` along the tracks ``true`` (B, 6, time) in the panels whose rows ``gate`` (B, 6, 273) opens, in
    sigma together."""
    strips = along(left, true[:, None], REACH)[:, :, :, None]
    light, there = light_of(strips)[:, 0], gate.any(2).float()
    return ((light * there[..., None]).sum(1) / there.sum(1, keepdim=True).sqrt()).amax(1)


def chance(out: Path, test: int, rows: pd.DataFrame) -> str:
    """A sentence: how much light the best straight line of cadences without any needle has in the ON panels together."""
    source, detector = open_cadences(read_competition(out / f"sky{SKY_VERSION}_{test}"), "test", None, SIX), load_detector("raw")
    empty = rows.index[(rows["target"] == 0) & rows["terrestrial"].isna()]
    place, parts = {row: number for number, row in enumerate(source.ids)}, []
    for first in range(0, len(empty), TOGETHER):
        some = [place[name] for name in empty[first : first + TOGETHER]]
        x_BPTF = torch.empty(len(some), *SHAPE, dtype=torch.float16)
        source.read_into(some, x_BPTF)
        parts.append(best_lines(plain_residual(detector, x_BPTF)))
    low, middle, high = torch.cat(parts).quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    return (
        f"The best straight line of {len(empty)} cadences without any needle has {middle:.1f} sigma in the ON panels together, median; "
        f"{low:.1f} and {high:.1f} in a tenth of them at most and at least."
    )


def best_lines(x_BPTF: Tensor) -> Tensor:
    """(B,): the highest sum of the ON panels along any straight line, in sigma; drifts up to ``FASTEST`` in steps of ``STEP``.

    Sums over whole panels come from phases in the Fourier domain, as in :mod:`seti_utils.nets.track_search`, about each panel's middle.
    """
    batch, _, time, freq = x_BPTF.shape
    size = freq + 2 * (FASTEST // 2 + 2)
    drifts = torch.arange(-FASTEST, FASTEST + STEP, STEP, dtype=torch.float64)
    wave = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None, None] / size
    row = ((torch.arange(time, dtype=torch.float64) + 0.5) / time - 0.5)[None, :, None]
    turn = torch.polar(torch.full((), 1 / math.sqrt(time), dtype=torch.float64), 2 * math.pi * wave * row * drifts)
    padded = F.pad(x_BPTF[:, ON].flatten(0, 1), ((size - freq) // 2,) * 2)
    waves = torch.fft.rfft(padded).permute(2, 0, 1) @ turn.to(torch.complex64)
    sums = torch.fft.irfft(waves.permute(1, 2, 0), n=size).unflatten(0, (batch, len(ON)))
    best = x_BPTF.new_full((batch,), -torch.inf)
    at = torch.arange(size)
    for number, drift in enumerate(drifts.tolist()):
        places = [at + round((panel - ON[len(ON) // 2]) * drift) for panel in ON]
        inside = torch.stack([(place >= 0) & (place < size) for place in places]).all(0)
        parts = [sums[:, part, number, place[inside]] for part, place in enumerate(places)]
        best = torch.maximum(best, torch.stack(parts).sum(0).amax(1) / math.sqrt(len(ON)))
    return best


def beside(true: Tensor):
    """``find_tracks`` that gives the track ``true`` (B, 6, time) too, as the last."""

    def find(x_BPTF: Tensor, still: Tensor, **words: Any) -> Found:
        found, grid = find_tracks(x_BPTF, still, **words), grid_of(x_BPTF.shape[3])
        sums, slow = track_sums(x_BPTF, grid), slice(grid.steepest - SLOW, grid.steepest + SLOW + 1)
        sums[:, :, slow] = torch.maximum(sums[:, :, slow], track_sums(still, grid, slow) - DOUBT)
        evidence = evidence_of(sums).view(-1, SEGMENTS, grid.drifts, grid.size)
        height = best_through(evidence, SEGMENTS // 2).view(len(true), PANELS, grid.drifts, grid.size).amax(2)
        middle = (true[:, None, :, true.shape[2] // 2].round().long() + grid.margin).clamp(0, grid.size - 1)
        nearby = highest_nearby(height, middle)
        more = Found(true[:, None], nearby, as_high(height, middle, nearby[..., 0]))
        return Found(*(torch.cat(pair, 1) for pair in zip(found, more, strict=True)))

    return find


def table(rows: pd.DataFrame) -> str:
    """By SNR as drawn: what each has, and the share of the missing AUC that each bin holds."""
    needles, empty = rows[rows["target"] == 1], rows[rows["target"] == 0]
    bins = pd.Series(binned(needles["snr_drawn"]), needles.index)

    def against(column: str, mine: pd.DataFrame, negatives: str) -> float:
        return auc(np.r_[np.ones(len(mine)), np.zeros(len(empty))], np.r_[mine[column], empty[negatives]])

    lines = []
    for name in [*bins.cat.categories, "all"]:
        mine = needles if name == "all" else needles[bins == name]
        if not len(mine):
            continue
        values = [against(column, mine, negatives) for column, negatives in COLUMNS.values()]
        missing = len(mine) * (1 - values[0]) / (len(needles) * (1 - against("logit", needles, "logit")))
        lines.append(
            [
                name,
                len(mine),
                f"{values[0]:.3f}",
                f"{missing:.0%}",
                f"{mine['found'].mean():.2f}",
                *(f"{value:.3f}" for value in values[1:]),
                f"{mine['light'].median():.1f}",
            ]
        )
    head = [
        "SNR",
        "needles",
        "AUC",
        "of what is missing",
        "right track among the twelve",
        "AUC, true track shown too",
        "AUC, filter that is told the track",
        "light along the true track, sigma",
    ]
    return "\n".join(markdown(head, lines)) + "\n"


COLUMNS = {"network": ("logit", "logit"), "told": ("told", "logit"), "filter": ("true_track", "true_track")}
"""What is compared: the needles' column, and the negatives'."""

FASTEST, STEP = 43, 0.25
"""Straight lines drift by up to so many channels per panel, which crosses the window once in a cadence; and by how much they differ."""


if __name__ == "__main__":
    main()

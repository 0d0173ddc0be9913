"""What keeps the detector `raw` from a higher AUC: by SNR, what is missing, whether the search or the judge loses it, and what a filter that is told the track has.

    python benchmarks/response.py raw                                   # first: scores and references, kept in out/response
    python benchmarks/detector_bounds.py [--doc docs/detector.md]

For the needles of the same test: is a track of the needle among the twelve that the search finds, and what does the judge say when
the needle's true track is shown to it beside those twelve. Half a minute of one core.
"""

import argparse
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

from seti_utils.data.cadence import PANELS, SHAPE, SIX
from seti_utils.data.competition import read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.nets import track_views
from seti_utils.nets.detector import answers
from seti_utils.nets.shipped import load_detector
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
    text = table(rows)
    print(text)
    if args.doc:
        write_section(args.doc, "bounds", text)


def told_tracks(out: Path, test: int) -> pd.DataFrame:
    """By id of every needle: ``found``, whether a track of it is among the twelve, and ``told``, the logit with its true one beside them."""
    sky = out / f"sky{SKY_VERSION}_{test}"
    source, network = open_cadences(read_competition(sky), "test", None, SIX), load_detector("raw").network
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
                seen = network.judge(views)
            right = answers(views.channel[:, :-1], marks(mine))[1]
            parts.append(pd.DataFrame({"id": names, "found": (right == 1).any(1).numpy(), "told": seen.logit.numpy()}))
    return pd.concat(parts).set_index("id")


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
    ]
    return "\n".join(markdown(head, lines)) + "\n"


COLUMNS = {"network": ("logit", "logit"), "told": ("told", "logit"), "filter": ("true_track", "true_track")}
"""What is compared: the needles' column, and the negatives'."""


if __name__ == "__main__":
    main()

"""What a scene's logit is best made of: the logits of its twelve tracks, put together in several ways, on skies that are not reported on.

    python benchmarks/detector_scenes.py [--cleaned] [--seeds 811 812 813 814 815 816 817 818 909]

For each way the AUC, mean over the skies, and the recall of needles by their SNR as drawn, in its brightest panel, where a given share of
each sky's negatives is above the threshold. ``--cleaned``: the detector of cleaned panels, on the rows with neighbours. A sky takes a
quarter of a minute of one core, searched and cleaned a minute.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from response import markdown

from seti_utils.data.cadence import SHAPE
from seti_utils.data.competition import read_competition
from seti_utils.nets.detector import of_scene
from seti_utils.nets.shipped import TOGETHER, ShippedDetector, load_detector
from seti_utils.overlap.panels import clean, read_covered
from seti_utils.overlap.search import search
from seti_utils.run.scoring import open_split
from seti_utils.sky import make_sky
from seti_utils.stats.auc import auc
from seti_utils.stats.recall import binned, threshold

TRAIN, TEST = 30, 1200
RATES = (0.003, 0.01, 0.1)
WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "the best": lambda track: track.amax(1),
    "mean of the three best": lambda track: track.topk(3, 1).values.mean(1),
    "mean of the four best (in force)": of_scene,
    "mean of the six best": lambda track: track.topk(6, 1).values.mean(1),
    "mean of all twelve": lambda track: track.mean(1),
    "logarithm of the mean odds of all": lambda track: track.exp().mean(1).log(),
    "mean probability of the four best": lambda track: track.topk(4, 1).values.sigmoid().mean(1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(811, 819), 909])
    parser.add_argument("--cleaned", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("out/scenes"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    detector = load_detector("cleaned" if args.cleaned else "raw")
    skies = [tracks_of(detector, args.out / f"sky_{seed}", seed) for seed in args.seeds]
    print(table(skies))


@torch.inference_mode()
def tracks_of(detector: ShippedDetector, folder: Path, seed: int) -> tuple[Tensor, pd.DataFrame]:
    """Logits (N, 12) of the tracks in the test of a sky, and the truth of its rows; of cleaned panels those with neighbours."""
    sky = make_sky(folder, train=TRAIN, test=TEST, seed=seed)
    rows, overlap = np.arange(TEST), None
    if detector.card["panels"] == "cleaned":
        overlap, competition = sky / "overlap", read_competition(sky)
        search(competition, overlap)
        clean(competition, overlap)
    source = open_split(sky, "test", overlap)
    if overlap:
        rows = np.flatnonzero(read_covered(overlap).loc[list(source.ids)] > 0)
    parts = []
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        x_BPTF = torch.empty(len(some), *SHAPE, dtype=torch.float16)
        source.read_into(some.tolist(), x_BPTF)
        parts.append(detector.network.look(detector.image(x_BPTF)).track)
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}).set_index("id").loc[list(source.ids)]
    return torch.cat(parts), truth.iloc[rows]


def table(skies: list[tuple[Tensor, pd.DataFrame]]) -> str:
    """A row per way and rate of false alarms."""
    bins = [pd.Series(binned(truth["snr_drawn"])) for _, truth in skies]
    names = [name for name in bins[0].cat.categories if sum(int((one == name).sum()) for one in bins)]
    lines = []
    for way, put_together in WAYS.items():
        scores = [put_together(track).double().numpy() for track, _ in skies]
        positive = [truth["target"].to_numpy() == 1 for _, truth in skies]
        area = np.mean([auc(mine.astype(float), score) for mine, score in zip(positive, scores, strict=True)])
        for rate in RATES:
            found = [score > threshold(score[~mine], rate) for mine, score in zip(positive, scores, strict=True)]
            cells = []
            for name in names:
                inside = [(one == name).to_numpy() & mine for one, mine in zip(bins, positive, strict=True)]
                of = sum(int(one.sum()) for one in inside)
                cells.append(f"{sum(int((hit & one).sum()) for hit, one in zip(found, inside, strict=True)) / of:.2f} of {of}")
            lines.append([way, f"{area:.4f}", f"{rate:.1%}", *cells])
    return "\n".join(markdown(["a scene's logit", "AUC", "false alarms", *(f"SNR {name}" for name in names)], lines))


if __name__ == "__main__":
    main()

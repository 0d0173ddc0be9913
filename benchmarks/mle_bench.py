"""The public yardstick on a synthetic sky: a plain recipe against the whole, on a re-split as MLE-bench makes it.

    python benchmarks/mle_bench.py [--out out/mle_bench] [--rows 1800] [--old 1200] [--test-size 0.5] [--table]

A sky without a shift and with old files that share its bands is split by ``seti split``; what is trained is graded on the answers
apart. Recipes, each a plan that ``seti play`` plays: a network on panels as they are (with drawn needles: without them it learns
nothing from so few rows, and is stopped as dead); the same on cleaned panels, with current files as neighbours; with old files too;
and the whole, with the shipped detector, stacked by coverage. One fold of three, one seed, eight epochs, small networks: figures
rank the recipes. ``core-h`` is processor time of one core, search and cleaning included where they are first needed.
Intervals: 95 %, bootstrap over test rows; differences are paired. Again: it resumes where it stopped.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.resplit import resplit
from seti_utils.data.tables import read_targets
from seti_utils.files import write_json
from seti_utils.kaggle.plan import Plan, Stage
from seti_utils.run.play import play
from seti_utils.run.runtime import Runtime
from seti_utils.scores.grading import grade
from seti_utils.sky import make_sky
from seti_utils.sky.ranges import SKY_VERSION
from seti_utils.stats.auc import Ranking
from seti_utils.stats.bootstrap import bootstrap

SEED, FOLD = 2021, 0
EPOCHS: dict[str, object] = {"epochs": 8}
RECIPES = {
    "plain": ("a network on panels as they are, with drawn needles", ("rung_family",), False),
    "cleaned": ("on cleaned panels, current files as neighbours", ("rung_cleaned",), False),
    "cleaned_old": ("on cleaned panels, old files as neighbours too", ("rung_cleaned",), True),
    "whole": ("the whole: both networks and the shipped detector, stacked; old files too", ("rung_cleaned", "rung_rising"), True),
}


def plan_of(name: str) -> Plan:
    """A recipe as a plan."""
    _, members, with_old = RECIPES[name]
    stages = []
    for member in members:
        common = {"experiments": [member], "folds": [FOLD], "seeds": [SEED]}
        stages += [Stage(member, "train", **common), Stage(f"infer_{member}", "infer", **common, after=[member])]
    whole = len(members) > 1
    detectors = ["raw"] if whole else []
    return Plan(name, stages, blend="stack" if whole else "plain", detectors=detectors, with_old=with_old)


def measure(name: str, out: Path, public: Path) -> None:
    """Play a recipe, and note what it took; a run that was interrupted counts all of its processor time."""
    home, spent = out / name, out / f"{name}.json"
    if spent.exists():
        return
    overlap = out / ("overlap_old" if RECIPES[name][2] else "overlap")
    runs = out / "cleaned_old" if name == "whole" else home  # its cleaned network is the one that is there
    before = json.loads((out / "cleaned_old.json").read_text(encoding="utf-8"))["seconds"] if name == "whole" else 0.0
    began = time.process_time()
    runtime = Runtime(data=public, out=runs, overlap=overlap, device="cpu", workers=1, overrides=EPOCHS)
    submission = play(plan_of(name), runtime)
    kept = out / f"{name}.csv"
    kept.write_bytes(submission.read_bytes())
    counts = (
        json.loads((overlap / "overlap.json").read_text(encoding="utf-8"))["counts"]
        if (overlap / "overlap.json").exists()
        else {}
    )
    seconds = time.process_time() - began + before
    write_json(spent, {"seconds": seconds, "coverage": counts.get("coverage") if name != "plain" else None})


def table(out: Path, answers: Path) -> str:
    """The measured recipes as Markdown."""
    truth = read_targets(answers)
    target = truth["target"].to_numpy()
    rankings, lines = {}, []
    for name, (title, _, _) in RECIPES.items():
        if not (out / f"{name}.json").exists():
            continue
        about, graded = json.loads((out / f"{name}.json").read_text(encoding="utf-8")), grade(out / f"{name}.csv", answers)
        score = pd.read_csv(out / f"{name}.csv", dtype={"id": str}).set_index("id").loc[truth["id"], "target"].to_numpy()
        rankings[name] = Ranking(target, score)
        against = gain(rankings, name, "plain", target) if name != "plain" else "–"
        covered = "–" if about["coverage"] is None else f"{about['coverage']:.1%}"
        lines.append(
            f"| {title} | {graded.auc:.4f} [{graded.low:.4f}, {graded.high:.4f}] | {against} | {covered} | "
            f"{about['seconds'] / 3600:.2f} |"
        )
    if {"cleaned", "cleaned_old"} <= set(rankings):
        lines += ["", f"Old files as neighbours, the same network: {gain(rankings, 'cleaned_old', 'cleaned', target)}."]
    sizes = ", ".join(f"{int((target == label).sum())} {word}" for label, word in ((1, "positive"), (0, "negative")))
    head = [
        f"Test of the re-split: {len(target)} cadences, {sizes}. {platform.machine()}, torch {torch.__version__}, one thread.",
        "",
        "| recipe | test AUC | against plain | columns covered | core-h |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *lines])


def gain(rankings: dict[str, Ranking], name: str, than: str, target: np.ndarray) -> str:
    """``+0.0123 [-0.0001, +0.0250]``."""

    def difference(times: np.ndarray | None = None) -> float:
        return rankings[name].auc(times) - rankings[than].auc(times)

    kinds = [np.flatnonzero(target == label) for label in (0, 1)]
    low, high = bootstrap(difference, kinds, draws=1000, seed=0)
    return f"{difference():+.4f} [{low:+.4f}, {high:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/mle_bench"), help="everything that is made (about 5 GB)")
    parser.add_argument("--rows", type=int, default=1800, help="labelled cadences (default: 1800)")
    parser.add_argument("--old", type=int, default=1200, help="old files (default: 1200)")
    parser.add_argument("--test-size", type=float, default=0.5, help="share that becomes the test (default: half)")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sky = make_sky(args.out / f"sky_v{SKY_VERSION}", train=args.rows, test=1, old=args.old, seed=SEED, shift=False, workers=1)
    made = resplit(sky, args.out / "resplit", test_size=args.test_size)
    for name in args.recipes if not args.table else ():
        measure(name, args.out, made.public)
    print(table(args.out, made.answers))


if __name__ == "__main__":
    main()

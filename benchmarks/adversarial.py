"""Train or test? Adversarial AUC on skies without a shift, with the sky's shift, and with another receiver on top.

    python benchmarks/adversarial.py --out /tmp/adversarial --train 1200 --test 600 --seed 11

For each sky: boosting on statistics and the small net, folds and intervals by overlap groups and, for comparison, plain
folds; and the best that anyone could do who knew each row's kind of band and needles (not its pixels), from a plan of
60,000 rows. Skies and searches are kept below --out and used again.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict

sys.path.insert(0, str(Path(__file__).parent.parent))

from seti_utils.__main__ import main as command
from seti_utils.data.competition import read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.machine import cores, versions
from seti_utils.overlap.folder import groups_of
from seti_utils.shift.adversary import adversarial_folds, boosted, mean_adversary
from seti_utils.shift.network import network_adversary
from seti_utils.shift.sample import read_sample
from seti_utils.sky import make_sky
from seti_utils.sky.cadences import random_content, truth_columns
from seti_utils.sky.chunk import split_needles
from seti_utils.sky.plan import plan_rows
from seti_utils.stats.auc import auc

SKIES: dict[str, dict[str, bool]] = {
    "no shift": {"shift": False},
    "shift": {"shift": True},
    "shift, receiver": {"shift": True, "receiver": True},
}
CONTENT = ["kind", "family", "terrestrial", "terrestrial_family", "target"]


def oracle(shift: bool, rows: int, seed: int) -> float:
    """AUC of train or test for whoever knows the kind of band, the needles' families and the target of every row."""
    plan = plan_rows(rows * 2 // 3, rows // 3, seed=seed, shift=shift, overlap=0.6)
    parts = []
    for split, mine in plan.groupby("split"):
        target = torch.tensor(mine["target"].to_numpy(dtype=bool))
        for places in np.array_split(np.arange(len(mine)), max(1, len(mine) // 5000)):
            content = random_content(
                target[places], **split_needles(str(split), shift), generator=torch.Generator().manual_seed(int(places[0]) + seed)
            )
            parts.append(pd.DataFrame(truth_columns(content), index=mine.index[places]))
    known = plan.join(pd.concat(parts))
    codes = pd.DataFrame({name: known[name].astype("category").cat.codes for name in CONTENT})
    is_test = (known["split"] == "test").astype(int)
    return auc(
        is_test,
        cross_val_predict(HistGradientBoostingClassifier(max_iter=100), codes, is_test, cv=5, method="predict_proba")[:, 1],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=1200)
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--plan", type=int, default=60_000, help="rows of the plan for the bound")
    args = parser.parse_args()
    lines = []
    for name, options in SKIES.items():
        folder = make_sky(
            args.out / name.replace(", ", "_").replace(" ", "_"),
            train=args.train,
            test=args.test,
            seed=args.seed,
            workers=1,
            shift=options["shift"],
            receiver=options.get("receiver", False),
        )
        search = args.out / f"overlap_{folder.name}"
        if not (search / "overlap.json").exists() and command(["overlap", "search", str(folder), str(search)]):
            raise SystemExit(2)
        competition, began = read_competition(folder), time.process_time()
        train, test = (open_cadences(competition, split) for split in ("train", "test"))
        sample = read_sample(train, test, competition.train["target"], most=None)
        groups, is_test = groups_of(search, sample.table["id"]), sample.is_test
        plain = boosted(sample.features, is_test, adversarial_folds(is_test, folds=3), repeats=0)
        folds = adversarial_folds(is_test, groups, folds=3)
        trees = boosted(sample.features, is_test, folds, groups=groups, repeats=0)
        net, _, _ = network_adversary(sample.panels, is_test, folds, groups=groups)
        both = mean_adversary(trees, net, is_test, folds, groups)
        cells = [f"{one.auc:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in (plain, trees, net, both)]
        bound = "–" if options.get("receiver") else f"{oracle(options['shift'], args.plan, args.seed):.3f}"
        lines.append([name, *cells, bound, f"{time.process_time() - began:.0f} s"])
        print(lines[-1], flush=True)
    head = ["sky", "boosting, plain folds", "boosting", "small net", "both", "bound by content", "CPU"]
    print("\n" + "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *lines]))
    print(
        f"\n{args.train} + {args.test} cadences, seed {args.seed}, {cores()} cores; "
        + ", ".join(f"{package} {number}" for package, number in versions().items())
    )


if __name__ == "__main__":
    main()

"""What finding blend weights costs and brings: both searches on out-of-fold tables of the competition's size.

``python benchmarks/blend.py [--rows 60000] [--draws 20] [--seed 0]``. The scores are made, not measured: five members
share part of their errors; "one better" has a clearly better member, "all alike" has none, so nothing is to be gained.
"""

import argparse
import platform
import time

import numpy as np
import pandas as pd

from seti_utils.machine import cores, versions
from seti_utils.scores.tables import make_scores
from seti_utils.scores.weighting import find_weights
from seti_utils.stats.logistic import sigmoid

CASES = {"one better": (1.6, 1.2, 1.2, 1.0, 0.4), "all alike": (1.2, 1.2, 1.2, 1.2, 1.2)}


def members(strengths: tuple[float, ...], rows: int, seed: int) -> list[pd.DataFrame]:
    """Out-of-fold tables with 10 % positives in five folds; 70 % of each member's noise variance is common to all."""
    generator = np.random.default_rng(seed)
    target = (np.arange(rows) % 10 == 0).astype(np.float64)
    fold = generator.permutation(np.arange(rows) % 5)
    common = generator.normal(size=rows) * np.sqrt(0.7)
    noise = generator.normal(size=(len(strengths), rows)) * np.sqrt(0.3)
    ids = [f"{number:015x}" for number in range(rows)]
    return [
        make_scores(
            ids,
            sigmoid(strength * target + common + own - 2),
            fold=fold,
            experiment=f"m{number}",
            seed=seed,
            fingerprint="0" * 12,
            target=target,
        )
        for number, (strength, own) in enumerate(zip(strengths, noise, strict=True))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 60_000), ("draws", 20), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {cores()} cores; "
        + ", ".join(f"{name} {number}" for name, number in versions().items())
    )
    print(f"rows {asked.rows}, draws {asked.draws}, seed {asked.seed}\n")
    print("| members | search | seconds | equal | found (flatters) | gain on unseen folds [95 %] | earned | weights |")
    print("|---|---|---|---|---|---|---|---|")
    for case, strengths in CASES.items():
        oofs = members(strengths, asked.rows, asked.seed)
        for search in ("ascent", "hill"):
            start = time.perf_counter()
            found = find_weights(oofs, search=search, draws=asked.draws, seed=asked.seed)
            spent = time.perf_counter() - start
            weights = " ".join(f"{weight:.2f}" for weight in found.members["weight"])
            print(
                f"| {case} | {search} | {spent:.1f} | {found.plain_auc:.5f} | {found.auc:.5f} | {found.gain:+.5f} "
                f"[{found.gain_low:+.5f}, {found.gain_high:+.5f}] | {'yes' if found.earned else 'no'} | {weights} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

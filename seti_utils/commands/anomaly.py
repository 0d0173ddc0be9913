"""Score how far every cadence lies from the ordinary ones, for blending and for rejecting outliers.

Measures how far every cadence's features lie from those of negatives that the network was not trained on. Writes
OUT/EXPERIMENT/anomaly_HOW: oof.csv and test.csv, which the command blend takes beside a classifier's, and outliers.csv, test
cadences unlike anything the network was judged on. No row is ever its own neighbour.
"""

import argparse

from seti_utils.commands.options import add_coordinates, add_runtime, count, run_of
from seti_utils.wording import quantity, some_of

EXAMPLES = ("seti anomaly sky_demo --folds 0 --how lof --data DATA",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    parser.add_argument(
        "--how",
        choices=("knn", "mahalanobis", "lof"),
        default="knn",
        help="mean distance to the nearest negatives, Mahalanobis distance, or local outlier factor (default: knn)",
    )
    parser.add_argument("--neighbours", type=count, default=10, metavar="N", help="for knn and lof (default: 10)")
    parser.add_argument("--level", type=float, default=0.01, help="share of ordinary rows that may be rejected (default: 0.01)")
    add_runtime(parser, "trained")


def handle(args: argparse.Namespace) -> None:
    import numpy as np
    import pandas as pd

    from seti_utils.run.anomaly import anomaly_scores
    from seti_utils.run.summary import hidden_labels, targets_for, worded

    name, folds, runtime = run_of(args)
    oof, test, folder = anomaly_scores(
        name, folds, args.seeds, runtime, how=args.how, neighbours=args.neighbours, level=args.level
    )
    print(f"{name}, {args.how}: out-of-fold AUC {worded(oof['target'], oof['score'])}, {quantity(len(oof), 'cadence')}")
    if (labels := hidden_labels(runtime.competition.root)) is not None:
        print(f"  hidden test AUC {worded(targets_for(test, labels), test['score'])}, {quantity(len(test), 'cadence')}")
    outliers = pd.read_csv(folder / "outliers.csv")
    unlike = some_of(int(np.sum(outliers["rejected"])), len(outliers), "test cadences", "are unlike all others")
    print(f"  {unlike}; tables in {folder}")

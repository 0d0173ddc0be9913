"""Write a synthetic sky in the competition's format.

Cadences, train_labels.csv and sample_submission.csv are exactly as the competition has them; beside them stands what a
competition never tells: truth.csv and test_labels.csv. The same command gives the same bytes. 3,200 cadences take 2.7 GB and a
few minutes.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import count

EXAMPLES = ("seti sky out/sky --train 2400 --test 800 --seed 2021",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--train", type=int, default=2400, help="training cadences, 10 %% of them positive (default: 2400)")
    parser.add_argument("--test", type=int, default=800, help="test cadences (default: 800)")
    parser.add_argument("--seed", type=int, default=2021, help="another seed is another sky (default: 2021)")
    parser.add_argument("--no-shift", action="store_true", help="draw the test from the same sky as train")
    parser.add_argument(
        "--receiver",
        action="store_true",
        help="observe the test with another receiver: easily separable from train, as the real test set is",
    )
    parser.add_argument("--overlap", type=float, default=0.6, help="share of rows that share sky with another (default: 0.6)")
    parser.add_argument(
        "--era",
        choices=("current", "old"),
        default="current",
        help="old: panels normalised before injection, so that they leak the label (default: current)",
    )
    parser.add_argument(
        "--old",
        type=int,
        default=0,
        metavar="N",
        help="this many further cadences of the same bands, as the old era has them, in old_leaky_data/ (default: none)",
    )
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processes (default: one per core); the bytes do not depend on it"
    )


def handle(args: argparse.Namespace) -> None:
    from seti_utils.files import require_writable
    from seti_utils.sky import make_sky

    require_writable(args.out)
    make_sky(
        args.out,
        train=args.train,
        test=args.test,
        seed=args.seed,
        shift=not args.no_shift,
        overlap=args.overlap,
        era=args.era,
        workers=args.workers,
        receiver=args.receiver,
        old=args.old,
    )
    more = f", and {args.old} old ones," if args.old else ""
    print(f"{args.train} training and {args.test} test cadences{more} in {args.out}")

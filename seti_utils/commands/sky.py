"""``sky``: a synthetic competition folder with known truth."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "sky",
        help="write a synthetic sky in the competition's format",
        description="Write cadences, train_labels.csv and sample_submission.csv exactly as the competition has them, and "
        "beside them what a competition never tells: truth.csv and test_labels.csv. The same seed gives the same bytes.",
        epilog="example: python -m seti_utils sky out/sky --train 2400 --test 800 --seed 2021",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--train", type=int, default=2400, help="training cadences, 10 %% of them positive (default: 2400)")
    parser.add_argument("--test", type=int, default=800, help="test cadences (default: 800)")
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--no-shift", action="store_true", help="draw the test from the same sky as train")
    parser.add_argument(
        "--receiver",
        action="store_true",
        help="the test was taken with another receiver: told from train at sight, like the real one",
    )
    parser.add_argument("--overlap", type=float, default=0.6, help="share of rows that share sky with another (default: 0.6)")
    parser.add_argument(
        "--era", choices=("current", "old"), default="current", help="old: normalised before injection, so it leaks"
    )
    parser.add_argument("--workers", type=int, help="processes (default: one a core); the bytes do not depend on it")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.sky import make_sky

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
    )
    print(f"{args.train} training and {args.test} test cadences in {args.out}")

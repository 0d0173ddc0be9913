"""``predict``: the mean test scores over folds and seeds, and the submission."""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_coordinates, add_runtime, runtime_of
from seti_utils.experiments import LOG
from seti_utils.run.coordinates import parse_folds


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "predict",
        help="score the test cadences and write submission.csv",
        description="Score the test cadences with the best weights of every fold and seed, average, and write "
        "OUT/submission.csv in the order of sample_submission.csv.",
        epilog="example: python -m seti_utils predict exp0023 --folds all --data DATA",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_coordinates(parser)
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="further folders with trained weights (besides --out)")
    add_runtime(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.infer import predict_test

    runtime = runtime_of(args)
    name = LOG.find(args.experiment).name
    folds = parse_folds(args.folds, LOG.config(name, runtime.overrides).folds)
    predict_test(name, folds, args.seeds, runtime)

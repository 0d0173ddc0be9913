"""Score the test cadences and write submission.csv.

The scores are the mean over the best weights of every fold and seed. OUT/submission.csv has the order of
sample_submission.csv; OUT/EXPERIMENT/test.csv and oof.csv (the folds' validation rows) are what the command blend takes.
"""

import argparse

from seti_utils.commands.options import add_coordinates, add_runtime, run_of

EXAMPLES = (
    "seti predict sky_demo --folds 0 --data DATA",
    "seti predict exp0023 --folds all --seeds 2021 5656 --data DATA",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    add_runtime(parser, "trained")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.infer import predict_test

    name, folds, runtime = run_of(args)
    predict_test(name, folds, args.seeds, runtime)

"""``predict``: the mean test scores over folds and seeds, and the submission."""

import argparse

from seti_utils.commands.options import add_coordinates, add_runs, add_runtime, run_of


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "predict",
        help="score the test cadences and write submission.csv",
        description="Score the test cadences with the best weights of every fold and seed, average, and write "
        "OUT/submission.csv in the order of sample_submission.csv. OUT/EXPERIMENT/test.csv and oof.csv (the folds' validation "
        "rows) are what blend takes.",
        epilog="example: python -m seti_utils predict exp0023 --folds all --data DATA",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_coordinates(parser)
    add_runs(parser)
    add_runtime(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.infer import predict_test

    name, folds, runtime = run_of(args)
    predict_test(name, folds, args.seeds, runtime)

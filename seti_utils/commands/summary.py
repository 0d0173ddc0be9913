"""``summary``: what a trained experiment is worth, and where everything lies."""

import argparse

from seti_utils.commands.options import add_coordinates, add_runs, add_runtime, run_of


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "summary",
        help="out-of-fold AUC, test AUC where the answers are known, and where everything lies",
        description="Print the out-of-fold AUC with a bootstrap interval; on a synthetic sky also the AUC on the hidden test "
        "labels, and that of the same network untrained.",
        epilog="example: python -m seti_utils summary sky_demo --folds 0 --data out/sky --out out",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_coordinates(parser)
    add_runs(parser)
    add_runtime(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.summary import summary

    name, folds, runtime = run_of(args)
    print(summary(name, folds, args.seeds, runtime))

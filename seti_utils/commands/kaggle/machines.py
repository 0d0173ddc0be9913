"""List the machines of a session: cards, memory, precision, price in quota, and hours of a run.

With an experiment, its hours per session: measured by the runs that were fetched, or (~) projected from another machine by
the bandwidth of its cards' memory, which is what bounds EfficientNets.
"""

import argparse
from pathlib import Path

EXAMPLES = ("seti kaggle machines", "seti kaggle machines exp0011 --runs runs/kaggle")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", help="a name from the log whose hours are wanted")
    parser.add_argument("--stage", choices=("train", "infer"), default="train", help="which notebook (default: train)")
    parser.add_argument("--runs", type=Path, default=Path("runs/kaggle"), help="folder with fetched runs (default: runs/kaggle)")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.metadata import kernel_of
    from seti_utils.kaggle.quota import projected_hours
    from seti_utils.log.pages import LOG
    from seti_utils.session.machines import machine_table

    if args.experiment is None:
        print(machine_table())
        return
    name = LOG.find(args.experiment).name
    print(machine_table(projected_hours(kernel_of("*", args.stage, name, [0], [0]), args.runs)))

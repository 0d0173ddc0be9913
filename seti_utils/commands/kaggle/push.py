"""Check and push kernel folders, each once.

A kernel whose run is still under way is left alone. Each push gets a run id, which the output must show when it is fetched.
"""

import argparse

from seti_utils.commands.kaggle.naming import add_folders, add_pushing

EXAMPLES = (
    "seti kaggle push build/seti-train-*",
    "seti kaggle push build/seti-train-* --wait-for-capacity 12",
    "seti kaggle push build/seti-train-exp0011-fold0-seed2021 --no-run    # are all its sources known to the site?",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folders(parser)
    add_pushing(parser)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.commands.kaggle.pushing import push_all

    push_all(args.folders, args.wait_for_capacity, not args.no_run)

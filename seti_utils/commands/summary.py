"""Say what a trained experiment is worth, and where everything lies.

Prints the out-of-fold AUC with a bootstrap interval; on a synthetic sky also the AUC on the hidden test labels, and that of
the same network untrained.
"""

import argparse

from seti_utils.commands.options import add_coordinates, add_runtime, run_of

EXAMPLES = ("seti summary sky_demo --folds 0 --data DATA",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    add_runtime(parser, "trained")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.summary import summary

    name, folds, runtime = run_of(args)
    print(summary(name, folds, args.seeds, runtime))

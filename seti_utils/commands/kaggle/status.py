"""Print the state of kernels, once."""

import argparse

from seti_utils.commands.kaggle.naming import add_kernels, kernel_named

EXAMPLES = ("seti kaggle status build/seti-*", "seti kaggle status YOU/seti-train-exp0011-fold0-seed2021")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_kernels(parser)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.status import status
    from seti_utils.kaggle.wait import table

    kernels = [kernel_named(text) for text in args.kernels]
    states = {kernel: status(kernel) for kernel in kernels}
    print(table(kernels, states, 0).rsplit("\n", 1)[0])

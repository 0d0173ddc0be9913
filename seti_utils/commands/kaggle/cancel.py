"""Stop a run; the client can only delete its kernel.

With --delete all versions and outputs go with it. The kernel's page can cancel a run without deleting anything.
"""

import argparse

from seti_utils.commands.kaggle.naming import add_kernels, kernel_named

EXAMPLES = ("seti kaggle cancel YOU/seti-train-exp0011-fold0-seed2021",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_kernels(parser)
    parser.add_argument("--delete", action="store_true", help="yes, delete all versions and outputs")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.cancel import cancel

    for kernel in [kernel_named(text) for text in args.kernels]:
        print(cancel(kernel, delete=args.delete))

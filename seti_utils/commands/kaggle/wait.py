"""Wait for kernels; fails when one failed, with cause and log.

With --follow their logs are shown as they are written, and the table tells the last metric and the time left.
"""

import argparse

from seti_utils.commands.kaggle.naming import add_kernels, kernel_named

EXAMPLES = (
    "seti kaggle wait build/seti-train-*",
    "seti kaggle wait YOU/seti-train-exp0011-fold0-seed2021 --follow",
    "seti kaggle wait build/seti-* --timeout 13",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_kernels(parser)
    parser.add_argument("--follow", action="store_true", help="show the logs as they are written")
    parser.add_argument("--every", type=float, default=60, help="seconds between checks (default: 60)")
    parser.add_argument("--timeout", type=float, metavar="HOURS", help="give up after this long (default: never)")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.wait import wait

    kernels = [kernel_named(text) for text in args.kernels]

    def show(kernel: str, line: str) -> None:
        print(line if len(kernels) == 1 else f"{kernel.split('/')[1]} | {line}", flush=True)

    timeout = 3600 * args.timeout if args.timeout else None
    wait(kernels, every=args.every, timeout=timeout, follow=show if args.follow else None)

"""Look for mistakes that the site would accept without a word.

Keys that it ignores, inputs that it drops, machines that it replaces, titles that lead elsewhere, outputs and secrets in the
notebook. The steps push and chain look as well.
"""

import argparse
import sys

from seti_utils.commands.kaggle.naming import add_folders

EXAMPLES = ("seti kaggle check build/seti-train-*",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folders(parser)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.check import check_kernel
    from seti_utils.kaggle.client import user
    from seti_utils.kaggle.errors import BadKernel
    from seti_utils.session.errors import KaggleError

    try:
        owner = user()
    except KaggleError as error:
        owner = None
        print(f"the owner is not compared: {error.problem}", file=sys.stderr)
    bad = 0
    for folder in args.folders:
        found = check_kernel(folder, owner)
        bad += bool(found)
        print(f"{folder}: " + ("good" if not found else "\n  " + "\n  ".join(map(str, found))))
    if bad:
        raise BadKernel(f"{bad} of {len(args.folders)} kernels must not be pushed")

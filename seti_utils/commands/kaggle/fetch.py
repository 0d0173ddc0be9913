"""Bring verified output home, each kernel into a fresh folder.

A kernel folder is verified against the push that was noted in it: the output must be that run's, whole.
"""

import argparse
from pathlib import Path

from seti_utils.commands.kaggle.naming import add_kernels, kernel_named
from seti_utils.wording import quantity

EXAMPLES = (
    "seti kaggle fetch build/seti-infer-* --out runs/kaggle",
    "seti kaggle fetch YOU/seti-train-exp0011-fold0-seed2021 --partial",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_kernels(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/kaggle"), help="folder of folders, one per kernel (default: runs/kaggle)"
    )
    parser.add_argument("--partial", action="store_true", help="take what an unfinished or failed run left")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.fetch import fetch, fetch_pushed, files_below
    from seti_utils.kaggle.metadata import METADATA_FILE

    named = [(text, kernel_named(text)) for text in args.kernels]
    for text, kernel in named:
        home = args.out / kernel.split("/")[1]
        if (Path(text) / METADATA_FILE).is_file():
            run = fetch_pushed(text, home, partial=args.partial)
        else:
            run = fetch(kernel, home, partial=args.partial)
        told = f"run {run['run_id']}, verified" if run else "a run that left no run.json, so nothing is verified"
        count = len(files_below(home))
        print(f"{home}: {quantity(count, 'file')} of {told}")

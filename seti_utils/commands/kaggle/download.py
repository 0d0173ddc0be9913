"""Fetch a dataset or a model into a fresh folder.

What upload sent comes back as it was: weights for --weights, an overlap search for --overlap, stores for --packed.
"""

import argparse
from pathlib import Path

EXAMPLES = (
    "seti kaggle download YOU/seti-overlap overlap",
    "seti kaggle download YOU/seti-exp0023/pyTorch/default published/exp0023    # the newest version of a model",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="owner/slug of a dataset, or owner/model/framework/variation[/version]")
    parser.add_argument("out", type=Path, help="the folder to make; old and new files never mix")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.errors import InputError
    from seti_utils.kaggle.datasets import download_dataset
    from seti_utils.kaggle.models import download_model

    parts = args.name.count("/") + 1
    if parts not in (2, 4, 5) or not all(args.name.split("/")):
        remedy = "write owner/slug, or owner/model/framework/variation"
        raise InputError(f"{args.name!r} names neither a dataset nor a model", remedy=remedy)
    print(download_dataset(args.name, args.out) if parts == 2 else download_model(args.name, args.out))

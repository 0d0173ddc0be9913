"""Gather pretrained weights and upload them as a dataset.

A kernel has no internet: mount the dataset with --dataset when it is built.
"""

import argparse
from pathlib import Path

EXAMPLES = ("seti kaggle weights exp011 exp009", "seti kaggle weights exp0023 --no-upload    # only into the folder weights/")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT", help="experiments whose backbones are wanted")
    parser.add_argument("--folder", type=Path, default=Path("weights"), help="where files are gathered (default: weights)")
    parser.add_argument("--no-upload", action="store_true", help="gather only")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.client import user
    from seti_utils.kaggle.weights import gather_weights, upload_weights
    from seti_utils.log.pages import LOG

    owner = None if args.no_upload else user()
    backbones = list(dict.fromkeys(LOG.find(name).config.backbone for name in args.experiments))
    for path in gather_weights(backbones, args.folder):
        print(path)
    if owner:
        print(f"dataset {upload_weights(args.folder, owner)} is ready; build with --dataset and that name")

"""Send a folder as a private dataset or model, and wait until kernels can mount it.

A packed store, an overlap search with its cleaned panels, published weights: any folder. A title of yours that exists gets a
new version. Sub-folders travel as archives, for which the temporary folder needs room, and are unpacked by the site.
"""

import argparse
from pathlib import Path

EXAMPLES = (
    "seti kaggle upload overlap --title 'seti overlap'                # mount it with --dataset YOU/seti-overlap",
    "seti kaggle upload stores/train --title 'seti store train'",
    "seti kaggle upload published/exp0023 --model 'seti exp0023'      # mount it with --model YOU/seti-exp0023/pyTorch/default/1",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the folder to send; hidden files are left out")
    parser.add_argument("--title", help="of a dataset, 6 to 50 characters (default: that of its dataset-metadata.json)")
    parser.add_argument("--model", metavar="TITLE", help="send it as a model with this title instead")
    parser.add_argument("--variation", default="default", help="which variation of the model (default: default)")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.errors import InputError
    from seti_utils.kaggle.client import user
    from seti_utils.kaggle.datasets import dataset_metadata, upload_dataset
    from seti_utils.kaggle.models import upload_model

    if not args.folder.is_dir():
        raise InputError("no such folder", where=args.folder, remedy="name the folder that is to be sent")
    if args.title and args.model:
        raise InputError("both --title and --model", where=args.folder, remedy="give one: a dataset or a model")
    if args.model:
        name = upload_model(args.folder, user(), args.model, args.variation)
        print(f"model {name} is there; build with --model and that name")
    else:
        metadata = dataset_metadata(user(), args.title) if args.title else None
        print(f"dataset {upload_dataset(args.folder, metadata)} is ready; build with --dataset and that name")

"""Write trained weights as a folder for others: config.json, model.safetensors and a card.

The layout is timm's and the Hugging Face hub's. --weights takes such a folder, and so do Kaggle (the step upload makes it a
dataset or a model) and the hub's own tools. Several folds or seeds go into FOLDER/fold<f>_seed<s>.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_coordinates, add_fields, runtime_of

EXAMPLES = (
    "seti publish exp0023 published/exp0023 --folds 0",
    "seti publish exp0023 published/exp0023 --folds all --seeds 2021 5656 --runs runs/kaggle/seti-train-exp0023-fold0-seed2021",
    "seti kaggle upload published/exp0023 --model 'seti exp0023'    # then mount it: --model YOU/seti-exp0023/pyTorch/default/1",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    parser.add_argument("folder", type=Path, help="where the published weights go")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder with the trained runs (default: runs)")
    add_fields(parser, "runs", "partial", "overrides")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.log.pages import LOG
    from seti_utils.run.coordinates import parse_folds
    from seti_utils.run.publish import publish

    runtime = runtime_of(args)
    name = LOG.find(args.experiment).name
    folds = parse_folds(args.folds, LOG.config(name, runtime.overrides).folds)
    runs = [(fold, seed) for seed in args.seeds for fold in folds]
    for fold, seed in runs:
        folder = args.folder if len(runs) == 1 else args.folder / f"fold{fold}_seed{seed}"
        whole = publish(name, fold, seed, runtime, folder)
        print(f"{folder}: {'the whole network for timm' if whole else 'the backbone for timm, the rest in parts.safetensors'}")

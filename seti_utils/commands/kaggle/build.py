"""Make kernel folders: notebook, parameters, package, metadata.

One kernel per fold and seed for training, one for all of them for prediction. Everything that a run would stumble over is
refused here: an unknown experiment, fold, knob, parameter or machine, a time budget beyond a session, missing weights.
"""

import argparse
from pathlib import Path

from seti_utils.commands.kaggle.naming import add_pushing
from seti_utils.commands.options import add_coordinates

EXAMPLES = (
    "seti kaggle build train exp0011 --folds 0,1 --dataset YOU/seti-pretrained-weights",
    "seti kaggle build train exp0011 --folds all --seeds 2021 5656 --model timm/tf-efficientnet/pyTorch/tf-efficientnet-b0/1",
    "seti kaggle build infer exp0011 --folds 0,1 --push",
    "seti kaggle build train exp0007 --folds 0 -p overrides='epochs=2 pretrained=False' --machine L4x4",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from seti_utils.kaggle.recipe import BUDGET

    parser.add_argument("stage", choices=("train", "infer"), help="which notebook")
    add_coordinates(parser)
    parser.add_argument("--together", action="store_true", help="train all folds and seeds in one kernel")
    parser.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a notebook parameter (again for more)"
    )
    parser.add_argument("--kernel", action="append", metavar="OWNER/SLUG", help="mount this kernel's output (again for more)")
    parser.add_argument(
        "--dataset", action="append", default=[], metavar="OWNER/SLUG", help="mount this dataset (again for more)"
    )
    parser.add_argument(
        "--model", action="append", default=[], metavar="O/M/FRAMEWORK/VARIATION/N", help="mount this model (again for more)"
    )
    parser.add_argument(
        "--machine", help="T4x2, L4, L4x4, RTXPro6000 or none; the step machines lists them (default: T4x2, two T4)"
    )
    parser.add_argument("--image", help="docker image to pin (default: the site's latest)")
    parser.add_argument("--budget", default=BUDGET, help=f"time budget of a training session, below 12h (default: {BUDGET})")
    parser.add_argument(
        "--transport",
        choices=("auto", "embed", "dataset"),
        default="auto",
        help="how the package travels: in the notebook, as a dataset, or in the notebook up to 900 kB (default: auto)",
    )
    parser.add_argument("--owner", help="the kernels' owner (default: who is logged in)")
    parser.add_argument("--out", type=Path, default=Path("build"), help="where the folders go (default: build)")
    parser.add_argument("--push", action="store_true", help="push them at once")
    add_pushing(parser)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.commands.kaggle.pushing import push_all
    from seti_utils.kaggle.build import build
    from seti_utils.kaggle.client import user
    from seti_utils.kaggle.datasets import upload_dataset
    from seti_utils.kaggle.recipe import repository
    from seti_utils.log.overrides import parse_overrides, split_overrides
    from seti_utils.log.pages import LOG
    from seti_utils.run.coordinates import parse_folds
    from seti_utils.session.parameters import parse_parameters

    parameters = parse_parameters(repository() / "notebooks" / f"{args.stage}.ipynb", args.parameter)
    overrides = parse_overrides(split_overrides(str(parameters.get("overrides", ""))))
    folds = parse_folds(args.folds, LOG.config(LOG.find(args.experiment).name, overrides).folds)
    parts = [([fold], [seed]) for fold in folds for seed in args.seeds]
    if args.together or args.stage == "infer":
        parts = [(folds, args.seeds)]
    owner, folders = args.owner or user(), []
    for fold_part, seed_part in parts:
        built = build(
            args.stage,
            owner=owner,
            experiment=args.experiment,
            folds=fold_part,
            seeds=seed_part,
            parameters=parameters,
            kernel_sources=args.kernel,
            dataset_sources=args.dataset,
            model_sources=args.model,
            docker_image=args.image,
            machine=args.machine,
            budget=args.budget,
            transport=args.transport,
            out=args.out,
        )
        print(f"{built.folder}  {built.size / 1000:.0f} kB, package {built.package_sha256[:16]}")
        folders.append(built.folder)
        if built.package_folder and args.push:
            upload_dataset(built.package_folder)
        elif built.package_folder:
            print(f"upload its package first: python -m seti_utils kaggle upload {built.package_folder}")
    if args.push:
        push_all(folders, args.wait_for_capacity, not args.no_run)

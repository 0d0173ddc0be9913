"""Train an experiment of the log.

Finished runs are skipped; unfinished ones resume from the last saved step. Artifacts go to OUT/EXPERIMENT/fold<f>_seed<s>:
best.safetensors, last.safetensors, history.csv, oof.csv, meta.json.
"""

import argparse

from seti_utils.commands.options import add_coordinates, add_retry, add_runtime, run_of

EXAMPLES = (
    "seti train sky_demo --folds 0 --data DATA",
    "seti train exp0023 --folds all --seeds 2021 5656 --data DATA --weights WEIGHTS",
    "seti train exp0012 --folds 0 --data DATA --weights none --stop-after 11h30m",
    "seti train exp0007 --folds 0 --data DATA --weights none --set backbone=resnet10t --set 'mixup=Mixup(alpha=5)'",
    "seti train exp0012 --folds all --data DATA --weights WEIGHTS --launch folds    # one fold per GPU",
    "torchrun --nproc-per-node 2 -m seti_utils train exp0012 --folds 0              # two GPUs share every batch",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    add_retry(parser)
    parser.add_argument("--launch", choices=("folds", "ranks"), help="use every GPU: one fold each, or together on one batch")
    add_runtime(parser, "training", "trained")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.launch import launch
    from seti_utils.run.train import train

    name, folds, runtime = run_of(args)
    if args.launch:
        launch(args.launch, name, folds, args.seeds, runtime, retry=args.retry)
    else:
        train(name, folds, args.seeds, runtime, retry=args.retry)

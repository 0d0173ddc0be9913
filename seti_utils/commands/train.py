"""``train``: an experiment of the log, on some folds, with some seeds."""

import argparse

from seti_utils.commands.options import add_coordinates, add_runs, add_runtime, run_of


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "train",
        help="train an experiment of the log",
        description="Train an experiment; go on where an earlier run stopped; leave a finished one alone. Artifacts go to "
        "OUT/EXPERIMENT/fold<f>_seed<s>: best.pt, last.pt, history.csv, oof.csv, meta.json.",
        epilog="examples:\n"
        "  python -m seti_utils train exp0023 --folds all --seeds 2021 5656 --data DATA --weights WEIGHTS\n"
        "  python -m seti_utils train exp011 --folds 0 --stop-after 11h30m\n"
        "  torchrun --nproc-per-node 2 -m seti_utils train exp011 --folds 0      (two GPUs share every batch)\n"
        "  python -m seti_utils train exp011 --folds all --launch folds          (one fold per GPU)\n"
        "  python -m seti_utils train exp0007 --set backbone=resnet10t --set epochs=2 --set pretrained=False",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_coordinates(parser)
    add_budget(parser)
    add_runs(parser)
    parser.add_argument("--launch", choices=("folds", "ranks"), help="use every GPU: one fold each, or together on one batch")
    parser.add_argument("--sync-bn", action="store_true", help="several GPUs on one batch: BatchNorm over the whole of it")
    add_runtime(parser)
    parser.set_defaults(handle=handle)


def add_budget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stop-after", metavar="11h30m", help="finish the step, save, and say how to go on")
    parser.add_argument(
        "--retry", type=int, default=0, metavar="N", help="start a dead run again up to N times, each with one more remedy"
    )


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.launch import launch
    from seti_utils.run.train import train

    name, folds, runtime = run_of(args)
    if args.launch:
        launch(args.launch, name, folds, args.seeds, runtime, retry=args.retry, overrides=args.set)
    else:
        train(name, folds, args.seeds, runtime, retry=args.retry)

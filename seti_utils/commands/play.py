"""Play a plan on this machine: shared sky, training, prediction, and one submission.

A plan is a YAML file of stages (see plans/), the same that `kaggle chain` plays on the site. Where its experiments look at
shared sky, the overlap search and the cleaned panels are made first, with old files as neighbours where the plan says so and
the data have them; then every stage; and after each one that predicts, OUT/submission.csv is written anew from all members so
far. After an interruption, or a spent budget (--stop-after, of the whole), the same command resumes.

--dry-run prints what every step will cost on a card, from rates that were measured and published ones, and does nothing.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from seti_utils.commands.options import add_runtime, runtime_of

EXAMPLES = (
    "seti play plans/mle_bench.yaml --data DATA --weights WEIGHTS --dry-run --stop-after 24h",
    "seti play plans/mle_bench.yaml --data DATA --weights WEIGHTS --stop-after 23h",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="a YAML file of stages")
    parser.add_argument("--folds", help="'all' or numbers, instead of the plan's")
    parser.add_argument("--dry-run", action="store_true", help="print what it will cost, and stop")
    parser.add_argument("--card", default="A10", help="the card that a dry run counts with (default: A10; or T4x2, L4, L4x4 …)")
    add_runtime(parser, "training")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.plan import read_plan
    from seti_utils.run.coordinates import parse_folds
    from seti_utils.run.costs import cost_table
    from seti_utils.run.play import check_stages, configs_of, play

    runtime, plan = runtime_of(args), read_plan(args.plan)
    check_stages(plan)
    if args.folds:
        most = min(config.folds for config in configs_of(plan, runtime).values())
        plan = replace(plan, stages=[replace(stage, folds=parse_folds(args.folds, most)) for stage in plan.stages])
    if args.dry_run:
        print(cost_table(plan, runtime, args.card, runtime.stop_after))
    else:
        play(plan, runtime)

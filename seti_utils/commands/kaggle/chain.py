"""Play a plan of stages; run it again to resume.

Kernels start when all that they need is done, two at a time. Every kernel is resolved before the first is pushed, by a dry
run too: experiments, knobs, folds, notebooks, machines, inputs.
"""

import argparse
from pathlib import Path

EXAMPLES = (
    "seti kaggle chain plans/second_place.yaml --dry-run",
    "seti kaggle chain plans/second_place.yaml",
    "seti kaggle chain --example exp0019 > exp0019.yaml    # a plan for any experiment or blend of the log",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, nargs="?", help="a YAML file (see plans/)")
    parser.add_argument("--example", metavar="NAME", help="print a plan for an experiment or blend of the log, and stop")
    parser.add_argument("--out", type=Path, default=Path("runs/kaggle"), help="journal and outputs (default: runs/kaggle)")
    parser.add_argument("--every", type=float, default=120, help="seconds between rounds (default: 120)")
    parser.add_argument("--retry-failed", action="store_true", help="try failures again")
    parser.add_argument("--dry-run", action="store_true", help="resolve and print the kernels and what they cost, and stop")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.errors import InputError
    from seti_utils.kaggle.chain import describe, run_chain
    from seti_utils.kaggle.client import user
    from seti_utils.kaggle.example import example_plan
    from seti_utils.kaggle.plan import read_plan

    if args.example:
        print(example_plan(args.example), end="")
        return
    if args.plan is None:
        raise InputError("no plan", remedy="give a file, or print one with --example second_place")
    plan = read_plan(args.plan)
    if args.dry_run:
        print(describe(plan, user(), home=args.out))
    else:
        run_chain(plan, out=args.out, every=args.every, retry_failed=args.retry_failed)

"""``blend``: one submission out of several score tables."""

import argparse
from pathlib import Path

from seti_utils.errors import InputError


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "blend",
        help="average several submissions or score tables",
        description="Average submissions (id,target) or score tables of the same ids. plain: mean of scores; rank: mean of "
        "rank / highest rank; logit: mean of logits; power: power mean.",
        epilog="example: python -m seti_utils blend a.csv b.csv c.csv --how rank --out submission.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tables", type=Path, nargs="+", help="CSV files")
    parser.add_argument("--how", default="plain", choices=("plain", "rank", "logit", "power"))
    parser.add_argument("--weights", type=float, nargs="+", help="one per table (default: all alike)")
    parser.add_argument("--sample", type=Path, help="write the rows in this sample submission's order")
    parser.add_argument("--out", type=Path, required=True, help="the submission to write")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.use.ensemble import blend
    from seti_utils.use.submission import write_submission
    from seti_utils.use.tables import read_scores

    if args.out in args.tables:
        raise InputError("is one of the tables to blend", where=args.out, remedy="choose another --out")
    mean = blend([read_scores(path) for path in args.tables], how=args.how, weights=args.weights)
    write_submission(mean, args.sample or args.tables[0], args.out)
    print(f"{args.how} mean of {len(args.tables)} tables, {len(mean)} rows, written to {args.out}")

"""Split the labelled cadences anew: a competition folder of links, and its answers apart.

OUT/public is a competition folder, OUT/private/test.csv has the answers. Nothing is copied, and DATA may be read-only.
old_leaky_data comes along where DATA has it.

--like mle-bench makes the re-split on which MLE-bench grades this competition: 54,000 of the 60,000 labelled cadences to train
on, 6,000 to predict, in its order. On the competition's own data the MD5 of the tables are compared with the published ones.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_fields
from seti_utils.data.resplit import LINKS, PUBLISHED

EXAMPLES = (
    "seti split DATA RESPLIT --like mle-bench",
    "seti split DATA MINE --test-size 0.25 --seed 7    # another one, of any data",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="the competition folder, or a synthetic sky")
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--like", choices=tuple(PUBLISHED), help="a published re-split; it sets --test-size and --seed")
    parser.add_argument("--test-size", type=float, metavar="SHARE", help="share of rows that become the test (default: 0.1)")
    parser.add_argument("--seed", type=int, help="another seed is another split (default: 0)")
    parser.add_argument(
        "--links",
        choices=tuple(LINKS),
        default="symbolic",
        help="hard: the files themselves under a second name, on the same disk (default: symbolic)",
    )
    add_fields(parser, "incomplete")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.data.resplit import resplit
    from seti_utils.errors import InputError
    from seti_utils.files import require_writable

    drawn = {name: value for name in ("test_size", "seed") if (value := getattr(args, name)) is not None}
    if args.like and drawn:
        words = " and ".join(f"--{name.replace('_', '-')}" for name in drawn)
        raise InputError(f"--like {args.like} says what {words} says", remedy="leave out one of them")
    require_writable(args.out, "choose another place (OUT)")
    made = resplit(args.data, args.out, like=args.like, links=args.links, incomplete=args.incomplete, **drawn)
    counts = [
        f"{made.rows[split]:,}" + (f" of {made.drawn[split]:,}" if made.rows != made.drawn else "") for split in ("train", "test")
    ]
    print(f"{counts[0]} cadences to train on and {counts[1]} to predict in {made.public}; the answers are in {made.answers}")
    if args.like:
        same = "the tables are the published ones, by their MD5"
        other = "the rows are not the competition's: drawn by the same rule, with nothing published to compare the tables with"
        print(f"{args.like}: {same if made.published else other}")
    print(f"next: seti summary submission.csv --answers {made.answers} grades what was predicted for it")

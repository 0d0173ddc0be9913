"""Check a submission, send it once, and wait for its score.

The file's hash goes into the message, so that a file that was sent before is refused (unless with --again). A submission
made with weights whose training is not finished, as the .origin.json beside it says, is sent only with --partial.
"""

import argparse
from pathlib import Path

EXAMPLES = ("seti kaggle submit submission.csv -m 'exp0023, folds 0 and 1'", "seti kaggle submit --list")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from seti_utils.kaggle.competition import COMPETITION

    parser.add_argument("file", type=Path, nargs="?", help="the submission to send")
    parser.add_argument("-m", "--message", default="", help="a note that the site shows beside the submission")
    parser.add_argument("--sample", type=Path, help="the sample submission (default: that of the competition's folder)")
    parser.add_argument("--competition", default=COMPETITION, help=f"the competition's slug (default: {COMPETITION})")
    parser.add_argument("--again", action="store_true", help="send the same file a second time")
    parser.add_argument("--partial", action="store_true", help="send one made with weights whose training is not finished")
    parser.add_argument("--every", type=float, default=20, help="seconds between checks for the score (default: 20)")
    parser.add_argument("--list", action="store_true", help="only list the submissions and their scores")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.data.competition import find_data
    from seti_utils.errors import InputError
    from seti_utils.kaggle.submit import submissions, submit

    if args.list:
        for row in submissions(args.competition):
            print(f"{row.ref}  {row.date[:16]}  {row.status:8}  {row.public or '-':8}  {row.description} {row.reason}".rstrip())
        return
    if args.file is None:
        raise InputError("no file to submit", remedy="name a submission.csv, or list what was sent with --list")
    sample = args.sample or find_data() / "sample_submission.csv"
    how = {"competition": args.competition, "again": args.again, "partial": args.partial, "every": args.every}
    row = submit(args.file, args.message, sample=sample, **how)
    print(f"submission {row.ref}: public {row.public or '-'}, private {row.private or '-'}")

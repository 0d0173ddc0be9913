"""Pack a competition folder into one memory-mapped file per split.

Copies the cadences into OUT/train and OUT/test, one float16 file each with ids and checksums, for reading at the speed of the
disk. Interrupted, the same command resumes. A store that the disk cannot hold is refused, with its size, before the first
byte: the whole competition takes 84 GB, its ON panels 42 GB.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_era, add_fields
from seti_utils.wording import quantity

EXAMPLES = (
    "seti pack DATA STORE",
    "seti train sky_demo --folds 0 --data DATA --packed STORE",
    "seti pack DATA STORE_ON --panels on    # for layouts of ON panels alone, half the size",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="the competition folder")
    parser.add_argument("out", type=Path, help="folder of the store")
    parser.add_argument("--split", choices=("train", "test", "both"), default="both", help="which part to pack (default: both)")
    parser.add_argument("--panels", choices=("all", "on"), default="all", help="on: the ON panels only, half the size")
    add_era(parser)
    add_fields(parser, "incomplete", "workers")
    parser.add_argument("--verify", action="store_true", help="read the store back and compare every byte with the files of DATA")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.data.competition import read_competition
    from seti_utils.data.store import pack, verify
    from seti_utils.files import require_writable

    require_writable(args.out)
    competition = read_competition(args.data, args.era, args.incomplete)
    for split in ("train", "test") if args.split == "both" else (args.split,):
        if args.split == "both" and not len(competition.split(split)):
            continue
        folder = pack(competition, args.out, split, args.panels, workers=args.workers)
        checked = f", {verify(folder, competition)} verified against the files of {args.data}" if args.verify else ""
        print(f"{quantity(len(competition.split(split)), 'cadence')} in {folder}{checked}")

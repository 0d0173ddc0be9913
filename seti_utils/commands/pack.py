"""``pack``: all cadences of a split in one file, for reading at the speed of the disk."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "pack",
        help="pack a competition folder into one memory-mapped file a split",
        description="Copy the cadences into OUT/train and OUT/test, one float16 file each with ids and checksums. It goes on "
        "where it was interrupted and refuses, naming the size, when the disk will not hold the store.",
        epilog="example: python -m seti_utils pack DATA store --panels on; then: train ... --packed store",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, help="the competition folder")
    parser.add_argument("out", type=Path, help="folder of the store")
    parser.add_argument("--split", choices=("train", "test", "both"), default="both")
    parser.add_argument("--panels", choices=("all", "on"), default="all", help="on: the ON panels only, half the size")
    parser.add_argument("--era", choices=("current", "old"), default="current")
    parser.add_argument("--workers", type=int, help="reading threads (default: from the machine)")
    parser.add_argument("--verify", action="store_true", help="read the store back and compare every checksum")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.data.competition import read_competition
    from seti_utils.data.store import pack, verify

    competition = read_competition(args.data, args.era)
    for split in ("train", "test") if args.split == "both" else (args.split,):
        if args.split == "both" and not len(competition.split(split)):
            continue
        folder = pack(competition, args.out, split, args.panels, workers=args.workers)
        checked = f", {verify(folder)} checksums right" if args.verify else ""
        print(f"{len(competition.split(split))} cadences in {folder}{checked}")

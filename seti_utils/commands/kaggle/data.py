"""Download, unpack and verify the competition; run it again to resume.

240 GB must be free: the archive has 156 GB and is deleted once it is unpacked, which takes 84 GB. A damaged archive is fetched
again.
"""

import argparse
from pathlib import Path

EXAMPLES = ("seti kaggle data data", "seti kaggle data data --old    # the old leaky data too, 72 GB more")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    home = Path("data/seti-breakthrough-listen")
    parser.add_argument("out", type=Path, nargs="?", default=home, help=f"folder to fill (default: {home})")
    parser.add_argument("--old", action="store_true", help="also unpack the old leaky data (72 GB more)")
    parser.add_argument("--keep-archive", action="store_true", help="keep the zip file")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.kaggle.data import download

    download(args.out, old=args.old, keep_archive=args.keep_archive)

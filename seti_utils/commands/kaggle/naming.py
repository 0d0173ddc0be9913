"""How kernels are named on the command line, and the options that several steps share."""

import argparse
import re
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.kaggle.metadata import METADATA_FILE, PLACEHOLDER, read_metadata


def add_kernels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernels", nargs="+", metavar="KERNEL", help="owner/slug, or a kernel folder below build/")


def add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="kernel folders, made by the step build")


def add_pushing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait-for-capacity",
        type=float,
        default=0,
        metavar="HOURS",
        help="wait this long for a free session (default: 0, do not wait)",
    )
    parser.add_argument(
        "--no-run",
        action="store_true",
        help="save without running: the site says whether it knows every source, and no quota is used (client 2.2.5)",
    )


def kernel_named(text: str) -> str:
    """ "owner/slug" of a kernel that is named so, or by its folder. Raises ``InputError``."""
    if (Path(text) / METADATA_FILE).is_file():
        name = str(read_metadata(text).get("id", ""))
        if name.startswith(PLACEHOLDER):
            remedy = "build it with `python -m seti_utils kaggle build`"
            raise InputError("its owner is the placeholder", where=text, remedy=remedy)
        return name
    if any(sign in text for sign in "*?["):
        problem = "no kernel folder matches"
        raise InputError(
            problem, where=text, remedy="build one with `python -m seti_utils kaggle build`, or name it as owner/slug"
        )
    if Path(text).is_dir() or Path(text.split("/")[0]).is_dir():
        remedy = "name a folder that the step build made, or a kernel as owner/slug"
        raise InputError(f"there is no {METADATA_FILE}", where=text, remedy=remedy)
    if not re.fullmatch(r"[\w-]+/[\w-]+", text):
        raise InputError(f"{text!r} is neither owner/slug nor a kernel folder", remedy="see the folders below build/")
    return text

"""How kernels, folds and steps are named on the command line."""

import argparse
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.kaggle.metadata import NAME, PLACEHOLDER, read_metadata


def add_step(steps: argparse._SubParsersAction, name: str, handle, text: str) -> argparse.ArgumentParser:
    parser = steps.add_parser(name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.set_defaults(handle=handle)
    return parser


def numbers(text: str) -> list[int]:
    """ "0,1" as [0, 1]."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{text!r} is no list of numbers", remedy="write for example 0,1") from None


def kernel_named(text: str) -> str:
    """ "owner/slug" of a kernel that is named so, or by its folder."""
    if (Path(text) / NAME).is_file():
        name = str(read_metadata(text).get("id", ""))
        if name.startswith(PLACEHOLDER):
            raise InputError(
                "its owner is the placeholder", where=text, remedy="build it with `python -m seti_utils kaggle build`"
            )
        return name
    if text.count("/") != 1:
        raise InputError(f"{text!r} is neither owner/slug nor a kernel folder", remedy="see the folders below build/")
    return text

"""Progress bars: live in a terminal, one line every half minute in a log, every five minutes in a notebook."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int | None = None, desc: str = "", unit: str = "it") -> Iterable[Item]:
    """Iterate over ``items`` with a bar on standard error: rate, elapsed time and time to go.

    A notebook keeps every line that it is shown, for twelve hours of a session and for ever after, so there the lines
    are few and on standard output, which is not painted as an error.
    """
    live = sys.stderr.isatty()
    notebook = "ipykernel" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ
    pace = {"mininterval": 300 if notebook else 30, "delay": 30, "ascii": True}
    if live:
        pace = {"mininterval": 0.1, "leave": False}
    file = sys.stdout if "ipykernel" in sys.modules and not live else sys.stderr
    return tqdm(items, total=total, desc=desc, unit=unit, dynamic_ncols=live, file=file, **pace)

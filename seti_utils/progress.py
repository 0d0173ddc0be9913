"""Progress bars: live in a terminal, one line every half minute in a log."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int | None = None, desc: str = "", unit: str = "it") -> Iterator[Item]:
    """Iterate over ``items`` with a bar on standard error: rate, elapsed time and time to go."""
    live = sys.stderr.isatty()
    pace = {"mininterval": 0.1, "leave": False} if live else {"mininterval": 30, "delay": 30, "ascii": True}
    return tqdm(items, total=total, desc=desc, unit=unit, dynamic_ncols=live, **pace)

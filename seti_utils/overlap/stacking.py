"""Members stacked by whether neighbours cover anything of a cadence."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seti_utils.overlap.folder import read_groups
from seti_utils.overlap.panels import read_covered
from seti_utils.scores.stacking import Stacked, stack_or_mean


def stack_by_coverage(
    oofs: Sequence[pd.DataFrame],
    tests: Sequence[pd.DataFrame],
    folder: str | Path,
    *,
    name: str = "stack",
    shown: bool = True,
) -> Stacked:
    """A stack, or the mean, by coverage and groups of a finished, cleaned overlap ``folder``; see ``stack_or_mean``."""
    groups = read_groups(folder).set_index("id")["group"]
    return stack_or_mean(oofs, tests, read_covered(folder), groups=groups, name=name, shown=shown)

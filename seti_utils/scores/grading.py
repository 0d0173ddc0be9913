"""A submission against its answers, by MLE-bench's rules, and where it would stand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seti_utils.data.resplit import ANSWERS, MLE_BENCH, PUBLISHED, md5
from seti_utils.data.tables import as_numbers, check_ids, read_table, read_targets, refuse, require_columns
from seti_utils.errors import InputError
from seti_utils.scores.submission import check_values
from seti_utils.stats.intervals import auc_interval
from seti_utils.wording import quantity

MEDALS = {"gold": 0.79806, "silver": 0.78095, "bronze": 0.77439}
MEDIAN = 0.75889
"""MLE-bench's lines for this competition, second-hand: those of the private board, whose test is shifted."""


@dataclass(frozen=True)
class Grade:
    """The AUC with its 95 % bootstrap interval over ``rows``; ``published``: the answers are MLE-bench's own."""

    auc: float
    low: float
    high: float
    rows: int
    published: bool

    @property
    def medal(self) -> str | None:
        """The best medal whose line the AUC, to five digits, reaches."""
        return next((medal for medal, line in MEDALS.items() if round(self.auc, 5) >= line), None)

    def told(self) -> str:
        """What to say of it, in lines."""
        lines = [
            f"AUC {self.auc:.5f} [{self.low:.4f}, {self.high:.4f}]   {quantity(self.rows, 'cadence')}, 95 % bootstrap interval"
        ]
        above = f"above the {self.medal} line" if self.medal else "below every medal's line"
        known = ", ".join(f"{medal} {line}" for medal, line in MEDALS.items())
        lines.append(f"MLE-bench: {above} ({known}; median {MEDIAN})")
        lines.append(
            "The lines are those of the competition's board, whose test is shifted; MLE-bench's is not. Gold there needs less "
            "than on the board: plain recipes validate near 0.90."
        )
        if not self.published:
            lines.append("These are not MLE-bench's answers, so its lines say nothing about this score.")
        return "\n".join(lines)


def grade(submission: str | Path, answers: str | Path) -> Grade:
    """Grade ``submission`` (id, target) as MLE-bench does: order is free, further columns are ignored.

    ``answers`` has id and target 0 or 1. Raises ``InputError`` for another number of rows, other ids, a missing column and values
    that are not in [0, 1], naming line and remedy.
    """
    wanted, table = read_targets(answers), read_table(submission)
    require_columns(table, ["id", "target"], submission)
    check_ids(table["id"], submission)
    if len(table) != len(wanted):
        raise InputError(
            f"has {quantity(len(table), 'row')}, the answers have {len(wanted)}",
            where=submission,
            remedy="give one row per test cadence",
        )
    refuse(~table["id"].isin(wanted["id"]), table["id"], "are not in the answers", submission, "give the answers of this test")
    score = as_numbers(table["target"], np.float64, table["id"], submission)
    check_values(score, table["id"], submission)
    target = wanted.set_index("id")["target"].loc[table["id"]].to_numpy()
    text = wanted.to_csv(index=False, lineterminator="\n")
    return Grade(*auc_interval(target, score), len(target), md5(text) == PUBLISHED[MLE_BENCH].tables[ANSWERS])

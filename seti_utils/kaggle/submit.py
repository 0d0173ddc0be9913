"""Submits a table, once, after looking at it; then waits for its score."""

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.errors import InputError
from seti_utils.files import sha256
from seti_utils.kaggle.cli import ask
from seti_utils.kaggle.errors import Conflict, ConnectionLost, RunFailed, ServerTrouble, StillRunning, UnknownAnswer
from seti_utils.session.errors import KaggleError

COMPETITION = "seti-breakthrough-listen"


def check_submission(path: str | Path, sample: str | Path) -> dict[str, float]:
    """Compare a submission with the sample: columns, ids, order, finite numbers, and scores that can rank.

    Returns rows, the share of distinct scores, and their lowest, median and highest value. Raises ``InputError``.
    """
    table, wanted = read_table(path), read_table(sample)
    if list(table.columns) != ["id", "target"]:
        raise InputError(f"columns {list(table.columns)}", where=path, remedy="write id,target")
    if len(table) != len(wanted):
        raise InputError(f"{len(table)} rows, the sample has {len(wanted)}", where=path, remedy="predict the whole test set")
    different = np.flatnonzero(table["id"].to_numpy() != wanted["id"].to_numpy())
    if len(different):
        row = int(different[0])
        same = set(table["id"]) == set(wanted["id"])
        raise InputError(
            f"id {table['id'][row]}, the sample has {wanted['id'][row]}",
            where=path,
            row=row + 2,
            remedy="keep the sample's order" if same else "predict the sample's ids",
        )
    scores = pd.to_numeric(table["target"], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise InputError(
            f"target {table['target'][int(bad[0])]!r} is no finite number",
            where=path,
            row=int(bad[0]) + 2,
            remedy="look for a diverged model",
        )
    distinct = len(np.unique(scores)) / len(scores)
    if len(np.unique(scores)) < min(10, len(scores)):
        raise InputError(
            f"only {len(np.unique(scores))} distinct scores in {len(scores)} rows: ties rank by chance",
            where=path,
            remedy="submit probabilities, not classes",
        )
    return {
        "rows": len(scores),
        "distinct": distinct,
        "lowest": scores.min(),
        "median": float(np.median(scores)),
        "highest": scores.max(),
    }


def read_table(path: str | Path) -> pd.DataFrame:
    """A CSV as text columns. Raises ``InputError`` where it is missing or no table."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as missing:
        raise InputError("no such file", where=path, remedy="make it with `python -m seti_utils predict`") from missing
    except (ValueError, UnicodeDecodeError) as broken:
        raise InputError(f"not a CSV table ({broken})", where=path, remedy="write it again") from broken


def submissions(competition: str = COMPETITION) -> list[dict[str, str]]:
    """The user's submissions, newest first: ref, fileName, date, description, status, publicScore, privateScore."""
    text = ask("competitions", "submissions", competition, "--csv", timeout=300).out
    if "No submissions found" in text:
        return []
    if "ref," not in text:
        raise UnknownAnswer(f"the submissions are not a table that is known: {text[:100]!r}", where=competition)
    rows = list(csv.DictReader(io.StringIO(text[text.index("ref,") :])))
    return [{**row, "status": row["status"].rsplit(".", 1)[-1].upper()} for row in rows]


def submit(
    path: str | Path,
    message: str,
    *,
    sample: str | Path,
    competition: str = COMPETITION,
    again: bool = False,
    wait: float = 900,
    every: float = 20,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """Check and submit ``path``, wait up to ``wait`` seconds for its score, and return its row of submissions.

    The message gets the file's hash, by which the submission is found again: the same file is refused a second time
    unless ``again``, and a lost answer is looked up instead of repeated. Raises ``Conflict`` for a repetition,
    ``RunFailed`` when the site rejects the file, ``StillRunning`` when there is no score yet, or another error.
    """
    check_submission(path, sample)
    mark = f"[{sha256(path)[:10]}]"
    before = [row["ref"] for row in submissions(competition) if mark in row["description"]]
    if before and not again:
        raise Conflict(f"this very file was submitted as {before[0]}", where=path, remedy="submit it again with --again")
    send(path, f"{message} {mark}".strip(), competition, mark, before)
    waited = 0.0
    while True:
        row = next((row for row in submissions(competition) if mark in row["description"] and row["ref"] not in before), None)
        if row and row["status"] == "ERROR":
            raise RunFailed("the site rejected the submission", where=path, remedy="compare it with the sample on its page")
        if row and row["status"] == "COMPLETE":
            return row
        if waited >= wait:
            raise StillRunning(
                "submitted, but not scored yet",
                where=path,
                remedy="see `python -m seti_utils kaggle submit --list` later",
            )
        waited += every
        sleep(every)


def send(path: str | Path, message: str, competition: str, mark: str, before: list[str]) -> None:
    """Upload and submit; a lost answer counts as success if the submission is there."""
    try:
        answer = ask("competitions", "submit", competition, "-f", path, "-m", message, timeout=1800)
        if "Successfully submitted" not in answer.text:
            raise KaggleError(f"not submitted: {answer.text[-300:]}", where=path, remedy="look at the competition's page")
    except (ConnectionLost, ServerTrouble, UnknownAnswer):
        if not any(mark in row["description"] and row["ref"] not in before for row in submissions(competition)):
            raise

"""Submits a table, once, after looking at it; then waits for its score."""

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

from seti_utils.files import sha256
from seti_utils.kaggle.cli import ask
from seti_utils.kaggle.errors import Conflict, ConnectionLost, RunFailed, ServerTrouble, StillRunning, UnknownAnswer
from seti_utils.scores.submission import check_submission
from seti_utils.session.errors import KaggleError

COMPETITION = "seti-breakthrough-listen"


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

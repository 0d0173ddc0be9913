"""Submits a table, once, after looking at it; then waits for its score."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seti_utils.errors import InputError
from seti_utils.files import sha256
from seti_utils.kaggle.answers import refusal
from seti_utils.kaggle.client import ask
from seti_utils.kaggle.competition import COMPETITION, about
from seti_utils.kaggle.errors import Conflict, ConnectionLost, RunFailed, ServerTrouble, StillRunning, UnknownAnswer
from seti_utils.kaggle.poll import poll
from seti_utils.scores.submission import check_submission, origin_file

PAGE = 100


@dataclass(frozen=True)
class Submission:
    """One submission as the site lists it; ``reason`` is why the site rejected it, scores are "" until there are any."""

    ref: str
    date: str
    description: str
    status: str
    public: str
    private: str
    reason: str


def submissions(competition: str = COMPETITION) -> Iterator[Submission]:
    """Every submission of the user, newest first, page after page as far as they are asked for.

    The site may serve fewer rows per page than were asked for, and need not say that more follow, so the list ends with
    a page that brings nothing new.
    """
    seen: set[str] = set()
    number, token = 1, ""
    while True:
        place: dict[str, Any] = {"pageToken": token} if token else {"page": number} if number > 1 else {}
        with about(competition):
            answer = ask("competitions.list_submissions", where=competition, competitionName=competition, pageSize=PAGE, **place)
        fresh = [row for row in map(told, answer.get("submissions") or []) if row.ref not in seen]
        if not fresh:
            return
        yield from fresh
        seen |= {row.ref for row in fresh}
        number, token = number + 1, answer.get("nextPageToken") or ""


def told(row: dict) -> Submission:
    """A row of the site's list."""
    return Submission(
        ref=str(row["ref"]),
        date=str(row.get("date") or ""),
        description=row.get("description") or "",
        status=str(row.get("status") or "PENDING"),
        public=row.get("publicScore") or "",
        private=row.get("privateScore") or "",
        reason=row.get("errorDescription") or "",
    )


def submit(
    path: str | Path,
    message: str,
    *,
    sample: str | Path,
    competition: str = COMPETITION,
    again: bool = False,
    partial: bool = False,
    wait: float = 900,
    every: float = 20,
    sleep: Callable[[float], None] = time.sleep,
) -> Submission:
    """Check and submit ``path``, wait up to ``wait`` seconds for its score, and return its row of submissions.

    The message gets the file's hash, by which the submission is found again: the same file is refused a second time
    unless ``again``, and a lost answer is looked up instead of repeated. One made with weights whose training was not
    finished, as its ``.origin.json`` says, is refused unless ``partial``. Raises ``Conflict`` for a repetition,
    ``RunFailed`` when the site rejects the file, ``StillRunning`` when there is no score yet, or another error.
    """
    check_submission(path, sample)
    if not partial:
        refuse_partial(path)
    mark = f"[{sha256(path)[:10]}]"
    before = {row.ref for row in submissions(competition) if mark in row.description}
    if before and not again:
        raise Conflict(f"this very file was submitted as {max(before)}", where=path, remedy="submit it again with --again")

    def find() -> Submission | None:
        return next((row for row in submissions(competition) if mark in row.description and row.ref not in before), None)

    def scored() -> Submission | None:
        row = find()
        return row if row and row.status in ("COMPLETE", "ERROR") else None

    def late(passed: float) -> StillRunning:
        later = "see `python -m seti_utils kaggle submit --list` later"
        return StillRunning("submitted, but not scored yet", where=path, remedy=later)

    send(path, f"{message} {mark}".strip(), competition, find)
    row = poll(scored, every=every, longest=wait, late=late, sleep=sleep)
    if row.status == "ERROR":
        reason = f": {row.reason}" if row.reason else ", and gives no reason"
        raise RunFailed(
            f"the site rejected submission {row.ref}{reason}", where=path, remedy="compare the file with the sample submission"
        )
    return row


def refuse_partial(path: str | Path) -> None:
    """Raise ``InputError`` where the origin beside a submission says that its weights are unfinished.

    An origin of another file, by its hash, is not looked at; nor is there one for files that others made.
    """
    place = origin_file(path)
    try:
        origin = json.loads(place.read_text(encoding="utf-8"))
        partial = origin["partial"] and origin["sha256"] == sha256(path)
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError) as broken:
        problem = "does not say where the submission comes from"
        raise InputError(problem, where=place, remedy="predict again, or delete this file") from broken
    if partial:
        raise InputError(
            f"was made with weights of {origin.get('experiment')} whose training is not finished ({place.name} says so)",
            where=path,
            remedy="finish the training and predict again, or send it as it is with --partial",
        )


def send(path: str | Path, message: str, competition: str, find: Callable[[], Submission | None]) -> None:
    """Upload and submit; a lost answer counts as success if the submission is there."""
    try:
        with about(competition):
            answer = ask(
                "competition_submit",
                where=competition,
                timeout=1800,
                live=True,
                file_name=str(path),
                message=message,
                competition=competition,
            )
    except (ConnectionLost, ServerTrouble, UnknownAnswer):
        if find() is None:
            raise
        return
    if not answer.get("ref") and "success" not in (answer.get("message") or "").lower():
        raise refusal(answer.get("message") or "nothing", where=path)

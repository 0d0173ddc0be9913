"""The competition on the site, and what its refusals mean: rules that were not accepted, or a name that was mistyped."""

from collections.abc import Iterator
from contextlib import contextmanager

from seti_utils.errors import did_you_mean
from seti_utils.kaggle.client import ask
from seti_utils.kaggle.errors import Forbidden, NotFound
from seti_utils.session.errors import KaggleError

COMPETITION = "seti-breakthrough-listen"


@contextmanager
def about(competition: str) -> Iterator[None]:
    """Tell a refusal (403, 404) inside the block as what it is: the site answers both mistakes with the same status."""
    try:
        yield
    except (Forbidden, NotFound) as error:
        raise type(error)(error.problem, where=competition, remedy=remedy_of(error, competition)) from error


def remedy_of(error: KaggleError, competition: str) -> str:
    """What to do about a refusal of a competition: accept its rules, or write the name that was meant."""
    page = f"https://www.kaggle.com/competitions/{competition}"
    if "rules" in error.problem.lower():
        return f"accept the rules at {page}/rules, then run the same command again"
    look = f"see whether {page} is the competition's page, and accept its rules there"
    names = known()
    return look if competition in names else did_you_mean(competition, names, look)


def known() -> list[str]:
    """Names of competitions that may have been meant: this project's, and those that the user has entered."""
    try:
        answer = ask("competitions.list_competitions", timeout=60, group="COMPETITION_LIST_TAB_ENTERED")
        entered = [str(entry.get("ref") or "").rstrip("/").split("/")[-1] for entry in answer.get("competitions") or []]
    except KaggleError:
        entered = []
    return [COMPETITION, *filter(None, entered)]

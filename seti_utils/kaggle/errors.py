"""What the site can answer other than success, each with its own name and remedy."""

from seti_utils.durations import spelled
from seti_utils.session.errors import KaggleError


class Passing(KaggleError):
    """A trouble that may be over in a while; ``wait`` is how many seconds the site asks for, None where it does not say."""

    wait: float | None = None


class NoClient(KaggleError):
    """The kaggle client is not installed beside this Python."""

    standard = "install it with `pip install -r requirements.txt`"


class Unauthorized(KaggleError):
    """Nobody is logged in, or the credentials are not accepted (401)."""

    standard = "make a token at https://www.kaggle.com/settings/api and save it, or run `kaggle auth login`"


class Forbidden(KaggleError):
    """The user may not do this (403): the site answers so for what belongs to others and for names that it does not know."""

    standard = (
        "compare owner/slug with its page, accept the competition's rules on its page, and log in again if the token is old"
    )


class NotFound(KaggleError):
    """There is no such kernel, dataset or competition (404)."""

    standard = "compare owner/slug with the address of its page"


class Conflict(KaggleError):
    """The name is taken, or the thing changed meanwhile (409)."""

    standard = "look at the page, then try again or choose another name"


class Throttled(Passing):
    """Too many requests (429); nothing was done."""

    exit_code = 75
    standard = "wait a minute and run the same command again"

    @classmethod
    def until(cls, wait: float | None, *, where: object = None) -> "Throttled":
        """The error of a 429 that asks to wait ``wait`` seconds."""
        later = None if wait is None else f"run the same command again in {max(1, round(wait / 60))} min"
        asked = "" if wait is None else f", and asks to wait {spelled(wait)}"
        error = cls(f"the site said: too many requests{asked}", where=where, remedy=later)
        error.wait = wait
        return error


class TooLarge(KaggleError):
    """The kernel's source does not fit (1 MB)."""

    standard = "build it with the package in a dataset (--transport dataset)"


class ServerTrouble(Passing):
    """The site failed (5xx): whether the request took effect is not known."""

    standard = "look at the kernel's page before trying again"


class ConnectionLost(Passing):
    """The connection broke or timed out: whether the request took effect is not known."""

    standard = "check the network and run the same command again"


class Unsettled(KaggleError):
    """A push's answer was lost, and whether it happened cannot be found out now."""

    exit_code = 75
    standard = "look at the kernel's page before pushing again"


class Capacity(KaggleError):
    """All sessions of the user are busy; nothing was pushed."""

    exit_code = 75
    standard = "wait for a run to end, or push with --wait-for-capacity"


class QuotaSpent(KaggleError):
    """The week's accelerator hours are not enough."""

    standard = "see `python -m seti_utils kaggle quota` for the day on which they come back"


class InvalidSources(KaggleError):
    """The site dropped inputs: the run has started without them."""

    standard = "correct the sources' owner/slug, and cancel the run that started without them"


class SlugMismatch(KaggleError):
    """Title and id disagree, so that the kernel would land, or landed, somewhere else."""

    standard = "let the id be the title in lower case with hyphens"


class BadKernel(KaggleError):
    """A kernel folder that must not be pushed; the text lists every finding with its remedy."""


class RunActive(KaggleError):
    """A run of this kernel is under way; pushing again would start a second session."""

    standard = "wait for it with `python -m seti_utils kaggle wait`, or cancel it"


class RunFailed(KaggleError):
    """A run ended without success."""

    exit_code = 3


class StillRunning(KaggleError):
    """Waiting took longer than allowed, or output of an unfinished run was asked for."""

    exit_code = 75
    standard = "wait for it with `python -m seti_utils kaggle wait`, or fetch what there is with --partial"


class NoSpace(KaggleError):
    """The disk cannot hold the download."""

    standard = "free some space or choose another folder"


class Refused(KaggleError):
    """The site refused the request for a reason of its own, in its own words; nothing was done."""

    standard = "read the site's words and look at the page of what was asked for"


class UnknownAnswer(KaggleError):
    """The client said something that this toolkit does not know; nothing is assumed."""

    standard = "read the answer; a newer client may need a newer toolkit"

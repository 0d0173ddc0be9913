"""What the site's answers mean: the typed error of a refusal, and whether a push succeeded in every respect."""

from seti_utils.kaggle.errors import (
    Capacity,
    Conflict,
    ConnectionLost,
    Forbidden,
    InvalidSources,
    NoClient,
    NotFound,
    QuotaSpent,
    Refused,
    ServerTrouble,
    SlugMismatch,
    Throttled,
    TooLarge,
    Unauthorized,
    UnknownAnswer,
)
from seti_utils.session.errors import KaggleError

KINDS: dict[int, type[KaggleError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: Throttled,
}
WORDS: tuple[tuple[tuple[str, ...], type[KaggleError]], ...] = (
    (("session count", "concurrent", "maximum number of", "maximum batch"), Capacity),
    (("quota", "hours remaining", "weekly"), QuotaSpent),
    (("already in use", "already exists", "taken"), Conflict),
)
"""What a refusal means that comes with status 200 and words alone, as those of a push do."""
SOURCES = {
    "invalidKernelSources": "kernel sources",
    "invalidDatasetSources": "dataset sources",
    "invalidCompetitionSources": "competition sources",
    "invalidModelSources": "model sources",
}


def error_of(error: dict, *, where: object = None) -> KaggleError:
    """The typed error of a call's "error" line (see :mod:`seti_utils.kaggle.child`)."""
    status, message = error["status"], " ".join(error["message"].split())[:300]
    if error["type"] == "network":
        return ConnectionLost(f"the connection broke: {message}", where=where)
    if error["type"] == "login":
        return Unauthorized(message, where=where)
    if error["type"] == "TooOld":
        return NoClient(f"the kaggle client is too old: {message}", where=where, remedy="pip install --upgrade kaggle")
    if status is None:
        if "No module named" in message:
            return NoClient(f"the kaggle client does not start: {message}", where=where)
        told = message if error["type"] == "crash" else f"{error['type']}: {message}"
        return UnknownAnswer(f"the client failed: {told}", where=where)
    if status == 429:
        return Throttled.until(error["wait"], where=where)
    kind = KINDS.get(status, ServerTrouble if status >= 500 else Refused)
    return kind(f"the site said: {message}", where=where)


def refusal(words: str, *, where: object = None) -> KaggleError:
    """The typed error of a refusal that came with status 200; ``Refused`` where its words are not known."""
    kind = next((kind for signs, kind in WORDS if any(sign in words.lower() for sign in signs)), Refused)
    return kind(f"the site said: {' '.join(words.split())[:300]}", where=where)


def read_push(answer: dict, kernel: str) -> tuple[int, str]:
    """Version number and address of a push that succeeded in every respect: no source dropped, and the right address.

    Raises the typed error otherwise; ``InvalidSources`` and ``SlugMismatch`` after the fact say which version runs where.
    """
    if answer.get("error"):
        raise refusal(answer["error"], where=kernel)
    version, address = int(answer.get("versionNumber") or 0), answer.get("url") or ""
    if not address:
        raise UnknownAnswer(f"the site tells no address: {str(answer)[:200]}", where=kernel)
    dropped = {what: answer[key] for key, what in SOURCES.items() if answer.get(key)}
    if dropped:
        listed = "; ".join(f"{what}: {', '.join(names)}" for what, names in dropped.items())
        raise InvalidSources(f"version {version} was pushed without {listed}", where=kernel)
    landed = "/".join(address.split("?")[0].rstrip("/").split("/")[-2:])
    if landed.lower() != kernel.lower():
        raise SlugMismatch(f"version {version} landed at {landed}", where=kernel)
    return version, address

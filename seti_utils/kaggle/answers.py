"""Reads the client's printed answers. The exit status says little; these texts are what there is."""

import re

from seti_utils.kaggle.errors import (
    Capacity,
    Conflict,
    ConnectionLost,
    Forbidden,
    InvalidSources,
    NotFound,
    QuotaSpent,
    ServerTrouble,
    SlugMismatch,
    Throttled,
    TooLarge,
    Unauthorized,
    UnknownAnswer,
)
from seti_utils.session.errors import KaggleError

# The client prints only the message of a JSON error, without its status, so words are all there is to go by.
SIGNS: tuple[tuple[str, type[KaggleError]], ...] = (
    (r"session count|maximum (batch|number).*session|concurrent .*session", Capacity),
    (r"quota|hours remaining|weekly .*limit", QuotaSpent),
    (r"Authentication required|Unauthenticated|\b401\b|Invalid credentials", Unauthorized),
    (r"\b429\b|too many requests|rate.?limit|throttl", Throttled),
    (r"\b413\b|too large|exceeds the (size|maximum)", TooLarge),
    (
        r"\b5\d\d (Server|Client)|returned 5\d\d|Internal|Bad Gateway|Service Unavailable|Gateway Time|problem on Kaggle's side",
        ServerTrouble,
    ),
    (r"\b404\b|not found|does not exist|Could not find", NotFound),
    (r"\b403\b|Permission|Forbidden|denied|accept .*rules|Cannot access|don't have access", Forbidden),
    (r"\b409\b|conflict|already (in use|exists)|\btaken\b", Conflict),
    (
        r"Connection|Max retries|IncompleteRead|timed? ?out|RemoteDisconnected|Expecting value|ProxyError|"
        r"Temporary failure|JSONDecodeError|does not match expected size",
        ConnectionLost,
    ),
)


def error_of(text: str, *, where: object = None) -> KaggleError:
    """The typed error that a failed call's text tells of; ``UnknownAnswer`` with the text where none is recognised."""
    lines = [line for line in text.splitlines() if line.strip()]
    words = re.sub(r"url: \S+|https?://\S+", "", text)  # an address names the call, not the trouble
    kind = next((kind for sign, kind in SIGNS if re.search(sign, words, re.I)), UnknownAnswer)
    said = " ".join(lines[:2])
    return kind(f"the site said: {said[:300]}" if said else "the client failed without a word", where=where)


def read_push(text: str, kernel: str) -> tuple[int, str]:
    """Version number and address of a push that succeeded in every respect.

    Success is "successfully pushed", nothing "not valid", and the address of ``kernel`` ("owner/slug"). Raises the
    typed error otherwise; ``InvalidSources`` and ``SlugMismatch`` after the fact say which version runs where.
    """
    failed = re.search(r"Kernel push error: (.*)", text)
    if failed:
        raise error_of(failed[1], where=kernel)
    pushed = re.search(r"Kernel version (?:(\d+) )?successfully pushed\.\s+Please check progress at (\S+)", text)
    if not pushed:
        raise error_of(text, where=kernel)
    version, address = int(pushed[1] or 0), pushed[2]
    dropped = re.findall(r"The following are not valid (.*?) (?:and )?could not be added to the kernel: (.*)", text)
    if dropped:
        listed = "; ".join(f"{what.removesuffix(' and')}: {names}" for what, names in dropped)
        raise InvalidSources(f"version {version} was pushed without {listed}", where=kernel)
    landed = "/".join(address.split("?")[0].rstrip("/").split("/")[-2:])
    if landed.lower() != kernel.lower():
        raise SlugMismatch(f"version {version} landed at {landed}", where=kernel)
    return version, address


def read_status(text: str, kernel: str) -> tuple[str, str]:
    """Status in capitals (QUEUED RUNNING COMPLETE ERROR CANCEL_…) and the failure message of a kernel's last run."""
    found = re.search(r'has status "(?:KernelWorkerStatus\.)?(\w+)"', text)
    if not found:
        raise error_of(text, where=kernel)
    message = re.search(r'Failure message: "(.*)"', text, re.S)
    return canonical(found[1]), message[1].strip() if message else ""


def canonical(status: str) -> str:
    """One spelling per status: older clients print cancelAcknowledged for CANCEL_ACKNOWLEDGED."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()

"""How runs are doing: one table for many kernels, live in a terminal, quiet in a log."""

import json
import re
from dataclasses import dataclass
from typing import Any

from seti_utils.kaggle.client import ask
from seti_utils.session.errors import KaggleError

ACTIVE = ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")
CAUSES = (
    (r"CUDA out of memory|OutOfMemoryError", "the GPU's memory was full: smaller batch or image"),
    (
        r"DeadKernelError|Kernel died|exit code 137|SIGKILL|MemoryError",
        "the session's memory was full, or the kernel died",
    ),
    (
        r"No CUDA GPUs|CUDA is not available|no kernel image|sm_\d+ is not compatible",
        "no usable GPU: set machine_shape NvidiaTeslaT4",
    ),
    (
        r"exceeded the max allowed execution|time ?limit|Timeout.*execution|12 hours",
        "the session's time limit: build with a smaller --budget",
    ),
    (
        r"seti_utils is not here",
        "the package did not come along: push with `python -m seti_utils kaggle build`",
    ),
    (
        r"is not mounted|no competition data|no output of a|/kaggle/input",
        "an input is not mounted: look at the kernel's sources",
    ),
    (r"No space left", "the disk was full: 20 GB in /kaggle/working"),
    (
        r"ModuleNotFoundError|ImportError",
        "a package is missing: build the kernel with `python -m seti_utils kaggle build`",
    ),
)


@dataclass(frozen=True)
class Status:
    """State of a kernel's last run; ``message`` is the site's failure message."""

    kernel: str
    state: str
    message: str = ""

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


def named(kernel: str) -> dict[str, Any]:
    """ "owner/slug" as the fields of a remote call."""
    owner, slug = kernel.split("/")
    return {"userName": owner, "kernelSlug": slug}


def status(kernel: str) -> Status:
    """Ask for the state of ``kernel`` ("owner/slug"). Raises the typed error of a failed call."""
    answer = ask("kernels.get_kernel_session_status", where=kernel, timeout=120, **named(kernel))
    return Status(kernel, str(answer["status"]), (answer.get("failureMessage") or "").strip())


def explain(state: Status, lines: int = 15) -> str:
    """A failed run in words: state, message, likely cause, and the tail of its log where it can be had."""
    try:
        log = read_log(state.kernel)
    except KaggleError as error:
        log = f"(no log: {error.problem})"
    cause = "cancelled" if state.state.startswith("CANCEL") else likely_cause(f"{state.message}\n{log}")
    tail = "\n".join(f"    {line}" for line in log.splitlines()[-lines:])
    return f"{state.kernel}: {state.state}{': ' + state.message if state.message else ''}; likely cause: {cause}\n{tail}"


def likely_cause(text: str) -> str:
    """What a failed run's log points to; the first sign that fits."""
    return next((cause for sign, cause in CAUSES if re.search(sign, text, re.I)), "not recognised: read the log")


def read_log(kernel: str) -> str:
    """The log of a kernel's last run as plain text; downloads no other output."""
    answer = ask("kernels.list_kernel_session_output", where=kernel, timeout=300, pageSize=1, **named(kernel))
    return plain_log(answer.get("log") or "")


def plain_log(text: str) -> str:
    """A served log (a JSON array of stream pieces) as text; anything else as it is."""
    try:
        return "".join(piece.get("data", "") for piece in json.loads(text))
    except (ValueError, AttributeError, TypeError):
        return text

"""How runs are doing: one table for many kernels, live in a terminal, quiet in a log."""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seti_utils.kaggle.answers import read_status
from seti_utils.kaggle.cli import ask
from seti_utils.kaggle.errors import ConnectionLost, RunFailed, ServerTrouble, StillRunning, Throttled
from seti_utils.session.errors import KaggleError

ACTIVE = ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")
PASSING = (ConnectionLost, ServerTrouble, Throttled)
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
        "the session's time limit: set a smaller --hours",
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


def status(kernel: str) -> Status:
    """Ask for the state of ``kernel`` ("owner/slug"). Raises the typed error of a failed call."""
    state, message = read_status(ask("kernels", "status", kernel, timeout=120).text, kernel)
    return Status(kernel, state, message)


def wait(
    kernels: list[str],
    *,
    every: float = 60,
    timeout: float | None = None,
    show: Callable[[str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Status]:
    """Wait until no kernel runs any more; raises ``RunFailed`` naming each failure, its likely cause and log tail.

    Asks every ``every`` seconds; ten passing troubles in a row (network, 5xx, throttling) are borne, with growing
    pauses. ``timeout`` in seconds raises ``StillRunning``. ``show`` gets the table whenever it has changed.
    """
    show, started, states, troubles = show or table_writer(), clock(), {}, 0
    while True:
        pause = every
        for kernel in kernels:
            if kernel in states and not states[kernel].active:
                continue
            try:
                states[kernel], troubles = status(kernel), 0
            except PASSING:
                troubles += 1
                if troubles >= 10:
                    raise
                pause = max(pause, min(2**troubles, 300))
        show(table(kernels, states, clock() - started))
        if len(states) == len(kernels) and not any(state.active for state in states.values()):
            break
        if timeout is not None and clock() - started + pause > timeout:
            raise StillRunning(
                f"not done after {clock() - started:.0f} s: "
                + ", ".join(kernel for kernel in kernels if kernel not in states or states[kernel].active)
            )
        sleep(pause)
    failed = [state for state in states.values() if state.state != "COMPLETE"]
    if failed:
        raise RunFailed("\n".join(explain(state) for state in failed))
    return states


def table(kernels: list[str], states: dict[str, Status], seconds: float) -> str:
    """One line per kernel with its state, and the time waited."""
    wide = max(map(len, kernels))
    lines = [f"{kernel:{wide}}  {states[kernel].state if kernel in states else '?'}" for kernel in kernels]
    return "\n".join([*lines, f"after {seconds / 60:.0f} min"])


def table_writer() -> Callable[[str], None]:
    """Writes tables to standard error: over the previous one in a terminal, only changed states in a log."""
    live, last = sys.stderr.isatty(), []

    def write(text: str) -> None:
        states = text.rsplit("\n", 1)[0]
        if live and last:
            sys.stderr.write(f"\x1b[{last[-1].count(chr(10)) + 2}A\x1b[J")
        if live or not last or last[-1] != states:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        last[:] = [states]

    return write


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
    with tempfile.TemporaryDirectory() as folder:
        ask("kernels", "output", kernel, "-p", folder, "--file-pattern", r"^\b$", timeout=300)
        path = Path(folder) / f"{kernel.split('/')[1]}.log"
        return plain_log(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else ""


def plain_log(text: str) -> str:
    """A served log (a JSON array of stream pieces) as text; anything else as it is."""
    try:
        return "".join(piece.get("data", "") for piece in json.loads(text))
    except (ValueError, AttributeError, TypeError):
        return text

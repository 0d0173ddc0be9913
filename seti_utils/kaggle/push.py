"""Pushes a kernel once, and knows whether it did."""

import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from seti_utils.files import write_json
from seti_utils.kaggle.answers import read_push
from seti_utils.kaggle.check import require_good
from seti_utils.kaggle.client import ask, user
from seti_utils.kaggle.embed import package_of, stamp
from seti_utils.kaggle.errors import (
    Capacity,
    ConnectionLost,
    Forbidden,
    InvalidSources,
    NotFound,
    RunActive,
    ServerTrouble,
    UnknownAnswer,
    Unsettled,
)
from seti_utils.kaggle.metadata import METADATA_FILE
from seti_utils.kaggle.poll import poll
from seti_utils.kaggle.status import named, status
from seti_utils.session.errors import KaggleError

JOURNAL = "pushed.json"


@dataclass(frozen=True)
class Pushed:
    """One push: ``run_id`` names the run it started ("" for a notebook that was not built here).

    ``version`` is 0 where the answer was lost and only the source on the site could be confirmed.
    """

    kernel: str
    version: int
    run_id: str
    package_sha256: str
    url: str
    time: str


def push(
    folder: str | Path,
    *,
    wait_for_capacity: float = 0,
    owner: str | None = None,
    run_id: str | None = None,
    extra_kernel_sources: tuple[str, ...] = (),
    run: bool = True,
    tries: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> Pushed:
    """Push the kernel in ``folder`` after checking it, and note it in ``folder/pushed.json``.

    ``run`` False saves a version without running it: the site looks whether it knows every source and takes no quota;
    nothing is noted then, and the client must be 2.2.5 or newer.

    Refuses while a run of it is active. Every push gets a run id of its own, which its output must show. Throttling
    is waited out with doubling pauses; a full house for ``wait_for_capacity`` seconds. When an answer is lost the
    kernel's source on the site decides whether the push had happened: it is never repeated before that is known.
    Raises ``BadKernel``, ``RunActive``, ``Capacity``, ``InvalidSources``, ``SlugMismatch``, ``Unauthorized``,
    ``Throttled``, ``TooLarge`` or another ``KaggleError``.
    """
    folder = Path(folder)
    metadata = require_good(folder, owner or user())
    kernel, run_id = metadata["id"], run_id or new_run_id()
    if run:
        require_idle(kernel)
    with tempfile.TemporaryDirectory() as place:
        text = stamped_copy(folder, Path(place), metadata, run_id, extra_kernel_sources)
        run_id = run_id if run_id in text else ""
        try:
            version, url = push_once(Path(place), kernel, run_id, wait_for_capacity, tries, sleep, run)
            if metadata.get("model_sources"):
                require_models(kernel, metadata["model_sources"])
        except InvalidSources as wrong:
            if run:
                raise
            remedy = "correct the sources' owner/slug and build again; nothing runs"
            raise InvalidSources(wrong.problem.replace("was pushed", "was saved"), where=kernel, remedy=remedy) from wrong
    pushed = Pushed(kernel, version, run_id, package_of(text), url, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    if run:
        write_json(folder / JOURNAL, [*read_pushes(folder), asdict(pushed)])
    return pushed


def new_run_id() -> str:
    """A name for a run that no other has."""
    return secrets.token_hex(8)


def read_pushes(folder: str | Path) -> list[dict]:
    """Every push noted in a kernel folder, oldest first."""
    path = Path(folder) / JOURNAL
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def require_idle(kernel: str) -> None:
    """Raise ``RunActive`` while a run of ``kernel`` is queued or running; a kernel that is not there yet is idle."""
    try:
        state = status(kernel)
    except (NotFound, Forbidden):
        return
    if state.active:
        raise RunActive(f"a run is {state.state.lower()}", where=kernel)


def stamped_copy(folder: Path, place: Path, metadata: dict, run_id: str, extra: tuple[str, ...]) -> str:
    """Copy a kernel into ``place`` with its run id set and sources added; returns the notebook's text."""
    text = stamp((folder / metadata["code_file"]).read_text(encoding="utf-8"), run_id)
    (place / "notebook.ipynb").write_text(text, encoding="utf-8")
    sources = list(dict.fromkeys([*metadata.get("kernel_sources", []), *extra]))
    write_json(place / METADATA_FILE, {**metadata, "code_file": "notebook.ipynb", "kernel_sources": sources})
    return text


def push_once(
    folder: Path,
    kernel: str,
    run_id: str,
    wait_for_capacity: float,
    tries: int,
    sleep: Callable[[float], None],
    run: bool = True,
) -> tuple[int, str]:
    """Push ``folder`` until it is certain that it has happened exactly once; returns version and address."""
    full = Capacity("no session is free", where=kernel)

    def attempt() -> tuple[int, str]:
        try:
            quick = {} if run else {"no_run": True}
            return read_push(ask("kernels_push", where=kernel, folder=str(folder), **quick), kernel)
        except (UnknownAnswer, ConnectionLost, ServerTrouble):
            if arrived(kernel, run_id):
                return 0, f"https://www.kaggle.com/code/{kernel}"
            raise

    def attempt_if_free() -> tuple[int, str] | None:
        nonlocal full
        try:
            return poll(attempt, every=30, grow=15, bear=tries, sleep=sleep)
        except Capacity as taken:
            full = taken
            if wait_for_capacity:
                print(f"{taken.problem}; asking again in a minute", file=sys.stderr)
            return None

    return poll(attempt_if_free, every=60, longest=wait_for_capacity, late=lambda passed: full, bear=1, sleep=sleep)


def arrived(kernel: str, run_id: str) -> bool:
    """Whether the kernel's source on the site carries ``run_id``; raises when that cannot be found out.

    A notebook that was not built here has no room for a run id, so nothing can be told about it.
    """
    if not run_id:
        raise Unsettled("the push's answer was lost, and this notebook carries no run id to look for", where=kernel)
    try:
        answer = ask("kernels.get_kernel", where=kernel, timeout=300, **named(kernel))
    except (NotFound, Forbidden):
        return False
    except KaggleError as error:
        raise Unsettled(
            f"the push's answer was lost, and so was the question whether it arrived ({error.problem})", where=kernel
        ) from error
    return run_id in ((answer.get("blob") or {}).get("source") or "")


def require_models(kernel: str, wanted: list[str]) -> None:
    """Raise ``InvalidSources`` if the site dropped a model source, which its answer to a push may not tell."""
    answer = ask("kernels.get_kernel", where=kernel, timeout=300, **named(kernel))
    have = [name.lower() for name in (answer.get("metadata") or {}).get("modelDataSources") or []]
    lost = [name for name in wanted if name.lower() not in have]
    if lost:
        raise InvalidSources(f"pushed without the models {', '.join(lost)}", where=kernel)

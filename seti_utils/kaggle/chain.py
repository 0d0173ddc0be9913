"""Plays a plan to its end: a few runs at a time, from a journal that survives a closed laptop."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seti_utils.errors import InputError
from seti_utils.files import write_json
from seti_utils.kaggle.build import build
from seti_utils.kaggle.client import ask, user
from seti_utils.kaggle.datasets import upload_dataset
from seti_utils.kaggle.errors import Capacity, NotFound, Passing, RunActive, RunFailed, StillRunning, Throttled, Unsettled
from seti_utils.kaggle.fetch import fetch
from seti_utils.kaggle.journal import DONE, FAILED, PATIENCE, PUSHING, RUNNING, WAITING, Journal, held
from seti_utils.kaggle.metadata import read_metadata
from seti_utils.kaggle.plan import Plan, Task, expand
from seti_utils.kaggle.poll import poll
from seti_utils.kaggle.push import arrived, new_run_id, push
from seti_utils.kaggle.quota import need
from seti_utils.kaggle.recipe import repository, resolve
from seti_utils.kaggle.status import explain, status
from seti_utils.session.errors import HostileName, Unverified
from seti_utils.session.machines import find_machine
from seti_utils.session.runfile import RUN_FILE, verify_run
from seti_utils.wording import quantity

DOUBTS = 3
"""Looks at a wrong-looking output before it counts as wrong: the client may have saved an error page in its place."""


def run_chain(
    plan: Plan,
    *,
    out: Path = Path("runs/kaggle"),
    root: Path | None = None,
    builds: Path = Path("build"),
    every: float = 60,
    sleep: Callable[[float], None] = time.sleep,
    say: Callable[[str], None] | None = None,
    retry_failed: bool = False,
) -> dict[str, dict]:
    """Push, follow and fetch every kernel of ``plan``; returns the journal's entries.

    A kernel starts when all it needs are done and fewer than ``plan.at_once`` runs are active. A training that the time
    budget ended is pushed again with its own output mounted, up to ``plan.sessions`` times. A failure stops only what needs
    it. ``out/<plan>/journal.json`` is written before and after each push, so that the same call resumes where a stopped one
    was, and pushes nothing twice: a push whose answer was lost is settled by the source on the site; ``retry_failed`` gives
    failures another try. Raises ``RunFailed`` with every failure when nothing more can start, the last trouble when the site
    stays away, and ``RunActive`` while another process plays this plan.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    owner, home = user(), out / plan.name
    tasks = resolved(plan, owner, root)
    with held(home):
        journal = Journal(home / "journal.json")
        for task in tasks:
            if journal.of(task)["state"] == FAILED and retry_failed:
                journal.set(task, state=WAITING)
        fresh = {task.kernel: shape_of(task, root) for task in tasks if journal.of(task)["state"] == WAITING}
        fresh = {kernel: shape for kernel, shape in fresh.items() if shape}
        say_quota(fresh, home, say)

        def turn() -> dict[str, dict] | None:
            journal.new_round()
            for task in tasks:
                if journal.of(task)["state"] == PUSHING:
                    settle(task, journal, say)
                if journal.of(task)["state"] == RUNNING:
                    follow(task, plan, journal, home, say)
            start_ready(tasks, plan, journal, owner, root, builds, say)
            if not active(tasks, journal) and not ready(tasks, journal):
                return conclude(tasks, plan, journal)
            journal.end_round()
            return None

        return poll(turn, every=every, bear=PATIENCE, sleep=sleep)


def conclude(tasks: list[Task], plan: Plan, journal: Journal) -> dict[str, dict]:
    """The journal's entries when all is done; raises ``RunFailed`` with every failure otherwise."""
    failures = [journal.of(task)["problem"] for task in tasks if journal.of(task)["state"] == FAILED]
    if failures:
        blocked = sum(journal.of(task)["state"] == WAITING for task in tasks)
        raise RunFailed(
            "\n".join([f"{len(failures)} failed, {blocked} not started", *failures]),
            where=plan.name,
            remedy="remove the cause and run the chain again with --retry-failed",
        )
    return {task.kernel: journal.of(task) for task in tasks}


def shape_of(task: Task, root: Path | None) -> str:
    """The machine_shape that a task's kernel asks for, "" for none."""
    if task.stage.machine is None:
        return read_metadata(root or repository()).get("machine_shape", "")
    machine = find_machine(task.stage.machine)
    return machine.shape if machine else ""


def say_quota(kernels: dict[str, str], runs: Path, say: Callable[[str], None]) -> None:
    """What the kernels that have not begun will need of the week's hours; a chain does not depend on that answer."""
    if kernels:
        try:
            say(need(kernels, runs))
        except Passing as later:
            say(f"the quota is not known ({later.problem[:120]})")


def settle(task: Task, journal: Journal, say: Callable[[str], None]) -> None:
    """Find out whether a push that began, and whose end nobody saw, had happened."""
    try:
        happened = arrived(task.kernel, journal.of(task)["run_id"])
    except (Passing, Unsettled) as later:
        say(f"{task.kernel}: no answer, will ask again ({later.problem[:120]})")
        journal.unanswered(later)
        return
    journal.answered = True
    journal.set(task, state=RUNNING if happened else WAITING, pushes=journal.of(task)["pushes"] - (not happened))


def active(tasks: list[Task], journal: Journal) -> int:
    """How many runs are, or may be, under way."""
    return sum(journal.of(task)["state"] in (PUSHING, RUNNING) for task in tasks)


def ready(tasks: list[Task], journal: Journal) -> list[Task]:
    """Tasks that wait for nothing but a free session."""
    done = {task.kernel for task in tasks if journal.of(task)["state"] == DONE}
    return [task for task in tasks if journal.of(task)["state"] == WAITING and done.issuperset(task.needs)]


def start_ready(
    tasks: list[Task],
    plan: Plan,
    journal: Journal,
    owner: str,
    root: Path | None,
    builds: Path,
    say: Callable[[str], None],
) -> None:
    """Push what can start, until ``plan.at_once`` runs are active or the site is full."""
    for task in ready(tasks, journal):
        if active(tasks, journal) >= plan.at_once:
            return
        before = journal.of(task)
        try:
            start(task, journal, owner, root, builds)
            say(f"{task.kernel}: pushed, session {journal.of(task)['pushes']} of at most {plan.sessions}")
        except (Capacity, Throttled, RunActive) as later:
            journal.set(task, **before)
            say(f"{task.kernel}: later ({later.problem})")
            journal.unanswered(later)
            return
        except (Passing, Unsettled) as lost:
            say(f"{task.kernel}: not known whether it was pushed ({lost.problem})")
            return
        except InputError as error:
            fail(task, journal, say, f"{task.kernel}: {error}")


def arguments_of(task: Task, owner: str) -> dict[str, Any]:
    """A task's kernel as arguments of ``build`` and ``resolve``."""
    stage = task.stage
    return {
        "stage": stage.notebook,
        "owner": owner,
        "experiment": task.experiment,
        "folds": task.folds,
        "seeds": task.seeds,
        "parameters": stage.parameters,
        "kernel_sources": task.needs,
        "dataset_sources": [name.replace("{owner}", owner) for name in stage.datasets],
        "model_sources": stage.models,
        "machine": stage.machine,
    }


def resolved(plan: Plan, owner: str, root: Path | None) -> list[Task]:
    """Every kernel of ``plan``; raises ``InputError`` naming plan and stage for the first that could not be built."""
    tasks = expand(plan, owner)
    for task in tasks:
        try:
            resolve(root=root, **arguments_of(task, owner))
        except InputError as error:
            where = f"{plan.name}, stage {task.stage.name}" + (f", {error.where}" if error.where else "")
            raise InputError(error.problem, where=where, line=error.line, row=error.row, remedy=error.remedy) from error
    return tasks


def start(task: Task, journal: Journal, owner: str, root: Path | None, builds: Path) -> None:
    """Build and push one kernel, with its own output mounted where it continues an earlier session."""
    entry = journal.of(task)
    built = build(root=root, out=builds, **arguments_of(task, owner))
    if built.package_folder and built.package_sha256 not in journal.uploaded:
        upload_dataset(built.package_folder)
        journal.uploaded.add(built.package_sha256)
    run_id, again = new_run_id(), entry["pushes"] > 0
    journal.doubts.pop(task.kernel, None)
    journal.set(task, state=PUSHING, run_id=run_id, package_sha256=built.package_sha256, pushes=entry["pushes"] + 1)
    push(built.folder, owner=owner, run_id=run_id, extra_kernel_sources=(task.kernel,) if again else (), tries=1)
    journal.set(task, state=RUNNING)


def follow(task: Task, plan: Plan, journal: Journal, out: Path, say: Callable[[str], None]) -> None:
    """Look how a run is doing, and take its output when it is complete."""
    try:
        state = status(task.kernel)
        journal.answered = True
        if state.active:
            return
        if state.state != "COMPLETE":
            fail(task, journal, say, explain(state))
            return
        expected = {
            "run_id": journal.of(task)["run_id"],
            "package_sha256": journal.of(task)["package_sha256"],
            "experiment": task.experiment,
            "folds": task.folds,
            "seeds": task.seeds,
        }
        run = peek(task.kernel, expected)
        write_json(out / "cards" / task.kernel.split("/")[1] / RUN_FILE, run)
        if not run["finished"]:
            continue_later(task, plan, journal, say, run)
            return
        home = out / task.kernel.split("/")[1]
        if task.stage.fetch and not (home / RUN_FILE).is_file():
            fetch(task.kernel, home, **expected)
        journal.set(task, state=DONE, fingerprint=run["fingerprint"])
        say(f"{task.kernel}: done")
    except (Passing, StillRunning) as later:
        say(f"{task.kernel}: no answer, will ask again ({later.problem[:120]})")
        journal.unanswered(later)
    except Unverified as wrong:
        if journal.doubt(task) < DOUBTS:
            say(f"{task.kernel}: looking again ({wrong.problem[:120]})")
        else:
            fail(task, journal, say, f"{task.kernel}: {wrong}")
    except (HostileName, NotFound, RunFailed) as wrong:
        fail(task, journal, say, f"{task.kernel}: {wrong}")


def continue_later(task: Task, plan: Plan, journal: Journal, say: Callable[[str], None], run: dict) -> None:
    """Put a training that the time budget ended back in the queue, unless it had its share of sessions."""
    if journal.of(task)["pushes"] >= plan.sessions:
        fail(task, journal, say, f"{task.kernel}: not finished after {quantity(plan.sessions, 'session')} ({run['reason']})")
    else:
        journal.set(task, state=WAITING)
        say(f"{task.kernel}: {run['reason']}; the next session continues it")


def fail(task: Task, journal: Journal, say: Callable[[str], None], problem: str) -> None:
    """Note a failure."""
    journal.set(task, state=FAILED, problem=problem)
    say(problem.splitlines()[0])


def peek(kernel: str, expected: dict) -> dict:
    """A complete run's run.json alone, of the expected run; its files are left where they are."""
    with tempfile.TemporaryDirectory() as place:
        ask("kernels_output", where=kernel, kernel=kernel, path=place, file_pattern=r"^run\.json$", force=True)
        return verify_run(place, files=False, **expected)


def describe(plan: Plan, owner: str, root: Path | None = None, home: Path | None = None) -> str:
    """The kernels of a plan, one per line, with what they need; every one of them could be built. Raises ``InputError``.

    With ``home``, the folder of fetched runs, the last line tells what they will take of the week's GPU hours.
    """
    tasks = resolved(plan, owner, root)
    lines = [
        f"{task.kernel}" + (f"  <- {', '.join(name.split('/')[1] for name in task.needs)}" if task.needs else "")
        for task in tasks
    ]
    costs: list[str] = []
    if home is not None:
        shapes = {task.kernel: shape_of(task, root) for task in tasks}
        say_quota({kernel: shape for kernel, shape in shapes.items() if shape}, home, costs.append)
    return "\n".join([f"{quantity(len(lines), 'kernel')}, at most {plan.at_once} at once", *lines, *costs])

"""Every GPU of a machine: one fold each, or all of them on one batch. Plain subprocesses and torchrun, no engine."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from seti_utils.errors import InputError, Paused
from seti_utils.run.runtime import Runtime

POLL_S = 0.2


def command_of(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime, retry: int) -> list[str]:
    """The words of ``python -m seti_utils train`` for these folds."""
    coordinates = ["--folds", ",".join(map(str, folds)), "--seeds", *map(str, seeds), "--retry", str(retry)]
    return ["-m", "seti_utils", "train", name, *coordinates, *runtime.words()]


def launch(
    mode: str,
    name: str,
    folds: Sequence[int],
    seeds: Sequence[int],
    runtime: Runtime,
    *,
    retry: int = 0,
    say: Callable[[str], None] = print,
) -> None:
    """Train on all GPUs of this machine; without one, on as many CPU processes as there are folds, at most two.

    ``mode="folds"``: every process has its own GPU and its own folds. ``"ranks"``: torchrun, every batch shared.
    Output streams through ``say``, each line with its process; when one fails, the others are ended and
    ``InputError`` is raised with its last line.
    """
    gpus = [] if runtime.device == "cpu" else visible_gpus()
    if gpus:
        runtime = replace(runtime, device="auto")  # each process sees one GPU, or takes that of its rank
    if mode == "ranks":
        ranks = len(gpus) or 2
        run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        words = command_of(name, folds, seeds, runtime, retry)
        follow({"ranks": ([sys.executable, *run, *words], {})}, say)
        return
    places = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [{}, {}]
    jobs = {}
    for number, place in enumerate(places[: len(folds)]):
        share = list(folds[number :: len(places)])
        jobs[f"folds {','.join(map(str, share))}"] = ([sys.executable, *command_of(name, share, seeds, runtime, retry)], place)
    follow(jobs, say)


def visible_gpus() -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` must be for a process to see one of the GPUs that this one may use, each.

    Numbers, GPU- and MIG- names are passed on as they stand there: a scheduler that gave us 2 and 3 keeps 0 and 1 for others.
    Counted without starting CUDA here, which would take memory on the first GPU.
    """
    if said := os.environ.get("CUDA_VISIBLE_DEVICES", "").strip():
        names = [name.strip() for name in said.split(",")]
        return names[: torch.cuda.device_count()]
    return [str(number) for number in range(torch.cuda.device_count())]


def started(words: list[str], extra: dict[str, str]) -> subprocess.Popen[str]:
    """A process that finds this package and says each line as soon as it has it; ``extra`` goes into its environment."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        bufsize=1,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": path} | extra,
    )


def follow(jobs: dict[str, tuple[list[str], dict[str, str]]], say: Callable[[str], None]) -> None:
    """Run ``{label: (words, extra environment)}`` side by side, streaming their lines; the first failure ends all.

    A process that stops in good order (its time budget is spent) ends no other; ``Paused`` is raised after all.
    """
    running, last, paused = {}, {}, {}

    def stream(label: str, process: subprocess.Popen) -> None:
        with process.stdout or nullcontext(()) as lines:
            for line in lines:
                last[label] = line.rstrip()
                if last[label].startswith("stopped"):  # torchrun hides its ranks' exit codes
                    paused[label] = last[label].removeprefix("stopped: ")
                say(f"[{label}] {last[label]}")

    readers = {}
    try:
        for label, (words, extra) in jobs.items():
            running[label] = started(words, extra)
            readers[label] = threading.Thread(target=stream, args=(label, running[label]), daemon=True)
            readers[label].start()
        waiting = dict(running)
        while waiting:
            for label, process in list(waiting.items()):
                try:
                    code = process.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    continue
                del waiting[label]
                readers[label].join(timeout=5)
                if code and label not in paused:
                    raise InputError(
                        f"ended with exit code {code}: {last.get(label, 'no output')}",
                        where=label,
                        remedy="see its lines above; the same command resumes from the last saved step",
                    )
    finally:
        for process in running.values():
            if process.poll() is None:
                process.terminate()
        for process in running.values():
            process.wait()
        for reader in readers.values():
            reader.join(timeout=5)
    if paused:
        raise Paused(next(iter(paused.values())))

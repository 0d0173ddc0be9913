"""Blocks searched by processes of this machine or a Dask cluster: the same bytes either way."""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import torch

from seti_utils.errors import InputError, UserError
from seti_utils.learn.memory import keep_memory
from seti_utils.machine import cores
from seti_utils.telescope.ahead import Task, in_groups, search_group
from seti_utils.telescope.blocks import Found, Search, search_block

SEARCHES: dict[int, Search] = {}
"""In a worker process: the searches that it has blocks of."""

ATTEMPTS = 3
"""How often a block is given to a cluster's workers before it counts as the one that kills them."""


def search_here(
    searches: Sequence[Search],
    tasks: Sequence[Task],
    processes: int | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[tuple[Task, Found]]:
    """Search ``tasks`` in ``processes`` processes (default: one per core, as many as there are tasks at most).

    Results come as they are finished. A device other than the CPU is used by this process alone. ``meanwhile``: what this process
    does as soon as one of the others has nothing left to do and its core is free.
    """
    count = min(processes or cores(), len(tasks))
    if count <= 1 or any(search.device != "cpu" for search in searches):
        keep_memory()
        for group in in_groups(tasks, 1):
            yield from search_group(searches, group)
        return
    with workers(count, searches) as pool:
        futures = [pool.submit(search_tasks, group) for group in in_groups(tasks, count)]
        for left, future in zip(reversed(range(len(futures))), as_completed(futures), strict=True):
            yield from future.result()
            if left == count - 1:
                meanwhile()


@contextmanager
def workers(count: int, searches: Sequence[Search]) -> Iterator[ProcessPoolExecutor]:
    """``count`` processes that hold ``searches``. Raises ``UserError`` when one is killed from outside."""
    for search in searches:
        search.cadence.close()  # a file that is open is not shared between processes
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() and not torch.cuda.is_initialized() else "spawn"
    context = multiprocessing.get_context(method)
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=begin_worker, initargs=(dict(enumerate(searches)),))
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed from outside (out of memory?): give the same command again, with fewer --processes"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def begin_worker(searches: dict[int, Search]) -> None:
    """Make a process ready: Ctrl-C is the parent's to handle, a block uses one thread, what it frees the next one takes, and no
    garbage is looked for in what the parent made, every page of which would be copied."""
    keep_memory()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    SEARCHES.update(searches)


def search_tasks(group: Sequence[Task]) -> list[tuple[Task, Found]]:
    """Some neighbouring blocks, in a worker process."""
    return list(search_group(SEARCHES, group))


def search_on_cluster(address: str, searches: Sequence[Search], tasks: Sequence[Task]) -> Iterator[tuple[Task, Found]]:
    """Search ``tasks`` on the Dask cluster whose scheduler is at ``address``.

    A worker that dies loses nothing: its blocks go to others. Files have to be readable by the workers under the same
    paths, and this package has to be installed there. Raises ``InputError`` when the cluster cannot be reached.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed import as_completed as completed
    except ImportError:
        raise InputError("--dask needs the package distributed", remedy="pip install 'seti-utils[cluster]'") from None
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"no Dask scheduler answers at {address} ({error})", remedy="start one: dask scheduler") from None
    with client:
        for search in searches:
            search.cadence.close()
        held: list[Any] = list(client.scatter(list(searches), broadcast=True))  # pyright: ignore[reportArgumentType]
        futures = {
            client.submit(search_block, held[number], *block, pure=False, retries=ATTEMPTS): (number, block)
            for number, block in tasks
        }
        for future in completed(futures, loop=client.loop):
            try:
                yield futures[future], future.result()
            except KilledWorker as error:
                raise UserError(f"a block killed the workers that searched it ({error.task}): out of memory?") from None

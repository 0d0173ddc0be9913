"""Several processes train as one: torchrun's environment, shards of every batch, gathered predictions.

One process is the same code with a team of one. Gradients are averaged over ranks, so two ranks with half a batch
each make the step of one rank with the whole batch - up to the order of additions, and with BatchNorm only when it is
synchronised. Pairwise losses (WMW, AUC margin) see only the pairs within a rank, and a loss with parameters of its own
(AUC margin) keeps one set per rank, rank 0's being the one that is saved: train those on one GPU.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from seti_utils.data.cadence import Rows
from seti_utils.errors import InputError, UserError, first_line
from seti_utils.machine import check_device
from seti_utils.wording import quantity

JOINED = itertools.count()
"""How many teams this process has joined; equal on every rank."""


class RankLost(UserError, RuntimeError):
    """Another process of the job ended or hangs, so this one cannot continue."""

    exit_code = 4


@dataclass(frozen=True)
class Team:
    """This process's place among those that train together; ``device`` is its own."""

    rank: int = 0
    world: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0


def choose_device(wanted: str) -> torch.device:
    """The device called ``wanted``; ``"auto"`` is the first GPU where there is one. Raises ``InputError`` for one that is not
    there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check_device(wanted)
    device = torch.device(wanted)
    gpus = torch.cuda.device_count() if device.type == "cuda" else None
    if gpus is not None and (device.index or 0) >= gpus:
        there = f"this machine has {quantity(gpus, 'CUDA GPU')}" if gpus else "this machine has no CUDA GPU"
        raise InputError(f"{wanted}: {there}", where="device", remedy="write auto, which takes what is there, or cpu")
    return device


@contextmanager
def join_team(device: str | None = None, *, timeout_s: float = 600.0) -> Iterator[Team]:
    """Join the job that ``torchrun`` describes in the environment, and leave it at the end; alone without one.

    May be entered again after it was left, by all ranks alike.

    NCCL on CUDA (one GPU per local rank), gloo on a CPU. A collective that waits longer than ``timeout_s``, or whose
    partner has gone, ends the block with ``RankLost``; torchrun then ends the other processes.
    """
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_RANK", 0))
    kind = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")).type
    if world == 1:
        yield Team(device=torch.device(device or kind))
        return
    if kind == "cuda":
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local} of this machine has no GPU of its own",
                remedy=f"start at most {quantity(torch.cuda.device_count(), 'process', 'processes')} (--nproc-per-node)",
            )
        torch.cuda.set_device(local)
    place = torch.device(kind, local) if kind == "cuda" else torch.device("cpu")
    backend, own = ("nccl", place) if kind == "cuda" else ("gloo", None)
    limit = timedelta(seconds=timeout_s)
    store, rank, world = next(dist.rendezvous("env://", timeout=limit))  # pyright: ignore[reportPrivateImportUsage]
    # Without a name of its own, a second team of the same job reads the addresses that the first one left behind.
    store = dist.PrefixStore(f"team {next(JOINED)}", store)  # pyright: ignore[reportPrivateImportUsage]
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=limit, device_id=own)
    try:
        yield Team(rank, world, place)
    except (dist.DistError, RuntimeError) as error:
        if not lost(error):
            raise
        raise RankLost(
            f"rank {rank} of {world} lost another rank ({first_line(error)}); see "
            "that rank's own message; the same command resumes from the last saved state"
        ) from error
    finally:
        dist.destroy_process_group()


def lost(error: Exception) -> bool:
    """Whether a collective failed because a partner ended or went silent."""
    signs = ("connection closed", "connection reset", "broken pipe", "timed out", "timeout", "nccl", "gloo", "peer")
    return isinstance(error, dist.DistError) or any(sign in str(error).lower() for sign in signs)


def parallel(model: nn.Module, team: Team, *, sync_bn: bool = False) -> nn.Module:
    """``model`` on the team's device, wrapped in DistributedDataParallel when there are several ranks.

    ``sync_bn`` computes BatchNorm over the whole batch instead of each rank's part; CUDA only. Wrap after freezing
    parameters and before making the optimiser: only parameters that learn are exchanged.
    """
    model = model.to(team.device)
    if team.world == 1:
        return model
    if sync_bn:
        if team.device.type != "cuda":
            raise InputError("synchronised BatchNorm needs GPUs", remedy="leave sync_bn off on a CPU")
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return nn.parallel.DistributedDataParallel(model, [team.device] if team.device.type == "cuda" else None)


def part_of(batch: int, team: Team) -> int:
    """The size of each rank's part of a whole batch; ``InputError`` when it does not divide evenly.

    With ``seti_utils.data.batches.epoch_order(rank=, world=)`` any number of ranks then sees the same batches in the
    same order, and a run may resume with another number.
    """
    part, rest = divmod(batch, team.world)
    if rest:
        raise InputError(
            f"a batch of {batch} does not divide among {team.world} ranks", remedy=f"take batch={max(part, 1) * team.world}"
        )
    return part


def split(rows: Rows, team: Team) -> np.ndarray:
    """This rank's contiguous part of the rows to predict; the parts differ by at most one row."""
    return np.array_split(np.asarray(rows), team.world)[team.rank]


def gather(values: np.ndarray, team: Team) -> np.ndarray:
    """Every rank's ``values`` (n_r, ...) one after the other on every rank: undoes ``split``, one row per id."""
    if team.world == 1:
        return values
    own = torch.from_numpy(np.ascontiguousarray(values)).to(team.device)
    counts = [torch.zeros(1, dtype=torch.int64, device=team.device) for _ in range(team.world)]
    dist.all_gather(counts, torch.tensor([len(own)], device=team.device))
    longest = max(int(count) for count in counts)
    padded = own.new_zeros((longest, *own.shape[1:]))
    padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in range(team.world)]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)]).cpu().numpy()


def shared(value: object, team: Team) -> Any:
    """Rank 0's ``value`` on every rank: a resume state, when only the first machine has the file."""
    if team.world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, device=team.device if team.device.type == "cuda" else None)
    return box[0]


def agreed(reason: str | None, team: Team) -> str | None:
    """A reason to stop on one rank, made every rank's: the first one given. All ranks must call it."""
    if team.world == 1:
        return reason
    reasons: list[str | None] = [None] * team.world
    dist.all_gather_object(reasons, reason)
    return next((given for given in reasons if given), None)

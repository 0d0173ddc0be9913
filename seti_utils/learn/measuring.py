"""Which way of computing a training step is fastest here: a few steps of each, in turn, on a copy of the network."""

import copy
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from seti_utils.errors import first_line
from seti_utils.learn.computing import LAYOUTS, Computing
from seti_utils.learn.precision import DTYPES, choose_precision
from seti_utils.notes import note

STEPS, TURNS = 20, 4
"""Steps of each way, and how many turns they come in: the ways take turns, because a machine's speed drifts."""
PATIENCE_S = 2.0
"""Seconds after which a way has been measured enough, though it made fewer steps: a CPU may take one for each."""
HOPELESS = 1.5
"""How many times slower than the fastest a way may be after a turn to be measured any longer: float32 on a card without tensor
cores for it takes seconds a step."""
MARGIN = 1.05
"""How much faster another way has to be before the usual one is left: less is noise."""
COMPILING_S = 120.0
"""What compiling is taken to cost: it is tried only where a fifth of the training would save more."""


def ways(wanted: str | None, device: torch.device, usual: Computing) -> list[Computing]:
    """What is worth measuring, ``usual`` first: both layouts, in ``usual``'s precision and, where mixed precision is
    ``wanted``, in float32 and on a CPU in bf16.

    float32 where it was asked for stays float32; compiled or not is decided afterwards, by :func:`pays`.
    """
    kinds = [usual.precision]
    if wanted is not None:
        kinds += [None] + (["bf16"] if device.type == "cpu" else [])
    layouts = [usual.layout, *(layout for layout in LAYOUTS if layout != usual.layout)]
    chosen = [choose_precision(kind, device) for kind in kinds]
    return [Computing(layout, kind, usual.compiled) for kind in dict.fromkeys(chosen) for layout in layouts]


class Rehearsal:
    """Training steps on a copy of ``model`` with a random batch of images (B, C, freq, time): nothing of it stays.

    A step is the forward pass, a loss and the backward pass; ``clock`` tells its seconds.
    """

    def __init__(self, model: nn.Module, shape: Sequence[int], clock: Callable[[], float] = time.perf_counter):
        self.model = copy.deepcopy(model).train()
        self.device, self.clock = next(model.parameters()).device, clock
        self.image = torch.randn(tuple(shape), device=self.device)
        self.y = (torch.arange(shape[0], device=self.device) % 2).float()

    def step(self, network: Callable[..., Tensor], image: Tensor, way: Computing) -> None:
        """One step of ``network``."""
        with torch.autocast(self.device.type, dtype=DTYPES[way.precision], enabled=way.precision is not None):
            output = network(image, self.y)
        output.float().square().mean().backward()
        self.model.zero_grad(set_to_none=True)

    def seconds(self, way: Computing, steps: int, patience: float = math.inf) -> list[float]:
        """Seconds of up to ``steps`` steps, after one that is not counted; no more once they add up to ``patience`` seconds.

        Work that a GPU has queued is waited for after every step.
        """
        self.model.to(memory_format=way.memory_format)
        image = self.image.contiguous(memory_format=way.memory_format)
        network = torch.compile(self.model) if way.compiled else self.model
        found: list[float] = []
        for number in range(1 + steps):
            began = self.clock()
            self.step(network, image, way)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            if number:
                found.append(self.clock() - began)
                if sum(found) > patience:
                    break
        return found


def rates(model: nn.Module, shape: Sequence[int], choices: Sequence[Computing]) -> dict[Computing, float]:
    """Images a second of each of ``choices`` in training; those that do not work here, or do not fit into memory, are missing.

    The median over at most ``STEPS`` steps, of a way that is ``HOPELESS`` over those of a turn. Takes seconds on a GPU and leaves
    torch's global generators as they were.
    """
    device = next(model.parameters()).device
    found: dict[Computing, list[float]] = {}
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        rehearsal, left = Rehearsal(model, shape), list(choices)
        for _ in range(TURNS):
            for way in list(left):
                try:
                    found.setdefault(way, []).extend(rehearsal.seconds(way, STEPS // TURNS, PATIENCE_S / TURNS))
                except (RuntimeError, ValueError, OSError) as error:  # out of memory, or no compiler for it
                    note(f"{way} does not work here ({first_line(error)})")
                    left.remove(way)
                    found.pop(way, None)
                    rehearsal.model.zero_grad(set_to_none=True)
            middle = {way: statistics.median(found[way]) for way in left}
            left = [way for way in left if middle[way] <= HOPELESS * min(middle.values())]
        del rehearsal
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return {way: shape[0] / statistics.median(seconds) for way, seconds in found.items()}


def fastest(found: Mapping[Computing, float], usual: Computing) -> Computing:
    """The fastest way; ``usual`` where nothing is faster by more than ``MARGIN``."""
    best = max(found, key=lambda way: found[way], default=usual)
    return best if found.get(best, 0.0) > MARGIN * found.get(usual, 0.0) else usual


def pays(rate: float, images: float) -> bool:
    """Whether a training of ``images`` at ``rate`` a second is long enough for compiling to be tried."""
    return images / rate / 5 > COMPILING_S


def measured(
    model: nn.Module, shape: Sequence[int], wanted: str | None, usual: Computing, images: float
) -> tuple[Computing, dict[Computing, float]]:
    """The fastest way to train ``model`` on batches of ``shape`` (B, C, freq, time), and images a second of all that were tried.

    ``images``: how many the training will see; 0 where nothing is to be compiled. The fastest of :func:`ways` is compiled too
    where the training is long enough.
    """
    found = rates(model, shape, ways(wanted, next(model.parameters()).device, usual))
    best = fastest(found, usual)
    if best in found and pays(found[best], images):
        compiled = replace(best, compiled=True)
        found |= rates(model, shape, [compiled])
        best = fastest({way: found[way] for way in (best, compiled) if way in found}, best)
    return best, found

"""The training loop. What an experiment switches on arrives as values; the loop has no opinions."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from seti_utils.errors import InputError
from seti_utils.learn.average import NoAverage, unsynchronised
from seti_utils.learn.precision import Precision
from seti_utils.learn.seeding import Randomness
from seti_utils.learn.survival import Stopped

Objective = Callable[[nn.Module, Any, float], torch.Tensor]


@dataclass
class Position:
    """Where training stands: ``step`` optimisation steps into ``epoch`` of ``phase``, all counted from 0.

    ``history`` has one row per epoch, its loss None if every step was skipped; ``best`` is the best score so far;
    ``loss_sum`` and ``counted`` are the running mean of the epoch's loss (this rank's part of it).
    """

    phase: int = 0
    epoch: int = 0
    step: int = 0
    best: float = -math.inf
    loss_sum: float = 0.0
    counted: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def next_epoch(self) -> None:
        """Stand at the beginning of the next epoch."""
        self.epoch, self.step, self.loss_sum, self.counted = self.epoch + 1, 0, 0.0, 0

    def next_phase(self) -> None:
        """Stand at the beginning of the next phase; ``best`` and ``history`` stay."""
        self.next_epoch()
        self.phase, self.epoch = self.phase + 1, 0

    @classmethod
    def stored(cls, values: dict[str, Any]) -> "Position":
        """The position of a resume state; earlier versions called a phase a stage."""
        whole, *history = ({"phase" if key == "stage" else key: row[key] for key in row} for row in (values, *values["history"]))
        return cls(**{**whole, "history": history})


def fit(
    model: nn.Module,
    batches: Callable[[int, int], Iterable[Any]],
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    schedule: Callable[[float], float],
    *,
    epochs: int,
    steps: int,
    randomness: Randomness,
    precision: Precision | None = None,
    average: NoAverage | None = None,
    judge: Callable[[nn.Module, int], dict[str, Any]] = lambda model, epoch: {},
    keep: Callable[[nn.Module, dict[str, Any], bool], None] = lambda model, row, better: None,
    save: Callable[[Position], None] = lambda position: None,
    save_every: int | None = None,
    stop: Callable[[], str | None] = lambda: None,
    show: Callable[..., Iterable[int]] = lambda steps, **words: steps,
    clip_norm: float | None = None,
    accumulate: int = 1,
    position: Position | None = None,
) -> Position:
    """Train ``model`` for one phase and return where it ended.

    ``batches(epoch, first)`` gives an epoch's batches from number ``first`` on: a resumed run reads none twice.
    ``objective(model, batch, done)`` is a scalar loss, ``schedule(done)`` a factor on every group's ``initial_lr``,
    with ``done`` in [0, 1) the share of the phase behind us. A step takes ``accumulate`` batches, the mean of their
    losses; an epoch has ``steps`` steps. After each epoch ``judge(network, epoch)`` measures the averaged network
    (``"auc"`` decides what is best; without it every epoch is) and ``keep(network, row, better)`` stores it.
    ``save(position)`` writes the resume state after each epoch and every ``save_every`` steps. When ``stop()`` gives a
    reason, the step is finished, the state saved, and ``Stopped`` raised. ``Diverged`` comes from ``precision``.
    """
    position, average = position or Position(), average or NoAverage()
    precision = precision or Precision(None, next(model.parameters()).device)
    precision.guard(model)
    for group in optimiser.param_groups:
        group.setdefault("initial_lr", group["lr"])
    while position.epoch < epochs:
        model.train()
        epoch, phase = position.epoch, position.phase
        stream = iter(batches(epoch, position.step * accumulate)) if position.step < steps else iter(())
        here = f"phase {phase + 1} epoch {epoch + 1}/{epochs}"
        for step in show(range(position.step, steps), desc=here, unit="step"):
            number = epoch * steps + step
            done = number / (epochs * steps)
            randomness.at(phase, number)
            factor = schedule(done)
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * factor
            parts = (taken(stream, epoch, step, steps) for _ in range(accumulate))
            loss = backward(model, objective, parts, accumulate, done, precision)
            if precision.step(optimiser, clip_norm):
                average.after_step(model)
                position.loss_sum, position.counted = position.loss_sum + float(loss), position.counted + 1
            position.step = step + 1
            if reason := stop():
                save(position)
                raise Stopped(reason, position)
            if save_every and position.step % save_every == 0 and position.step < steps:
                save(position)
        randomness.at(f"end of stage {phase}", epoch)  # these words are a part of the seed
        average.after_epoch(model, epoch / epochs)
        network = average.module(model).eval()
        measured = judge(network, epoch)
        better = measured.get("auc", math.inf) > position.best or "auc" not in measured
        mean = position.loss_sum / position.counted if position.counted else None
        row = {
            "phase": phase,
            "epoch": epoch,
            "loss": mean,
            "lr": optimiser.param_groups[0]["lr"],
            "skipped": precision.skipped,
            **measured,
        }
        position.history.append(row)
        position.best = measured.get("auc", position.best) if better else position.best
        keep(network, row, better)
        position.next_epoch()
        save(position)
    return position


def backward(
    model: nn.Module, objective: Objective, parts: Iterable[Any], count: int, done: float, precision: Precision
) -> torch.Tensor | float:
    """The mean loss of ``count`` batches, its gradients added to the parameters; ranks exchange them at the last batch only."""
    loss = 0.0
    for number, batch in enumerate(parts):
        with unsynchronised(model) if number < count - 1 else nullcontext():
            share = objective(model, batch, done) / count
            precision.backward(share)
            loss = loss + share.detach()
    return loss


def taken(stream: Iterator[Any], epoch: int, step: int, steps: int) -> Any:
    """The next batch of ``stream``; an epoch that ends early is refused, naming where."""
    batch = next(stream, None)
    if batch is None:
        raise InputError(
            f"the batches ended in step {step + 1} of {steps}",
            where=f"epoch {epoch + 1}",
            remedy="steps times accumulate must not exceed the batches of an epoch",
        )
    return batch

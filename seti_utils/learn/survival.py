"""What ends a run early, each with its cure: a dead run, divergence, a spent time budget, full memory."""

import math
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import numpy as np
import torch

from seti_utils.durations import spelled
from seti_utils.errors import InputError, Paused, UserError
from seti_utils.stats.intervals import auc_interval
from seti_utils.wording import quantity

FLAT = 1e-4
"""Standard deviation of the logits below which a prediction is called constant."""

STUCK = 0.01
"""Relative distance of the loss from the entropy of the base rate within which the loss is called stuck."""

TELLING = 0.2
"""Width of an AUC interval above which it proves nothing: too few rows to call a run dead."""

SMALLER = "not even one cadence fits: take smaller images or a smaller network"

CURES = {
    "head_first": "train the classifier first (--set head_first.epochs=1): random gradients wreck a pretrained body",
    "lr": "lower the learning rate to a third (--set lr=…)",
    "clip_norm": "clip the gradient (--set clip_norm=1.0)",
    "precision": "compute in float32 (--set precision=None)",
}


class Place(Protocol):
    """Where training stands (:class:`seti_utils.learn.fit.Position`)."""

    phase: int
    epoch: int
    step: int


class Stopped(Paused):
    """Training ended early and in good order: the state is saved, and another run resumes from ``position``."""

    def __init__(self, reason: str, position: Place):
        self.reason, self.position = reason, position
        place = f"phase {position.phase + 1}, epoch {position.epoch + 1}, step {position.step}"
        super().__init__(f"stopped at {place}: {reason}; the state is saved, the same command resumes from there")


class Diverged(UserError, RuntimeError):
    """The gradient stayed non-finite in float32; ``steps`` were skipped in a row."""

    exit_code = 3

    def __init__(self, steps: int):
        self.steps = steps
        super().__init__(
            f"{quantity(steps, 'step')} in a row had a non-finite loss or gradient in float32; {CURES['lr']} or "
            f"{CURES['clip_norm']}, and check the input for non-finite values"
        )


class DeadRun(UserError, RuntimeError):
    """The network does not learn. ``symptom`` says how that shows, ``cures`` names the knobs to turn, best first."""

    exit_code = 3

    def __init__(self, symptom: str, cures: Sequence[str]):
        self.symptom, self.cures = symptom, tuple(cures)
        super().__init__(f"this run is dead: {symptom}; {CURES[self.cures[0]] if cures else 'try another seed'}")


def vital_signs(target: np.ndarray, logit: np.ndarray, *, draws: int = 200, seed: int = 0) -> dict[str, float]:
    """Measure a validation prediction: ``auc``, ``auc_low``, ``auc_high`` (95 %), ``spread``, ``bce``, ``entropy``.

    ``target`` (N,) of 0 and 1, ``logit`` (N,). ``spread`` is the standard deviation of the logits, ``entropy`` the
    loss in nats of the best constant prediction. A row of numbers for ``fit``'s history and for ``symptom_of``.
    """
    target, logit = np.asarray(target, float), np.asarray(logit, float)
    signs = {"spread": 0.0, "bce": math.inf, "entropy": entropy(target)}
    if np.isfinite(logit).all():
        signs |= {"spread": float(logit.std()), "bce": float(np.mean(np.logaddexp(0, logit) - target * logit))}
    elif not np.isnan(logit).all():
        logit = np.nan_to_num(logit)
    if not np.isfinite(logit).all() or len(np.unique(target)) < 2:
        return signs
    value, low, high = auc_interval(target, logit, draws=draws, seed=seed)
    return {"auc": value, "auc_low": low, "auc_high": high} | signs


def entropy(target: np.ndarray) -> float:
    """Entropy in nats of the base rate of ``target``: what a constant prediction pays at best."""
    rate = float(np.clip(np.mean(target), 1e-12, 1 - 1e-12))
    return -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)


def symptom_of(history: Sequence[dict[str, float]], done: float, *, after: float = 0.25, epochs: int = 3) -> str | None:
    """How the run shows that it is dead, or None while it may live.

    ``history`` holds one row of ``vital_signs`` per epoch, ``done`` the share of training behind us. Nothing is said
    before ``after``. Three symptoms: a constant prediction; an AUC interval that contains 0.5 (or lies below) and is
    narrow enough to tell; a loss within 1 % of the base rate's entropy for ``epochs`` epochs while the AUC interval
    stays below 0.6 (a miscalibrated network that ranks well is alive).
    """
    if done < after or not history:
        return None
    last = history[-1]
    if not math.isfinite(last["bce"]):
        return "its predictions are not finite"
    if last["spread"] < FLAT:
        return f"its prediction is constant (standard deviation of the logits {last['spread']:.1e})"
    if "auc" not in last:
        return None
    if last["auc_low"] <= 0.5 and last["auc_high"] - last["auc_low"] <= TELLING:
        return f"its AUC of {last['auc']:.3f} [{last['auc_low']:.3f}, {last['auc_high']:.3f}] is no better than chance"
    recent = list(history[-epochs:])
    stuck = [abs(row["bce"] / row["entropy"] - 1) < STUCK and row["auc_high"] < 0.6 for row in recent]
    if len(recent) == epochs and all(stuck):
        return f"its loss has been at the base rate's entropy ({last['entropy']:.4f}) for {quantity(epochs, 'epoch')}"
    return None


def check_alive(history: Sequence[dict[str, float]], done: float, *, after: float = 0.25, tried: Sequence[str] = ()) -> None:
    """Raise ``DeadRun`` when ``symptom_of`` finds one; the cures leave out the knobs already ``tried``."""
    if symptom := symptom_of(history, done, after=after):
        raise DeadRun(symptom, [knob for knob in CURES if knob not in tried])


def deadline(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Callable[[], str | None]:
    """A ``stop`` for ``fit`` that gives its reason once ``seconds`` have passed since this call."""
    end = clock() + seconds
    return lambda: f"the time budget of {spelled(seconds)} is spent" if clock() >= end else None


def first_reason(*stops: Callable[[], str | None]) -> Callable[[], str | None]:
    """One ``stop`` out of several: the first reason given."""
    return lambda: next((reason for stop in stops if (reason := stop())), None)


@contextmanager
def stop_on_signal(number: int = signal.SIGTERM) -> Iterator[Callable[[], str | None]]:
    """A ``stop`` that asks for an orderly end once the signal has arrived; the old handler comes back afterwards."""
    received: list[int] = []

    def note(signum: int, _frame: FrameType | None) -> None:
        received.append(signum)

    previous = signal.signal(number, note)
    try:
        yield lambda: f"{signal.Signals(received[0]).name} was received" if received else None
    finally:
        signal.signal(number, previous)


@contextmanager
def explain_memory(batch: int, attempt: Callable[[int], object]) -> Iterator[None]:
    """Turn an out-of-memory error into an ``InputError`` that says the largest batch that fits.

    ``attempt(n)`` runs one training step on n cadences; it is called with smaller and smaller n afterwards.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        full = str(error).split(". ")[0]
        traceback.clear_frames(error.__traceback__)  # their tensors would take the room of the attempts
    else:
        return
    most = largest_batch(attempt, batch - 1)
    if not most:
        raise InputError(f"a batch of {batch} does not fit into memory ({full})", remedy=SMALLER)
    advice = f"the largest that fitted is {most}: batch={most} accumulate={math.ceil(batch / most)}"
    raise InputError(f"a batch of {batch} does not fit into memory ({full})", remedy=advice)


@contextmanager
def explain_one_row(batch: int) -> Iterator[None]:
    """Turn BatchNorm's refusal of a batch of one row, where its maps are one pixel wide, into an ``InputError``."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            f"BatchNorm cannot learn from {batch} row at a time: this network's last maps are one pixel",
            where="batch",
            remedy="take two rows or more per process (--set batch=2), or larger images",
        ) from error


def largest_batch(attempt: Callable[[int], object], most: int) -> int:
    """The largest n <= ``most`` for which ``attempt(n)`` does not run out of memory (bisection), or 0."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(attempt, middle):
            low = middle
        else:
            high = middle - 1
    return low


def fits(attempt: Callable[[int], object], batch: int) -> bool:
    """Whether ``attempt(batch)`` stays within memory; the cache is emptied either way."""
    try:
        attempt(batch)
    except torch.OutOfMemoryError:
        return False
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True

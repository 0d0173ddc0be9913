"""Dead runs, divergence, time budgets and full memory: each ends clearly and names its cure."""

import os
import signal
import weakref
from functools import partial

import numpy as np
import pytest
import tiny_training
import torch
from torch import nn

from seti_utils.errors import InputError
from seti_utils.learn import survival
from seti_utils.learn.fit import Position, fit
from seti_utils.learn.losses import bce
from seti_utils.learn.objectives import Views, supervised
from seti_utils.learn.seeding import Randomness
from seti_utils.learn.survival import DeadRun, Stopped, symptom_of, vital_signs


def validation(strength, n=1000, rate=0.1, seed=0, offset=-2.2):
    """Targets and logits that are ``strength`` standard deviations apart."""
    chance = np.random.default_rng(seed)
    target = (np.arange(n) < rate * n).astype(float)
    return target, offset + strength * target + 0.3 * chance.standard_normal(n)


def row(**changed):
    return {"auc": 0.8, "auc_low": 0.77, "auc_high": 0.83, "spread": 1.0, "bce": 0.2, "entropy": 0.325, **changed}


def test_vital_signs_measure_a_prediction():
    target, logit = validation(1.0)
    signs = vital_signs(target, logit)
    assert signs["auc_low"] < signs["auc"] < signs["auc_high"]
    assert signs["spread"] == pytest.approx(logit.std())
    score = 1 / (1 + np.exp(-logit))
    assert signs["bce"] == pytest.approx(-(target * np.log(score) + (1 - target) * np.log(1 - score)).mean())
    assert signs["entropy"] == pytest.approx(-(0.1 * np.log(0.1) + 0.9 * np.log(0.9)))


@pytest.mark.parametrize(
    ("signs", "symptom"),
    [
        (row(), None),
        (row(spread=1e-6), "constant"),
        (row(auc=0.51, auc_low=0.47, auc_high=0.55), "no better than chance"),
        (row(auc=0.2, auc_low=0.17, auc_high=0.23), "no better than chance"),
        (row(auc=0.51, auc_low=0.3, auc_high=0.72), None),
        (row(bce=float("inf"), spread=0.0), "not finite"),
    ],
)
def test_the_symptoms_of_a_dead_run(signs, symptom):
    found = symptom_of([signs], 0.5)
    assert found is None if symptom is None else symptom in found
    assert symptom_of([signs], 0.2) is None, "too early to tell"


def test_a_loss_stuck_at_the_base_rates_entropy_is_dead_only_with_a_poor_ranking():
    poor = row(auc=0.53, auc_low=0.505, auc_high=0.555, bce=0.3255)
    assert "base rate's entropy (0.3250) for 3 epochs" in symptom_of([poor] * 3, 0.5)
    assert symptom_of([poor] * 2, 0.5) is None
    assert symptom_of([poor, poor, row(bce=0.3255)], 0.5) is None
    assert symptom_of([poor, row(**{**poor, "bce": 0.31}), poor], 0.5) is None


def test_signs_of_living_and_dead_predictions_are_told_apart():
    assert symptom_of([vital_signs(*validation(1.0))], 0.5) is None
    assert "chance" in symptom_of([vital_signs(*validation(0.0))], 0.5)
    target, logit = validation(1.0)
    assert "constant" in symptom_of([vital_signs(target, 0 * logit)], 0.5)
    assert "not finite" in symptom_of([vital_signs(target, logit * np.nan)], 0.5)
    assert "not finite" in symptom_of([vital_signs(target, np.where(target, np.inf, logit))], 0.5)


def test_a_validation_of_one_class_or_few_rows_proves_nothing():
    assert "auc" not in vital_signs(np.zeros(8), np.arange(8.0))
    assert symptom_of([vital_signs(np.zeros(8), np.arange(8.0))] * 3, 0.5) is None
    assert symptom_of([vital_signs(*validation(0.0, n=30))], 0.5) is None


def test_the_cure_is_the_first_that_was_not_tried():
    with pytest.raises(DeadRun, match=r"this run is dead: .*constant.*--set head_first.epochs=1") as dead:
        survival.check_alive([row(spread=0.0)], 0.5)
    assert dead.value.cures == ("head_first", "lr", "clip_norm", "precision")
    with pytest.raises(DeadRun, match=r"clip_norm=1.0") as dead:
        survival.check_alive([row(spread=0.0)], 0.5, tried=("head_first", "lr"))
    assert dead.value.cures == ("clip_norm", "precision")
    with pytest.raises(DeadRun, match="another seed"):
        survival.check_alive([row(spread=0.0)], 0.5, tried=tuple(survival.CURES))


class Mortal(nn.Module):
    """All that it knows passes one hidden unit, which is on at the start and which a large step silences for good."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1), nn.ReLU(), nn.Linear(1, 1))
        nn.init.constant_(self.layers[3].bias, 2.0)
        nn.init.constant_(self.layers[5].weight, 2.0)

    def forward(self, image, target=None):
        return self.layers(image).flatten()


def course(rate, seed, epochs=12):
    """Train the mortal net by plain SGD and judge it on many rows, as a run does: DeadRun ends it."""
    torch.manual_seed(seed)
    model = Mortal()
    y = (torch.arange(600) % 3 == 0).float()
    x = torch.randn(600, 2, 4, 4, generator=torch.Generator().manual_seed(seed + 9))
    x[:, 0] += y[:, None, None]
    history = []

    def judge(network, epoch):
        with torch.no_grad():
            history.append(vital_signs(y.numpy(), network(x).numpy()))
        survival.check_alive(history, (epoch + 1) / epochs)
        return history[-1]

    objective = supervised(bce, Views(lambda x, panels: x.float(), torch.Generator()))
    return fit(
        model,
        partial(tiny_training.stream, seed=seed),
        objective,
        torch.optim.SGD(model.parameters(), rate),
        lambda done: 1.0,
        epochs=epochs,
        steps=tiny_training.STEPS,
        randomness=Randomness(seed),
        judge=judge,
    )


def test_a_run_made_to_die_is_stopped_early_and_its_cure_lets_it_live(seed, learned):
    with pytest.raises(DeadRun, match="constant") as dead:
        course(rate=30.0, seed=seed)
    assert "lr" in dead.value.cures
    position = course(rate=0.3, seed=seed)
    assert len(position.history) == 12
    learned(position.best, above=0.9, mean=0.973, sd=0.018)


def test_a_deadline_gives_its_reason_once_the_time_is_over():
    now = [100.0]
    stop = survival.first_reason(lambda: None, survival.deadline(5400, clock=lambda: now[0]))
    now[0] += 5399
    assert stop() is None
    now[0] += 1
    assert stop() == "the time budget of 1h30m is spent"


def test_stopped_says_where_and_how_to_resume():
    assert str(Stopped("enough", Position(1, 4, 120))) == (
        "stopped at phase 2, epoch 5, step 120: enough; the state is saved, the same command resumes from there"
    )


def test_a_signal_asks_for_an_orderly_end():
    before = signal.getsignal(signal.SIGTERM)
    with survival.stop_on_signal() as stop:
        assert stop() is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop() == "SIGTERM was received"
    assert signal.getsignal(signal.SIGTERM) is before


def limited(capacity, tried):
    def attempt(batch):
        tried.append(batch)
        if batch > capacity:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")

    return attempt


@pytest.mark.parametrize("capacity", [1, 21, 62])
def test_full_memory_says_the_largest_batch_that_fits(capacity):
    attempt = limited(capacity, tried := [])
    with pytest.raises(InputError, match="a batch of 64.*out of memory") as full, survival.explain_memory(64, attempt):
        attempt(64)
    assert f"the largest that fitted is {capacity}:" in str(full.value)
    assert f"accumulate={-(-64 // capacity)}" in str(full.value)
    assert len(tried) <= 8


def test_the_failed_steps_tensors_are_freed_before_the_attempts():
    alive = []

    class Tensor:
        """Something whose end can be seen."""

    def step():
        held = Tensor()
        alive.append(weakref.ref(held))
        limited(0, [])(64)

    with pytest.raises(InputError), survival.explain_memory(64, lambda batch: alive.append(alive[0]())):
        step()
    assert alive[1:] and not any(alive[1:])


def test_one_row_is_not_enough_for_batchnorm_on_one_pixel_and_other_errors_pass():
    norm = nn.BatchNorm2d(4).train()
    with (
        pytest.raises(InputError, match="BatchNorm cannot learn from 1 row at a time.*--set batch=2"),
        survival.explain_one_row(1),
    ):
        norm(torch.zeros(1, 4, 1, 1))
    with pytest.raises(ValueError, match="another"), survival.explain_one_row(1):
        raise ValueError("another")


def test_full_memory_at_one_cadence_and_other_errors():
    with pytest.raises(InputError, match="not even one cadence"), survival.explain_memory(64, limited(0, [])):
        limited(0, [])(64)
    with pytest.raises(ZeroDivisionError), survival.explain_memory(64, limited(0, [])):
        1 / 0

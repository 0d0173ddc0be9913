"""Every loss, head and objective learns to tell candidates from interference in easy cadences, through the real parts.

The cadences are drawn here, so that no change of the synthetic sky makes these tests easier or harder.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seti_utils.data.cadence import OFF, SIX
from seti_utils.learn.fit import fit
from seti_utils.learn.objectives import Views, distill, fixmatch, paired, supervised
from seti_utils.learn.predicting import predict
from seti_utils.learn.seeding import Randomness
from seti_utils.log import specs
from seti_utils.log.config import Config
from seti_utils.run.compose import IMAGE_KNOBS, augments, loss_of, network_of, optimiser_of, schedule_of, view_of
from seti_utils.scores.pseudo import append_pseudo, select_pseudo
from seti_utils.scores.tables import make_scores
from seti_utils.stats.auc import auc
from seti_utils.stats.logistic import sigmoid

pytestmark = pytest.mark.slow

BASE = Config(
    layout="aaa,bcd",
    backbone="test_efficientnet",
    pretrained=False,
    batch=16,
    epochs=3,
    lr=6e-3,
    optimiser="adamw",
    cutout=None,
    flip=specs.Flip(),
    schedule=specs.OneCycle(),
    resize=specs.Resize(64, 18, "area"),
    precision=None,
)
TRAIN, TEST, VALID = 160, 96, 200
TIME, FREQ = 24, 64
AMPLITUDE = 6.0
"""Of a needle's pixels, in sigmas of the noise: nobody misses one; which panels it is in is the question."""


@pytest.fixture(scope="module")
def sky(seed):
    """Cadences (N, 6, 24, 64) float16 of unit noise, a drifting needle in each, and their targets: 1 where OFF shows none."""
    generator = torch.Generator().manual_seed(seed)
    rows = TRAIN + TEST + VALID
    y = torch.arange(rows) % 2
    x = torch.randn(rows, 6, TIME, FREQ, generator=generator)
    start, end = torch.randint(FREQ, (2, rows, 1), generator=generator)
    track = start + (end - start) * torch.linspace(0, 1, 6 * TIME)
    light = AMPLITUDE * F.one_hot(track.round().long(), FREQ).view(rows, 6, TIME, FREQ)
    light[:, list(OFF)] *= 1 - y[:, None, None, None]
    return (x + light).half(), y.float()


def stream(x, y, rows):
    """``fit``'s batches of ``rows``, shuffled anew each epoch."""

    def batches(epoch, first):
        order = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch))]
        for chosen in order[first * BASE.batch :].split(BASE.batch):
            yield SimpleNamespace(x=x[chosen], y=y[chosen], rows=chosen, panels=SIX)

    return batches


def scores(config, model, x, rows):
    """Logits of ``rows``."""
    batches = (SimpleNamespace(x=x[part], rows=part, panels=SIX) for part in rows.split(32))
    return predict(model, batches, view_of(config), tta=config.tta)[0]


def trained(config, batches, steps, seed, panel_augments=(), second=None):
    """A fresh network after a short training."""
    torch.manual_seed(seed)
    model = network_of(config, None).to(memory_format=torch.channels_last)
    loss, own = loss_of(config)
    randomness = Randomness(seed)
    views = Views(
        view_of(config),
        randomness.generator,
        panel_augments=panel_augments,
        image_augments=augments(config, IMAGE_KNOBS),
        layout=torch.channels_last,
    )
    objective = supervised(loss, views)
    if second is not None:
        batches = paired(batches, second)
        strong = augments(config, ("flip",))
        objective = fixmatch(loss, views, strong=strong, above=0.8, below=0.2)
    fit(
        model,
        batches,
        objective,
        optimiser_of(config, model, False, own),
        schedule_of(config, config.epochs),
        epochs=config.epochs,
        steps=steps,
        randomness=randomness,
        clip_norm=5.0,
    )
    return model


VALIDATION = torch.arange(TRAIN + TEST, TRAIN + TEST + VALID)

TWO = {"head": specs.TwoClass(), "loss": specs.SoftCrossEntropy()}
SUPERVISED = {
    "bce": {},
    "bce, weighted and smoothed": {"loss": specs.BCE(pos_weight=2.0, smoothing=0.1)},
    "focal": {"loss": specs.Focal(gamma=2.0), "epochs": 4},
    "wmw beside bce": {"auc_loss": specs.WMW()},
    "auc margin on scores": {"loss": specs.AUCMargin(imratio=0.5, on="score"), "optimiser": "pesg", "lr": 1.0, "epochs": 4},
    "two classes, soft cross-entropy": TWO,
    "l2 head": TWO | {"head": specs.L2Head()},
    "arc head": TWO | {"head": specs.ArcHead()},
    "mixup, or labels": {"mixup": specs.Mixup(until=0.5), "epochs": 4},
}
REACHED = {
    "bce": (1.0, 0.0),
    "bce, weighted and smoothed": (1.0, 0.0),
    "focal": (1.0, 0.0),
    "wmw beside bce": (1.0, 0.0),
    "auc margin on scores": (1.0, 0.0),
    "two classes, soft cross-entropy": (1.0, 0.0),
    "l2 head": (1.0, 0.0001),
    "arc head": (1.0, 0.0),
    "mixup, or labels": (0.9998, 0.0005),
}
"""AUC of the validation rows, mean and standard deviation over twelve seeds (``python benchmarks/margins.py``)."""


@pytest.mark.parametrize("name", SUPERVISED)
def test_every_loss_and_head_separates_the_sky(name, sky, seed, learned):
    config = replace(BASE, **SUPERVISED[name])
    model = trained(config, stream(*sky, torch.arange(TRAIN)), TRAIN // BASE.batch, seed)
    mean, sd = REACHED[name]
    learned(auc(sky[1][VALIDATION], scores(config, model, sky[0], VALIDATION)), above=0.95, mean=mean, sd=sd)


@pytest.fixture(scope="module")
def teacher(sky, seed):
    """A network that knows the sky."""
    return trained(BASE, stream(*sky, torch.arange(TRAIN)), TRAIN // BASE.batch, seed)


PSEUDO = {
    "pseudo labels": (specs.Pseudo("teacher", above=0.7, below=0.3), {}, (1.0, 0.0)),
    "noisy student": (specs.Pseudo("teacher"), {"drop_rate": 0.3}, (1.0, 0.0)),
}
"""What is taken from the teacher, what makes the student's life harder, and its AUC over seeds."""


@pytest.mark.parametrize("name", PSEUDO)
def test_pseudo_labels_and_a_noisy_student_learn_without_a_label_of_their_own(name, sky, teacher, seed, learned):
    """Two labelled cadences and the teacher's scores of the test rows; the student is trained from random weights."""
    x, y = sky
    spec, noise, (mean, sd) = PSEUDO[name]
    names = [f"{row:015x}" for row in range(TRAIN + TEST)]
    test = torch.arange(TRAIN, TRAIN + TEST)
    table = make_scores(
        np.array(names[TRAIN:]),
        sigmoid(scores(BASE, teacher, x, test)),
        fold=0,
        experiment="teacher",
        seed=0,
        fingerprint="0" * 12,
    )
    rows, targets = append_pseudo(
        np.array([0, 1]),
        y[:TRAIN].numpy(),
        select_pseudo(table, **vars(spec)),
        fold=0,
        train_ids=np.array(names[:TRAIN]),
        test_ids=np.array(names[TRAIN:]),
    )
    assert len(rows) > 2 and np.isfinite(targets[rows]).all()
    config = replace(BASE, epochs=5, **noise)
    model = trained(config, stream(x, torch.from_numpy(targets), torch.from_numpy(rows)), len(rows) // BASE.batch, seed)
    learned(auc(y[VALIDATION], scores(config, model, x, VALIDATION)), above=0.95, mean=mean, sd=sd)


def test_fixmatch_separates_the_sky_and_reads_no_label_of_the_test(sky, seed, learned):
    x, y = sky
    hidden = torch.where(torch.arange(len(y)) < TRAIN, y, torch.nan)
    rows, test = torch.arange(TRAIN), torch.arange(TRAIN, TRAIN + TEST).repeat(2)
    model = trained(BASE, stream(x, hidden, rows), TRAIN // BASE.batch, seed, second=stream(x, hidden, test))
    learned(auc(y[VALIDATION], scores(BASE, model, x, VALIDATION)), above=0.95, mean=1.0, sd=0.0001)


def test_a_distilled_student_separates_the_sky_without_labels(sky, teacher, seed, learned):
    x, y = sky
    steps = (distill(teacher, view_of(BASE), weight=1.0),)
    model = trained(BASE, stream(x, torch.zeros_like(y), torch.arange(TRAIN)), TRAIN // BASE.batch, seed, panel_augments=steps)
    learned(auc(y[VALIDATION], scores(BASE, model, x, VALIDATION)), above=0.95, mean=1.0, sd=0.0001)

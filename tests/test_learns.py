"""Every loss, head and objective learns to tell candidates from interference on an easy sky, through the real parts."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seti_utils.learn.fit import fit
from seti_utils.learn.objectives import Views, distill, fixmatch, paired, supervised
from seti_utils.learn.predicting import predict
from seti_utils.learn.seeding import Randomness
from seti_utils.log import specs
from seti_utils.log.config import Config
from seti_utils.run.compose import augments, loss_of, network_of, optimiser_of, schedule_of, view_of
from seti_utils.scores.pseudo import append_pseudo, select_pseudo
from seti_utils.scores.tables import make_scores
from seti_utils.sky.background import random_bands
from seti_utils.sky.cadences import Needle, cut, finish, random_content
from seti_utils.stats.auc import auc
from seti_utils.stats.logistic import sigmoid
from seti_utils.views import IMAGE_AUGMENTATIONS
from seti_utils.views.whitening import whiten

BASE = Config(
    layout="aaa,bcd",
    backbone="test_efficientnet",
    pretrained=False,
    batch=16,
    epochs=6,
    lr=6e-3,
    optimiser="adamw",
    cutout=None,
    flip=specs.Flip(),
    schedule=specs.OneCycle(),
    resize=specs.Resize(64, 18, "area"),
    precision=None,
)
TRAIN, TEST, VALID = 160, 96, 96
SNR = 250.0
"""Integrated over a panel, 15 sigma a pixel: nobody misses these needles; which panels they are in is the question."""


@pytest.fixture(scope="module")
def sky():
    """Whitened cadences (N, 6, 273, 256) float16 of quiet bands with loud needles, and their targets, half of them 1."""
    generator = torch.Generator().manual_seed(5)
    x, y = [], []
    for _ in range((TRAIN + TEST + VALID) // 32):
        target = torch.arange(32) % 2 == 0
        content = random_content(target, ("line", "drift"), generator=generator)
        loud = [
            Needle(needle.tracks, needle.snr.clamp(max=1.0) * SNR, needle.factor)
            for needle in (content.star, content.terrestrial)
        ]
        content = replace(content, star=loud[0], terrestrial=loud[1])
        bands = random_bands(torch.zeros(4, dtype=torch.long), generator=generator)
        window = cut(bands, [row // 8 for row in range(32)], [row % 8 * 96 for row in range(32)])
        x.append(whiten(finish(window, content, "current")).half())
        y.append(target.float())
    return torch.cat(x), torch.cat(y)


def stream(x, y, rows):
    """``fit``'s batches of ``rows``, shuffled anew each epoch."""

    def batches(epoch, first):
        order = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch))]
        for chosen in order[first * BASE.batch :].split(BASE.batch):
            yield SimpleNamespace(x=x[chosen], y=y[chosen], rows=chosen)

    return batches


def scores(config, model, x, rows):
    """Logits of ``rows``."""
    batches = (SimpleNamespace(x=x[part], rows=part) for part in rows.split(32))
    return predict(model, batches, view_of(config), tta=config.tta)[0]


def trained(config, batches, steps, panel_augments=(), second=None):
    """A fresh network after a short training."""
    torch.manual_seed(1)
    model = network_of(config, None).to(memory_format=torch.channels_last)
    loss, own = loss_of(config)
    randomness = Randomness(3)
    views = Views(
        view_of(config),
        randomness.generator,
        panel_augments=panel_augments,
        image_augments=augments(config, IMAGE_AUGMENTATIONS),
        channels_last=True,
    )
    objective = supervised(loss, views)
    if second is not None:
        batches = paired(batches, second)
        strong = augments(config, {"flip": IMAGE_AUGMENTATIONS["flip"]})
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
    "focal": {"loss": specs.Focal(gamma=2.0), "epochs": 9},
    "wmw beside bce": {"auc_loss": specs.WMW()},
    "auc margin on scores": {"loss": specs.AUCMargin(imratio=0.5, on="score"), "optimiser": "pesg", "lr": 1.0, "epochs": 9},
    "two classes, soft cross-entropy": TWO,
    "l2 head": TWO | {"head": specs.L2Head()},
    "arc head": TWO | {"head": specs.ArcHead()},
    "mixup, or labels": {"mixup": specs.Mixup(until=0.5), "epochs": 10},
}


@pytest.mark.parametrize("name", SUPERVISED)
def test_every_loss_and_head_separates_the_sky(name, sky):
    config = replace(BASE, **SUPERVISED[name])
    model = trained(config, stream(*sky, torch.arange(TRAIN)), TRAIN // BASE.batch)
    assert auc(sky[1][VALIDATION], scores(config, model, sky[0], VALIDATION)) > 0.9


@pytest.fixture(scope="module")
def teacher(sky):
    """A network that knows the sky."""
    return trained(BASE, stream(*sky, torch.arange(TRAIN)), TRAIN // BASE.batch)


def test_pseudo_labels_and_a_noisy_student_learn_without_a_label_of_their_own(sky, teacher):
    """Two labelled cadences and the teacher's scores of the test rows; the student is trained from random weights."""
    x, y = sky
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
    for spec, noise in ((specs.Pseudo("teacher", above=0.7, below=0.3), {}), (specs.Pseudo("teacher"), {"drop_rate": 0.3})):
        pseudo = select_pseudo(table, **vars(spec))
        rows, targets = append_pseudo(
            np.array([0, 1]),
            y[:TRAIN].numpy(),
            pseudo,
            fold=0,
            train_ids=np.array(names[:TRAIN]),
            test_ids=np.array(names[TRAIN:]),
        )
        assert len(rows) > 2 and np.isfinite(targets[rows]).all()
        config = replace(BASE, epochs=16, **noise)
        model = trained(config, stream(x, torch.from_numpy(targets), torch.from_numpy(rows)), len(rows) // BASE.batch)
        assert auc(y[VALIDATION], scores(config, model, x, VALIDATION)) > 0.9


def test_fixmatch_separates_the_sky_and_reads_no_label_of_the_test(sky):
    x, y = sky
    hidden = torch.where(torch.arange(len(y)) < TRAIN, y, torch.nan)
    rows, test = torch.arange(TRAIN), torch.arange(TRAIN, TRAIN + TEST).repeat(2)
    model = trained(BASE, stream(x, hidden, rows), TRAIN // BASE.batch, second=stream(x, hidden, test))
    assert auc(y[VALIDATION], scores(BASE, model, x, VALIDATION)) > 0.9


def test_a_distilled_student_separates_the_sky_without_labels(sky, teacher):
    x, y = sky
    steps = (distill(teacher, view_of(BASE), weight=1.0),)
    model = trained(BASE, stream(x, torch.zeros_like(y), torch.arange(TRAIN)), TRAIN // BASE.batch, panel_augments=steps)
    assert auc(y[VALIDATION], scores(BASE, model, x, VALIDATION)) > 0.9

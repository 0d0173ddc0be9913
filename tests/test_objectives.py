"""Objectives: what reaches the network and the loss, and that each of them learns."""

from functools import partial
from types import SimpleNamespace

import pytest
import tiny_training
import torch
import torch.nn.functional as F
from torch import nn

from seti_utils.learn.auc_losses import wmw
from seti_utils.learn.fit import fit
from seti_utils.learn.losses import bce, focal, soft_cross_entropy
from seti_utils.learn.objectives import Twins, Views, added, distill, during, fixmatch, paired, supervised
from seti_utils.learn.precision import Precision
from seti_utils.learn.schedules import cosine
from seti_utils.learn.seeding import Randomness
from seti_utils.stats.auc import auc


def batch(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return SimpleNamespace(x=torch.randn(n, 2, 4, 4, generator=generator).half(), y=(torch.arange(n) % 2).float(), panels=(0, 1))


def views(**steps):
    return Views(lambda x, panels: x.float(), torch.Generator().manual_seed(0), **steps)


class Spy(nn.Module):
    """Remembers its input; gives the mean of the first channel, as one logit or two."""

    def __init__(self, two=False):
        super().__init__()
        self.scale, self.two, self.calls = nn.Parameter(torch.ones(())), two, []

    def forward(self, image, target=None):
        self.calls.append((image.detach(), target, self.training, torch.is_grad_enabled()))
        logit = self.scale * image[:, 0].mean((1, 2))
        return torch.stack([0 * logit, logit], 1) if self.two and target is not None else logit


def test_panels_are_augmented_before_rendering_and_images_after():
    seen = []

    def step(name):
        return lambda x, y, done, generator, panels=None: (seen.append((name, x.dtype, done, panels)), (x + 1, y / 2))[1]

    made = Views(
        lambda x, panels: (seen.append(("render", x.dtype, None, panels)), x[:, :1] * 10)[1],
        torch.Generator(),
        panel_augments=[step("panels")],
        image_augments=[step("image")],
    )
    given = batch()
    image, y = made.training(given, 0.25)
    assert seen == [
        ("panels", torch.float32, 0.25, (0, 1)),
        ("render", torch.float32, None, (0, 1)),
        ("image", torch.float32, 0.25, None),
    ]
    torch.testing.assert_close(image, (given.x.float()[:, :1] + 1) * 10 + 1)
    torch.testing.assert_close(y, given.y / 4)
    assert torch.equal(given.x, batch().x), "the batch's reused buffer was changed"


@pytest.mark.parametrize(("until", "done", "on"), [(None, 0.99, True), (0.8, 0.79, True), (0.8, 0.8, False), (0.0, 0.0, False)])
def test_during_ends_where_it_says(until, done, on):
    x, y = during(lambda x, y, *, generator: (x + 1, y), until)(torch.zeros(1), torch.zeros(1), done, torch.Generator())
    assert bool(x == 1) is on


def test_the_supervised_loss_is_that_of_the_networks_output():
    model, given = Spy(), batch()
    loss = supervised(bce, views())(model, given, 0.0)
    expected = F.binary_cross_entropy_with_logits(given.x.float()[:, 0].mean((1, 2)), given.y)
    torch.testing.assert_close(loss, expected)
    assert torch.equal(model.calls[0][1], given.y), "a margin head needs the label"


@pytest.mark.parametrize("two", [False, True])
def test_twins_go_through_the_network_with_the_batch_and_add_what_they_fall(two):
    model, given = Spy(two), batch()
    pair = (torch.tensor([1.0, 2.0, 0.0]), torch.tensor([1.5, 1.0, -0.25]))

    def draw(x, *, generator, panels):
        assert torch.equal(x, given.x) and panels == (0, 1), "the batch as it was read"
        return tuple(level[:, None, None, None].expand(3, 2, 4, 4) for level in pair)

    loss = supervised(
        soft_cross_entropy, views(image_augments=[lambda x, y, done, generator: (x + 1, y)]), twins=Twins(draw, 2.0)
    )
    alone = supervised(soft_cross_entropy, views(image_augments=[lambda x, y, done, generator: (x + 1, y)]))
    torch.testing.assert_close(loss(model, given, 0.0), alone(Spy(two), given, 0.0) + 2.0 * (1.0 + 0.25) / 3)
    image, target, training, _ = model.calls[0]
    assert len(model.calls) == 1 and training and torch.equal(target, torch.cat([given.y, torch.ones(6)]))
    assert torch.equal(image[6:, 0, 0, 0], torch.cat(pair)), "no augmentation"


def test_the_loss_is_float32_outside_autocast():
    found = {}

    def loss(output, target):
        found.update(output=output.dtype, autocast=torch.is_autocast_enabled("cpu"))
        return bce(output, target)

    precision = Precision("bf16")
    supervised(loss, views(), autocast=precision.autocast)(tiny_training.Net(), batch(), 0.0)
    assert found == {"output": torch.float32, "autocast": False}
    with precision.autocast():
        assert tiny_training.Net()(torch.zeros(2, 2, 4, 4)).dtype == torch.bfloat16


def test_channels_last_reaches_the_network():
    model = Spy()
    supervised(bce, views(layout=torch.channels_last))(model, batch(), 0.0)
    assert model.calls[0][0].is_contiguous(memory_format=torch.channels_last)


def test_an_added_wmw_is_added():
    output, target = torch.randn(8), (torch.arange(8) % 2).float()
    total = added(bce, partial(wmw, weight=10.0))(output, target)
    torch.testing.assert_close(total, bce(output, target) + 10 * wmw(output, target))


@pytest.mark.parametrize("two", [False, True])
def test_fixmatch_learns_only_from_confident_rows(two):
    labelled, unlabelled = batch(seed=1), batch(seed=2)
    logits = torch.tensor([5.0, 2.0, 0.0, -2.0, -5.0, 8.0])
    unlabelled.x = logits[:, None, None, None].expand(6, 2, 4, 4).half()
    unlabelled.y = torch.full((6,), torch.nan)
    model = Spy(two)
    halve = during(lambda x, y, *, generator: (x / 2, y))
    objective = fixmatch(bce, views(), strong=[halve], above=0.9, below=0.05, weight=3.0)
    found = objective(model, (labelled, unlabelled), 0.0)
    soft = torch.sigmoid(logits)
    sure = (soft > 0.9) | (soft < 0.05)
    assert sure.tolist() == [True, False, False, False, True, True]
    guess = F.binary_cross_entropy_with_logits(logits / 2, soft, reduction="none")[sure].sum() / 6
    torch.testing.assert_close(found, supervised(bce, views())(Spy(two), labelled, 0.0) + 3 * guess)
    (weak, _, training, gradient), (joined, _, learning, _) = model.calls
    assert (training, gradient, learning, model.training) == (False, False, True, True)
    assert len(weak) == 6 and len(joined) == 12


def test_distill_moves_the_label_towards_the_teachers_score():
    teacher, given = Spy(), batch()
    step = distill(teacher, lambda x, panels: x.float(), weight=0.25)
    x, y = step(given.x, given.y, 0.0, torch.Generator(), panels=given.panels)
    torch.testing.assert_close(y, 0.75 * given.y + 0.25 * torch.sigmoid(given.x.float()[:, 0].mean((1, 2))))
    assert x is given.x
    assert not teacher.calls[0][2] and not teacher.calls[0][3] and not teacher.scale.requires_grad


def test_paired_streams_resume_at_the_same_number():
    def numbers(offset, n):
        return lambda epoch, first: iter(range(offset + first, offset + n))

    assert list(paired(numbers(0, 4), numbers(100, 9))(0, 2)) == [(2, 102), (3, 103)]


class TwoLogits(tiny_training.Net):
    """The head gives two logits while it learns, their difference when it is used."""

    def __init__(self):
        super().__init__()
        self.layers[-1] = nn.Linear(64, 2)

    def forward(self, image, target=None):
        both = self.layers(image)
        return both if target is not None else both[:, 1] - both[:, 0]


def reached(objective, model, seed, batches=None, lr=1e-2):
    """AUC on its own rows after eight short epochs."""
    torch.manual_seed(seed)
    fit(
        model,
        batches or partial(tiny_training.stream, seed=seed),
        objective,
        torch.optim.Adam(model.parameters(), lr),
        cosine,
        epochs=8,
        steps=tiny_training.STEPS,
        randomness=Randomness(seed),
    )
    x, y = tiny_training.rows(seed)
    with torch.no_grad():
        return auc(y.numpy(), model(x.float()).numpy())


mix = during(lambda x, y, *, generator: ((x + x.flip(0)) / 2, y + y.flip(0) - y * y.flip(0)), until=0.8)


EASY = {
    "bce": (bce, tiny_training.Net, (0.991, 0.013)),
    "focal": (partial(focal, gamma=2.0), tiny_training.Net, (0.991, 0.014)),
    "bce and wmw": (added(bce, wmw), tiny_training.Net, (0.993, 0.009)),
    "soft cross-entropy of two logits": (soft_cross_entropy, TwoLogits, (0.996, 0.005)),
    "bce of two logits": (bce, TwoLogits, (0.996, 0.005)),
}
"""Loss, network and the AUC that twelve seeds reach: mean and standard deviation."""


@pytest.mark.parametrize("name", EASY)
def test_supervised_learns_an_easy_question(name, seed, learned):
    loss, net, (mean, sd) = EASY[name]
    torch.manual_seed(seed)
    learned(reached(supervised(loss, views(image_augments=[mix])), net(), seed), above=0.9, mean=mean, sd=sd)


@pytest.mark.parametrize(("net", "mean", "sd"), [(tiny_training.Net, 0.998, 0.004), (TwoLogits, 0.999, 0.001)])
def test_fixmatch_learns_an_easy_question_and_reads_no_label_of_the_second_stream(net, mean, sd, seed, learned):
    def hidden(epoch, first):
        return (given._replace(y=given.y * torch.nan) for given in tiny_training.stream(epoch, first, seed=seed))

    torch.manual_seed(seed)
    objective = fixmatch(bce, views(), strong=[during(tiny_training.noisy)], above=0.7, below=0.3)
    learned(
        reached(objective, net(), seed, paired(partial(tiny_training.stream, seed=seed), hidden)), above=0.9, mean=mean, sd=sd
    )


def test_a_student_learns_from_a_teacher_alone(seed, learned):
    torch.manual_seed(seed)
    teacher = tiny_training.Net()
    learned(reached(supervised(bce, views()), teacher, seed), above=0.9, mean=0.998, sd=0.003)

    def unlabelled(epoch, first):
        return (given._replace(y=torch.zeros_like(given.y)) for given in tiny_training.stream(epoch, first, seed=seed))

    student = tiny_training.Net()
    objective = supervised(bce, views(panel_augments=[distill(teacher, lambda x, panels: x.float(), weight=1.0)]))
    learned(reached(objective, student, seed, unlabelled), above=0.9, mean=0.995, sd=0.005)

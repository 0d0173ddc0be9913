"""Adaptation without labels: AdaBN undoes a shift of the channels, SHOT finds shifted blobs again, rows are drawn by their weights."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seti_utils.data.batches import Batch, epoch_order
from seti_utils.data.cadence import SIX
from seti_utils.errors import InputError
from seti_utils.learn import adapting
from seti_utils.learn.losses import bce
from seti_utils.learn.objectives import Views
from seti_utils.scores.row_weights import drawn_times, row_weights
from seti_utils.stats.auc import auc


class Blobs(nn.Module):
    """Image (B, 2, 1, 1) to a logit, through two hidden channels and BatchNorm."""

    def __init__(self, norm: bool = True):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 8, 1), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(8, 1)

    def features(self, image):
        return self.body(image)

    def forward(self, image, target=None):
        return self.head(self.features(image)).flatten()


def blobs(rows, share, seed, shift=(0.0, 0.0), scale=1.0, width=0.35):
    """Two clouds of this ``width`` at (-2, 0) and (2, 0), moved and stretched: images (N, 2, 1, 1) and labels."""
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(rows, generator=generator) < share).float()
    x = torch.randn(rows, 2, generator=generator) * width
    x[:, 0] += 4 * y - 2
    return ((x + torch.tensor(shift)) * scale)[..., None, None], y


def trained(x, y, seed, steps=200):
    torch.manual_seed(seed)
    model = Blobs()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        bce(model(x), y).backward()
        optimiser.step()
    return model.eval()


@torch.no_grad()
def right(model, x, y):
    return float(((model.eval()(x) > 0) == (y > 0.5)).float().mean())


def test_adabn_undoes_a_shift_of_the_channels(seed, learned):
    x, y = blobs(600, 0.5, seed + 1)
    there, labels = blobs(600, 0.5, seed + 2, shift=(6.0, -5.0), scale=2.5)
    model = trained(x, y, seed)
    weights = {name: value.clone() for name, value in model.named_parameters()}
    before = right(model, there, labels)
    adapting.adapt_batchnorm(model, there.split(100))
    learned(before, below=0.7, mean=0.496, sd=0.022)
    learned(right(model, there, labels), above=0.97, mean=1.0, sd=0.0001)
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters()), "no weight may change"
    norm = model.body[1]
    flat = model.body[0](there)
    torch.testing.assert_close(norm.running_mean, flat.mean((0, 2, 3)), rtol=1e-4, atol=1e-4)


def test_adabn_refuses_a_network_without_batchnorm():
    with pytest.raises(InputError, match="no BatchNorm"):
        adapting.adapt_batchnorm(Blobs(norm=False), [torch.zeros(4, 2, 1, 1)])


def shot(model, x, pseudo, steps=60):
    """Adapt ``model`` to unlabelled ``x`` as a run does; the labels that a batch carries are centre labels."""
    for parameter in model.head.parameters():
        parameter.requires_grad_(False)
    guess = adapting.centre_labels(*adapting.describe_rows(model, x.split(100)))
    views = Views(lambda image, panels: image.float(), torch.Generator().manual_seed(0))
    objective = adapting.information_maximisation(views, diversity=1.0, positive=0.25, pseudo=pseudo)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 0.01)
    model.train()
    for step in range(steps):
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(step))[:100]
        optimiser.zero_grad()
        objective(model, Batch(x[rows], guess[rows], rows, SIX), 0.0).backward()
        optimiser.step()
    return model.eval()


@pytest.mark.parametrize("pseudo, least, mean, sd", [(None, 0.95, 1.0, 0.0005), (0.3, 0.85, 0.96, 0.012)])
def test_shot_finds_shifted_blobs_again_and_leaves_the_classifier(pseudo, least, mean, sd, seed, learned):
    x, y = blobs(600, 0.5, seed + 1)
    there, labels = blobs(800, 0.25, seed + 3, shift=(2.4, 0.0))
    model = trained(x, y, seed)
    head = model.head.weight.clone()
    before = right(model, there, labels)
    after = right(shot(model, there, pseudo), there, labels)
    learned(before, below=0.6, mean=0.344, sd=0.033)
    learned(after, above=least, mean=mean, sd=sd)
    assert torch.equal(model.head.weight, head)


def test_diversity_keeps_all_rows_from_ending_in_one_class():
    def share(diversity):
        logit = nn.Parameter(torch.linspace(0.1, 1.0, 40))
        model = nn.Module()
        model.forward = lambda image, target=None: logit
        views = Views(lambda image, panels: image.float(), torch.Generator())
        objective = adapting.information_maximisation(views, diversity=diversity, positive=0.25, pseudo=None)
        batch = Batch(torch.zeros(40, 1, 1, 1), torch.zeros(40), torch.arange(40), SIX)
        optimiser = torch.optim.SGD([logit], 5.0)
        for _ in range(300):
            optimiser.zero_grad()
            objective(model, batch, 0.0).backward()
            optimiser.step()
        return float((logit > 0).float().mean())

    assert share(0.0) == 1.0 and 0.1 < share(4.0) < 0.5


def test_information_maximisation_is_the_sum_it_says():
    model = nn.Module()
    logit = torch.tensor([-2.0, 0.5, 3.0])
    model.forward = lambda image, target=None: logit
    views = Views(lambda image, panels: image.float(), torch.Generator())
    guess = torch.tensor([0.0, 1.0, 1.0])
    batch = Batch(torch.zeros(3, 1, 1, 1), guess, torch.arange(3), SIX)
    value = adapting.information_maximisation(views, diversity=0.7, positive=0.3, pseudo=0.2)(model, batch, 0.0)
    p = 1 / (1 + np.exp(-logit.numpy().astype(float)))
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    m = p.mean()
    apart = m * np.log(m / 0.3) + (1 - m) * np.log((1 - m) / 0.7)
    cross = -(guess.numpy() * np.log(p) + (1 - guess.numpy()) * np.log(1 - p)).mean()
    assert float(value) == pytest.approx(entropy + 0.7 * apart + 0.2 * cross, rel=1e-5)


def test_centre_labels_follow_the_features_where_the_scores_are_wrong():
    features = torch.tensor([[1.0, 0.1], [1.0, -0.1], [0.9, 0.0], [0.0, 1.0], [0.1, 1.0]])
    score = torch.tensor([0.2, 0.1, 0.6, 0.9, 0.7])
    assert adapting.centre_labels(features, score).tolist() == [0, 0, 0, 1, 1]


WEIGHTS = np.array([0.1, 0.5, 2.0, 1.4, 1.0])


def test_every_row_is_drawn_as_often_as_its_weight_says():
    times = np.stack([drawn_times(WEIGHTS, None, 3, epoch) for epoch in range(2000)])
    assert (times.sum(1) == len(WEIGHTS)).all()
    np.testing.assert_allclose(times.mean(0), WEIGHTS / WEIGHTS.mean(), atol=0.05)
    assert (np.abs(times - WEIGHTS / WEIGHTS.mean()) < 1).all(), "floor or ceiling of the weight, never further off"
    repeat = np.array([1, 3, 1, 1, 1])
    times = np.stack([drawn_times(WEIGHTS, repeat, 3, epoch) for epoch in range(2000)])
    share = WEIGHTS * repeat
    np.testing.assert_allclose(times.mean(0), share / share.sum() * 7, atol=0.05)


def test_training_on_drawn_rows_reaches_the_weighted_optimum():
    y = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0])
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.SGD([bias], 0.5)
    for epoch in range(400):
        order = epoch_order(5, seed=0, epoch=epoch, repeat=drawn_times(WEIGHTS, None, 0, epoch))
        for group in optimiser.param_groups:
            group["lr"] = 0.5 * (1 - epoch / 400)
        optimiser.zero_grad()
        bce(bias.expand(len(order)), y[order]).backward()
        optimiser.step()
    weighted = float((WEIGHTS * y.numpy()).sum() / WEIGHTS.sum())
    assert abs(float(torch.sigmoid(bias.detach())) - weighted) < 0.03
    assert abs(weighted - float(y.mean())) > 0.08, "equal weights would give another answer"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "adversarial.csv"
    frame = pd.DataFrame({"id": ["00e1", "b", "c", "other"], "split": ["train"] * 3 + ["test"], "weight": [1.0, 3.0, 0.0, 9.0]})
    frame.to_csv(path, index=False)
    return path


def test_row_weights_are_read_by_id_and_have_mean_one(table):
    found = row_weights(table, np.array(["c", "00e1", "b"], dtype=object))
    np.testing.assert_allclose(found, [0.0, 0.75, 2.25])
    np.testing.assert_allclose(row_weights(table, np.array(["00e1", "b"], dtype=object), power=0.0), [1, 1])


def test_what_is_not_a_weight_is_refused(table, tmp_path):
    with pytest.raises(InputError, match="seti_utils shift"):
        row_weights(None, np.array(["b"], dtype=object))
    with pytest.raises(InputError, match="seti_utils shift"):
        row_weights(tmp_path / "nowhere.csv", np.array(["b"], dtype=object))
    with pytest.raises(InputError, match="1 of 2 ids has no weight"):
        row_weights(table, np.array(["b", "zz"], dtype=object))
    with pytest.raises(InputError, match="above zero"):
        row_weights(table, np.array(["c"], dtype=object))
    table.write_text("id,weight\nb,-1\n", encoding="utf-8")
    with pytest.raises(InputError, match="negative"):
        row_weights(table, np.array(["b"], dtype=object))
    table.write_text("id,heaviness\nb,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="not id, weight"):
        row_weights(table, np.array(["b"], dtype=object))


def test_the_tools_here_tell_right_from_wrong(seed, learned):
    x, y = blobs(400, 0.5, seed + 5)
    learned(auc(y.numpy(), trained(x, y, seed)(x).detach().numpy()), above=0.99, mean=1.0, sd=0.0)

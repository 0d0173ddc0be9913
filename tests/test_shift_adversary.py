"""Adversarial validation: 0.5 without a shift, near 1 with one, no credit for recognised bands, weights that are density
ratios."""

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.errors import InputError
from seti_utils.files import write_table
from seti_utils.log.layouts import parse_layout
from seti_utils.nets.models import build_model
from seti_utils.scores.row_weights import row_weights
from seti_utils.shift.adversary import (
    Adversary,
    adversarial_folds,
    adversarial_table,
    boosted,
    choose_validation,
    density_weights,
    effective_rows,
)
from seti_utils.shift.network import GradCAM, as_image, heat_on_panels, network_adversary
from seti_utils.views.layout import arrange


def rows_of(shift, rows=400, seed=0):
    generator = np.random.default_rng(seed)
    is_test = (np.arange(rows) % 2).astype(float)
    features = pd.DataFrame(generator.normal(size=(rows, 5)), columns=list("abcde"))
    features["c"] += shift * is_test
    return features, is_test


def test_boosting_says_half_without_a_shift_and_names_what_it_sees_with_one(seed, learned):
    features, is_test = rows_of(0, seed=seed)
    same = boosted(features, is_test, adversarial_folds(is_test, folds=3), repeats=0)
    learned(abs(same.auc - 0.5), below=0.15, mean=0.033, sd=0.026)
    assert same.low < same.auc < same.high and same.tells == (same.low > 0.5) and same.importance is None
    features, is_test = rows_of(4, seed=seed)
    other = boosted(features, is_test, adversarial_folds(is_test, folds=3), repeats=1)
    learned(other.low, above=0.95, mean=0.985, sd=0.007)
    assert other.tells and other.importance["feature"][0] == "c"
    first, second = other.importance["importance"][:2]
    learned(first, above=0.3, mean=0.468, sd=0.009)
    learned(second, below=0.1, mean=0.002, sd=0.002)


def test_a_band_that_is_recognised_is_not_a_shift(seed, learned):
    """Every band is mostly in one split, and its rows look alike: only folds by band give the honest half."""
    generator = np.random.default_rng(seed + 1)
    band = np.repeat(np.arange(120), 5)
    is_test = (generator.random(600) < np.where(band % 2, 0.9, 0.1)).astype(float)
    look = generator.normal(size=(120, 4))
    features = pd.DataFrame(look[band] + 0.05 * generator.normal(size=(600, 4)))
    plain = boosted(features, is_test, adversarial_folds(is_test, folds=3), repeats=0)
    honest = boosted(features, is_test, adversarial_folds(is_test, band, folds=3), groups=band, repeats=0)
    learned(plain.auc - honest.auc, above=0.1, mean=0.353, sd=0.06)
    learned(plain.auc, above=0.7, mean=0.851, sd=0.024)
    learned(abs(honest.auc - 0.5), below=0.2, mean=0.044, sd=0.038)


def test_weights_are_the_density_ratio():
    generator = np.random.default_rng(2)
    x, is_test = generator.normal(size=6000), np.repeat([0.0, 1.0], [4000, 2000])
    x += 0.8 * is_test
    posterior = 1 / (1 + 2 * np.exp(-(0.8 * x - 0.32)))  # twice as many training rows
    weight = density_weights(posterior, is_test)
    ratio = np.exp(0.8 * x[:4000] - 0.32)
    np.testing.assert_allclose(weight[:4000], ratio.clip(0.1, 10) / ratio.clip(0.1, 10).mean(), rtol=1e-6)
    assert np.isnan(weight[4000:]).all() and weight[:4000].mean() == pytest.approx(1)
    assert np.average(x[:4000], weights=weight[:4000]) == pytest.approx(0.8, abs=0.06)  # the test's mean
    assert effective_rows(weight) < 4000 and effective_rows(np.ones(7)) == pytest.approx(7)


def table_of(score, tells=True):
    rows = len(score)
    table = pd.DataFrame(
        {"id": [f"r{n:03d}" for n in range(rows)], "split": np.where(np.arange(rows) < rows * 3 // 4, "train", "test")}
    )
    return table, Adversary("a", np.asarray(score), 0.8, 0.7 if tells else 0.4, 0.9)


def test_the_table_is_what_reweighting_reads(tmp_path):
    table, one = table_of(np.linspace(0.1, 0.9, 40))
    every = pd.DataFrame({"id": ["new", *table["id"]], "split": ["train", *table["split"]]})
    whole = adversarial_table(table, one, every)
    assert whole["id"].tolist() == every["id"].tolist() and whole["weight"][0] == 1 and whole["score"].notna().all()
    write_table(tmp_path / "adversarial.csv", whole)
    ids = whole.loc[whole["split"] == "train", "id"].to_numpy()
    read = row_weights(tmp_path / "adversarial.csv", ids)
    assert read.mean() == pytest.approx(1) and (np.diff(read[1:]) > 0).all()


def test_where_no_shift_is_seen_every_weight_is_one():
    for one in (table_of(np.linspace(0.1, 0.9, 40), tells=False)[1], None):
        found = adversarial_table(table_of(np.zeros(40))[0], one)
        assert (found.loc[found["split"] == "train", "weight"] == 1).all()


def test_the_validation_set_is_the_most_test_like_part():
    table, one = table_of(np.linspace(0.1, 0.9, 40))
    found = adversarial_table(table, one)
    assert choose_validation(found, share=0.2).tolist()[::-1] == [f"r{n:03d}" for n in range(24, 30)]
    targets = pd.Series(np.arange(40) % 3 == 0, index=table["id"])
    assert targets[choose_validation(found, share=0.5, targets=targets)].mean() == pytest.approx(1 / 3, abs=0.05)
    groups = pd.Series(np.arange(40) // 5, index=table["id"])
    assert set(groups[choose_validation(found, share=0.2, groups=groups)]) == {4, 5}
    with pytest.raises(InputError, match="nothing to train on|another share"):
        choose_validation(found, share=0.2, groups=groups * 0)


def test_too_few_rows_are_refused():
    with pytest.raises(InputError, match="1 row of one split is too few"):
        adversarial_folds([0, 0, 0, 0, 1])


def test_the_network_finds_a_shift_in_one_place_and_looks_there(seed, learned):
    generator = torch.Generator().manual_seed(seed)
    panels = torch.randn(160, 6, 39, 64, generator=generator).mul_(0.3)
    is_test = (np.arange(160) % 2).astype(float)
    panels[1::2, :, :, 40:52] += 1.0
    panels = panels.half()
    folds = adversarial_folds(is_test, folds=2)
    found, model, held = network_adversary(panels, is_test, folds, epochs=6)
    again, _, _ = network_adversary(panels, is_test, folds, epochs=6)
    assert np.array_equal(found.score, again.score)
    learned(found.auc, above=0.95, mean=1.0, sd=0.0)
    heat = GradCAM(model, as_image)(panels[held[is_test[held] == 1][:6]].float())
    assert heat.shape == (6, 1, 64, 39) and float(heat.max()) == pytest.approx(1)
    there, beside = float(heat[:, :, 34:58].mean()), float(heat[:, :, :30].mean())
    learned(there / (there + beside), above=0.6, mean=0.896, sd=0.034)


def test_grad_cam_leaves_the_network_as_it_was():
    model = build_model("test_efficientnet", 1)
    x = torch.randn(2, 1, 64, 64)
    before = model.eval()(x)
    GradCAM(model, lambda x: x)(x)
    assert torch.equal(model(x), before)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("layout", ["abacad", "aaa,bcd", "aaa/bcd", "a,b,a,c,a,d", "aaa"])
def test_heat_lands_on_the_panel_that_caused_it(layout):
    """An image that is bright where one panel lies is heat on that panel, whatever the layout."""
    for panel in (0, 3, 4):
        x = torch.zeros(1, 6, 30, 16)
        x[:, panel] = 1
        heat = heat_on_panels(arrange(x, layout), parse_layout(layout), (30, 16))
        shown = panel in {p for channel in parse_layout(layout) for row in channel for p in row}
        assert heat.shape == (1, 6, 30, 16)
        assert (heat.mean((0, 2, 3)) > 0.9).nonzero().flatten().tolist() == ([panel] if shown else [])

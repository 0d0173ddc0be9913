"""The score without a network: light in ON above light in OFF."""

import numpy as np
import torch

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import CLEANED_SIX, SIX
from seti_utils.scores.classical import FLOOR, light_scores, panel_light
from seti_utils.stats.auc import auc
from seti_utils.views.injection import inject


def cleaned(batch, seed):
    """Panels without background: a thousandth of a sigma of rounding."""
    return torch.randn(batch, 6, 64, 48, generator=torch.Generator().manual_seed(seed)) * 1e-3


def test_light_is_the_mean_of_the_brightest_pixels():
    x = torch.zeros(1, 2, 4, 5)
    x[0, 0, :, 1], x[0, 0, :, 3] = 2.0, 4.0
    light = panel_light(x)
    torch.testing.assert_close(light.exp(), torch.tensor([[3.0, FLOOR]]))


def test_faint_needles_are_found_where_the_background_is_gone_whatever_their_shape():
    options = {"families": ("drift", "sine", "walk"), "p": 0.5, "amplitude": (0.2, 1.0), "drop": 0.0, "panels": CLEANED_SIX}
    x, y = inject(cleaned(200, 1), torch.zeros(200), generator=torch.Generator().manual_seed(2), **options)
    score, rows = light_scores(
        [Batch(x[:120].half(), y[:120], torch.arange(120), SIX), Batch(x[120:].half(), y[120:], torch.arange(120, 200), SIX)]
    )
    assert (rows == np.arange(200)).all() and ((score > 0) & (score < 1)).all()
    assert auc(y.numpy(), score) > 0.95


def test_a_needle_in_all_panels_is_not_a_candidate():
    x = cleaned(2, 3)
    x[0, :, :, 7] += 3.0
    x[1, 0::2, :, 7] += 3.0
    score, _ = light_scores([Batch(x, torch.zeros(2), torch.arange(2), SIX)])
    assert abs(score[0] - 0.5) < 0.01 and score[1] > 0.99


def test_noise_that_no_neighbour_covers_is_not_light_and_hides_none():
    x = cleaned(2, 4)
    x[:, :, :, 30:] = torch.randn(2, 6, 64, 18, generator=torch.Generator().manual_seed(5))
    x[1, 0::2, :, 7] += 0.3
    score, _ = light_scores([Batch(x, torch.zeros(2), torch.arange(2), SIX)])
    assert abs(score[0] - 0.5) < 0.1 and score[1] > 0.9

"""The detector: its lesson marks what was drawn, its score is of ON panels alone, and drawn needles alone teach it."""

import math
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import CLEANED_SIX, OFF, ON, SIX
from seti_utils.errors import InputError
from seti_utils.learn.objectives import Views, during
from seti_utils.log.pages import LOG
from seti_utils.nets.backbones import make_body
from seti_utils.nets.detector import Detector, detecting
from seti_utils.nets.models import build_model
from seti_utils.sky.needles import FAMILIES, Tracks, family_indices
from seti_utils.stats.auc import auc
from seti_utils.views.injection import inject
from seti_utils.views.masked_injection import CANDIDATES, ECHO, inject_with_mask, mark, random_sources
from seti_utils.views.pixels import flip
from seti_utils.views.rendering import render

ALL = ("line", "drift", "sine")


def noise(batch, seed, time=72, freq=64):
    return torch.randn(batch, 6, time, freq, generator=torch.Generator().manual_seed(seed))


def drawn(x, seed=0, **words):
    options = {"families": ALL, "amplitude": (30.0, 40.0), "needles": 2, "freq": 32, "time": 12} | words
    return inject_with_mask(x, generator=torch.Generator().manual_seed(seed), **options)


def test_places_are_where_the_pixels_changed():
    x = noise(8, 1)
    changed, places = drawn(x, panels=CLEANED_SIX, needles=1)

    def lit(above):
        return nn.functional.adaptive_max_pool2d((changed - x > above).float().transpose(2, 3), (32, 12))

    needles, candidates = places.split((6, 3), dim=1)
    assert needles.sum() > 100
    # A needle midway between two channels lights both with a quarter of its height: only the nearer one is marked.
    assert (lit(16.0)[:, ON] <= needles[:, ON]).all(), "every place with a bright pixel is marked"
    # An echo in OFF panels may have three tenths of the brightness.
    assert (lit(16.0) <= needles).all() and (needles <= lit(1.5)).all(), "and every mark has a pixel"
    no_off = ~needles[:, OFF].flatten(1).any(1)
    assert no_off.any() and not no_off.all()
    assert torch.equal(candidates[no_off], needles[no_off][:, ON])
    assert not candidates[~no_off].any(), "a needle that OFF panels have is no candidate"


def test_drawn_needles_are_candidates_or_terrestrial_in_the_stated_shares():
    carriers, share = random_sources(20000, torch.Generator().manual_seed(1))
    on, off = carriers[:, ON], carriers[:, OFF]
    candidate = ~off.any(1)
    assert on[candidate].any(1).all()
    assert abs(float(candidate.float().mean()) - CANDIDATES) < 0.015
    everywhere = carriers.all(1) & (share == 1).all(1)
    echo = (share[:, OFF] < 1).any(1)
    for kind in (off.any(1) & ~on.any(1), everywhere, echo):
        assert abs(float(kind.float().mean()) - (1 - CANDIDATES) / 3) < 0.015
    assert (on[echo].any(1) & off[echo].any(1)).all(), "an echo is weaker in OFF, but there"
    assert (share[:, ON] == 1).all() and ECHO[0] <= share.min() < share.max() <= ECHO[1]


def test_sowing_leaves_its_input_and_normalises_raw_panels_only():
    x = noise(4, 2)
    before = x.clone()
    raw, _ = drawn(x)
    cleaned, places = drawn(x, panels=CLEANED_SIX)
    assert torch.equal(x, before)
    assert raw.mean((2, 3)).abs().max() < 1e-4 and (raw.std((2, 3), correction=0) - 1).abs().max() < 1e-3
    hot = places[:, :6].flatten(2).any(2)
    assert hot.any() and (cleaned[~hot] == x[~hot]).all() and (cleaned.amax((2, 3))[hot] > 5).all()


def test_a_mark_of_a_known_track():
    freq = torch.full((1, 6, 12), 3.2)
    gate = torch.zeros(1, 6, 12)
    gate[0, 2, 6:] = 1
    tracks = Tracks(freq, gate, torch.zeros(1, dtype=torch.long), torch.zeros(1))
    places, there = torch.zeros(1, 9, 8, 4), torch.ones(1, 9, dtype=torch.bool)
    mark(places, tracks, there, 16)
    assert places.nonzero().tolist() == [[0, 2, 1, 2], [0, 2, 1, 3], [0, 7, 1, 2], [0, 7, 1, 3]], "panel 2 is the second ON panel"
    there[:, 6:] = False
    mark(again := torch.zeros(1, 9, 8, 4), tracks, there, 16)
    assert again.nonzero().tolist() == [[0, 2, 1, 2], [0, 2, 1, 3]], "terrestrial: a needle, but no candidate"


def test_sowing_refuses_what_it_cannot_do():
    for held in (ON, SIX + CLEANED_SIX):
        with pytest.raises(InputError, match="all six"):
            drawn(torch.zeros(2, len(held), 40, 64), panels=held)
    with pytest.raises(InputError, match="rise|rising|low, high"):
        drawn(noise(2, 3), amplitude=(3.0, 1.0))


def test_the_score_is_the_heat_of_the_hottest_places_of_on_panels():
    model = Detector(make_body("needle_net", 1), top=2)
    heat = torch.full((3, 3, 4, 2), -30.0)
    heat[0, 0, :2, 0] = 4.0  # two hot places of one panel
    heat[1, 1, 0, 0] = 4.0  # one hot place
    heat[2, :, :2, 0] = 4.0  # all three panels
    torch.testing.assert_close(model.logit(heat), torch.tensor([4.0, -13.0, 4.0 + math.log(3.0)]))


def test_on_panels_may_change_places_among_themselves_and_so_may_off_panels():
    torch.manual_seed(1)
    model = Detector(make_body("needle_net", 1)).eval()
    image = torch.randn(4, 6, 64, 24)
    with torch.no_grad():
        score = model(image)
        torch.testing.assert_close(model(image[:, [4, 1, 0, 3, 2, 5]]), score)
        torch.testing.assert_close(model(image[:, [0, 5, 2, 1, 4, 3]]), score)
        assert (model(image[:, [1, 0, 3, 2, 5, 4]]) - score).abs().max() > 1e-4, "but ON is not OFF"


def test_detector_refuses_other_channels_and_backbones_without_a_map():
    with pytest.raises(InputError, match="a,b,a,c,a,d"):
        Detector(make_body("needle_net", 1), channels=1)
    with pytest.raises(InputError, match="no .* map"):
        Detector(make_body("vit_tiny_patch16_224", 1))


@pytest.mark.parametrize("size", [(256, 48), (256, 39), (64, 7)])
def test_needle_net_takes_any_size_and_keeps_frequency_fine(size):
    body = make_body("needle_net", 1).eval()
    x = torch.randn(2, 1, *size)
    assert body.forward_features(x).shape == (2, 32, -(-size[0] // 2), -(-size[1] // 12))
    assert build_model("needle_net", 2)(x.expand(-1, 2, -1, -1)).shape == (2,)


def test_flips_move_places_with_pixels():
    """A one-layer 'network' that sees the brightness finds the marks, whatever way the image is flipped."""

    class Bright(nn.Module):
        def forward(self, image, target=None):
            heat = (image - 5.0) * 4
            candidate = (image[:, OFF] < 5.0).flatten(1).all(1)[:, None, None, None]
            return torch.cat([heat, torch.where(candidate, heat[:, ON], -20.0)], dim=1)

    view = partial(render, layout="A,B,A,C,A,D")
    generator = torch.Generator().manual_seed(4)
    lesson = partial(inject_with_mask, families=("line",), amplitude=(40.0, 40.0), needles=1)
    batch = Batch(torch.zeros(16, 6, 24, 32).half(), torch.zeros(16), torch.arange(16), CLEANED_SIX)

    def loss(augments):
        views = Views(view, generator.manual_seed(4), image_augments=[during(augment) for augment in augments])
        return float(detecting(views, lesson, autocast=nullcontext)(Bright(), batch, 0.0))

    plain = loss([])
    assert loss([partial(flip, p=1.0, axes=("freq",))]) < plain * 1.5
    assert loss([partial(flip, p=1.0, axes=("time",))]) < plain * 1.5


def test_drawn_needles_alone_teach_it_to_rank_cadences(seed, learned):
    torch.manual_seed(seed)
    view = partial(render, layout="a,b,a,c,a,d", resize={"freq": 64, "time": 12, "kernel": "area"})
    model = Detector(make_body("needle_net", 1))
    generator = torch.Generator().manual_seed(seed)
    views = Views(view, generator)
    lesson = partial(inject_with_mask, families=("line", "drift"), amplitude=(2.0, 6.0), needles=2)
    objective = detecting(views, lesson, autocast=nullcontext)
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    for step in range(60):
        x = noise(8, 100 * (seed + 1) + step).half()
        loss = objective(model.train(), Batch(x, torch.full((8,), torch.nan), torch.arange(8), SIX), 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, y = inject(
        noise(48, seed + 9), torch.zeros(48), generator=generator, families=("drift",), p=0.5, amplitude=(4.0, 6.0), drop=0.0
    )
    with torch.no_grad():
        score = model.eval()(view(x))
    assert 10 < float(y.sum()) < 40
    learned(auc(y.numpy(), score.numpy()), above=0.9, mean=0.988, sd=0.015)  # labels were NaN: only the drawn needles taught it
    assert model.features(view(x)).shape == (48, 3 * 32)


def test_every_family_of_the_sky_can_be_drawn():
    for name in ("rung_family", "rung_detector"):
        config = LOG.find(name).config
        families = config.inject.families if config.inject else config.detect.families
        assert {FAMILIES[number] for number in family_indices(families)} == set(FAMILIES)


def test_log_amplitudes_are_even_in_the_logarithm():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, 72, 64, generator=generator)
    heights = {}
    for law in ("even", "log"):
        changed, y = inject(
            x,
            torch.zeros(400),
            generator=torch.Generator().manual_seed(1),
            families=("line",),
            p=1.0,
            amplitude=(8.0, 128.0),
            drop=0.0,
            law=law,
            panels=CLEANED_SIX,
        )
        peak = (changed - x).amax((1, 2, 3))[y > 0.5]
        heights[law] = float(np.median(peak.numpy()))
    assert heights["even"] == pytest.approx(68, rel=0.15) and heights["log"] == pytest.approx(32, rel=0.25)
    with pytest.raises(InputError, match="law"):
        inject(x, torch.zeros(400), generator=generator, law="evenly")

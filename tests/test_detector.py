"""The detector: its lessons mark what was drawn, it sees what lies along tracks, and drawn needles alone teach it."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import CLEANED_SIX, OFF, ON, SIX
from seti_utils.errors import InputError
from seti_utils.learn.objectives import Twins, Views, during
from seti_utils.log.pages import LOG
from seti_utils.nets.backbones import make_body
from seti_utils.nets.detector import (
    NOWHERE,
    WIDTH,
    Detector,
    Sighting,
    answers,
    detecting,
    judged,
    of_scene,
    paint,
)
from seti_utils.nets.models import build_model
from seti_utils.nets.track_search import EACH
from seti_utils.nets.track_views import STRIPS
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


def test_drawing_leaves_its_input_alone_and_normalises_raw_panels_only():
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


def test_drawing_refuses_what_it_cannot_do():
    for held in (ON, SIX + CLEANED_SIX):
        with pytest.raises(InputError, match="all six"):
            drawn(torch.zeros(2, len(held), 40, 64), panels=held)
    with pytest.raises(InputError, match="rise|rising|low, high"):
        drawn(noise(2, 3), amplitude=(3.0, 1.0))


def crossing(batch=2, time=48, freq=256, seed=0, panels=ON, height=4.0, drift=9.0):
    """White panels, and in the first cadence a needle from channel 100 on that drifts; its track (6, time)."""
    x = noise(batch, seed, time, freq)
    track = (100 + drift * (torch.arange(6 * time) + 0.5) / time).view(6, time)
    for panel in panels:
        x[0, panel].scatter_add_(1, track[panel].round().long()[:, None], torch.full((time, 1), height))
    return x, track


def test_a_sighting_says_where_and_in_which_panels():
    torch.manual_seed(0)
    model = Detector(make_body("track_net", STRIPS)).eval()
    x, track = crossing()
    with torch.no_grad():
        seen = model.look(x.transpose(2, 3))
        assert torch.equal(seen.logit, model(x.transpose(2, 3))) and torch.equal(seen.logit, of_scene(seen.track))
    away = (seen.channel[0] - track)[:, list(ON)].abs().mean((1, 2))
    assert float(away.amin()) < 1
    assert seen.panel.shape == (2, 3 * EACH, 6) and seen.features.shape == (2, 3 * EACH, WIDTH)
    assert model.features(x.transpose(2, 3)).shape == (2, WIDTH)


def test_a_scene_is_judged_by_its_four_best_tracks():
    track = torch.tensor([[2.0, -1.0, 3.0, 1.0, 2.0, -8.0], [0.5, 0.5, -3.0, 0.5, 0.5, 0.5]])
    assert EACH == 4 and of_scene(track).tolist() == [2.0, 0.5]
    assert of_scene(track[:, :2]).tolist() == [0.5, 0.5]  # of fewer, all


def test_scores_depend_on_no_other_cadence_and_on_no_scale():
    torch.manual_seed(0)
    model = Detector(make_body("track_net", STRIPS)).eval()
    x, _ = crossing(batch=5)
    with torch.no_grad():
        whole = model(x.transpose(2, 3))
        torch.testing.assert_close(model(x[3:].transpose(2, 3)), whole[3:], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(model(x.transpose(2, 3) * 0.03), whole, atol=1e-2, rtol=1e-2)


def test_heat_is_painted_along_tracks_the_higher_above_the_lower():
    channel = torch.tensor([[3.0, 3.0], [4.0, 7.0], [40.0, -9.0]]).view(1, 3, 1, 2)
    heat = paint(torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1), channel, 8)
    assert heat.shape == (1, 1, 8, 2)
    assert heat[0, 0, :, 0].tolist() == [NOWHERE] * 2 + [1, 2, 2, 2] + [NOWHERE] * 2
    assert heat[0, 0, :, 1].tolist() == [NOWHERE] * 2 + [1, 1, 1, NOWHERE, 2, 2]


def test_answers_by_what_a_track_follows():
    time = 20
    places = torch.zeros(1, 9, 64, time)
    places[0, 0, 10], places[0, 6, 10] = 1, 1  # panel 0: a candidate in channel 10
    places[0, 3, 10, :2] = 1  # panel 3: some needle, for a tenth of it
    places[0, 2, 30] = 1  # panel 2: a needle that OFF panels have too, no candidate
    places[0, 5, 50, :5] = 1  # panel 5: some needle, for a quarter of it
    channel = torch.tensor([10.0, 30.0, 50.0]).view(1, 3, 1, 1).expand(1, 3, 6, time)
    panel, track = answers(channel, places)
    assert panel[0].tolist() == [[1, 0, 0, -1, 0, 0], [0] * 6, [0, 0, 0, 0, 0, 1]]
    assert track.tolist() == [[1, 0, 0]]
    places[0, 7, 30, :3] = 1  # a candidate for 3 rows of 20, between CROSSED and FOLLOWED: left open
    panel, track = answers(channel, places)
    assert panel[0, 1].tolist() == [0, 0, -1, 0, 0, 0] and track.tolist() == [[1, -1, 0]]


def test_what_has_no_answer_teaches_nothing():
    logit = torch.tensor([[2.0, -50.0, 3.0]], requires_grad=True)
    loss = judged(logit, torch.tensor([[1.0, -1.0, 0.0]]))
    loss.backward()
    assert logit.grad[0, 1] == 0 and logit.grad[0, 0] < 0 < logit.grad[0, 2]
    assert judged(logit, torch.full((1, 3), -1.0)) == 0


def test_head_and_body_share_out_all_parameters():
    model = Detector(make_body("track_net", STRIPS))
    head, body = list(model.head_parameters()), list(model.body_parameters())
    assert head and body and {id(p) for p in head}.isdisjoint(id(p) for p in body)
    assert len(head) + len(body) == len(list(model.parameters()))


def test_detector_refuses_other_channels_and_backbones_without_a_map():
    with pytest.raises(InputError, match="a,b,a,c,a,d"):
        Detector(make_body("track_net", STRIPS), channels=1)
    with pytest.raises(InputError, match="no .* map"):
        Detector(make_body("vit_tiny_patch16_224", STRIPS))


@pytest.mark.parametrize("name, factors", [("needle_net", (2, 12, 32)), ("track_net", (2, 6, 24))])
@pytest.mark.parametrize("size", [(256, 48), (21, 39), (64, 7)])
def test_small_nets_take_any_size_and_keep_frequency_fine(name, factors, size):
    body = make_body(name, 1).eval()
    x = torch.randn(2, 1, *size)
    assert body.forward_features(x).shape == (2, factors[2], -(-size[0] // factors[0]), -(-size[1] // factors[1]))
    assert build_model(name, 2)(x.expand(-1, 2, -1, -1)).shape == (2,)


def test_flips_move_places_with_pixels():
    """A 'network' that follows the brightest pixel of every row agrees with the places, whatever way the image is flipped."""

    class Brightest(nn.Module):
        def forward(self, image, target=None):
            batch, _, freq, time = image.shape
            channel = image.argmax(2)[:, None].float()
            lit = (image.amax(2) > 5).float().mean(2)
            candidate = (lit[:, ON] > 0.5) & (lit[:, OFF].sum(1, keepdim=True) < 0.1)
            panel = lit.clone()
            panel[:, ON] = candidate.float()
            logit = (panel[:, None] - 0.15) * 40
            return Sighting(logit, logit[..., ON].amax(2), logit, channel, logit)

    view = partial(render, layout="A,B,A,C,A,D")
    generator = torch.Generator().manual_seed(4)
    draws = partial(inject_with_mask, families=("line",), amplitude=(40.0, 40.0), needles=1)
    batch = Batch(torch.zeros(16, 6, 24, 32).half(), torch.zeros(16), torch.arange(16), CLEANED_SIX)

    def loss(augments):
        views = Views(view, generator.manual_seed(4), image_augments=[during(augment) for augment in augments])
        return float(detecting(views, draws, autocast=nullcontext)(Brightest(), batch, 0.0))

    plain = loss([])
    assert plain < 0.3
    assert loss([partial(flip, p=1.0, axes=("freq",))]) < plain + 0.05
    assert loss([partial(flip, p=1.0, axes=("time",))]) < plain + 0.05


def test_twins_of_a_detector_add_what_their_logits_fall():
    class Level(nn.Module):
        def forward(self, image, target=None):
            level = image.mean((1, 2, 3))
            none = torch.zeros(len(image), 1, 6, image.shape[3])
            return Sighting(level, none[..., 0, 0], none[..., 0], none, none)

    def draw(x, *, generator, panels):
        return torch.full((2, *x.shape[1:]), 3.0), torch.full((2, *x.shape[1:]), 1.0)

    views = Views(partial(render, layout="A,B,A,C,A,D"), torch.Generator())
    needles = partial(inject_with_mask, families=("line",), amplitude=(40.0, 40.0), needles=1)
    batch = Batch(torch.zeros(4, 6, 24, 32).half(), torch.zeros(4), torch.arange(4), CLEANED_SIX)
    views.generator.manual_seed(4)
    alone = detecting(views, needles, autocast=nullcontext)(Level(), batch, 0.0)
    views.generator.manual_seed(4)
    both = detecting(views, needles, twins=Twins(draw, 0.5), autocast=nullcontext)(Level(), batch, 0.0)
    torch.testing.assert_close(both, alone + 0.5 * 2.0)


def test_drawn_needles_alone_teach_it_to_rank_cadences(seed, learned):
    torch.manual_seed(seed)
    view = partial(render, layout="a,b,a,c,a,d", resize={"freq": 64, "time": 12, "kernel": "area"})
    model = Detector(make_body("track_net", STRIPS))
    generator = torch.Generator().manual_seed(seed)
    views = Views(view, generator)
    draws = partial(inject_with_mask, families=("line", "drift"), amplitude=(2.0, 6.0), needles=2)
    objective = detecting(views, draws, autocast=nullcontext)
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    for step in range(40):
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
    learned(auc(y.numpy(), score.numpy()), above=0.9, mean=0.975, sd=0.021)  # labels were NaN: only the drawn needles taught it


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
            amplitude=(0.25, 4.0),
            drop=0.0,
            law=law,
            panels=CLEANED_SIX,
        )
        peak = (changed - x).amax((1, 2, 3))[y > 0.5]
        heights[law] = float(np.median(peak.numpy()))
    assert heights["even"] == pytest.approx(2.125, rel=0.15) and heights["log"] == pytest.approx(1, rel=0.25)
    with pytest.raises(InputError, match="law"):
        inject(x, torch.zeros(400), generator=generator, law="evenly")

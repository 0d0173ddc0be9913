"""Needles as nature draws them: profiles, courses of brightness, panels; energies against sums over drawn pixels."""

import math
from dataclasses import replace

import pytest
import torch

from seti_utils.data.cadence import CLEANED_SIX, FREQ, OFF, ON, PANELS, SIX, TIME
from seti_utils.errors import InputError
from seti_utils.sky import background, nature, needles, profiles
from seti_utils.sky.background import random_glare
from seti_utils.sky.carriers import any_subset, terrestrial_carriers
from seti_utils.sky.dedrift import measure, straight_tracks
from seti_utils.sky.nature import ASPECTS, CEILING, FWHM, brightness, natural, random_profiles, scintillation
from seti_utils.sky.needles import draw, light_snr, pixels, random_tracks
from seti_utils.sky.profiles import FAINT, REACH, REAL_FWHM, SHAPES, plain_profiles
from seti_utils.sky.ranges import ECHO_SNR, TERRESTRIAL_KINDS
from seti_utils.views import masked_injection
from seti_utils.views.injection import inject
from seti_utils.views.masked_injection import inject_with_mask

UNIT = torch.ones(1, PANELS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def straight(batch=1, drift=7.5, start=100.0, **profile):
    tracks = straight_tracks(torch.full((batch,), start), torch.full((batch,), drift))
    return replace(tracks, profile=plain_profiles(batch, **profile))


def drawn_snr(tracks, amplitude):
    """SNR of needles of this amplitude (B,) or (B, 6) in all six panels."""
    peak = amplitude[:, None].expand(-1, PANELS) if amplitude.ndim == 1 else amplitude
    return light_snr(pixels(tracks, peak, range(PANELS)), tracks.freq, FREQ)


def empty(batch=1):
    return torch.zeros(batch, PANELS, TIME, FREQ)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fwhm", [0.5, REAL_FWHM, 2.0, 6.0])
def test_every_profile_has_the_energy_of_the_real_needles(shape, fwhm):
    tracks = straight(shape=shape, fwhm=fwhm)
    drawn = draw(empty(), tracks, torch.tensor([4.0]), sigma=UNIT)
    exact = drawn.square().sum((2, 3)).sqrt()
    real = draw(empty(), straight_tracks(torch.tensor([100.0]), torch.tensor([7.5])), torch.tensor([4.0]), sigma=UNIT)
    on = list(ON)
    torch.testing.assert_close(exact[:, on], real.square().sum((2, 3)).sqrt()[:, on], rtol=0.03, atol=0)
    torch.testing.assert_close(
        drawn_snr(tracks, torch.tensor([4.0]))[:, on], torch.full((1, 3), 4 * TIME**0.5), rtol=0.03, atol=0
    )
    assert (drawn_snr(tracks, torch.tensor([4.0]))[:, list(OFF)] == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_profile_is_as_wide_as_it_says(shape):
    start = torch.linspace(100, 101, 41)[:-1]
    tracks = replace(straight_tracks(start, torch.zeros(40)), profile=plain_profiles(40, fwhm=3.0, shape=shape))
    drawn = draw(empty(40), tracks, torch.full((40,), 100.0), sigma=torch.ones(40, PANELS))[:, 0, 0]
    distance = (torch.arange(FREQ) - start[:, None]).abs()
    height = drawn / tracks.profile.peak[:, None] / 100
    torch.testing.assert_close(height[distance < 0.013], torch.ones_like(height[distance < 0.013]), atol=1e-3, rtol=0)
    assert height[distance < 1.49].min() > 0.5 > height[(distance > 1.51) & (distance < 30)].max()


def test_the_real_needle_is_one_of_them():
    wide = random_profiles(4000, frozenset(ASPECTS), generator=seeded())
    real = (wide.fwhm - REAL_FWHM).abs() < 1e-6
    assert 0.2 < real.float().mean() < 0.3 and (wide.shape[real] == SHAPES.index("gaussian")).all()
    assert wide.fwhm.min() >= FWHM[0] and wide.fwhm.max() <= FWHM[1] and set(wide.shape.tolist()) == set(range(len(SHAPES)))
    plain = straight_tracks(torch.tensor([100.3]), torch.tensor([7.5]))
    shaped = replace(plain, profile=plain_profiles(1, fwhm=REAL_FWHM))
    one, two = (draw(empty(), tracks, torch.tensor([10.0]), sigma=UNIT) for tracks in (plain, shaped))
    torch.testing.assert_close(one, two, atol=2 * FAINT, rtol=2e-3)


def test_lines_stand_apart_and_sidebands_on_either_side():
    drawn = random_profiles(4000, frozenset(("lines",)), generator=seeded(1))
    count = (drawn.height > 0).sum(1)
    assert all(0.05 < (count == number).float().mean() < 0.15 for number in (2, 3)) and (drawn.height[:, 0] == 1).all()
    assert (drawn.offset[count == 2, 1].abs() >= REAL_FWHM).all()
    three = drawn.rows(count == 3)
    assert torch.equal(three.offset[:, 1], -three.offset[:, 2]) and torch.equal(three.height[:, 1], three.height[:, 2])
    tracks = straight(drift=0.0)
    sides = replace(tracks.profile, offset=torch.tensor([[0.0, 6.0, -6.0]]), height=torch.tensor([[1.0, 0.5, 0.5]]))
    row = draw(empty(), replace(tracks, profile=sides), torch.tensor([10.0]), sigma=UNIT)[0, 0, 5]
    assert row[100] > 7 and row[94] == pytest.approx(float(row[100]) / 2, rel=1e-3) and row[106] == row[94] and row[97] < 0.1


@pytest.mark.parametrize("speed", [0.15, 0.7, 2.0])
def test_smearing_keeps_the_light_and_widens_the_line(speed):
    """Against a sum over twenty moments of the row."""
    fwhm, rows = 1.5, torch.arange(PANELS * TIME).view(1, PANELS, TIME)
    path = 20 + speed * (rows % 100).float()
    tracks = replace(straight(fwhm=fwhm), freq=path)
    smeared = draw(empty(), tracks, torch.tensor([50.0]), sigma=UNIT)[0, 0, 10:90]
    still = replace(tracks.profile, smear=torch.zeros(1, dtype=torch.bool))
    moments = torch.zeros_like(smeared)
    for moment in torch.linspace(-0.475, 0.475, 20).tolist():
        part = replace(tracks, freq=path + speed * moment, profile=still)
        moments += draw(empty(), part, torch.tensor([50.0]), sigma=UNIT)[0, 0, 10:90] / 20
    torch.testing.assert_close(smeared.sum(1), moments.sum(1), rtol=0.01, atol=0)
    assert (smeared - moments).abs().max() < 0.12 * moments.max()
    sharp = draw(empty(), replace(tracks, profile=still), torch.tensor([50.0]), sigma=UNIT)[0, 0, 10:90]
    assert smeared.max() <= sharp.max()


def test_scintillation_is_rices():
    for depth in (0.0, 0.4, 1.0):
        power = scintillation(torch.full((300, 1), depth), torch.full((300, 1), 7.0), 1638, generator=seeded(2))
        assert (power >= 0).all() and power.mean() == pytest.approx(1, abs=0.03)
        assert power.var() == pytest.approx(2 * depth - depth**2, abs=0.06)
        if depth == 1:  # exponential
            assert (power > 2).float().mean() == pytest.approx(math.exp(-2), abs=0.015)
        if depth:
            centred = power - power.mean()

            def alike(lag, centred=centred):
                return float((centred[:, lag:] * centred[:, :-lag]).mean() / centred.square().mean())

            assert alike(1) > 0.8 and abs(alike(20)) < 0.1


@pytest.mark.parametrize("aspect", ["gaps", "pulses", "span"])
def test_gates_only_close(aspect):
    gate = torch.ones(600, PANELS, TIME)
    gate[:, 3] = 0
    lit = brightness(gate, {aspect}, generator=seeded(3))
    assert set(lit.unique().tolist()) == {0.0, 1.0} and (lit <= gate).all()
    changed = (lit != gate).flatten(1).any(1)
    assert 0.04 < changed.float().mean() < 0.25
    ends = lit.flatten(1).diff(dim=1).abs().sum(1)[changed]
    if aspect == "span":
        assert (ends <= 4).all(), "one beginning, one end, and panel 3"
        assert (lit.flatten(1).sum(1) > 0).all()
    if aspect == "pulses":
        assert (ends > 10).all()


def test_saturation_cuts_the_tops():
    tracks = straight(drift=0.0, fwhm=2.0)
    cut = replace(tracks.profile, ceiling=torch.tensor([CEILING[0]]))
    whole, flat = (draw(empty(), replace(tracks, profile=p), torch.tensor([100.0]), sigma=UNIT) for p in (tracks.profile, cut))
    assert flat.max() == pytest.approx(CEILING[0] * float(whole.max()), rel=1e-4)
    low = whole < flat.max() * 0.99
    assert torch.equal(whole[low], flat[low])


def test_without_an_aspect_nothing_is_drawn_and_nothing_changes():
    generator = seeded(4)
    tracks = random_tracks(("drift",), 5, generator=generator)
    state = generator.get_state()
    assert natural(tracks, (), generator=generator) is tracks and torch.equal(generator.get_state(), state)
    for aspects, changed in ((("width",), "profile"), (("gaps", "span"), "gate")):
        other = natural(tracks, aspects, generator=seeded(5))
        assert torch.equal(other.freq, tracks.freq) and other.profile is not None
        assert torch.equal(other.gate, tracks.gate) == (changed == "profile")
    for wrong in (("hue",), "width"):
        with pytest.raises(InputError, match="unknown aspect"):
            natural(tracks, wrong, generator=generator)
    with pytest.raises(InputError, match="fwhm"):
        natural(tracks, ("all",), generator=generator, fwhm=(3.0, 1.0))


def test_a_needle_is_drawn_the_same_alone_and_among_others():
    tracks = natural(random_tracks(("drift", "sine", "walk"), 24, generator=seeded(6)), ("all",), generator=seeded(7))
    amplitude = torch.logspace(-1, 2.5, 24)
    together = draw(empty(24), tracks, amplitude, sigma=torch.ones(24, PANELS))
    for place in range(24):
        row = torch.tensor([place])
        alone = draw(empty(), tracks.rows(row), amplitude[row], sigma=UNIT)
        torch.testing.assert_close(alone[0], together[place], rtol=1e-4, atol=FAINT)
    snr = drawn_snr(tracks, amplitude)
    dense = (together.double().square().sum((2, 3)) / (0.306 * math.pi**0.5)).sqrt()
    torch.testing.assert_close(snr.double(), dense, rtol=1e-4, atol=1e-6)
    lit = together.abs().amax(2)
    assert (lit.flatten(1) > 0).any(1).all()
    near = (torch.arange(FREQ) - tracks.freq[..., None]).abs() <= REACH
    assert not (together * ~near).any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fwhm", [0.72, 3.0])
def test_measuring_finds_the_amplitude_of_any_profile(shape, fwhm):
    tracks = straight(4, drift=9.0, start=60.0, shape=shape, fwhm=fwhm)
    x = draw(torch.randn(4, PANELS, TIME, FREQ, generator=seeded(8)), tracks, torch.full((4,), 5.0), sigma=torch.ones(4, PANELS))
    found = measure(x, tracks)
    assert float(found.snr_bin[:, list(ON)].mean()) == pytest.approx(5.0, rel=0.05)
    assert abs(float(measure(torch.randn(4, PANELS, TIME, FREQ, generator=seeded(9)), tracks).significance.mean())) < 0.7


def test_echoes_are_faint_but_can_be_found():
    kinds, snr = torch.randint(3, (6000,), generator=seeded(10)), torch.logspace(0.5, 3.5, 6000)
    carriers, factor = terrestrial_carriers(kinds, snr, generator=seeded(11))
    names = list(TERRESTRIAL_KINDS)
    off, on = carriers[:, list(OFF)], carriers[:, list(ON)]
    assert off.any(1).all(), "whatever its kind, a terrestrial needle is in an OFF panel"
    assert not on[kinds == names.index("off")].any() and carriers[kinds == names.index("all")].all()
    echo = kinds == names.index("echo")
    assert on[echo].any(1).all() and (factor[~echo] == 1).all() and (factor[:, list(ON)] == 1).all()
    there = factor[:, list(OFF)][echo & (snr > 1000)]
    assert there.min() < 0.03 and there.max() > 0.9
    assert (
        (factor * snr[:, None])[echo][:, list(OFF)] >= torch.minimum(snr[echo], torch.tensor(ECHO_SNR))[:, None] * 0.999
    ).all()


def test_every_subset_is_equally_likely():
    subsets = any_subset(7000, generator=seeded(12))
    assert not subsets[:, list(OFF)].any()
    _, count = subsets.unique(dim=0, return_counts=True)
    assert len(count) == 7 and count.min() > 850


@pytest.mark.parametrize("panels", [SIX, CLEANED_SIX])
def test_natural_needles_keep_the_label_rule(panels):
    x = torch.randn(64, PANELS, TIME, FREQ, generator=seeded(13))
    y = torch.tensor([0.0, 0.2, 0.5, 1.0] * 16)
    out, label = inject(x, y, generator=seeded(14), families=("line", "drift"), p=0.7, nature=("all",), panels=panels,
                        amplitude=(20.0, 300.0), law="log", drop=0.0)  # fmt: skip
    hit = (out != x).flatten(1).any(1)
    assert 10 < hit.sum() < 32 and (y[hit] < 0.5).all()
    assert (label[hit] == 1).all() and torch.equal(label[~hit], y[~hit])
    assert not (out != x)[:, list(OFF)].any()


def test_marks_are_the_bright_half_of_a_wide_needle():
    x = torch.zeros(16, PANELS, 78, 64)
    words = {"families": ("drift",), "amplitude": (7.5, 7.5), "needles": 1, "freq": 64, "time": 78, "panels": CLEANED_SIX}
    drawn, places = inject_with_mask(x, generator=seeded(15), nature=("width",), fwhm=(4.0, 6.0), **words)
    any_needle, candidate = places[:, :PANELS].transpose(2, 3) > 0, places[:, PANELS:].transpose(2, 3) > 0
    lit = drawn.amax(3, keepdim=True)
    half = (drawn >= lit / 2) & (lit > 0)
    inside = (lit > 3).expand_as(half)
    assert (half & inside).any() and torch.equal(half & inside, any_needle & inside)
    assert any_needle.sum(3)[inside.any(3)].float().mean() > 2, "several channels of a wide needle"
    terrestrial = drawn[:, list(OFF)].flatten(1).amax(1) > 0
    assert terrestrial.any() and not terrestrial.all() and not candidate[terrestrial].any()
    assert torch.equal(candidate[~terrestrial], any_needle[~terrestrial][:, list(ON)])


def test_bright_backgrounds_are_added_and_never_marked():
    x = torch.randn(48, PANELS, 78, 64, generator=seeded(16))
    words = {"families": ("drift",), "amplitude": (1e-3, 1e-3), "needles": 1, "freq": 64, "time": 13, "nature": ("width",)}
    plain, before = inject_with_mask(x, generator=seeded(17), panels=CLEANED_SIX, **words)
    lit, places = inject_with_mask(x, generator=seeded(17), panels=CLEANED_SIX, glare=0.5, **words)
    bright = (lit - x).amax((1, 2, 3))
    dazzled = bright > 1
    assert 0.25 < dazzled.float().mean() < 0.75 and bright.max() > 5 and (plain - x).abs().max() < 0.01
    assert not (lit - x)[~dazzled].abs().max() > 0.01
    assert places.flatten(1).any(1)[dazzled].any(), "the needles drawn among it are marked"
    assert (places.flatten(2).mean(2) < 0.1).all(), "and nothing else"


def test_glare_is_of_every_kind_and_lights_the_panels():
    light = random_glare(120, generator=seeded(18), freq=128, time=91)
    assert light.shape == (120, PANELS, 91, 128) and light.isfinite().all()
    top = light.amax((1, 2, 3))
    assert (top > 3).float().mean() > 0.8 and top.max() > 200
    columns, rows = light.mean((1, 2)), light.mean((1, 3))
    standing = columns.amax(1) > 20 * columns.median(1).values.clamp(min=1e-3)
    bursts = (rows.amax(1) > 10 * rows.median(1).values.clamp(min=1e-3)) & ~standing
    assert 0.1 < standing.float().mean() < 0.8 and 0.05 < bursts.float().mean() < 0.8


def test_what_a_gpu_does_not_look_at_changes_nothing(monkeypatch):
    """A GPU draws with one wide grid, without asking which needles are there: the same pixels."""
    tracks = natural(random_tracks(("drift", "sine", "line"), 12, generator=seeded(19)), ("all",), generator=seeded(20))
    amplitude = torch.logspace(-0.5, 2.5, 12) * (torch.arange(12) % 4 > 0)
    x = torch.randn(12, PANELS, 78, 64, generator=seeded(21))
    words = {"families": ("drift",), "amplitude": (3.0, 30.0), "needles": 2, "freq": 32, "time": 13, "nature": ("all",)}
    made = []
    for look in (True, False):
        for room in (background, nature, needles, profiles, masked_injection):
            monkeypatch.setattr(room, "may_look", lambda values, look=look: look)
        assert (glare := random_glare(4, generator=seeded(22), freq=64)).isfinite().all()
        drawn = draw(empty(12), tracks, amplitude, sigma=torch.ones(12, PANELS))
        lesson = inject_with_mask(x, generator=seeded(23), glare=0.5, **words)
        made.append((drawn, drawn_snr(tracks, amplitude), glare))
        assert all(part.isfinite().all() for part in lesson) and 0 < lesson[1].mean() < 0.2
    for one, other, atol in zip(*made, (FAINT, 1e-3, 1e-4), strict=True):
        torch.testing.assert_close(one, other, atol=atol, rtol=1e-4)

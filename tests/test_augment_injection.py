"""Injected needles: where, how bright, with which label; and that the image still shows them."""

from functools import partial

import numpy as np
import pytest
import torch

from seti_utils.data.cadence import CLEANED_LIMIT, CLEANED_SIX, SIX
from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.overlap.clean import clean_panels
from seti_utils.sky.needles import FAMILIES
from seti_utils.views.injection import inject
from seti_utils.views.masked_injection import inject_with_mask
from seti_utils.views.noise import add_noise
from seti_utils.views.normalising import normalise_panels
from seti_utils.views.rendering import render
from seti_utils.views.twins import twins

ON, OFF = [0, 2, 4], [1, 3, 5]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def noise():
    return normalise_panels(torch.randn(40, 6, 273, 256, generator=seeded(1)))


def test_only_negatives_get_needles_and_their_label_becomes_1(noise):
    y = torch.tensor([0.0, 0.2, 0.5, 1.0] * 10)
    x, label = inject(noise, y, generator=seeded(), families=("line",), p=0.5)
    hit = (x != noise).flatten(1).any(1)
    assert 4 <= hit.sum() <= 16
    assert (y[hit] < 0.5).all() and (label[hit] == 1).all() and torch.equal(label[~hit], y[~hit])
    all_hit = inject(noise, torch.zeros(40), generator=seeded(), families=("line",), p=1.0)
    assert (all_hit[1] == 1).all() and (all_hit[0] != noise).flatten(1).any(1).all()


def test_needles_lie_in_a_random_non_empty_subset_of_the_on_panels(noise):
    x, _ = inject(noise, torch.zeros(40), generator=seeded(), families=("line",), p=1.0)
    touched = (x != noise).flatten(2).any(2)
    assert not touched[:, OFF].any() and touched[:, ON].any(1).all()
    subsets = {tuple(row) for row in touched[:, ON].tolist()}
    assert len(subsets) >= 6, "all seven subsets come up"


def test_altered_panels_are_normalised_again(noise):
    x, _ = inject(noise, torch.zeros(40), generator=seeded(), p=1.0, amplitude=(10.0, 10.0))
    assert x.mean((2, 3)).abs().max() < 1e-5 and (x.std((2, 3), correction=0) - 1).abs().max() < 1e-4


def test_amplitude_is_in_sigma_of_the_local_noise(noise):
    # Offsets from the channel's centre are even for a drifting track, so the brightest pixel of a row holds on average
    # the mean of exp(-d^2 / (2 0.306^2)) over |d| < 1/2, which is 0.689.
    for scale in (1.0, 0.25):
        background = noise * scale
        background[..., 128:] += 4
        x, _ = inject(background, torch.zeros(40), generator=seeded(), families=("drift",), p=1.0, amplitude=(6.0, 6.0), drop=0.0)
        panels = (x != background).flatten(2).any(2)
        after, before = x[panels], background[panels]
        # Undo the normalisation: a fit over all pixels hardly sees the needle.
        difference = []
        for new, old in zip(after, before):
            slope, offset = np.polyfit(old.flatten()[::7], new.flatten()[::7], 1)
            difference.append((new - offset) / slope - old)
        peak = torch.stack(difference).amax(2)
        lit = peak[peak > 1.5 * scale] / scale
        assert lit.mean() == pytest.approx(6 * 0.69, rel=0.12)


def test_pixels_are_dropped_at_random(noise):
    def rows_lit(drop):
        x, _ = inject(noise, torch.zeros(40), generator=seeded(), families=("line",), p=1.0, amplitude=(30.0, 30.0), drop=drop)
        panels = (x != noise).flatten(2).any(2)
        return (x[panels].amax(2) > 4.5).float().mean()

    whole = rows_lit(0.0)
    assert whole > 0.9
    assert rows_lit(0.8) == pytest.approx(float(whole) * 0.6, abs=0.1)


@pytest.mark.parametrize("family", [*FAMILIES, "chirp"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_family_of_the_sky_can_be_injected(noise, family, dtype):
    x, label = inject(noise[:6].to(dtype), torch.zeros(6), generator=seeded(), families=(family,), p=1.0, amplitude=(8.0, 8.0))
    assert x.dtype == dtype and x.isfinite().all()
    hit = label == 1
    assert hit.sum() >= 4 and torch.equal(x[~hit], noise[:6].to(dtype)[~hit])
    assert ((x[hit] - noise[:6].to(dtype)[hit]).abs() > 1).flatten(1).sum(1).min() >= 20


def test_on_panels_alone_are_enough(noise):
    x, label = inject(noise[:, ON], torch.zeros(40), generator=seeded(), panels=tuple(ON), families=("line",), p=1.0)
    whole, _ = inject(noise, torch.zeros(40), generator=seeded(), families=("line",), p=1.0)
    assert (label == 1).all() and torch.equal(x, whole[:, ON])


def test_constant_panels_stay_finite():
    x, label = inject(torch.zeros(4, 6, 273, 256), torch.zeros(4), generator=seeded(), p=1.0)
    assert x.isfinite().all() and label.isfinite().all()


def test_bad_knobs_are_refused(noise):
    for knobs, said in (
        ({"families": ("squiggle",)}, "squiggle"),
        ({"amplitude": (2.0, 1.0)}, "amplitude"),
        ({"drop": 1.0}, "drop"),
    ):
        with pytest.raises(InputError, match=said):
            inject(noise, torch.zeros(40), generator=seeded(), **knobs)


def test_the_rendered_image_keeps_the_needles_snr(noise):
    """A line of 1 sigma: a matched filter finds it in the 512 x 512 image nearly as well as in the panels."""
    x, label = inject(noise, torch.zeros(40), generator=seeded(3), families=("line",), p=1.0, amplitude=(1.0, 1.0), drop=0.0)
    assert (label == 1).all()
    how = {"freq": 512, "time": 512}

    def snr(render_panels):
        signal = render_panels(x) - render_panels(noise)
        template = signal.flatten(1)
        other = render_panels(noise.roll(1, 0)).flatten(1)
        level = (template * other).sum(1)
        return (template.square().sum(1) / level.std()).mean()

    native = snr(lambda panels: render(panels, layout="aaa"))
    image = snr(lambda panels: render(panels, layout="aaa", resize=how))
    assert image / native > 0.85


def test_cleaned_panels_get_the_same_needle_in_sigma():
    raw = normalise_panels(torch.randn(8, 6, 273, 256, generator=seeded(1)) + torch.linspace(0, 5, 256))
    cleaned = 0.01 * torch.randn(8, 6, 273, 256, generator=seeded(2))
    words = {"families": ("drift",), "p": 1.0, "amplitude": (4.0, 4.0), "drop": 0.3}
    both, label = inject(torch.cat([raw, cleaned], 1), torch.zeros(8), generator=seeded(), panels=SIX + CLEANED_SIX, **words)
    alone, same = inject(raw, torch.zeros(8), generator=seeded(), **words)
    bare, again = inject(cleaned, torch.zeros(8), generator=seeded(), panels=CLEANED_SIX, **words)
    assert torch.equal(both[:, :6], alone) and torch.equal(both[:, 6:], bare)
    assert torch.equal(label, same) and torch.equal(label, again) and label.sum() > 4
    added = (bare - cleaned)[label == 1]
    assert 3.5 < added.max() <= 4.0 + 1e-4 and not added[:, OFF].any(), "the amplitude is in sigma, and nothing is normalised"
    where = added > 2
    assert torch.equal((alone - raw)[label == 1][:, ON].flatten(2).amax(2) > 0.1, where[:, ON].flatten(2).any(2))


@pytest.mark.parametrize("nature", [(), ("all",)], ids=["real needle", "as nature draws"])
@pytest.mark.parametrize("amplitude", [1.0, 60.0, 300.0])
def test_cleaned_panels_hold_a_bright_needle_as_cleaning_leaves_it(nature, amplitude):
    """The truth table of brightness: what cleaning makes of a needle drawn before it, injection makes of one drawn after it."""
    sky = torch.randn(1, 6, 273, 256, generator=seeded(5))  # a neighbour shows all of it
    cleaned = torch.zeros(1, 6, 273, 256)
    words = {"families": ("drift",), "p": 1.0, "amplitude": (amplitude, amplitude), "drop": 0.0, "nature": nature}
    after, label = inject(cleaned, torch.zeros(1), generator=seeded(1), panels=CLEANED_SIX, **words)
    before, _ = inject(sky, torch.zeros(1), generator=seeded(1), **words)
    assert label.tolist() == [1] and not after[:, OFF].any()
    whole = torch.ones(1, 6, dtype=torch.bool)
    left, covered = clean_panels(before[0], sky, [0], whole)
    assert covered.all() and left.amax() == pytest.approx(float(after.amax()), rel=0.1), "wide wings are a part of the noise"
    assert after.amax() == pytest.approx(amplitude, rel=0.1) or nature
    assert ((left > amplitude / 2) == (after[0] > amplitude / 2)).float().mean() > 0.998
    masked = partial(inject_with_mask, needles=1, freq=64, time=24, families=("drift",), amplitude=(amplitude, amplitude))
    drawn, _ = masked(cleaned.expand(8, -1, -1, -1), generator=seeded(2), panels=CLEANED_SIX, nature=nature)
    assert drawn.amax() > amplitude / 2


def test_no_needle_overflows_float16_in_cleaned_panels():
    cleaned = torch.full((2, 6, 273, 256), 100.0, dtype=torch.float16)
    words = {"families": ("drift",), "amplitude": (1e5, 1e5)}
    drawn, _ = inject(cleaned, torch.zeros(2), generator=seeded(1), panels=CLEANED_SIX, p=1.0, drop=0.0, **words)
    masked, _ = inject_with_mask(cleaned, generator=seeded(2), panels=CLEANED_SIX, needles=1, freq=64, time=24, **words)
    assert drawn.amax() == masked.amax() == CLEANED_LIMIT and drawn.isfinite().all()


def test_twins_are_one_needle_twice_in_the_same_cadence():
    x = torch.randn(10, 12, 273, 256, generator=seeded(1))
    words = {"share": 0.25, "families": FAMILIES, "amplitude": (0.5, 300.0), "panels": SIX + CLEANED_SIX}
    fainter, brighter = twins(x, generator=seeded(2), **words)
    assert fainter.shape == (3, 12, 273, 256), "a quarter of ten, rounded up"
    assert all(torch.equal(*both) for both in zip((fainter, brighter), twins(x, generator=seeded(2), **words), strict=True))
    faint, bright = (part[:, 6:] - x[:3, 6:] for part in (fainter, brighter))
    assert not faint[:, OFF].any() and not bright[:, OFF].any() and bright[:, ON].flatten(1).any(1).all()
    by = (bright.flatten(1).amax(1) / faint.flatten(1).amax(1))[:, None, None, None]
    assert (by > 1).all() and torch.allclose(bright, faint * by, atol=1e-3, rtol=1e-3), "of one shape"
    for raw, light in ((fainter, faint), (brighter, bright)):
        sigma = local_sigma(x[:3, :6])[..., None, None]
        assert torch.allclose(raw[:, :6], normalise_panels(x[:3, :6] + light * sigma), atol=1e-4), (
            "raw panels show the same, normalised"
        )
    with pytest.raises(InputError, match="low, high"):
        twins(x, generator=seeded(), **words | {"amplitude": (3.0, 1.0)})


def test_twins_overflow_no_float16_in_cleaned_panels():
    cleaned = torch.zeros(2, 6, 273, 256, dtype=torch.float16)
    _, brighter = twins(cleaned, generator=seeded(1), share=1.0, amplitude=(1e5, 1e5), panels=CLEANED_SIX)
    assert brighter.amax() == CLEANED_LIMIT


def test_noise_on_cleaned_panels_is_the_same_draw():
    raw = normalise_panels(torch.randn(6, 6, 20, 30, generator=seeded(1)))
    both, _ = add_noise(
        torch.cat([raw, torch.zeros_like(raw)], 1), torch.zeros(6), generator=seeded(), panels=SIX + CLEANED_SIX, low=0.5
    )
    alone, _ = add_noise(raw, torch.zeros(6), generator=seeded(), low=0.5)
    assert torch.equal(both[:, :6], alone)
    assert torch.allclose(normalise_panels(raw + both[:, 6:]), alone, atol=1e-5)

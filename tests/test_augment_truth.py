"""Truth table of the augmentations that :mod:`test_augment_panels` does not hold, in every layout.

Cadences are of two kinds: a star's needle (one bright channel in every ON panel, label 1), and nothing (label 0). What
the image of a layout shows after the augmentation must be what its label says.
"""

import pytest
import torch

from seti_utils.log.config import HINTS
from seti_utils.log.layouts import panels_shown, parse_layout
from seti_utils.log.specs import features_of
from seti_utils.run.compose import IMAGE_KNOBS
from seti_utils.views.injection import inject
from seti_utils.views.layout import arrange, arrange_channels, rows_of
from seti_utils.views.noise import add_noise
from seti_utils.views.normalising import normalise_panels
from seti_utils.views.rendering import render
from seti_utils.views.twins import twins

LAYOUTS = ["abacad", "aaabcd", "aaa,bcd", "a,b,a,c,a,d", "aaa,bcd,abacad", "aaa", "aaa/bcd"]
LAYOUTS += ["AAA,BCD", "aaa,bcd,AAA,BCD"]
BATCH, TIME, FREQ, CHANNEL = 48, 24, 36, 11
STAR = torch.arange(BATCH) % 2 == 0
ON = (0, 2, 4)
KEEP = {"flip": {"axes": ("freq", "time", "both")}, "distort": {}, "cutout": {"share": 0.2}}
MIX = {"mixup": {"label": "or"}, "mixup max": {"label": "max"}, "mixup linear": {"label": "linear"}, "cutmix": {}}


FUNCTIONS = {knob: features_of(HINTS[knob])[0].worker() for knob in IMAGE_KNOBS}


def cadences(height=1.0):
    x = torch.zeros(BATCH, 6, TIME, FREQ)
    x[:, ON, :, CHANNEL] = height * STAR.float()[:, None, None]
    return x


def held(layout):
    """The panels that a layout reads: raw ones, cleaned ones, or both."""
    kinds = {panel // 6 for panel in panels_shown(parse_layout(layout))}
    return tuple(6 * kind + slot for kind in sorted(kinds) for slot in range(6))


def as_read(x, layout):
    """What a layout reads: raw or cleaned panels, or the cleaned ones behind the raw ones."""
    return torch.cat([x] * (len(held(layout)) // 6), 1)


def image_of(x, layout):
    """The layout's image; channels of different length are brought to one size."""
    if len({channel.shape for channel in arrange_channels(x, layout, held(layout))}) == 1:
        return arrange(x, layout, held(layout))
    return render(x, layout=layout, panels=held(layout), resize={"freq": x.shape[-1], "time": 3 * x.shape[-2], "kernel": "area"})


def seeded():
    return torch.Generator().manual_seed(3)


def lit(x, layout):
    """{slot: (B,) whether the needle's channel is bright in the panel shown there}."""
    shown = {}
    for channel, image in zip(parse_layout(layout), arrange_channels(x, layout, held(layout))):
        for row, slots in enumerate(channel):
            for place, slot in enumerate(slots):
                freq, time = x.shape[-1], x.shape[-2]
                block = image[:, row * freq : (row + 1) * freq, place * time : (place + 1) * time]
                bright = block.mean(2)[:, CHANNEL] - block.mean((1, 2)) > 0.5
                assert torch.equal(shown.setdefault(slot % 6, bright), bright)
    return shown


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("knob", KEEP)
def test_who_keeps_the_label_keeps_the_needle_and_adds_none(layout, knob):
    image = image_of(as_read(cadences(), layout), layout)
    extra = {"rows": rows_of(layout)} if knob == "flip" else {}
    out, label = FUNCTIONS[knob](image, STAR.float(), generator=seeded(), p=1.0, **KEEP[knob], **extra)
    assert (out != image).flatten(1).any(1)[STAR].any(), "something happened"
    assert torch.equal(label, STAR.float())
    shows = (out > 0.2).flatten(2).any(2)
    held = (image > 0.2).flatten(2).any(2)
    assert not (shows & ~held).any(), "no needle appears, and none changes from an ON to an OFF channel"
    assert not (held & ~shows).any(), "and none is hidden"
    if layout == "aaa/bcd" and knob == "flip":
        assert not out[:, :, FREQ:].any(), "the OFF row stays the OFF row"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MIX)
def test_what_a_mixture_shows_is_what_its_label_says(layout, name):
    image = image_of(as_read(cadences(), layout), layout)
    out, label = FUNCTIONS[name.split()[0]](image, STAR.float(), generator=seeded(), p=1.0, **MIX[name])
    shows = (out > 0).flatten(1).any(1)
    assert (label[shows] > 0).all(), "a needle that shows counts"
    if name == "cutmix":
        # The rectangle may hide one needle and miss the other; the label then promises a needle that is not there. This is rare.
        assert (label.bool() & ~shows).sum() < BATCH / 4
    else:
        assert torch.equal(label > 0, shows), "a label without a needle does not"
    assert shows.sum() > STAR.sum() or name == "cutmix"
    assert not shows.all(), "two without a needle stay without"
    if name == "mixup linear":
        # The needle's height is its image's share, and so is the label.
        assert torch.allclose(out.flatten(1).amax(1), label, atol=1e-5)
    else:
        assert set(label.tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_injected_needle_shows_in_on_slots_only_and_its_label_is_1(layout):
    y = STAR.float()
    noise = as_read(torch.randn(BATCH, 6, 96, 64, generator=seeded()), layout)
    out, label = inject(noise, y, generator=seeded(), families=("line",), p=1.0, amplitude=(30.0, 30.0), panels=held(layout))
    touched = torch.zeros(BATCH, dtype=torch.bool)
    for channel, before, after in zip(
        parse_layout(layout), arrange_channels(noise, layout, held(layout)), arrange_channels(out, layout, held(layout))
    ):
        for row, slots in enumerate(channel):
            for place, slot in enumerate(slots):
                where = (slice(None), slice(row * 64, row * 64 + 64), slice(place * 96, place * 96 + 96))
                changed = (before[where] != after[where]).flatten(1).any(1)
                assert slot % 6 in ON or not changed.any()
                touched |= changed
    assert (label[touched] == 1).all() and torch.equal(label[~touched], y[~touched])
    assert not touched[STAR].any() and touched[~STAR].sum() > BATCH / 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_twins_show_one_needle_in_on_slots_and_nothing_else_differs(layout):
    """Twins bear no label: with or without a star's needle, a cadence stays as it was but for one more in some ON panels."""
    x = torch.randn(BATCH, 6, 96, 64, generator=seeded())
    x[:, ON, :, CHANNEL] += 4 * STAR.float()[:, None, None]
    x = as_read(x, layout)
    pair = twins(x, generator=seeded(), families=("line",), share=0.5, amplitude=(30.0, 300.0), panels=held(layout))
    for shown in pair:
        assert len(shown) == BATCH / 2
        for panel, before, after in zip(held(layout), x.unbind(1), shown.unbind(1)):
            kept = before[: len(shown)] if panel >= 6 else normalise_panels(before[: len(shown)])
            changed = ~torch.isclose(kept, after, atol=1e-5).flatten(1).all(1)
            assert changed.any() if panel % 6 in ON else not changed.any()
    light = pair[1] - pair[0]
    assert (light.flatten(1).amax(1) > 0).all(), "each has a needle"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["gaussian", "chi2"])
def test_noise_keeps_the_label_and_the_needle_in_its_slots(layout, kind):
    x = as_read(cadences(height=6.0), layout)
    out, label = add_noise(x, STAR.float(), generator=seeded(), kind=kind, low=0.3, high=1.0, p=1.0, panels=held(layout))
    assert torch.equal(label, STAR.float()) and (out != x).flatten(1).any(1).all()
    for slot, bright in lit(out * 0.4, layout).items():
        assert torch.equal(bright, STAR if slot in ON else torch.zeros_like(STAR))

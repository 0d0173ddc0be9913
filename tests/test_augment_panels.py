"""Truth table: what every panel augmentation shows in every layout, and what label it gives to that.

Each panel carries its number and a rising ramp, so that its place and its direction can be read off any image.
"""

import pytest
import torch

from seti_utils.errors import InputError
from seti_utils.log.layouts import panels_shown, parse_layout
from seti_utils.views.layout import arrange_channels
from seti_utils.views.panels import freq_roll, panel_flip, replace_on, reverse_time, shuffle_cons, shuffle_inv

LAYOUTS = ["abacad", "aaabcd", "aaa,bcd", "a,b,a,c,a,d", "aaa,bcd,abacad", "aaa", "aaa/bcd"]
LAYOUTS += ["AAA,BCD", "aaa,bcd,AAA,BCD", "a,b,a,c,a,d,A,B,A,C,A,D"]
BATCH, TIME, FREQ = 96, 7, 5
SOFT = torch.rand(BATCH, generator=torch.Generator().manual_seed(9)) * 0.8 + 0.1
ON = (0, 2, 4)


def marked(panels=range(6)):
    ramp = torch.linspace(0, 0.6, TIME)[:, None].expand(TIME, FREQ)
    return torch.stack([10.0 * panel + ramp for panel in panels]).expand(BATCH, -1, -1, -1).clone()


def marked_for(layout):
    """What a layout reads: raw or cleaned panels, or both, the cleaned ones (6 to 11) marked as the raw ones are."""
    return as_read(marked(), layout)


def as_read(x, layout):
    return torch.cat([x] * (len(held(layout)) // 6), 1)


def held(layout):
    """The panels that a layout reads: raw ones, cleaned ones, or both."""
    kinds = {panel // 6 for panel in panels_shown(parse_layout(layout))}
    return tuple(6 * kind + slot for kind in sorted(kinds) for slot in range(6))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def read_off(x, layout):
    """{slot: (B,) panel shown there} and {slot: (B,) bool whether it runs backwards}, from the image of a layout.

    A cleaned panel counts as its raw one, and must show the same where both are there.
    """
    shown, backwards = {}, {}
    for channel, image in zip(parse_layout(layout), arrange_channels(x, layout, held(layout))):
        for row, slots in enumerate(channel):
            for place, slot in enumerate(slot % 6 for slot in slots):
                block = image[:, row * FREQ : (row + 1) * FREQ, place * TIME : (place + 1) * TIME]
                panel = (block.amin((1, 2)) / 10).round().long()
                turned = block[:, 0, 0] > block[:, 0, -1]
                assert torch.equal(shown.setdefault(slot, panel), panel)
                assert torch.equal(backwards.setdefault(slot, turned), turned)
    return shown, backwards


def is_on(panel):
    return panel % 2 == 0


@pytest.mark.parametrize("layout", LAYOUTS)
class TestLabels:
    """``x`` shows a signal in its ON panels with probability ``SOFT``; the label must follow it."""

    def test_reverse_time_is_dacaba_and_label_0(self, layout):
        x, y = reverse_time(marked_for(layout), SOFT, generator=seeded(), panels=held(layout), p=0.5)
        shown, backwards = read_off(x, layout)
        hit = backwards[0]
        assert 20 < hit.sum() < 76
        for slot, panel in shown.items():
            assert torch.equal(panel, torch.where(hit, 5 - slot, slot)) and torch.equal(backwards[slot], hit)
        assert not is_on(shown[0][hit]).any() and torch.equal(y, torch.where(hit, 0, SOFT))

    def test_panel_flip_turns_every_panel_in_its_slot_and_keeps_the_label(self, layout):
        x, y = panel_flip(marked_for(layout), SOFT, generator=seeded(), panels=held(layout), p=0.5)
        shown, backwards = read_off(x, layout)
        assert 20 < backwards[0].sum() < 76 and torch.equal(y, SOFT)
        for slot, panel in shown.items():
            assert (panel == slot).all() and torch.equal(backwards[slot], backwards[0])

    def test_shuffle_cons_permutes_within_on_and_off_and_keeps_the_label(self, layout):
        x, y = shuffle_cons(marked_for(layout), SOFT, generator=seeded(), panels=held(layout), p=0.5)
        shown, backwards = read_off(x, layout)
        for slot, panel in shown.items():
            assert (is_on(panel) == is_on(torch.tensor(slot))).all() and not backwards[slot].any()
        for slots in (ON, (1, 3, 5)):
            if set(slots) <= set(shown):
                places = torch.stack([shown[slot] for slot in slots], dim=1)
                assert (places.sort(1).values == torch.tensor(slots)).all() and len(places.unique(dim=0)) == 6
        assert torch.equal(y, SOFT)

    def test_shuffle_inv_shows_off_panels_in_on_slots_and_label_0(self, layout):
        x, y = shuffle_inv(marked_for(layout), SOFT, generator=seeded(), panels=held(layout), p=0.5)
        shown, backwards = read_off(x, layout)
        hit = ~is_on(shown[0])
        assert 20 < hit.sum() < 76 and torch.equal(y, torch.where(hit, 0, SOFT))
        for slot, panel in shown.items():
            assert (is_on(panel[hit]) != is_on(torch.tensor(slot))).all() and (panel[~hit] == slot).all()
            assert not backwards[slot].any()
        places = torch.stack([shown[slot] for slot in ON], dim=1)[hit]
        assert (places.sort(1).values == torch.tensor([1, 3, 5])).all() and len(places.unique(dim=0)) == 6

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_replace_on_gives_label_0_only_when_no_on_panel_is_left(self, layout, count):
        x, y = replace_on(marked_for(layout), SOFT, generator=seeded(), panels=held(layout), p=0.5, count=count)
        shown, _ = read_off(x, layout)
        places = torch.stack([shown[slot] for slot in ON], dim=1)
        gone = (~is_on(places)).sum(1)
        hit = gone > 0
        assert 20 < hit.sum() < 76 and (gone[hit] == count).all()
        for slot in set(shown) & {1, 3, 5}:
            assert (shown[slot] == slot).all()
        for row in places[hit]:
            strangers = [int(panel) for panel in row if panel % 2]
            assert len(set(strangers)) == count
        assert torch.equal(y, torch.where(hit, 0, SOFT) if count == 3 else SOFT)

    def test_freq_roll_moves_all_panels_alike_and_keeps_the_label(self, layout):
        x = as_read(torch.zeros(BATCH, 6, TIME, 40), layout)
        x[..., 20] = 1
        rolled, y = freq_roll(x, SOFT, generator=seeded(), panels=held(layout), p=1.0, bins=6)
        assert torch.equal(y, SOFT)
        image = torch.cat(
            [
                channel.unflatten(1, (-1, 40)).transpose(1, 2).flatten(2)
                for channel in arrange_channels(rolled, layout, held(layout))
            ],
            2,
        )
        at = image.argmax(1)
        assert (at == at[:, :1]).all() and (image.sum(1) == 1).all()
        assert at.min() == 14 and at.max() == 26 and len(at[:, 0].unique()) == 13


def test_freq_roll_wraps_and_rolls_only_the_chosen():
    x = torch.arange(40.0).expand(BATCH, 6, TIME, 40)
    rolled, _ = freq_roll(x, SOFT, generator=seeded(), p=0.5, bins=100)
    shift = (-rolled[:, 0, 0, 0]) % 40
    assert 20 < (shift != 0).sum() < 76
    for row, by in zip(rolled, shift.long().tolist()):
        assert torch.equal(row, x[0].roll(by, dims=-1))


def test_on_panels_alone_can_be_shuffled_but_not_exchanged():
    x = marked(ON)
    shuffled, y = shuffle_cons(x, SOFT, generator=seeded(), panels=ON, p=1.0)
    assert (shuffled[:, :, 0, 0].sort(1).values == torch.tensor([0.0, 20.0, 40.0])).all() and torch.equal(y, SOFT)
    assert len(shuffled[:, :, 0, 0].unique(dim=0)) == 6
    for augment in (reverse_time, shuffle_inv, replace_on):
        with pytest.raises(InputError, match=r"panels \[1, 3, 5\] are needed"):
            augment(x, SOFT, generator=seeded(), panels=ON)
    with pytest.raises(InputError, match="choose 1, 2 or 3"):
        replace_on(marked(), SOFT, generator=seeded(), count=4)

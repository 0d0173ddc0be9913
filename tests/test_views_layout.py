"""Which panel is where in the image, for every layout of the log; what render returns."""

from functools import partial

import pytest
import torch

from seti_utils.data.cadence import CLEANED_SIX, ON, SIX
from seti_utils.errors import InputError
from seti_utils.log.layouts import parse_layout
from seti_utils.views.cleaning import clip
from seti_utils.views.layout import arrange, kinds_of, rows_of
from seti_utils.views.normalising import normalise_panels
from seti_utils.views.rendering import mirror, render
from seti_utils.views.resizing import resize
from seti_utils.views.whitening import whiten

SHAPES = {
    "abacad": (1, 256, 1638),
    "aaabcd": (1, 256, 1638),
    "aaa,bcd": (2, 256, 819),
    "a,b,a,c,a,d": (6, 256, 273),
    "aaa": (1, 256, 819),
    "aaa/bcd": (1, 512, 819),
}
PANELS = {
    "abacad": [[0, 1, 2, 3, 4, 5]],
    "aaabcd": [[0, 2, 4, 1, 3, 5]],
    "aaa,bcd": [[0, 2, 4], [1, 3, 5]],
    "a,b,a,c,a,d": [[0], [1], [2], [3], [4], [5]],
    "aaa": [[0, 2, 4]],
}


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 6, 273, 256, generator=torch.Generator().manual_seed(0)).half()


@pytest.mark.parametrize("layout", PANELS)
def test_arrange_puts_every_panel_where_the_log_says(x, layout):
    image = arrange(x, layout)
    assert image.shape[1:] == SHAPES[layout] and image.dtype == x.dtype
    for channel, panels in enumerate(PANELS[layout]):
        for slot, panel in enumerate(panels):
            assert torch.equal(image[:, channel, :, 273 * slot : 273 * (slot + 1)], x[:, panel].transpose(1, 2))
    assert torch.equal(image, arrange(x, parse_layout(layout)))


def test_a_mosaic_stacks_rows_along_frequency(x):
    image = arrange(x, "aaa/bcd")
    assert image.shape[1:] == SHAPES["aaa/bcd"] and rows_of("aaa/bcd") == 2 and rows_of("abacad") == 1
    assert torch.equal(image[:, :, :256], arrange(x, "aaa")) and torch.equal(image[:, :, 256:], arrange(x, "bcd"))


def test_channels_of_different_length_need_a_resize(x):
    with pytest.raises(InputError, match="switch on a resize"):
        arrange(x, "aaa,bcd,abacad")
    image = render(x, layout="aaa,bcd,abacad", resize={"freq": 64, "time": 96})
    for channel, layout in enumerate(("aaa", "bcd", "abacad")):
        assert torch.equal(image[:, channel : channel + 1], render(x, layout=layout, resize={"freq": 64, "time": 96}))


def test_on_panels_alone_serve_the_layouts_that_show_no_others(x):
    on = x[:, [0, 2, 4]]
    assert torch.equal(arrange(on, "aaa", ON), arrange(x, "aaa"))
    assert torch.equal(arrange(on, "a,a,a", ON), arrange(x, "a,a,a"))
    assert torch.equal(arrange(x[:, [0, 4, 2, 1]], "aaab", (0, 4, 2, 1)), arrange(x, "aaab"))
    with pytest.raises(InputError, match=r"panels \[1, 3, 5\] are needed, but only 0, 2, 4 are there; read the panels too"):
        arrange(on, "aaa,bcd", ON)
    with pytest.raises(InputError, match="4 panels, and the numbers of 6"):
        arrange(x[:, :4], "aaa")


@pytest.mark.parametrize("layout", [*SHAPES, "aaa,bcd,abacad"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_render_is_resize_of_arrange_whatever_the_batch(x, layout, dtype):
    how = {"freq": 96, "time": 64, "kernel": "bicubic", "antialias": True}
    image = render(x, layout=layout, resize=how, dtype=dtype)
    assert image.dtype == dtype and image.is_contiguous()
    assert torch.equal(image, render(x, layout=layout, resize=how, dtype=dtype))
    assert torch.equal(image[1:], render(x[1:], layout=layout, resize=how, dtype=dtype))
    if layout in SHAPES:
        assert torch.equal(image, resize(arrange(x.float(), layout), **how).to(dtype))


def test_render_without_resize_is_float32_and_new(x):
    image = render(x, layout="abacad")
    assert image.dtype == torch.float32 and image.is_contiguous()
    assert torch.equal(image, arrange(x, "abacad").float())
    image.zero_()
    assert x.any()


def test_render_cleans_in_order_and_fills_a_given_buffer(x):
    out = torch.empty(2, 2, 48, 40, dtype=torch.float16)
    how = {"freq": 48, "time": 40}
    clean = (lambda x: x + 1, lambda x: x * 2)
    image = render(x, layout="aaa,bcd", resize=how, clean=clean, out=out)
    assert image is out
    assert torch.equal(out, render((x + 1) * 2, layout="aaa,bcd", resize=how, dtype=torch.float16))
    with pytest.raises(InputError, match="the image is"):
        render(x, layout="aaa", resize=how, out=out)


def test_mirror_undoes_itself_and_leaves_mosaic_rows_in_place(x):
    image = arrange(x, "aaa/bcd")
    for axis in ("freq", "time", "both"):
        assert torch.equal(mirror(mirror(image, axis, rows=2), axis, rows=2), image)
    assert mirror(image, "identity") is image or torch.equal(mirror(image, "identity"), image)
    turned = mirror(image, "freq", rows=2)
    assert torch.equal(turned[:, :, :256], arrange(x, "aaa").flip(2)) and torch.equal(
        turned[:, :, 256:], arrange(x, "bcd").flip(2)
    )
    assert torch.equal(mirror(arrange(x, "abacad"), "both"), arrange(x, "abacad").flip((2, 3)))
    with pytest.raises(InputError, match="axis 'up'"):
        mirror(image, "up")
    with pytest.raises(InputError, match="do not split"):
        mirror(image, "freq", rows=3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_normalised_panels_have_mean_0_and_std_1_or_are_0(dtype):
    x = (torch.randn(1, 6, 273, 256, generator=torch.Generator().manual_seed(1)) * 3 + 7).to(dtype)
    x[0, 1] = 5.5
    x[0, 2] = float("nan")
    x[0, 3] = float("inf")
    x[0, 3, 4, 5] = 2.0
    x[0, 4, 0, :9] = float("nan")
    x[0, 5] = 0
    before = x.clone()
    y = normalise_panels(x)
    assert y.dtype == dtype and y.isfinite().all() and torch.equal(x.nan_to_num(), before.nan_to_num())
    wide, tolerance = y.double(), 2e-2 if dtype == torch.bfloat16 else 1e-3
    for panel in (0, 4):
        assert wide[0, panel].mean().abs() < tolerance and abs(wide[0, panel].std() - 1) < tolerance
    assert not y[0, [1, 2, 3, 5]].any() and not y[0, 4, 0, :9].any()
    # Whole neighbours or broken ones: the same bits. (A single panel would be summed by all threads together, six are shared out.)
    assert torch.equal(normalise_panels(x[:, :1].repeat(1, 6, 1, 1)), y[:, :1].expand(-1, 6, -1, -1))


def test_capital_letters_are_cleaned_panels_alone_or_beside_the_raw_ones():
    assert parse_layout("AAA,BCD") == (((6, 8, 10),), ((7, 9, 11),))
    raw, cleaned = torch.randn(2, 6, 5, 4), torch.randn(2, 6, 5, 4)
    both = torch.cat([raw, cleaned], 1)
    assert torch.equal(arrange(cleaned, "AAA,BCD", CLEANED_SIX), arrange(cleaned, "aaa,bcd"))
    beside = arrange(both, "aaa,bcd,AAA,BCD", SIX + CLEANED_SIX)
    assert torch.equal(beside[:, :2], arrange(raw, "aaa,bcd")) and torch.equal(beside[:, 2:], arrange(cleaned, "aaa,bcd"))
    assert torch.equal(arrange(both, "abacad", SIX + CLEANED_SIX), arrange(raw, "abacad"))
    assert torch.equal(arrange(cleaned[:, ::2], "AAA", CLEANED_SIX[::2]), arrange(cleaned, "AAA", CLEANED_SIX))
    for layout in ("aaa,AAA", "aAa"):
        with pytest.raises(InputError, match="are there; read the cleaned panels too"):
            arrange(raw, layout)
    with pytest.raises(InputError, match=r"\[7, 9, 11\] are needed"):
        arrange(cleaned[:, ::2], "AAA,BCD", CLEANED_SIX[::2])


@pytest.mark.parametrize("panels", [(0, 6), (6, 0), (0, 2, 4, 6, 7, 8), (1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)])
def test_raw_and_cleaned_panels_hold_the_same_slots_in_one_order(panels):
    if panels == (0, 6):
        assert kinds_of(panels) == [(slice(0, 1), (0,), False), (slice(1, 2), (0,), True)]
    else:
        with pytest.raises(InputError, match="the raw ones first"):
            kinds_of(panels)


def test_steps_that_measure_a_panel_leave_cleaned_ones_in_their_unit():
    both = 5 * torch.randn(2, 12, 273, 64)
    clean = (partial(whiten, limit=3.0), partial(clip, limit=9.0))
    image = render(both, layout="aaa,AAA", panels=SIX + CLEANED_SIX, clean=clean)
    assert torch.equal(image[:, :1], render(both[:, :6], layout="aaa", clean=clean))
    assert torch.equal(image[:, 1:], render(both[:, 6:].clamp(-9, 9), layout="AAA", panels=CLEANED_SIX))
    assert torch.equal(image[:, 1:], render(both[:, 6:], layout="AAA", panels=CLEANED_SIX, clean=clean))

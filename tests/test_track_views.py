"""What a judge is shown: pixels along tracks, light in sigma, and numbers that tell needles from skies."""

import torch

from seti_utils.data.cadence import OFF, ON
from seti_utils.nets.track_search import EACH
from seti_utils.nets.track_views import (
    BINS,
    FULL,
    NUMBERS,
    REACH,
    STRIPS,
    WIDTHS,
    along,
    light_of,
    likeness,
    smooth_less,
    views_of,
)


def crossing(height, seed=0, panels=ON, drift=9.0, time=48, freq=256):
    """White panels with a needle from channel 100 on that drifts; its track (6, time)."""
    x = torch.randn(1, 6, time, freq, generator=torch.Generator().manual_seed(seed))
    track = (100 + drift * (torch.arange(6 * time) + 0.5) / time).view(6, time)
    for panel in panels:
        x[0, panel].scatter_add_(1, track[panel].round().long()[:, None], torch.full((time, 1), height))
    return x, track


def on_the_needle(views, track):
    """The place of the track nearest to a needle."""
    return int((views.channel[0] - track)[:, list(ON)].abs().mean((1, 2)).argmin())


def test_along_a_track_lie_its_pixels_and_nothing_outside_the_window():
    x = torch.arange(6 * 2 * 8.0).view(1, 6, 2, 8)
    channel = torch.full((1, 1, 6, 2), 3.4)
    channel[0, 0, 0, 1] = -1.0
    strip = along(x, channel, 1)
    assert strip.shape == (1, 1, 6, 2, 3)
    assert strip[0, 0, 1].tolist() == [[18, 19, 20], [26, 27, 28]] and strip[0, 0, 0].tolist() == [[2, 3, 4], [0, 0, 8]]


def test_light_is_in_sigma_for_every_width():
    strips = torch.zeros(1, 1, 6, 2, 16, 21)
    strips[0, 0, 2, 1, :, 9:12] = 1.0
    light = light_of(strips).view(6, len(WIDTHS), 2)
    torch.testing.assert_close(light[2, :, 1], torch.tensor([16 / 4, 48 / (16 * 3) ** 0.5, 48 / (16 * 7) ** 0.5]))
    light[2, :, 1] = 0
    assert not light.any()


def test_a_strip_shows_the_needle_upright_and_no_brighter_than_it_may_be():
    x, track = crossing(4.0)
    views = views_of(x)
    assert views.strips.shape == (1, 3 * EACH, 6, STRIPS, 48 // BINS, 2 * REACH + 1)
    assert views.numbers.shape == (1, 3 * EACH, 6, NUMBERS) and views.numbers.isfinite().all()
    profile = views.strips[0, on_the_needle(views, track)].mean(2)
    assert (profile[list(ON), :, REACH - 1 : REACH + 2].amax(2) > 4 * profile[list(OFF)].amax((1, 2))[:, None]).all()
    for height in (30.0, 300.0):
        x, track = crossing(height)
        bright = views_of(x)
        strip = bright.strips[0, on_the_needle(bright, track)]
        assert float(strip.amax()) < FULL, "however bright: a strip is dimmed, and its noise with it"
        assert float(strip[list(OFF)].std()) < float(views.strips[0, :, list(OFF)].std())


def test_an_echo_that_stands_still_shows_beside_a_blinding_line():
    """A line in ON panels has a spectrum, and OFF panels lose what lies along it in either residual: not in what was there."""
    lit = {}
    for echo in (0.0, 3.0):
        x, track = crossing(200.0, seed=3, drift=0.0)
        x[0, 1, :, 100] += echo
        views = views_of(x)
        lit[echo] = views.numbers[0, on_the_needle(views, track), 1]
    gained = lit[3.0] - lit[0.0]
    assert float(gained[20:23].max()) > 3, "the light above what is smooth around the track"
    assert float(gained[:6].abs().max()) < float(gained[20:23].max())


def test_what_is_smooth_is_taken_off_and_what_is_sharp_stays():
    at = torch.arange(21.0) - 10
    smooth = 3 + 0.2 * at + 0.05 * at**2 - 0.01 * at**3
    less = smooth_less(len(at), at.device)
    assert float((smooth @ less).abs().max()) < 1e-4
    smooth[10] += 2
    torch.testing.assert_close((smooth @ less)[8:13], torch.tensor([0.0, 0, 2, 0, 0]), atol=1e-4, rtol=0)


def test_likeness_is_a_correlation_and_nothing_is_like_a_constant():
    one = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    other = one * 2 - 1
    torch.testing.assert_close(likeness(one, other), torch.ones(3))
    torch.testing.assert_close(likeness(one, -other), -torch.ones(3))
    assert likeness(one, torch.ones(3, 40)).tolist() == [0, 0, 0]

"""The sky that panels share goes, and what only one side has stays: drifting or standing still, faint or blinding."""

import pytest
import torch

from seti_utils.data.cadence import OFF, ON
from seti_utils.nets.shared_sky import LEAST_COLUMN, compress, panel_noise, residuals, strongest, without_components


def noise(batch=2, time=24, freq=128, seed=0):
    return torch.randn(batch, 6, time, freq, generator=torch.Generator().manual_seed(seed))


def emitters(x, count=3, height=20.0, seed=1):
    """Smooth spectra, each with its own strength in every panel and a fifth of it flickering from row to row."""
    g = torch.Generator().manual_seed(seed)
    batch, panels, time, freq = x.shape
    at = torch.arange(freq) / freq
    phase, wave = torch.rand(batch, count, 1, generator=g) * 6, torch.randint(2, 6, (batch, count, 1), generator=g)
    spectra = torch.sin(6.283 * at * wave + phase)
    level = torch.rand(batch, panels, 1, count, generator=g) + 0.5
    course = level * (1 + 0.2 * torch.randn(batch, panels, time, count, generator=g))
    return height * course @ spectra[:, None]


def needle(x, drift, height, panels=ON):
    out = torch.zeros_like(x)
    for panel in panels:
        for row in range(x.shape[2]):
            out[:, panel, row, round(50 + drift * (panel + row / x.shape[2]))] = height
    return out


def test_what_the_panels_share_goes_down_to_the_noise():
    x = noise()
    left = residuals(x + emitters(x))
    for part in left[:2]:
        assert abs(float(part.std()) - 1) < 0.1 and float(part.abs().max()) < 7
    assert float((x + emitters(x)).std()) > 12, "and there was much to take away"


def test_the_noise_is_measured_beside_strong_ripples_spikes_and_needles():
    x = noise(1, freq=256) * torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0, 1.0]).view(1, 6, 1, 1)
    truth = panel_noise(x)
    torch.testing.assert_close(truth.flatten(), torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0, 1.0]), rtol=0.1, atol=0)
    at = torch.arange(256)
    sky = 60 * torch.sin(6.283 * at / 30) * (1 + 0.1 * torch.randn(24, 1, generator=torch.Generator().manual_seed(2)))
    sky = sky + 500.0 * (at == 128) + needle(x, 6.0, 800.0)
    assert float((panel_noise(x + sky) / truth - 1).abs().max()) < 0.25


def test_the_scale_of_panels_does_not_matter():
    x = noise() + emitters(noise())
    scale = torch.tensor([0.2, 1.0, 5.0, 0.5, 3.0, 1.0]).view(1, 6, 1, 1)
    one, other = residuals(x), residuals(x * 0.01)
    torch.testing.assert_close(one.plain, other.plain, atol=2e-3, rtol=1e-3)
    assert abs(float(residuals(noise() * scale).plain.std()) - 1) < 0.1, "every panel by its own noise"


@pytest.mark.parametrize("drift", [0.0, 0.3, 6.0])
@pytest.mark.parametrize("height", [3.0, 30.0, 3000.0])
def test_a_needle_of_one_side_stays_whole_in_the_cross_residual(drift, height):
    x = noise() + emitters(noise())
    mark = needle(x, drift, height)
    kept = (residuals(x + mark).cross - residuals(x).cross)[mark > 0].mean()
    assert 0.8 * height < float(kept) < 1.15 * height


def test_a_line_that_stands_still_in_all_panels_is_background():
    x = noise()
    mark = needle(x, 0.0, 30.0, panels=range(6))
    left = residuals(x + mark)
    for part in left[:2]:
        assert float(part[mark > 0].mean()) < 3


def test_a_drifting_needle_stays_in_the_plain_residual_too():
    x = noise() + emitters(noise())
    mark = needle(x, 6.0, 4.0)
    left = residuals(x + mark).plain
    assert float(left[mark > 0].mean()) > 3
    assert float(left[:, OFF].std()) < 1.1


def test_cleaned_panels_look_like_raw_ones_in_columns_with_and_without_noise():
    x, columns = noise(), (slice(0, 32), slice(32, 64), slice(64, 128))
    x[..., columns[0]] *= 0.1
    x[..., columns[1]] *= 1e-3
    left = residuals(x, per_column=True)
    for part in columns:
        assert 0.8 < float(left.plain[..., part].std()) < 1.2
    assert torch.equal(left.plain, residuals(x, per_column=True).plain), "what is added to the noise is always the same"
    mark = torch.zeros_like(x)
    mark[:, 0, :, 40], mark[:, 2, :, 50] = 0.2, -8.0  # a faint needle, and the shadow of a neighbour's bright one
    seen = residuals(x + mark, per_column=True).whole - left.whole
    torch.testing.assert_close(seen[:, 0, :, 40], torch.full_like(seen[:, 0, :, 40], 0.2 / LEAST_COLUMN), atol=0.5, rtol=0.1)
    assert float(seen[:, 2, :, 50].abs().max()) < 0.5


def test_noise_alone_loses_nothing_and_strong_spectra_are_found():
    x = noise(1)
    assert torch.equal(without_components(x, x), x), "no component stands above the edge of noise"
    spectrum = torch.nn.functional.normalize(torch.sin(torch.arange(128.0) / 5), dim=0)
    course = torch.randn(1, 144, 1, generator=torch.Generator().manual_seed(3)) * 50
    spectra, strength = strongest(x.flatten(1, 2) + course * spectrum)
    assert abs(float(spectra[0, :, -1] @ spectrum)) > 0.999
    assert float(strength[0, -1]) == pytest.approx(float(course.norm()), rel=0.02) and float(strength[0, -2]) < 30


def test_constant_panels_and_zeros_are_safe():
    for part in residuals(torch.zeros(1, 6, 24, 128)):
        assert torch.equal(part, torch.zeros_like(part))


def test_compression_is_odd_linear_below_and_logarithmic_above():
    x = torch.tensor([-800.0, -0.01, 0.0, 0.01, 8.0, 800.0])
    y = compress(x)
    assert torch.equal(y, -compress(-x)) and y[2] == 0
    assert float(y[3]) == pytest.approx(0.01, rel=1e-2) and float(y[4]) == pytest.approx(8 * 0.6931, rel=1e-3)
    assert 30 < float(y[5]) < 40

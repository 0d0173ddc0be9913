"""What a panel looks like in numbers: level, shape of the values, band slope, ripples, spikes, bursts, tracks."""

from collections.abc import Iterable

import pandas as pd
import torch
from torch import Tensor

from seti_utils.data.cadence import OFF, ON
from seti_utils.data.noise import local_sigma
from seti_utils.views.neighbours import running_median
from seti_utils.views.whitening import LEAST, whiten

BANDS = {"long waves": (90, 300), "waves": (45, 90), "ripple": (15, 45), "fine ripple": (6, 15), "comb": (2, 6)}
"""Periods along frequency, in channels; ``ripple`` holds the 24-36 and 15-45 channels of real ripples and fringes."""

NARROW = 13
"""A spike is narrower than half of this many channels."""

SUMMARIES = ("", ", ON − OFF", ", spread")
"""What is kept of the six panels of a cadence: their mean, ON minus OFF, and their standard deviation."""


def panel_statistics(x_BPTF: Tensor) -> dict[str, Tensor]:
    """Statistics of every panel, each float32 (B, P), of panels (B, P, T, F) of any float dtype; arithmetic in float32.

    ``mean`` ``σ`` ``skew`` ``kurtosis`` (excess, as ``log1p`` with its sign; 0 for a Gaussian): of the values as they are.
    ``noise``: local noise over the panel's σ. All others are in units of that local noise, levels and amplitudes as
    ``log1p``: ``slope`` and ``bend`` of the band from edge to edge (signed), the amplitude of the band's waves by period
    (:data:`BANDS`), the brightest ``spike`` and the number of ``spikes`` above 1; the brightest ``burst`` (row above the
    median row), the share of ``burst rows`` above 0.5, and the scatter of all ``rows``. Of the residual without row and
    column means: ``texture`` along time and frequency (correlation of neighbours), its scatter ``residual``, the share of
    ``bright`` pixels above 5. ``track``: the share of rows whose brightest whitened channel lies within two channels of the
    row before. Constant panels give finite numbers.
    """
    x = x_BPTF.float()
    size = x[0, 0].numel()
    mean = x.mean((2, 3))
    centred = x - mean[..., None, None]
    square = centred.square()
    variance = square.mean((2, 3))
    sigma = variance.sqrt()
    safe = sigma.clamp(min=LEAST)
    found = {"mean": mean, "σ": sigma}
    found["skew"] = (square * centred).mean((2, 3)) / safe**3
    found["kurtosis"] = signed_log(square.square().mean((2, 3)) / safe**4 - 3)
    noise = local_sigma(x).clamp(min=LEAST)
    found["noise"] = noise / safe
    x = centred.div_(noise[..., None, None])
    column, row = x.mean(2), x.mean(3)
    found |= band_statistics(column) | row_statistics(row)
    residual = x.sub_(column[:, :, None]).sub_(row[..., None])
    spread = residual.square().mean((2, 3)).clamp(min=LEAST**2)
    found["residual"] = spread.sqrt().log1p()
    found["texture along time"] = (residual[:, :, 1:] * residual[:, :, :-1]).mean((2, 3)) / spread
    found["texture along frequency"] = (residual[..., 1:] * residual[..., :-1]).mean((2, 3)) / spread
    found["bright"] = ((residual > 5).sum((2, 3)) / size * 1e4).log1p()
    brightest = whiten(x_BPTF).argmax(-1)
    found["track"] = ((brightest[..., 1:] - brightest[..., :-1]).abs() <= 2).float().mean(-1)
    return found


MEANINGS = {
    "mean": "mean of all values",
    "σ": "standard deviation of all values",
    "skew": "skewness of the values: positive where bright values reach farther than faint ones",
    "kurtosis": "excess kurtosis of the values, as a logarithm: 0 is Gaussian, high is a few very bright pixels",
    "noise": "local noise (from differences of neighbouring pixels) as a share of σ: low where a background dominates",
    "slope": "how much the band rises from its lowest to its highest frequency, signed",
    "bend": "how much the band bulges: the parabola in the mean spectrum, signed",
    **{
        name: f"waves along frequency with periods of {low} to {high} channels: their amplitude in the mean spectrum"
        for name, (low, high) in BANDS.items()
    },
    "spike": "the brightest narrow line in the mean spectrum (a channel that is always on, such as the DC spike)",
    "spikes": "how many channels stand out from the mean spectrum by more than the noise",
    "burst": "the brightest time row, averaged over all frequencies, above the median row",
    "burst rows": "share of time rows that lie clearly above the median row",
    "rows": "scatter of the time rows: how much the overall level changes with time",
    "residual": "scatter of what is left without the mean spectrum and the mean course in time",
    "texture along time": "likeness of neighbours along time in what is left: 0 is white noise",
    "texture along frequency": "likeness of neighbours along frequency in what is left: 0 is white noise",
    "bright": "share of pixels far above the noise (5 σ) in what is left",
    "track": "share of rows whose brightest channel lies next to the row before's: high for a line that drifts or stays",
}
"""Each statistic of a panel in words, for the report. Amplitudes and levels are logarithms, in units of the local noise."""

PART_MEANINGS = {
    "": "the mean of the six panels",
    ", ON − OFF": "ON panels minus OFF panels",
    ", spread": "scatter over the six panels",
}


def definitions(features: Iterable[str]) -> pd.DataFrame:
    """What the statistics behind ``features`` are, in words: columns name, meaning."""
    names = dict.fromkeys(feature.partition(",")[0] for feature in features)
    rows = [(name, words) for name, words in MEANINGS.items() if name in names]
    rows += [(f"… {part.strip(', ')}" if part else "a bare name", words) for part, words in PART_MEANINGS.items()]
    return pd.DataFrame(rows, columns=["name", "meaning"])


def signed_log(value: Tensor) -> Tensor:
    """``log1p`` of the size, with the sign."""
    return value.sign() * value.abs().log1p()


def band_statistics(column: Tensor) -> dict[str, Tensor]:
    """What the mean spectrum (B, P, F) of panels holds, in units of the local noise per pixel."""
    smooth = running_median(column, NARROW)
    narrow = column - smooth
    f = torch.linspace(-0.5, 0.5, column.shape[-1], device=column.device)
    parabola = f.square() - f.square().mean()
    slope = (smooth * f).sum(-1) / f.square().sum()
    bend = (smooth * parabola).sum(-1) / parabola.square().sum()
    flat = smooth - smooth.mean(-1, keepdim=True) - slope[..., None] * f - bend[..., None] * parabola
    power = torch.fft.rfft(flat).abs().square() * 2 / column.shape[-1] ** 2
    period = column.shape[-1] / torch.arange(1, power.shape[-1], device=column.device)
    found = {"slope": signed_log(slope), "bend": signed_log(bend)}
    for name, (low, high) in BANDS.items():
        found[name] = power[..., 1:][..., (period >= low) & (period < high)].sum(-1).sqrt().log1p()
    return found | {"spike": narrow.amax(-1).clamp(min=0).log1p(), "spikes": (narrow > 1).sum(-1).float().log1p()}


def row_statistics(row: Tensor) -> dict[str, Tensor]:
    """What the mean course in time (B, P, T) of panels holds, in units of the local noise per pixel."""
    above = row - row.median(-1, keepdim=True).values
    return {
        "burst": above.amax(-1).clamp(min=0).log1p(),
        "burst rows": (above > 0.5).float().mean(-1),
        "rows": above.std(-1).log1p(),
    }


def cadence_features(x_BPTF: Tensor) -> dict[str, Tensor]:
    """Statistics of whole cadences, each float32 (B,), of six panels (B, 6, T, F): three of every panel statistic.

    The mean over the panels, the mean over ON minus that over OFF, and the standard deviation over the panels
    (:data:`SUMMARIES`). Neither changes when panels of one kind change places.
    """
    features = {}
    for name, value in panel_statistics(x_BPTF).items():
        features[name + SUMMARIES[0]] = value.mean(1)
        features[name + SUMMARIES[1]] = value[:, ON].mean(1) - value[:, OFF].mean(1)
        features[name + SUMMARIES[2]] = value.std(1, correction=0)
    return features

"""Whole telescope cadences with known needles: six .h5 files in Breakthrough Listen's layout, and a table of the truth.

Made for ``benchmarks/search.py``. The background is our sky's (every kind of band, each one coarse channel with its spike and its
edges) or white noise; needles are those of ``seti_utils.sky``, along the real time of the panels, gaps included.
"""

import math
import sys
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from seti_utils.sky.background import random_bands
from seti_utils.sky.needles import FAMILIES, Tracks, add_light, pixels
from seti_utils.sky.plan import seeded
from seti_utils.sky.profiles import KNOWN, plain_profiles
from seti_utils.sky.ranges import TRAIN_MIX

SOURCES = ("HIP35136", "HIP34800", "HIP35136", "HIP36000", "HIP35136", "HIP34200")
MJD, LOWEST_MHZ, LEVEL, SLOT = 57563.808588, 1313.966, 77.0, 512
"""Start; lowest channel; the receiver's power in units of its noise (6,144 samples a pixel); channels of a needle's own."""

ON, ALL = (0, 2, 4), (0, 1, 2, 3, 4, 5)
ECHO, FAINTEST_ECHO = 0.3, 5.9
"""Of an echo's SNR in ON panels an OFF panel has this share, and at least this much."""
LOUD = (10.0, 500.0)
"""SNR of interference, log-uniform."""


@dataclass(frozen=True)
class Product:
    """What files are made of. ``drift``: channels per panel of needles, log-uniform; a share ``still`` stands still."""

    name: str
    df_mhz: float
    tsamp: float
    rows: int
    channels: int
    coarse: int
    gap: float
    drift: tuple[float, float]

    @property
    def panel(self) -> float:
        """Seconds of a panel."""
        return self.rows * self.tsamp

    @property
    def starts(self) -> np.ndarray:
        """Seconds from the first panel's start to each one's."""
        return np.arange(6) * (self.panel + self.gap)

    def times(self) -> np.ndarray:
        """(6, rows): seconds of the middle of every row from the middle of the cadence."""
        rows = (np.arange(self.rows) + 0.5) * self.tsamp
        return self.starts[:, None] + rows - (self.starts[-1] + self.panel) / 2


MID = Product("0002", 2861.022949e-6, 1.073741824, 273, 65536, 1024, 15.0, (0.3, 40.0))
LATE = Product("0002, 279 rows", 2861.022949e-6, 1.073741824, 279, 65536, 1024, 15.0, (0.3, 40.0))
FINE = Product("0000", 2.7939677238464355e-6, 18.253611008, 16, 262144, 131072, 15.0, (1.0, 400.0))


def background(product: Product, kind: str, seed: int) -> np.ndarray:
    """(6, rows, channels) in units of the receiver's noise: "sky" or "white"."""
    out = np.empty((6, product.rows, product.channels), np.float32)
    size = 1024
    for number in range(product.channels // size):
        generator = seeded(seed, "telescope", kind, number, device="cpu")
        if kind == "sky":
            kinds = torch.multinomial(torch.tensor(TRAIN_MIX), 1, generator=generator)
            band = random_bands(kinds, generator=generator, freq=size, time=product.rows)[0]
        else:
            band = torch.randn(6, product.rows, size, generator=generator)
        out[:, :, number * size : (number + 1) * size] = band.numpy()
    return out


def random_truth(
    product: Product, snrs: tuple[float, ...], widths: tuple[float, ...], seed: int, loud: tuple[float, float] = LOUD
) -> pd.DataFrame:
    """A needle or interference, whose SNR is within ``loud``, in two of three slots: kind, snr per panel (of a filter that knows
    every pixel of it), fwhm, drift (Hz/s), channel and mhz at the middle."""
    random, rows = np.random.default_rng([seed, 7]), []
    hertz = product.df_mhz * 1e6
    for slot in range(product.channels // SLOT):
        kind = random.choice(["needle", "terrestrial", "echo", "nothing"], p=(0.68, 0.16, 0.06, 0.10))
        speed = math.exp(random.uniform(*np.log(product.drift))) * random.choice([-1, 1]) * (random.random() > 0.05)
        snr = random.choice(snrs) if kind == "needle" else math.exp(random.uniform(*np.log(loud)))
        middle = slot * SLOT + SLOT / 2 + random.uniform(-100, 100)
        echo = int(random.choice([1, 3, 5]))
        if kind != "nothing":
            rows.append((kind, snr, random.choice(widths), speed * hertz / product.panel, middle, echo))
    truth = pd.DataFrame(rows, columns=["kind", "snr", "fwhm", "drift", "channel", "echo"])
    return truth.assign(mhz=LOWEST_MHZ + truth["channel"] * product.df_mhz)


def panel_snrs(line: Mapping[Hashable, Any], faintest: float = FAINTEST_ECHO) -> np.ndarray:
    """(6,): the SNR of a line in every panel. An echo shows in the ON panels and, fainter but not below ``faintest``, in one OFF panel."""
    out = np.zeros(6)
    out[list(ALL if line["kind"] == "terrestrial" else ON)] = line["snr"]
    if line["kind"] == "echo":
        out[line["echo"]] = max(ECHO * line["snr"], faintest)
    return out


def add_needles(panels: np.ndarray, product: Product, truth: pd.DataFrame) -> None:
    """Add every row of ``truth`` to ``panels`` (6, rows, channels), in units of the receiver's noise."""
    hertz, times, unit = product.df_mhz * 1e6, torch.from_numpy(product.times()), KNOWN * product.rows**0.5
    x = torch.from_numpy(panels)[None]
    for row in truth.to_dict("records"):
        reach = int(abs(row["drift"]) / hertz * times.abs().max()) + 64
        low, high = max(int(row["channel"]) - reach, 0), min(int(row["channel"]) + reach, product.channels)
        path = (row["channel"] - low + row["drift"] / hertz * times).float()[None]
        tracks = Tracks(
            path, torch.ones_like(path), torch.tensor([FAMILIES.index("line")]), torch.zeros(1), plain_profiles(1, row["fwhm"])
        )
        bright = torch.from_numpy(panel_snrs(row) / unit).float()[None]
        window = x[..., low:high].contiguous()
        x[..., low:high] = add_light(window, pixels(tracks, bright, range(6)))


def bandpass(product: Product) -> np.ndarray:
    """Gain of every channel: coarse channels fall to 0.35 at their ends."""
    place = (np.arange(product.channels) % product.coarse + 0.5) / product.coarse
    edge = np.clip(np.minimum(place, 1 - place) / 0.03, 0, 1)
    return (0.35 + 0.65 * np.sin(edge * np.pi / 2) ** 2).astype(np.float32)


def write_cadence(folder: Path, product: Product, kind: str, truth: pd.DataFrame, seed: int) -> list[Path]:
    """Six files with ``truth`` in them, frequencies descending; ``truth.csv`` beside them, with ``filter``: the SNR per panel of a
    filter that knows every pixel of a line."""
    folder.mkdir(parents=True, exist_ok=True)
    panels = background(product, kind, seed)
    add_needles(panels, product, truth)
    gain, paths = bandpass(product), []
    spike = np.arange(product.coarse // 2, product.channels, product.coarse)
    for number, (source, start) in enumerate(zip(SOURCES, product.starts, strict=True)):
        values = (panels[number] + LEVEL) * gain * 1e6
        values[:, spike] *= 1.5
        path = folder / f"blc04_guppi_57563_{69862 + round(start)}_{source}_{number:04d}.gpuspec.{product.name[:4]}.h5"
        with h5py.File(path, "w") as file:
            data = file.create_dataset(
                "data", data=values[:, None, ::-1], chunks=(min(16, product.rows), 1, min(65536, product.channels)),
                **hdf5plugin.Bitshuffle(nelems=0, cname="lz4"),
            )  # fmt: skip
            file.attrs["CLASS"], file.attrs["VERSION"] = "FILTERBANK", "1.0"
            data.attrs.update(
                fch1=LOWEST_MHZ + product.df_mhz * (product.channels - 1), foff=-product.df_mhz, nchans=product.channels,
                nifs=1, nbits=32, tsamp=product.tsamp, tstart=MJD + start / 86400, source_name=source, src_raj=7.2667,
                src_dej=20.25, machine_id=20, telescope_id=6, data_type=1, az_start=0.0, za_start=0.0, nbeams=1, ibeam=1,
            )  # fmt: skip
        paths.append(path)
    truth.assign(filter=truth["snr"]).to_csv(folder / "truth.csv", index=False)
    return paths

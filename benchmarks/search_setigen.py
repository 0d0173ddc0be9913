"""The lines of a cadence drawn, and its six files written, by setigen: run by ``benchmarks/search.py`` in an environment of its own.

    pip install "setuptools<82" "setigen==2.7.0" blimpy==2.1.4 hdf5plugin
    python benchmarks/search_setigen.py FOLDER OUT --truth TRUTH.csv --seed 21 [--noise]

FOLDER holds six .h5 files without lines; with ``--noise`` their pixels give way to setigen's radiometer noise, and the headers alone
stay. A line has setigen's SNR (``Frame.get_intensity``): the height of its profile is that many standard deviations of the noise over
the square root of the rows, whatever its width. The noise is measured around the line, pixels against those of the next row, for
the standard deviation of a whole frame holds the band's emission. Profiles are setigen's Gaussian, Lorentzian, sinc² and box. OUT
gets the files and ``truth.csv``: what was asked for, each line's ``shape``, and ``filter``, the SNR per panel of a filter that knows
every pixel of the line. This file imports nothing of seti_utils.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pandas as pd
import setigen as stg  # pyright: ignore[reportMissingImports]

SHAPES = "gaussian", "lorentzian", "sinc2", "box"
ON = (0, 2, 4)
AROUND = 64
"""Channels to both sides of a line that it may light, and whose pixels tell the noise."""
MEAN = 77.0
"""Power of setigen's noise."""
MAD_TO_SIGMA = 1.4826


def draw(frame: Any, line: Mapping[Any, Any], snr: float, times: np.ndarray) -> float:
    """Add a line to a frame whose rows stand at ``times`` (s from the cadence's middle); the SNR of a filter that knows it."""
    path = line["mhz"] * 1e6 + line["drift"] * times
    ends = path.min() - AROUND * frame.df, path.max() + AROUND * frame.df
    low, high = max(int(frame.get_index(ends[0])), 0), min(int(frame.get_index(ends[1])), frame.fchans)
    if high <= low:
        return 0.0
    sigma = np.median(np.abs(np.diff(frame.data[:, low:high], axis=0))) * MAD_TO_SIGMA / 2**0.5
    width = line["fwhm"] * frame.df
    shape = {
        "gaussian": stg.gaussian_f_profile,
        "lorentzian": stg.lorentzian_f_profile,
        "sinc2": lambda width: stg.sinc2_f_profile(width, width_mode="fwhm"),
        "box": lambda width: stg.box_f_profile(max(width, frame.df)),
    }[line["shape"]]
    light = frame.add_signal(path, snr * float(sigma) / frame.tchans**0.5, shape(width), bounding_f_range=ends)
    return float(np.sqrt(np.square(light[:, low:high]).sum()) / sigma)


def begun(path: Path) -> tuple[float, float]:
    """When a file begins (MJD), and how long it is (s)."""
    with h5py.File(path) as file:
        data: Any = file["data"]
        return float(data.attrs["tstart"]), len(data) * float(data.attrs["tsamp"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--truth", type=Path, required=True, help="fwhm, drift, mhz and snr_1 to snr_6 of every line")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--noise", action="store_true", help="setigen's noise instead of what the files hold")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    truth, random = pd.read_csv(args.truth), np.random.default_rng([args.seed, 13])
    truth["shape"] = random.choice(SHAPES, len(truth))
    headers = sorted((*begun(path), path) for path in args.folder.glob("*.h5"))
    seconds = np.array([(start - headers[0][0]) * 86400 for start, _, _ in headers])
    middle = (seconds[-1] + headers[-1][1]) / 2
    seen = []
    for panel, (_, _, path) in enumerate(headers):
        frame = stg.Frame(str(path), seed=int(random.integers(1 << 31)))
        if args.noise:
            frame.data = np.zeros(frame.shape)
            frame.add_noise(x_mean=MEAN, noise_type="chi2")
        times = seconds[panel] - middle + (np.arange(frame.tchans) + 0.5) * frame.dt
        lines = [(line, line[f"snr_{panel + 1}"]) for line in truth.to_dict("records")]
        seen.append([draw(frame, line, snr, times) if snr else 0.0 for line, snr in lines])
        frame.save_h5(str(args.out / path.name))
    truth.assign(filter=np.mean([seen[panel] for panel in ON], axis=0)).to_csv(args.out / "truth.csv", index=False)


if __name__ == "__main__":
    main()

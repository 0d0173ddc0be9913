"""What each cleaning step does to the SNR of a needle, on white noise and on backgrounds that look real.

A needle of known track and amplitude (in sigma of the local noise) is drawn into the ON panels of cadences without
one, panels are normalised and cleaned, and the needle is measured where it is:

* *sum*: the mean of the pixels along the track, in all ON panels;
* *local*: the fitted amplitude along the track above the channels beside it (``seti_utils.sky.dedrift.measure``).

What the needle adds to that number, divided by the number's scatter along the same track at other channels of the
cleaned cadence without the needle, is an SNR. The table gives the median over cadences, relative to no cleaning.
Backgrounds: white noise; the toolkit's synthetic sky without needles; and with --real a folder of real competition
arrays, whatever signals they hold.

    python benchmarks/cleaning_snr.py [--cadences 24] [--amplitude 2] [--seed 0] [--real ../shared/real]
"""

import argparse
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.cadence import FREQ, ON, SHAPE  # noqa: E402
from seti_utils.data.reading import read_cadence  # noqa: E402
from seti_utils.progress import progress  # noqa: E402
from seti_utils.sky.background import random_bands
from seti_utils.sky.cadences import cut
from seti_utils.sky.dedrift import measure, straight_tracks
from seti_utils.sky.needles import draw
from seti_utils.sky.ranges import BAND_FREQ, TRAIN_MIX
from seti_utils.views.background import low_rank
from seti_utils.views.cleaning import clip, column_norm, compress, emphasis, high_pass, off_median, row_norm
from seti_utils.views.normalising import normalise_panels
from seti_utils.views.whitening import whiten

STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x.float(),
    "OffMedian": off_median,
    "Clip(3)": clip,
    "Compress": compress,
    "ColumnNorm": column_norm,
    "RowNorm": row_norm,
    "HighPass(15)": high_pass,
    "Emphasis(5)": emphasis,
    "LowRank(2, svd)": low_rank,
    "LowRank(2, nmf)": partial(low_rank, method="nmf"),
    "Whiten(15, 6)": whiten,
    "ColumnNorm, RowNorm": lambda x: row_norm(column_norm(x)),
}
DRIFTS = (0.0, 7.5)
PLACES = torch.linspace(20, 190, 24)
APART = 10.0
"""Other tracks start at least this many channels from the needle."""


def synthetic_sky(count: int, seed: int) -> Tensor:
    """Windows of the synthetic sky without needles."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.multinomial(torch.tensor(TRAIN_MIX), count, replacement=True, generator=generator)
    offsets = torch.randint(0, BAND_FREQ - FREQ + 1, (count,), generator=generator)
    windows = [cut(random_bands(kinds[row : row + 1], generator=generator), [0], [int(offsets[row])]) for row in range(count)]
    return torch.cat(windows)


def real_cadences(folder: Path) -> Tensor:
    """All competition arrays below a folder."""
    return torch.from_numpy(np.stack([read_cadence(path) for path in sorted(folder.rglob("*.npy"))])).float()


def answers(x_BPTF: Tensor, start: Tensor, drift: float) -> Tensor:
    """(2, B): *sum* and *local* along a straight track from channel ``start`` (B,)."""
    tracks = straight_tracks(start, torch.full_like(start, drift))
    channel = tracks.freq.round().long().clamp(0, x_BPTF.shape[-1] - 1)
    on = list(ON)
    pixels = x_BPTF.gather(3, channel[..., None])[:, on].mean((1, 2, 3))
    local = measure(x_BPTF, tracks, sigma=torch.ones(x_BPTF.shape[:2])).amplitude[:, on].mean(1)
    return torch.stack([pixels, local])


def snr(clean: Callable[[Tensor], Tensor], empty: Tensor, full: Tensor, start: Tensor, drift: float) -> Tensor:
    """(2, B): SNR of the needle that ``full`` has and ``empty`` has not, by *sum* and by *local*."""
    empty, full = clean(empty), clean(full)
    gain = answers(full, start, drift) - answers(empty, start, drift)
    others = torch.stack([answers(empty, place.expand(len(start)), drift) for place in PLACES])
    others[(PLACES[:, None] - start).abs()[:, None].expand_as(others) < APART] = torch.nan
    scatter = (others - others.nanmean(0)).square().nanmean(0).sqrt()
    return gain / scatter.clamp(min=1e-9)


def main() -> None:
    """Print one table per background."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cadences", type=int, default=24, help="per background (default %(default)s)")
    parser.add_argument("--amplitude", type=float, default=2.0, help="of a pixel, in sigma (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=Path, help="folder with real competition arrays")
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(args.seed)
    scenes = {
        "white noise": torch.randn(args.cadences, *SHAPE, generator=generator),
        "synthetic sky": synthetic_sky(args.cadences, args.seed),
    }
    if args.real:
        real = real_cadences(args.real)
        scenes[f"{len(real)} real cadences"] = real.repeat(-(-args.cadences // len(real)), 1, 1, 1)
    print(f"{platform.machine()}, torch {torch.__version__}; {args.cadences} cadences per background, needles of ", end="")
    print(f"{args.amplitude:g} sigma per pixel, seed {args.seed}. SNR relative to no cleaning (first row: SNR):")
    for name, background in scenes.items():
        background = normalise_panels(background)
        start = PLACES[0] + torch.rand(len(background), generator=generator) * (PLACES[-1] - PLACES[0])
        rows = {step: [] for step in STEPS}
        for drift in DRIFTS:
            tracks = straight_tracks(start, torch.full_like(start, drift))
            full = normalise_panels(draw(background, tracks, torch.full_like(start, args.amplitude)))
            for step, clean in progress(STEPS.items(), desc=f"{name}, drift {drift:g}"):
                rows[step].append(snr(clean, background, full, start, drift))
        heads = [f"{way}, {drift:g} channels/panel" for drift in DRIFTS for way in ("sum", "local")]
        print(f"\n| {name} | {' | '.join(heads)} |\n|---|" + "---|" * len(heads))
        for step, values in rows.items():
            values = torch.cat(values)
            if step == "none":
                plain, cells = values, [f"SNR {value:.1f}" for value in values.median(1).values]
            else:
                cells = [f"{value:.2f}" for value in (values / plain).median(1).values]
            print(f"| {step} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

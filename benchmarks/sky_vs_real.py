"""Compare the synthetic sky with the real cadences: a table of statistics and a sheet of unlabelled panels.

    python benchmarks/sky_vs_real.py OUT [--real ../shared/real] [--count 200] [--seed 0]

``--real`` is any folder of real cadences (``.npy``, also in sub-folders). The table gives each statistic's range over all real
and all synthetic panels, and whether the synthetic range covers the real one; the needle's own statistics are told where a
cadence with a known needle is among them (``REAL_NEEDLE``). ``OUT/panels.png`` shows real and synthetic panels mixed; ``OUT/panels_key.txt`` says which is which.
Pictures of real data stay out of the repository: OUT must be outside of it.
"""

import argparse
import platform
import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.cadence import FREQ, SHAPE, TIME  # noqa: E402
from seti_utils.data.noise import local_sigma
from seti_utils.sky import EndlessSky
from seti_utils.sky.dedrift import dedrift, measure, straight_tracks
from seti_utils.sky.needles import Tracks

REAL_NEEDLE = {"name": "0028a35de92941d", "start": 152.0, "drift": 7.5, "row": 192}
SHOWN = 12
"""Real cadences on the sheet."""


def panel_statistics(x_BPTF: torch.Tensor) -> dict[str, np.ndarray]:
    """One value per panel (B * P,) of each statistic; the panels have mean 0, std 1."""
    x = x_BPTF.float()
    column, row = x.mean(2), x.mean(3)
    grid = torch.linspace(-1, 1, FREQ)
    basis = torch.linalg.qr(torch.stack([grid**k for k in range(4)], 1)).Q
    typical = column.unfold(2, 9, 1).median(-1).values
    middle = column[..., 4:-4]
    spike = torch.where((middle - typical).abs() > 4 * x.std((2, 3), keepdim=True)[..., 0] * 0.2, middle - typical, 0)
    plain = column.clone()
    plain[..., 4:-4] -= spike
    plain = plain - plain.mean(2, keepdim=True)
    slope = (plain @ basis) @ basis.T
    noise = local_sigma(x)
    left = x - column[:, :, None] - row[..., None]
    smooth = torch.nn.functional.avg_pool2d(left.flatten(0, 1)[:, None], (1, 9), stride=1)[:, 0].view(*x.shape[:3], -1)
    second = x[:, :, ::2, 1:-1] - 0.5 * (x[:, :, ::2, :-2] + x[:, :, ::2, 2:])
    wide = torch.nn.functional.avg_pool1d(x[:, :, ::2].flatten(0, 1), 9, stride=1, padding=4).view(x[:, :, ::2].shape)
    texture = texture_slope(second, wide[..., 1:-1], noise)
    ripple = (plain - slope).square().mean(2)

    def autocorrelation(series: torch.Tensor, lag: int) -> torch.Tensor:
        series = series - series.mean(-1, keepdim=True)
        return (series[..., lag:] * series[..., :-lag]).mean(-1) / series.square().mean(-1).clamp(min=1e-9)

    first = plain[:, :1]
    alike = torch.nn.functional.cosine_similarity(plain, first, dim=2)
    alike[:, 0] = float("nan")
    power = torch.fft.rfft(plain - slope, dim=2).abs().square()[..., 1:]
    row_power = torch.fft.rfft(row - row.mean(2, keepdim=True), dim=2).abs().square()[..., 1:]
    values = {
        "kurtosis": x.pow(4).mean((2, 3)) - 3,
        "skew": x.pow(3).mean((2, 3)),
        "smallest pixel": x.amin((2, 3)),
        "largest pixel": x.amax((2, 3)),
        "residual sigma": noise,
        "sigma's growth per sigma of level": texture,
        "variance: columns": column.var(2),
        "variance: band slope (cubic)": slope.square().mean(2),
        "variance: ripple and comb": ripple,
        "variance: spike columns": spike.square().sum(2) / FREQ,
        "variance: rows (bursts)": row.var(2),
        "variance: blobs, patches": smooth.var((2, 3)) - noise**2 / 9,
        "column autocorrelation, lag 1": autocorrelation(plain, 1),
        "column autocorrelation, lag 15": autocorrelation(plain, 15),
        "column spectrum: share at 24-36 channels": power[..., 6:11].sum(-1) / power.sum(-1).clamp(min=1e-9),
        "column spectrum: share below 8 channels": power[..., 31:].sum(-1) / power.sum(-1).clamp(min=1e-9),
        "row autocorrelation, lag 1": autocorrelation(row, 1),
        "row autocorrelation, lag 15": autocorrelation(row, 15),
        "row spectrum: share above 40 rows": row_power[..., :6].sum(-1) / row_power.sum(-1).clamp(min=1e-9),
        "column profile: likeness to panel 0": alike,
    }
    return {name: value.reshape(-1).double().numpy() for name, value in values.items()}


def texture_slope(second: torch.Tensor, level: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Relative growth of the residual's robust scatter per sigma of local level, from the lower and upper fifth."""
    flat_level, flat = level.flatten(2), second.flatten(2).abs()
    low, high = (flat_level[..., ::7].quantile(q, dim=2, keepdim=True) for q in (0.2, 0.8))
    scatter, mean = [], []
    for chosen in (flat_level < low, flat_level > high):
        scatter.append(torch.where(chosen, flat, torch.nan).nanmedian(2).values)
        mean.append(torch.where(chosen, flat_level, torch.nan).nanmedian(2).values)
    ratio = scatter[1] / scatter[0].clamp(min=1e-9) - 1
    return ratio / ((mean[1] - mean[0]) / noise.clamp(min=1e-9)).clamp(min=1.0)


def needle_statistics(x_BPTF: torch.Tensor, tracks: Tracks) -> dict[str, np.ndarray]:
    """Amplitude in sigma and the neighbours' share of the peak channel, of panels where the needle is bright."""
    found = measure(x_BPTF, tracks)
    bright = (found.snr_bin > 4) & (found.rows > 60)
    straight = dedrift(x_BPTF, tracks.freq, 8)
    level = torch.cat([straight[..., :6], straight[..., 11:]], -1).nanmean(-1)
    shown = tracks.visible()[..., None]
    mean = torch.where(shown, straight - level[..., None], torch.nan).nanmean(2)
    share = (mean[..., 7] + mean[..., 9]) / 2 / mean[..., 8]
    return {"needle amplitude, sigma": found.snr_bin[bright].numpy(), "neighbours / peak": share[bright].numpy()}


def sheet(real: torch.Tensor, synthetic: torch.Tensor, out: Path, seed: int) -> None:
    """Draw real and synthetic cadences' panels in random order, without a label, and the key beside it."""
    generator = torch.Generator().manual_seed(seed)
    panels = [(x[p], f"real {i} panel {p}") for i, x in enumerate(real) for p in (0, 3)]
    chosen = torch.randperm(len(synthetic), generator=generator)[: 2 * len(real)].tolist()
    panels += [(synthetic[i, p], f"synthetic {i} panel {p}") for i in chosen[: len(real)] for p in (0, 3)]
    order = torch.randperm(len(panels), generator=generator).tolist()
    figure, axes = plt.subplots(-(-len(panels) // 4), 4, figsize=(20, 3.2 * -(-len(panels) // 4)), squeeze=False)
    for axis, place in zip(axes.flat, order, strict=False):
        panel = panels[place][0].float().numpy()
        low, high = np.percentile(panel, [0.5, 99.5])
        axis.imshow(panel, aspect="auto", vmin=low, vmax=high, interpolation="nearest")
    for axis in axes.flat:
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(out / "panels.png", dpi=70)
    plt.close(figure)
    (out / "panels_key.txt").write_text("\n".join(panels[place][1] for place in order) + "\n", encoding="utf-8")


def main() -> None:
    """Print the table and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--real", type=Path, default=Path(__file__).parents[2] / "shared/real")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    files = sorted(arguments.real.rglob("*.npy"))
    if not files:
        sys.exit(f"{arguments.real}: no real cadences there; give their folder with --real")
    if odd := [file for file in files if np.load(file, mmap_mode="r").shape != SHAPE]:
        sys.exit(
            f"{odd[0]}: {np.load(odd[0], mmap_mode='r').shape} is not the shape of a cadence, {SHAPE}; give a folder of cadences"
        )
    if Path(__file__).parents[1] in arguments.out.resolve().parents:
        sys.exit(f"{arguments.out}: inside the repository; pictures of real data must stay outside")
    arguments.out.mkdir(parents=True, exist_ok=True)

    real = torch.stack([torch.from_numpy(np.load(file)) for file in files])
    sky = EndlessSky(batch_size=min(40, arguments.count), seed=arguments.seed, positive=0.6, windows=2)
    statistics: list[dict[str, np.ndarray]] = []
    shown = []
    for number in range(-(-arguments.count // sky.batch_size)):
        x_BPTF, _, content = sky.batch(number)
        needle = needle_statistics(x_BPTF[content.target], content.star.rows(content.target.nonzero()[:, 0]).tracks)
        statistics.append(panel_statistics(x_BPTF) | needle)
        shown.append(x_BPTF[::5])
    synthetic = {name: np.concatenate([part[name] for part in statistics]) for name in statistics[0]}

    truth = panel_statistics(real)
    for x_BPTF in (real[place][None] for place, file in enumerate(files) if file.stem == REAL_NEEDLE["name"]):
        tracks = straight_tracks(torch.tensor([REAL_NEEDLE["start"]]), torch.tensor([REAL_NEEDLE["drift"]]))
        tracks.gate[0, 0, : REAL_NEEDLE["row"]] = 0
        truth |= needle_statistics(x_BPTF, tracks)
    print(f"{platform.machine()} torch {torch.__version__} seed {arguments.seed}: {len(files)} real cadences, ", end="")
    print(f"{len(shown) * sky.batch_size} synthetic; {TIME} x {FREQ} pixels per panel\n")
    heads = ("real: min  median     max", "synthetic: min  median   max")
    print(f"{'statistic':42s} {heads[0]:>28s}   {heads[1]:>30s}  covers  outside")
    for name, values in truth.items():
        values, drawn = values[np.isfinite(values)], synthetic[name][np.isfinite(synthetic[name])]
        covers = drawn.min() <= values.min() and values.max() <= drawn.max()
        low, high = np.quantile(drawn, [0.025, 0.975])
        outside = np.mean((values < low) | (values > high))
        print(f"{name:42s} {values.min():9.3f}{np.median(values):9.3f}{values.max():10.3f}   ", end="")
        print(f"{drawn.min():10.3f}{np.median(drawn):9.3f}{drawn.max():11.3f}  ", end="")
        print(f"{'yes' if covers else 'NO':6s} {outside:6.0%}")
    print("\noutside: share of real panels outside the central 95 % of the synthetic ones")
    sheet(real[:SHOWN], torch.cat(shown), arguments.out, arguments.seed)
    print(f"{arguments.out / 'panels.png'}: which panels are real? ({arguments.out / 'panels_key.txt'})")


if __name__ == "__main__":
    main()

"""What a resize keeps of a needle: the share of matched-filter SNR squared that survives each operation.

White noise of sigma 1; a line one channel wide in the three ON panels, straight or drifting. Three filters look for it:
*plain* correlates the image with the line's own picture (what a network's first layers can do), *sum* adds up the image
rows that lie in the line's channel, evenly, *best* also knows how the operation correlates the noise (what nothing can
exceed). *sum* and *best* are of linear operations only. The native pixels keep 1 by all of them.
Linear operations are computed exactly from their matrices; pooling is measured on noise, with lines of 0.5 and of 4
sigma per pixel (they come out alike), against the same filter on the same native pixels.

    python benchmarks/resize_snr.py [--draws 200] [--lines 8] [--seed 0]
"""

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.progress import progress  # noqa: E402
from seti_utils.views.rendering import render  # noqa: E402
from seti_utils.views.resizing import resize  # noqa: E402

BOTH, ON_ONLY = "abacad", "aaa"
Resizer = Callable[[np.ndarray], np.ndarray]


def ours(freq: int, time: int, kernel: str = "bicubic", antialias: bool = True) -> Resizer:
    """This project's resize of a native (freq, time) image."""
    return lambda image: resize(torch.from_numpy(image)[None, None], freq=freq, time=time, kernel=kernel, antialias=antialias)[
        0, 0
    ].numpy()


def opencv(freq: int, time: int, interpolation: int) -> Resizer:
    """OpenCV's resize, whose size is written (width, height)."""
    return lambda image: cv2.resize(image, (time, freq), interpolation=interpolation)


OPERATIONS = [
    (BOTH, "512 x 512 cv2 LINEAR (the usual default)", opencv(512, 512, cv2.INTER_LINEAR)),
    (BOTH, "512 x 512 cv2 CUBIC", opencv(512, 512, cv2.INTER_CUBIC)),
    (BOTH, "512 x 512 cv2 AREA in one step", opencv(512, 512, cv2.INTER_AREA)),
    (BOTH, "512 x 512 bicubic, antialias (= PIL BICUBIC)", ours(512, 512)),
    (BOTH, "512 x 512 bilinear, antialias", ours(512, 512, "bilinear")),
    (BOTH, "512 x 512 lanczos, antialias", ours(512, 512, "lanczos")),
    (BOTH, "512 x 512 area, each axis on its own", ours(512, 512, "area")),
    (BOTH, "512 x 512 max", ours(512, 512, "max")),
    (BOTH, "512 x 512 meanmax", ours(512, 512, "meanmax")),
    (BOTH, "768 freq x 512 time bicubic, antialias", ours(768, 512)),
    (BOTH, "256 x 256 bicubic, antialias", ours(256, 256)),
    (BOTH, "256 freq x 128 time meanmax", ours(256, 128, "meanmax")),
    (BOTH, "128 x 128 cv2 LINEAR", opencv(128, 128, cv2.INTER_LINEAR)),
    (BOTH, "128 x 128 bicubic, antialias", ours(128, 128)),
    (ON_ONLY, "512 x 512 cv2 LINEAR", opencv(512, 512, cv2.INTER_LINEAR)),
    (ON_ONLY, "512 x 512 bicubic, antialias", ours(512, 512)),
    (ON_ONLY, "320 x 320 cv2 LINEAR", opencv(320, 320, cv2.INTER_LINEAR)),
    (ON_ONLY, "768 x 768 lanczos, antialias", ours(768, 768, "lanczos")),
    (ON_ONLY, "256 freq x 273 time area", ours(256, 273, "area")),
    (ON_ONLY, "256 freq x 273 time max", ours(256, 273, "max")),
    (ON_ONLY, "256 freq x 273 time meanmax", ours(256, 273, "meanmax")),
]


def line_image(layout: str, channel: float, drift: float) -> np.ndarray:
    """A line of height 1, one channel wide, in the ON panels; ``drift`` in channels per panel."""
    panels = np.zeros((1, 6, 273, 256), np.float32)
    row = np.arange(6 * 273)
    at = np.round(channel + drift * (row - row.mean()) / 273).astype(int) % 256
    panels.reshape(-1, 256)[row, at] = 1
    panels[:, 1::2] = 0
    return render(torch.from_numpy(panels), layout=layout)[0, 0].numpy()


def measured_plain(resizer: Resizer, lines: list[np.ndarray], noises: list[np.ndarray], amplitude: float) -> float:
    """(shift of the filter's answer by the line)^2 / its variance without one, over the same for the native pixels."""
    empty = [resizer(noise) for noise in noises]
    variances = []
    for line in lines:
        # The picture of the line: for pooling it depends on the noise under it, hence the mean.
        picture = np.mean([resizer(noise + amplitude * line) - image for noise, image in zip(noises[:16], empty)], axis=0)
        answers = [
            [float((p * image).sum(dtype=np.float64)) for image in images] for p, images in ((line, noises), (picture, empty))
        ]
        native, image = (np.var(answer, ddof=1) for answer in answers)
        scale = amplitude * np.square(line).sum(dtype=np.float64)
        variances.append((native / scale**2, image / np.square(picture).sum(dtype=np.float64) ** 2))
    native, image = np.mean(variances, axis=0)
    return native / image


def exact(matrices: tuple[np.ndarray, np.ndarray], line: np.ndarray) -> tuple[float, float]:
    """Plain and best for a linear operation: s's's's' / |R^T s'|^2 and s' C^-1 s', both over the native s s."""
    along_f, along_t = matrices
    picture = along_f @ line @ along_t.T
    back = along_f.T @ picture @ along_t
    energy = np.square(line).sum()
    # s' C^-1 s' is the energy of s inside the row space of the matrices.
    inside = row_space(along_f) @ line @ row_space(along_t).T
    return np.square(picture).sum() ** 2 / np.square(back).sum() / energy, np.square(inside).sum() / energy


def summed(matrices: tuple[np.ndarray, np.ndarray], line: np.ndarray) -> float:
    """What the plain sum of the image rows inside a straight line's channel keeps; at least the nearest row counts."""
    along_f, along_t = matrices
    channel = line.sum(1).argmax() + 0.5
    scale = along_f.shape[1] / along_f.shape[0]
    rows = np.abs((np.arange(len(along_f)) + 0.5) * scale - channel) <= max(0.5, scale / 2) + 1e-9
    shown = along_t @ line.max(0)
    filtered = np.outer(rows, shown > 0.5 * shown.max()).astype(np.float64)
    answer = (filtered * (along_f @ line @ along_t.T)).sum()
    return answer**2 / np.square(along_f.T @ filtered @ along_t).sum() / np.square(line).sum()


def axis_matrix(resizer: Resizer, axis: int, shape: tuple[int, int]) -> np.ndarray:
    """What a separable linear resizer does to one axis: its answer to a one in each place, the other axis constant."""
    columns = []
    for place in range(shape[axis]):
        image = np.zeros(shape, np.float32)
        image[(slice(None), place) if axis else place] = 1
        out = resizer(image)
        columns.append(out[out.shape[0] // 2] if axis else out[:, out.shape[1] // 2])
    return np.stack(columns, axis=1).astype(np.float64)


def row_space(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal rows that span the rows of ``matrix``."""
    _, s, v = np.linalg.svd(matrix, full_matrices=False)
    return v[s > 1e-3 * s[0]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200, help="noise images (default %(default)s)")
    parser.add_argument("--lines", type=int, default=8, help="lines, at as many channels (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(args.seed)
    channels = np.linspace(60, 196, args.lines) + rng.uniform(-0.5, 0.5, args.lines)
    scenes = {}
    for layout in (BOTH, ON_ONLY):
        straight, drifting = ([line_image(layout, channel, drift) for channel in channels] for drift in (0.0, 7.5))
        noises = [rng.standard_normal(straight[0].shape).astype(np.float32) for _ in range(args.draws)]
        scenes[layout] = straight, drifting, noises
    table = []
    for layout, name, resizer in progress(OPERATIONS, desc="operations"):
        straight, drifting, noises = scenes[layout]
        if "max" in name:
            plain, slanted = (measured_plain(resizer, lines, noises, 0.5) for lines in (straight, drifting))
            figures = [plain, slanted, None, None, measured_plain(resizer, straight, noises, 4.0)]
        else:
            matrices = axis_matrix(resizer, 0, straight[0].shape), axis_matrix(resizer, 1, straight[0].shape)
            plain, best = np.mean([exact(matrices, line) for line in straight], axis=0)
            slanted = np.mean([exact(matrices, line)[0] for line in drifting])
            figures = [plain, slanted, np.mean([summed(matrices, line) for line in straight]), best, None]
        shape = " x ".join(map(str, straight[0].shape))
        cells = " | ".join("–" if figure is None else f"{figure:.2f}" for figure in figures)
        table.append(f"| {layout} ({shape}) -> {name} | {cells} |")
    print(f"{platform.machine()}, torch {torch.__version__}, OpenCV {cv2.__version__}; ", end="")
    print(f"{args.draws} noise images, {args.lines} lines, seed {args.seed}. Share of SNR squared kept:\n")
    heads = "straight, plain filter | 7.5 channels/panel, plain | straight, sum | straight, best | straight, 4 sigma"
    print(f"| operation | {heads} |\n|---|---|---|---|---|---|")
    print("\n".join(table))


if __name__ == "__main__":
    main()

"""A competition made with setigen, whose files share sky: how the detectors do on the sky of another simulator.

    pip install "setuptools<82" setigen==2.7.0                          # in an environment of its own, which has no seti_utils
    ENV/bin/python benchmarks/setigen_sky.py out/setigen [--seed 1]     # writes it
    python benchmarks/setigen_sky.py out/setigen --scores               # searches, cleans and scores it, here

450 cadences, five windows each of 90 bands of white chi-squared noise; setigen draws a needle into each window's own copy: in the ON panels of 40 % of them, in
all six of half of the others. Paths are straight, curved, S-shaped or wander; profiles are its Gaussian, Lorentzian, sinc², box and double, 0.7 to
4 channels wide; SNR 2 to 100 per panel, log-uniform. 50 cadences are training rows, 400 the test. Prints AUC and recall at 1 % false alarms of ``raw``, of
``cleaned`` and of both, ``cleaned`` where there are neighbours.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

BANDS, WINDOWS, TRAIN = 90, 5, 50
PANELS, TIME, FREQ = 6, 273, 256
HZ, DT = 2861.022949, 1.073741824
"""Hertz per channel and seconds per row."""
STEP, SHAKE = 80, 30
"""Channels from one window to the next, and how much further at most."""
TARGET, EVERYWHERE = 0.4, 0.5
SNR, WIDTH, DRIFT = (2.0, 100.0), (0.7, 4.0), 18.0
"""Per panel; channels; channels per panel, at most."""
BINS = (2, 4, 8, 15, 25, 101)
NAMES = "straight", "curved", "S-shaped", "wandering"


def make(out: Path, seed: int) -> None:
    """Write the folder; runs where setigen is."""
    import pandas as pd
    import setigen as stg  # pyright: ignore[reportMissingImports]
    from astropy import units as u  # pyright: ignore[reportMissingImports]

    rng = np.random.default_rng(seed)
    axes = {"df": HZ * u.Hz, "dt": DT * u.s, "fch1": 6 * u.GHz, "ascending": True}
    rows = []
    for band in range(BANDS):
        offsets = [at * STEP + int(rng.integers(SHAKE)) for at in range(WINDOWS)]
        whole = stg.Frame(fchans=FREQ + offsets[-1], tchans=PANELS * TIME, seed=int(rng.integers(2**31)), **axes)
        whole.add_noise(x_mean=10, noise_type="chi2")
        for offset in offsets:
            frame = stg.Frame.from_data(data=whole.data[:, offset : offset + FREQ].copy(), **axes)
            held = needle(stg, frame, rng)
            x = np.asarray(frame.data, np.float64).reshape(PANELS, TIME, FREQ)
            x = (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True)
            name = "".join(f"{digit:x}" for digit in rng.integers(16, size=15))
            rows.append({"id": name, "target": int(held["kind"] == "on"), "band": band, **held})
            path = out / ("train" if len(rows) <= TRAIN else "test") / name[0] / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, x.astype(np.float16))
        print(f"band {band + 1} of {BANDS}", flush=True)
    truth = pd.DataFrame(rows)
    truth.to_csv(out / "truth.csv", index=False)
    truth[:TRAIN][["id", "target"]].to_csv(out / "train_labels.csv", index=False)
    truth[TRAIN:][["id"]].assign(target=0.5).to_csv(out / "sample_submission.csv", index=False)


def needle(stg: Any, frame: Any, rng: np.random.Generator) -> dict[str, object]:
    """Draw a needle into a window's frame, or none; its ``kind`` (panels that have it), ``snr`` and ``course``."""
    kind = "on" if rng.random() < TARGET else "all" if rng.random() < EVERYWHERE else "none"
    snr, width = (float(np.exp(rng.uniform(*np.log(bounds)))) for bounds in (SNR, WIDTH))
    course = str(rng.choice(NAMES))
    drift, start = rng.uniform(-DRIFT, DRIFT), rng.uniform(30, FREQ - 30)
    middle = frame.get_frequency(int(start)) - drift * HZ * (PANELS / 2 if course == "straight" else 0)
    shapes = "gaussian", "lorentzian", "sinc2", "box", "multiple_gaussian"
    profile = getattr(stg, f"{shapes[int(rng.integers(len(shapes)))]}_f_profile")(width * HZ)
    panel = TIME * DT
    if course == "straight":
        path = stg.constant_path(middle, drift * HZ / panel)
    elif course == "curved":
        path = stg.squared_path(middle, drift * HZ / panel**2 / 2)
    elif course == "S-shaped":
        path = stg.sine_path(middle, 0, rng.uniform(2, 6) * panel, (abs(drift) + 5) * HZ)
    else:
        path = stg.simple_rfi_path(middle, 0, 1.5 * HZ, rfi_type="random_walk", seed=int(rng.integers(2**31)))
    if kind == "none":
        return {"kind": kind, "snr": 0.0, "course": course}
    level, seen = snr * frame.data.std() / TIME**0.5, [0, 2, 4] if kind == "on" else list(range(PANELS))
    frame.add_signal(path, lambda t: level * np.isin((np.asarray(t) / panel + 1e-6).astype(int), seen), profile)
    return {"kind": kind, "snr": snr, "course": course}


def score(out: Path) -> None:
    """Search, clean, score and tell."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import pandas as pd
    import torch

    from seti_utils.data.competition import read_competition
    from seti_utils.nets.shipped import load_detector
    from seti_utils.overlap.panels import clean, read_covered
    from seti_utils.overlap.search import search
    from seti_utils.run.scoring import open_split, score_covered, score_source
    from seti_utils.stats.intervals import auc_interval
    from seti_utils.stats.recall import threshold

    torch.set_num_threads(1)
    competition, overlap = read_competition(out), out / "overlap"
    search(competition, overlap, workers=1)
    clean(competition, overlap, workers=1)
    raw, cleaned = load_detector("raw"), load_detector("cleaned")
    source, minus = open_split(out, "test", None), open_split(out, "test", overlap)
    covered = read_covered(overlap).loc[list(source.ids)].to_numpy()
    truth = pd.read_csv(out / "truth.csv", dtype={"id": str}).set_index("id").loc[list(source.ids)]
    target, snr = truth["target"].to_numpy(), truth["snr"].to_numpy()
    print(f"{len(truth)} cadences, {(covered > 0).mean():.0%} with neighbours, {covered.mean():.0%} of all columns covered")
    scores = {
        "raw": score_source(source, raw).logit.numpy(),
        "cleaned": score_source(minus, cleaned).logit.numpy(),
        "cleaned where there are neighbours": score_covered(source, minus, covered, (raw, cleaned)).logit.numpy(),
    }
    for name, logit in scores.items():
        value, low, high = auc_interval(target, logit)
        found = logit > threshold(logit[target == 0], 0.01)
        shares = [
            f"SNR {a}-{b} {found[mine].mean():.2f} of {mine.sum()}"
            for a, b in zip(BINS, BINS[1:], strict=False)
            if (mine := (target == 1) & (snr >= a) & (snr < b)).any()
        ]
        print(f"{name}: AUC {value:.3f} [{low:.3f}, {high:.3f}]; at 1 % false alarms {', '.join(shares)}")
        lost = truth[(target == 1) & ~found & (snr >= 8)]
        high_ones = truth[(target == 0) & found]
        print(f"  lost from SNR 8 on: {lost['course'].tolist()}; above: {high_ones['kind'].tolist()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scores", action="store_true", help="score the folder that is there")
    args = parser.parse_args()
    score(args.out) if args.scores else make(args.out, args.seed)

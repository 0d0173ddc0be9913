"""Train the detector that comes with the package, measure it on skies that it was not chosen on, and write weights and card.

    python benchmarks/ship_detector.py [--out out/detector] [--seed 1] [--ship]

Draws the lessons (``detector_lessons.py``: an endless sky, searched once), trains the judge on them (``detector_training.py``), both
resumed by the same call, then scores the tests of other synthetic skies and draws one needle into empty cadences at every
brightness. With ``--ship`` weights and card replace ``seti_utils/nets/shipped/raw.*``; without it they lie in OUT.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
import detector_lessons
import detector_training
from judging import AMPLITUDES, STRAIGHT, largest_fall, of_detector, recalled, respond

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, OFF, ON, TIME
from seti_utils.machine import versions
from seti_utils.nets.detector import Detector
from seti_utils.nets.shipped import FOLDER, ShippedDetector, load_detector, save_detector
from seti_utils.run.scoring import open_split, score_source
from seti_utils.sky import make_sky
from seti_utils.sky.folder import needles_of
from seti_utils.sky.ranges import SKY_VERSION
from seti_utils.stats.intervals import auc_interval
from seti_utils.stats.recall import RATES, threshold

MEASURED = (30, 1200)
"""Train and test cadences of the skies that are measured."""
SKIES = (101, 303)
"""Their seeds: nothing was chosen on either."""
RECIPE = {
    detector_lessons: "BANDS WINDOWS FAMILIES SNR BRIGHT BRIGHT_SHARE BRIGHTER CANDIDATES BESIDE TERRESTRIAL GLARE KINDS KEPT SURE",
    detector_training: "LESSONS FILES EPOCHS BATCH MIXED RATE WARM LAST DECAY CLIP PAIRED",
}
"""What the card tells of both modules."""
FAINT = 8.0
"""Integrated SNR in OFF panels, as drawn, below which an echo can hardly be told: the sum along its track holds half of it."""
SNRS = (3, 6, 10, 15, 25, 50, 170)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/detector"))
    parser.add_argument("--seed", type=int, default=1, help="of the judge's weights and of the order of its lessons")
    parser.add_argument("--ship", action="store_true", help="replace the detector that comes with the package")
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = detector_training.trained(args.out, args.seed)
    path = write(network, args.seed, args.out)
    if args.ship:
        for suffix in (".safetensors", ".json"):
            (FOLDER / path.with_suffix(suffix).name).write_bytes(path.with_suffix(suffix).read_bytes())


def write(network: Detector, seed: int, out: Path) -> Path:
    """Weights and card in ``out``, measured."""
    card = described(seed)
    path = save_detector(network, card, out / "raw.safetensors")
    detector = load_detector(path)
    first, *others = [measured(detector, out, sky) for sky in SKIES]
    card |= {"measured": first | {"other_skies": others}, "response": response(detector)}
    print(json.dumps({"measured": card["measured"], "response": card["response"]["largest_fall"]}, indent=2))
    return save_detector(network, card, path)


def described(seed: int) -> dict[str, object]:
    """The card but for what was measured."""
    recipe = {
        f"{module.__name__.removeprefix('detector_')} {name.lower()}": getattr(module, name)
        for module, names in RECIPE.items()
        for name in names.split()
    }
    return {
        "name": "raw",
        "what": "finds narrow-band needles that ON panels have and OFF panels, looked at along their track, have not",
        "backbone": detector_training.BACKBONE,
        "per_column": False,
        "panels": "raw",
        "layout": detector_lessons.LAYOUT,
        "resize": detector_lessons.RESIZE,
        "df_hz": DF_HZ,
        "dt_s": DT_S,
        "time": TIME,
        "freq": FREQ,
        "normalisation": "every panel mean 0, standard deviation 1; its scale does not matter",
        "recipe": recipe,
        "seed": seed,
        "taught_on": "an endless synthetic sky of both kinds and drawn needles; no real array, no needle of another simulator",
        "sky_version": SKY_VERSION,
        "blind_spots": [
            "needles below an integrated SNR of about 10 per panel, and of about 15 when they bend much or show in one panel",
            "drifts beyond 70 channels per panel, and S-shapes that turn within a minute",
            "an echo fainter than an integrated SNR of about 10 in its OFF panels, or that only a panel far from the needle's own shows: such a needle passes",
            "signals broader than about 6 channels, and any that OFF panels show too",
        ],
        "versions": versions(),
    }


def measured(detector: ShippedDetector, out: Path, seed: int) -> dict[str, object]:
    """AUC, recall by SNR and what false alarms are of, on the shifted test of a sky that nothing was chosen on."""
    train_rows, rows = MEASURED
    sky = make_sky(out / f"measured-{seed}", train=train_rows, test=rows, seed=seed)
    source = open_split(sky, "test", None)
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}).set_index("id").loc[list(source.ids)]
    logit, target = score_source(source, detector).logit.numpy(), truth["target"].to_numpy()
    faint = faint_echoes(sky).loc[list(source.ids)].to_numpy() & (target == 0)
    kind = truth["terrestrial"].fillna("").replace("", "no") + " needle, " + truth["kind"]
    kind = kind.where(~faint, "echo that OFF panels barely show")
    alarms = {}
    for rate in RATES:
        high = (target == 0) & (logit > threshold(logit[target == 0], rate))
        alarms[f"{rate:.1%}"] = kind[high].value_counts().to_dict()
    return {
        "sky": f"sky --train {train_rows} --test {rows} --seed {seed}, version {SKY_VERSION}, its shifted test",
        "auc": [round(float(value), 4) for value in auc_interval(target, logit)],
        "recall_at_false_alarms": recalls(logit, target, truth["snr"]),
        "recall_without_faint_echoes": recalls(logit[~faint], target[~faint], truth["snr"][~faint]),
        "faint_echoes": f"{int(faint.sum())} of {int((target == 0).sum())} negatives",
        "false_alarms": alarms,
    }


def recalls(logit: np.ndarray, target: np.ndarray, snr: pd.Series) -> dict[str, dict[str, object]]:
    """For every rate of false alarms the logit above which it lies, and what is found by SNR."""
    table = {}
    for rate in RATES:
        above = threshold(logit[target == 0], rate)
        table[f"{rate:.1%}"] = {"logit": round(above, 2)} | {
            f"SNR {low}-{high}": recalled(logit[inside] > above)
            for low, high in zip(SNRS, SNRS[1:], strict=False)
            if (inside := (target == 1) & snr.between(low, high).to_numpy()).any()
        }
    return table


def faint_echoes(sky: Path) -> pd.Series:
    """By id of the test: do ON panels show a terrestrial needle which OFF panels show with less than ``FAINT``, as drawn?"""
    parts = []
    for ids, content in needles_of(sky, "test"):
        drawn = content.terrestrial.panel_snr()
        parts.append(pd.Series(((drawn[:, ON].amax(1) > FAINT) & (drawn[:, OFF].amax(1) < FAINT)).numpy(), ids))
    return pd.concat(parts)


def response(detector: ShippedDetector, count: int = 10) -> dict[str, object]:
    """Median logit of empty cadences with one needle, by its brightness, for widths, drifts and panels; and the largest fall."""
    table, falls, without = {}, {}, 0.0
    for row in respond(of_detector(detector), count, STRAIGHT):
        name, values = row["cell"], [round(float(row[f"{height:g}"]), 2) for height in AMPLITUDES]
        print(name, values, flush=True)
        if name == "empty":
            without = values[0]
        else:
            table[name], falls[name] = values, largest_fall(values)
    worst = max(falls, key=falls.__getitem__)
    return {
        "amplitudes": AMPLITUDES,
        "without": without,
        "median_logit": table,
        "largest_fall": [worst, round(falls[worst], 2)],
    }


if __name__ == "__main__":
    main()

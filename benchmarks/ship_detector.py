"""Train the detector that comes with the package, measure it on a sky that it was not chosen on, and write weights and card.

    python benchmarks/ship_detector.py [--out out/detector] [--weights last.safetensors] [--ship]

Trains ``detector_raw`` of the log (an endless sky, about 20 minutes of one quiet core; the same call resumes), then scores the test of
another synthetic sky and draws one needle into empty cadences at every brightness. With ``--ship`` weights and card replace
``seti_utils/nets/shipped/raw.*``; without it they lie in OUT. ``--weights`` ships a file of weights that is there already.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from judging import AMPLITUDES, STRAIGHT, largest_fall, of_detector, recalled, respond

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, TIME
from seti_utils.learn.checkpoint import load
from seti_utils.log.config import plain
from seti_utils.log.pages import LOG
from seti_utils.machine import versions
from seti_utils.nets.shipped import FOLDER, ShippedDetector, load_detector, save_detector
from seti_utils.run.artifacts import LAST
from seti_utils.run.compose import bare_network
from seti_utils.run.runtime import Runtime
from seti_utils.run.scoring import open_split, score_source
from seti_utils.run.train import train
from seti_utils.sky import make_sky
from seti_utils.sky.ranges import SKY_VERSION
from seti_utils.stats.intervals import auc_interval

EXPERIMENT, SEED = "detector_raw", 1
TAUGHT, MEASURED = (600, 1200, 77), (30, 1200, 101)
"""Train and test cadences and seed of the sky whose rows end the training and judge it, and of the sky that is measured."""
SNRS = (3, 6, 10, 15, 25, 50, 170)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/detector"))
    parser.add_argument("--weights", type=Path, help="a last.safetensors of this experiment, instead of training")
    parser.add_argument("--ship", action="store_true", help="replace the detector that comes with the package")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = LOG.config(EXPERIMENT)
    if args.weights is None:
        sky = make_sky(args.out / "taught", train=TAUGHT[0], test=TAUGHT[1], seed=TAUGHT[2])
        args.weights = train(EXPERIMENT, [0], [SEED], Runtime(data=sky, out=args.out, device="cpu"))[0] / LAST
    network = bare_network(config)
    state, meta = load(args.weights)
    network.load_state_dict(state)
    card = described(config, meta)
    path = save_detector(network, card, args.out / "raw.safetensors")
    detector = load_detector(path)
    card |= {"measured": measured(detector, args.out), "response": response(detector)}
    save_detector(network, card, FOLDER / "raw.safetensors" if args.ship else path)
    print(json.dumps({"measured": card["measured"], "response": card["response"]["largest_fall"]}, indent=2))


def described(config, meta: dict) -> dict[str, object]:
    """The card but for what was measured."""
    return {
        "name": "raw",
        "what": "finds narrow-band needles that ON panels have and OFF panels, looked at along their track, have not",
        "backbone": config.backbone,
        "per_column": False,
        "panels": "raw",
        "layout": config.layout,
        "resize": {"freq": config.resize.freq, "time": config.resize.time, "kernel": config.resize.kernel},
        "df_hz": DF_HZ,
        "dt_s": DT_S,
        "time": TIME,
        "freq": FREQ,
        "normalisation": "every panel mean 0, standard deviation 1; its scale does not matter",
        "experiment": EXPERIMENT,
        "recipe": {knob: plain(value) for knob, value in config.departures().items()},
        "seed": SEED,
        "stage_and_epoch": [meta.get("stage"), meta.get("epoch")],
        "taught_on": "an endless synthetic sky of the training kind and drawn needles; no label, no real array, no needle of another simulator",
        "sky_version": SKY_VERSION,
        "blind_spots": [
            "needles below an integrated SNR of about 6 a panel, and of about 10 when they bend much or show in one panel",
            "drifts beyond 70 channels a panel, and S-shapes that turn within a minute",
            "an echo that only a panel far from the needle's own shows, where the track in between is a guess",
            "signals broader than about 6 channels, and any that OFF panels show too",
        ],
        "versions": versions(),
    }


def measured(detector: ShippedDetector, out: Path) -> dict[str, object]:
    """AUC, and recall at three shares of false alarms by SNR, on the shifted test of a sky that nothing was chosen on."""
    train_rows, rows, seed = MEASURED
    sky = make_sky(out / "measured", train=train_rows, test=rows, seed=seed)
    source = open_split(sky, "test", None)
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}).set_index("id").loc[list(source.ids)]
    logit, target = score_source(source, detector).logit.numpy(), truth["target"].to_numpy()
    recall = {}
    for share in (0.001, 0.01, 0.1):
        threshold = np.quantile(logit[target == 0], 1 - share)
        recall[f"{share:.1%}"] = {"logit": round(float(threshold), 2)} | {
            f"SNR {low}-{high}": recalled(logit[inside] > threshold)
            for low, high in zip(SNRS, SNRS[1:], strict=False)
            if (inside := (target == 1) & truth["snr"].between(low, high).to_numpy()).any()
        }
    return {
        "sky": f"sky --train {train_rows} --test {rows} --seed {seed}, version {SKY_VERSION}, its shifted test",
        "auc": [round(float(value), 4) for value in auc_interval(target, logit)],
        "recall_at_false_alarms": recall,
    }


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

"""Train the judge of the detectors that come with the package, measure both on skies that they were not chosen on, and write them.

    python benchmarks/ship_detector.py [--out out/detector] [--seed 1] [--measure] [--ship]

Draws the lessons (``detector_lessons.py``: an endless sky, searched once) and trains the judge on them (``detector_training.py``,
then ``detector_weighing.py``), resumed by the same call. It becomes two detectors: ``raw``, of panels as they are, and ``cleaned``, of
panels minus the sky that their neighbours show, which a detector makes look like raw ones with a fiftieth of the noise. Both are
scored on the tests of other synthetic skies, and on one needle in empty cadences at every brightness. With ``--ship`` weights and cards replace those in
``seti_utils/nets/shipped``; without it they lie in OUT. With ``--cleaned`` the detector ``raw`` is the one in the box, and the other
alone is taught anew. With ``--measure`` nothing is trained: the weights in the box are measured anew, eight minutes of one core.
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
import detector_weighing
from judging import AMPLITUDES, EMPTY, STRAIGHT, largest_fall, medians, of_detector, recalled, respond

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, OFF, ON, TIME
from seti_utils.data.competition import read_competition
from seti_utils.machine import versions
from seti_utils.nets.detector import Detector
from seti_utils.nets.shipped import FOLDER, ShippedDetector, load_detector, save_detector
from seti_utils.overlap.panels import clean, read_covered
from seti_utils.overlap.search import search
from seti_utils.run.scoring import open_split, score_covered, score_source
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
    detector_lessons: "BANDS WINDOWS CROWDED NEIGHBOURS FAMILIES SNR BRIGHT BRIGHT_SHARE BRIGHTER CANDIDATES BESIDE TERRESTRIAL GLARE KINDS KEPT SURE",
    detector_training: "LESSONS FILES EPOCHS BATCH MIXED RATE WARM LAST DECAY CLIP PAIRED",
    detector_weighing: "EPOCHS STEP RATE PAIRED CLEANED_FILES CLEANED_EPOCHS",
}
"""What the card tells of these modules."""
FAINT = 8.0
"""Integrated SNR in OFF panels, as drawn, below which an echo can hardly be told: the sum along its track holds half of it."""
SNRS = (3, 6, 10, 15, 25, 50, 170)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/detector"))
    parser.add_argument("--seed", type=int, default=1, help="of the judge's weights and of the order of its lessons")
    parser.add_argument(
        "--cleaned", action="store_true", help="keep the detector raw of the box: teach the one of cleaned panels"
    )
    parser.add_argument("--measure", action="store_true", help="train nothing: measure the weights in the box anew")
    parser.add_argument("--ship", action="store_true", help="replace the detectors that come with the package")
    args = parser.parse_args()
    torch.set_num_threads(1)
    raw = load_detector("raw").network if args.measure or args.cleaned else detector_weighing.finished(args.out, args.seed)
    other = load_detector("cleaned").network if args.measure else detector_weighing.cleaned(args.out, raw, args.seed)
    written = [write(name, network, args.seed, args.out) for name, network in (("raw", raw), ("cleaned", other))]
    for path in written if args.ship else ():
        for file in (path, path.with_suffix(".json")):
            (FOLDER / file.name).write_bytes(file.read_bytes())


def write(name: str, network: Detector, seed: int, out: Path) -> Path:
    """Weights and a card in ``out``, measured."""
    card, path = described(name, seed), out / f"{name}.safetensors"
    detector = load_detector(save_detector(network, card, path))
    first, *others = [measured(detector, out, sky) for sky in SKIES]
    answered = response(detector)
    card |= {"measured": first | {"other_skies": others}, "response": answered}
    print(json.dumps({"measured": card["measured"], "response": answered["largest_fall"]}, indent=2))
    return save_detector(network, card, path)


BLIND = {
    "raw": [
        "needles below an integrated SNR of about 10 per panel, and of about 15 when they bend much or show in one panel",
        "drifts beyond 70 channels per panel, and S-shapes that turn within a minute",
        "an echo fainter than an integrated SNR of about 10 in its OFF panels, or that only a panel far from the needle's own shows: such a needle passes",
        "signals broader than about 6 channels, and any that OFF panels show too",
    ],
    "cleaned": [
        "cadences without neighbours: take the detector of raw panels, as the command score does",
        "columns that no neighbour shows: a needle that keeps to them is seen as in raw panels at best",
        "drifts beyond 70 channels per panel, and S-shapes that turn within a minute",
        "a needle beside a brighter one that all panels show: in OFF panels its track may turn onto that",
        "neighbours with noise of their own: measured on windows that share it, as files of one observation do",
    ],
}


def described(name: str, seed: int) -> dict[str, object]:
    """The card but for what was measured."""
    recipe = {
        f"{module.__name__.removeprefix('detector_')} {one.lower()}": getattr(module, one)
        for module, names in RECIPE.items()
        for one in names.split()
    }
    raw = name == "raw"
    where = "raw panels" if raw else "panels minus the sky that their neighbours show"
    return {
        "name": name,
        "what": f"finds narrow-band needles, in {where}, that ON panels have and OFF panels, looked at along their track, have not",
        "backbone": detector_training.BACKBONE,
        "per_column": not raw,
        "panels": name,
        "layout": detector_lessons.LAYOUT,
        "resize": detector_lessons.RESIZE,
        "df_hz": DF_HZ,
        "dt_s": DT_S,
        "time": TIME,
        "freq": FREQ,
        "normalisation": "every panel mean 0, standard deviation 1; its scale does not matter"
        if raw
        else "as seti overlap clean leaves them: in sigma of the raw noise, not clipped",
        "recipe": recipe,
        "seed": seed,
        "taught_on": "an endless synthetic sky of both kinds and drawn needles; no real array, no needle of another simulator"
        + (
            ""
            if raw
            else "; first the body in raw panels: it is that of the detector raw; then what weighs its looks, in cleaned ones"
        ),
        "sky_version": SKY_VERSION,
        "blind_spots": BLIND[name],
        "versions": versions(),
    }


def measured(detector: ShippedDetector, out: Path, seed: int) -> dict[str, object]:
    """AUC, recall by SNR and what false alarms are of, on the shifted test of a sky that nothing was chosen on.

    A detector of cleaned panels is measured on the rows that have neighbours, as a search finds them; beside it stand the
    detector raw on the same rows, both by coverage, and the two together on all rows.
    """
    train_rows, rows = MEASURED
    sky = make_sky(out / f"measured-{seed}", train=train_rows, test=rows, seed=seed)
    source = open_split(sky, "test", None)
    truth = pd.read_csv(sky / "truth.csv", dtype={"id": str}).set_index("id").loc[list(source.ids)]
    truth["faint"] = faint_echoes(sky).loc[list(source.ids)] & (truth["target"] == 0)
    told = {"sky": f"sky --train {train_rows} --test {rows} --seed {seed}, version {SKY_VERSION}, its shifted test"}
    if detector.card["panels"] == "raw":
        return told | figures(truth, score_source(source, detector).logit.numpy())
    competition, overlap = read_competition(sky), sky / "overlap"
    search(competition, overlap)
    clean(competition, overlap)
    covered = read_covered(overlap).loc[list(source.ids)].to_numpy()
    raw = load_detector(out / "raw.safetensors")
    alone = score_source(source, raw).logit.numpy()
    logit = score_covered(source, open_split(sky, "test", overlap), covered, (raw, detector)).logit.numpy()
    near = covered > 0
    before = figures(truth[near], alone[near])
    return (
        told
        | {"rows": f"{int(near.sum())} of {len(near)} have neighbours, which cover {covered[near].mean():.0%} of their columns"}
        | figures(truth[near], logit[near])
        | {
            "raw_on_these_rows": {name: before[name] for name in ("auc", "recall_at_false_alarms")},
            "by_coverage": {
                name: {"rows": int(rows.sum())}
                | {what: spread(truth[rows], score[rows]) for what, score in (("raw", alone), ("cleaned", logit))}
                for name, rows in (("0", ~near), ("0 to 0.9", near & (covered < 0.9)), ("from 0.9", covered >= 0.9))
            },
            "all_rows": {"raw": spread(truth, alone), "cleaned where it can be": spread(truth, logit)},
        }
    )


def spread(truth: pd.DataFrame, logit: np.ndarray) -> list[float]:
    """AUC and its interval."""
    return [round(float(value), 4) for value in auc_interval(truth["target"].to_numpy(), logit)]


def figures(truth: pd.DataFrame, logit: np.ndarray) -> dict[str, object]:
    """AUC, recall by SNR, also without faint echoes, and what the false alarms are of."""
    target, faint = truth["target"].to_numpy(), truth["faint"].to_numpy()
    kind = truth["terrestrial"].fillna("").replace("", "no") + " needle, " + truth["kind"]
    kind = kind.where(~faint, "echo that OFF panels barely show")
    alarms = {}
    for rate in RATES:
        high = (target == 0) & (logit > threshold(logit[target == 0], rate))
        alarms[f"{rate:.1%}"] = kind[high].value_counts().to_dict()
    return {
        "auc": spread(truth, logit),
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
    table = medians(pd.concat(respond(of_detector(detector), count, STRAIGHT)))
    print(table.round(2).to_string(), flush=True)
    cells = table.drop(EMPTY)
    falls = cells.apply(largest_fall, axis=1)
    return {
        "amplitudes": AMPLITUDES,
        "cadences": count,
        "without": round(float(table.loc[[EMPTY]].to_numpy().max()), 2),
        "median_logit": {
            str(name): [round(float(value), 2) for value in row] for name, row in zip(cells.index, cells.to_numpy())
        },
        "largest_fall": [falls.idxmax(), round(float(falls.max()), 2)],
    }


if __name__ == "__main__":
    main()

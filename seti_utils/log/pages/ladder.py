"""From 0.80 to 0.97: the steps that close the shift, in a size for one processor core. ``benchmarks/shift.py`` climbs it."""

from seti_utils.log.pages.ours import CLIPPED, MINUS_SKY
from seti_utils.log.pages.solution import NOISE
from seti_utils.log.registry import STACK, Log, edit
from seti_utils.log.specs import (
    FAMILIES,
    Compress,
    Detector,
    Flip,
    GeM,
    Injection,
    OneCycle,
    PanelEncoder,
    Pseudo,
    Resize,
    Twins,
    Whiten,
)

TITLE = "The ladder"
SHAPES = ("line", "drift", "chirp", "sine")
"""What the winners drew: their drifts, and the S-shapes that only the test holds."""
CLEANED = {"layout": "ABACAD", "clean": (CLIPPED, Compress(0.1))}
COMPRESSED = "what is left of the noise is a thousandth of a needle: only logarithms show both"


def write(log: Log) -> None:
    """Write down the ladder, each rung one change above another."""
    classifiers(log)
    built_on_rising(log)
    ensembles(log)
    full_size(log)
    yardstick(log)


def classifiers(log: Log) -> None:
    """Classifiers of raw panels, and the needles drawn into them."""
    exp = log.exp
    log.base(
        "rung_plain",
        "a net for one core, as trained by everyone",
        backbone="needle_net",
        pretrained=False,
        precision="bf16",
        layout="a,b,a,c,a,d",
        clean=(Whiten(),),
        resize=Resize(256, 24, "area"),
        panels=PanelEncoder("attention"),
        pool=GeM(4.0),
        flip=Flip(),
        cutout=None,
        epochs=4,
        batch=32,
        optimiser="adamw",
        lr=3e-3,
        clip_norm=1.0,
        schedule=OneCycle(),
        folds=3,
        tta=("identity",),
        because="native frequency, and seconds per pass: what three seeds of every rung can afford",
    )
    exp(
        "rung_inject",
        "rung_plain",
        "S-shapes and drifts drawn into the negatives",
        inject=Injection(SHAPES, p=0.4, amplitude=(1.0, 300.0), drop=0.0, law="log", nature=("all",)),
        note="From a sigma on: fainter ones nobody could see, and what nobody sees teaches nothing. Up to 300, and of all "
        "widths: what a network has never been shown, it takes for empty sky.",
    )
    exp("rung_family", "rung_inject", "the whole family of needles", inject=edit(families=FAMILIES))
    exp("rung_apart", "rung_family", "cadences that share sky in one fold", fold_groups="overlap")
    exp(
        "rung_rising",
        "rung_apart",
        "a brighter needle is never worse",
        clean=(Whiten(limit=None, cut=6.0), Compress(1.0)),
        twins=Twins(0.125, weight=2.0),
        because="what the network sees has to rise with a needle before its score can: no trough beside it, no flat clip; "
        "then a needle is shown at two brightnesses",
        note="All that is built on it keeps the twins.",
    )


def built_on_rising(log: Log) -> None:
    """Tracks instead of labels, and panels minus what other files show."""
    exp = log.exp
    exp(
        "rung_detector",
        "rung_rising",
        "the tracks of needles, taught by drawn needles alone",
        backbone="track_net",
        precision=None,
        clean=None,
        resize=edit(time=48),
        detect=Detector(FAMILIES),
        twins=edit(share=0.3, weight=8.0, amplitude=(0.1, 3000.0)),
        inject=None,
        panels=None,
        pool=None,
        epochs=8,
        batch=16,
        because="a detector has its own network, its own view of the panels and its own needles, no labels to learn by heart",
        note="With twins up to 300 sigma, as the others have, it lost 0.7 by the brightest.",
    )
    exp(
        "rung_cleaned",
        "rung_rising",
        MINUS_SKY,
        layout="A,B,A,C,A,D",
        clean=(CLIPPED, Compress(0.1)),
        inject=edit(p=0.5, amplitude=(0.1, 300.0)),
        twins=edit(share=0.3, weight=8.0, amplitude=(0.1, 300.0)),
        epochs=8,
        batch=16,
        because=f"{COMPRESSED}, and the faint can be learned",
    )
    exp(
        "rung_cleaned_detector",
        "rung_detector",
        MINUS_SKY,
        layout="A,B,A,C,A,D",
        because="as for the classifier; the detector takes the noise of every column as it is",
    )


def ensembles(log: Log) -> None:
    """Members put together; the last for ``make run``."""
    log.blend(
        "rung_top",
        "classifier and detector, both on cleaned panels too, and the detectors that come with the package",
        ("rung_rising", "rung_detector", "rung_cleaned", "rung_cleaned_detector"),
        how="logit",
        detectors=("raw", "cleaned"),
    )
    log.blend(
        "sky_stack",
        "raw panels, cleaned panels and the detectors that come with the package",
        ("rung_rising", "rung_cleaned"),
        how=STACK,
        detectors=("raw", "cleaned"),
        note="What `make run` shows: trainings of a minute or two, and detectors that need none.",
    )


def full_size(log: Log) -> None:
    """The ladder at the competition's size: ``plans/closing_the_shift.yaml``."""
    exp = log.exp
    exp(
        "full_needles",
        "exp011",
        "the whole family of needles, at the competition's size",
        inject=Injection(FAMILIES, p=0.3, amplitude=(0.5, 300.0), drop=0.0, law="log", nature=("all",)),
        note="rung_family for the author's B5.",
    )
    exp("full_apart", "full_needles", "cadences that share sky in one fold", fold_groups="overlap")
    exp("full_cleaned", "full_apart", MINUS_SKY, **CLEANED, because=COMPRESSED, note="rung_cleaned for the B5.")
    exp(
        "full_student",
        "full_cleaned",
        "a noisy student of the test rows",
        init_from="full_cleaned",
        pseudo=Pseudo("full_cleaned"),
        stages=1,
        head_first=None,
        **NOISE,
        because="as the 2nd place's students, on cleaned panels",
    )
    for name in ("detector", "cleaned_detector"):
        exp(
            f"full_{name}",
            f"rung_{name}",
            "at the competition's size",
            folds=5,
            epochs=2,
            batch=64,
            because="there are 25 times as many rows",
        )
    log.blend(
        "full_top",
        "raw panels, cleaned panels, the student and both detectors",
        ("full_apart", "full_cleaned", "full_student", "full_detector", "full_cleaned_detector"),
        how="rank",
    )


def yardstick(log: Log) -> None:
    """What a day of one card allows: ``plans/mle_bench.yaml``."""
    exp = log.exp
    exp(
        "mle_apart",
        "full_apart",
        "a day of one A10",
        backbone="tf_efficientnet_b3_ns",
        batch=48,
        epochs=8,
        stages=1,
        because="MLE-bench gives 24 hours: plans/mle_bench.yaml, and its dry run for what it costs",
    )
    exp("mle_cleaned", "mle_apart", MINUS_SKY, **CLEANED, because=COMPRESSED)

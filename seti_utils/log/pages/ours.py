"""What this project adds: the demo of ``make run``, and ideas of the log's list that it never ran."""

from seti_utils.log.registry import Log, edit
from seti_utils.log.specs import (
    EMA,
    AdaBN,
    ArcHead,
    Detector,
    FixMatch,
    Flip,
    Focal,
    GeM,
    Injection,
    Noise,
    OneCycle,
    PanelEncoder,
    Resize,
    Reweight,
    Shot,
    SkyFirst,
    SoftCrossEntropy,
    TwoClass,
    Whiten,
)

TITLE = "Ours"
DEMO_NEEDLES = Injection(families=("line", "drift", "chirp", "partial", "one_panel"), p=0.4, amplitude=(1.0, 8.0), drop=0.0)
"""A tenth of 2,000 cadences is too few positives to learn from; needles drawn into the negatives make up for it."""


def write(log: Log) -> None:
    """Write down the demo and the log's unexecuted plans, each one change from the experiment that it would improve."""
    exp = log.exp

    log.base(
        "sky_demo",
        "a net for two laptop cores",
        backbone="mobilenetv3_small_050",
        pretrained=False,
        precision=None,
        layout="a,b,a,c,a,d",
        clean=(Whiten(),),
        resize=Resize(256, 39, "area"),
        panels=PanelEncoder("attention"),
        pool=GeM(4.0),
        inject=DEMO_NEEDLES,
        flip=Flip(),
        cutout=None,
        epochs=7,
        batch=32,
        optimiser="adamw",
        lr=3e-3,
        schedule=OneCycle(),
        tta=("identity", "freq"),
        because="chosen by measurement: what learns the synthetic sky within minutes on a CPU",
    )

    exp("plan_stride1", "exp011", "stem stride 1", stem_stride=1, note="Planned in the log, never run.")
    exp("plan_aaabcd", "exp011", "panel order AAABCD", layout="aaabcd", note="Planned in the log, never run.")
    exp("plan_on_only", "exp011", "drop B, C and D", layout="aaa", note="Planned in the log, never run.")
    exp("idea_fixmatch", "exp011", "FixMatch", fixmatch=FixMatch(), verdict="failed", note="From the idea list.")
    exp("idea_focal", "exp011", "focal loss", loss=Focal(), note="From the idea list.")
    exp(
        "idea_auc_margin",
        "exp0013",
        "the AUC margin on scores instead of raw logits",
        loss=edit(on="score"),
        note="exp0013 as it should have been: bounded outputs, so the same rate learns.",
    )
    exp(
        "idea_two_class",
        "exp011",
        "two-class softmax",
        head=TwoClass(),
        loss=SoftCrossEntropy(),
        because="two logits need a loss for two logits",
        note="From the idea list.",
    )
    exp(
        "idea_arcface",
        "exp011",
        "ArcFace features",
        head=ArcHead(),
        loss=SoftCrossEntropy(),
        because="two logits need a loss for two logits",
        note="From the idea list: anomaly detection by metric learning.",
    )
    exp("idea_chi2", "exp011", "chi-squared noise", noise=Noise("chi2", 0.1, 3.1, p=0.75), note="From the idea list.")
    exp(
        "idea_aliens",
        "exp011",
        "S-shapes among the injected needles",
        note="From the idea list; the winners' magic 1.",
        inject=Injection(families=("drift", "chirp", "sine"), p=0.1),
    )
    exp(
        "idea_thin_lines",
        "exp011",
        "a resize that keeps thin lines",
        resize=edit(kernel="meanmax"),
        note="From the idea list. The author's own version pooled the wrong axis.",
    )
    exp("idea_ema", "exp011", "EMA of the weights", average=EMA(), note="From the idea list: SWA-like.")
    exp(
        "idea_panels",
        "exp011",
        "one encoder for six panels",
        layout="a,b,a,c,a,d",
        panels=PanelEncoder(),
        because="the encoder reads panels, so each has to be a channel",
    )
    exp("idea_sky_first", "exp011", "begin on an endless synthetic sky", sky_first=SkyFirst())
    exp("idea_gem", "exp011", "generalised-mean pooling", pool=GeM())
    exp(
        "idea_detector",
        "sky_demo",
        "a heat map of needles, taught by drawn needles alone",
        detect=Detector(),
        backbone="needle_net",
        resize=edit(time=48),
        inject=None,
        panels=None,
        pool=None,
        because="the heat map has its own network and its own needles",
        note="The segmentation-style recipe that made 0.76992 in the competition without one label of a positive.",
    )
    exp("idea_adabn", "exp011", "BatchNorm statistics of the test", adapt=AdaBN(), note="Li 2016.")
    exp("idea_shot", "exp011", "information maximisation on the test", adapt=Shot(), note="Liang 2020; the 5th place used it.")
    exp("idea_reweight", "exp011", "more of the rows that look like the test", reweight=Reweight())
    exp(
        "idea_overlap_folds",
        "exp011",
        "cadences that share sky in one fold",
        fold_groups="overlap",
        note="Files are overlapping windows of wider bands: plain folds validate on backgrounds they were trained on.",
    )
    exp("idea_cleaned", "exp011", "panels less the sky that other files show too", layout="ABACAD", note="The winners' magic 2.")
    exp("idea_cleaned_beside", "exp011", "cleaned panels beside the raw ones", layout="abacad,ABACAD")
    exp("sky_cleaned", "sky_demo", "panels less the sky that other files show too", layout="A,B,A,C,A,D")
    exp("sky_cleaned_beside", "sky_demo", "cleaned panels beside the raw ones", layout="a,b,a,c,a,d,A,B,A,C,A,D")

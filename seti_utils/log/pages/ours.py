"""What this project adds: the demo of ``make run``, and ideas of the log's list that it never ran."""

from seti_utils.log.registry import Log, edit
from seti_utils.log.specs import (
    EMA,
    WMW,
    AdaBN,
    ArcHead,
    Clip,
    ColumnNorm,
    Cutmix,
    Detector,
    Distill,
    Emphasis,
    FixMatch,
    Flip,
    Focal,
    FreqRoll,
    GeM,
    HeadFirst,
    HighPass,
    Injection,
    LowRank,
    Noise,
    OneCycle,
    PanelEncoder,
    PanelPool,
    RampCosine,
    ReplaceOn,
    Resize,
    Reweight,
    RowNorm,
    Shot,
    ShuffleCons,
    SkyFirst,
    SoftCrossEntropy,
    TripletAttention,
    TwoClass,
    Whiten,
)

TITLE = "Ours"
LISTED = "From the idea list."
MINUS_SKY = "panels minus the sky that other files show too"
BESIDE = "cleaned panels beside the raw ones"
CLIPPED, CLIP_TOO = Clip(8.0), "where no neighbour shows a column, spikes of hundreds of sigma would outshine everything"
"""What a classifier does with cleaned panels first, which hold all there is: 8 sigma is as bright as needles of the sky get."""
DEMO_NEEDLES = Injection(families=("line", "drift", "chirp", "partial", "one_panel"), p=0.4, amplitude=(1.0, 8.0), drop=0.0)
"""A tenth of 2,000 cadences is too few positives to learn from; needles drawn into the negatives make up for it."""


def write(log: Log) -> None:
    """Write down the demo and the log's unexecuted plans, each one change from the experiment that it would improve."""
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

    plans(log)
    ideas(log)
    shown(log)
    denoised(log)
    more_ideas(log)
    remedies(log)
    shifts(log)


def plans(log: Log) -> None:
    """What the log planned and never ran."""
    exp = log.exp
    planned = "Planned in the log, never run."
    exp("plan_stride1", "exp011", "stem stride 1", stem_stride=1, note=planned)
    exp("plan_aaabcd", "exp011", "panel order AAABCD", layout="aaabcd", note=planned)
    exp("plan_on_only", "exp011", "drop B, C and D", layout="aaa", note=planned)


def ideas(log: Log) -> None:
    """The idea list, each one change of the recipe that stood in the end."""
    exp, listed = log.exp, LISTED
    exp("idea_fixmatch", "exp011", "FixMatch", fixmatch=FixMatch(), verdict="failed", note=listed)
    exp("idea_focal", "exp011", "focal loss", loss=Focal(), note=listed)
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
        note=listed,
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


def shown(log: Log) -> None:
    """What the network is shown, from the idea list: noise, needles, thin lines, panels one by one."""
    exp, listed = log.exp, LISTED
    exp("idea_chi2", "exp011", "chi-squared noise", noise=Noise("chi2", 0.1, 3.1, p=0.75), note=listed)
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
    exp("idea_shuffled_aaabcd", "plan_aaabcd", "panels shuffled in AAABCD order", shuffle_cons=ShuffleCons(), note=listed)


def denoised(log: Log) -> None:
    """Denoising and emphasis, from the idea list."""
    exp, listed = log.exp, LISTED
    exp("idea_column_norm", "exp011", "denoising: channels normalised", clean=(ColumnNorm(),), note=listed)
    exp("idea_row_norm", "exp011", "denoising: rows normalised", clean=(RowNorm(),), note=listed)
    exp("idea_high_pass", "exp011", "denoising: running median off", clean=(HighPass(),), note=listed)
    exp("idea_svd", "exp011", "denoising: low-rank background off, by SVD", clean=(LowRank(),), note=listed)
    exp("idea_nmf", "exp011", "denoising: low-rank background off, by NMF", clean=(LowRank(method="nmf"),), note=listed)
    exp("idea_emphasis", "exp011", "emphasis of what is narrow: a top-hat", clean=(Emphasis(),), note=listed)


def more_ideas(log: Log) -> None:
    """What other losses, labels, parts and members come to."""
    exp, listed = log.exp, LISTED
    exp(
        "idea_wmw", "exp011", "the AUC surrogate beside the cross-entropy", auc_loss=WMW(), note="From the idea list: ROCAUCLOSS."
    )
    exp("idea_distill", "exp011", "half of every label from the teacher's scores", distill=Distill("exp011"))
    exp("idea_cutmix", "exp011", "cutmix beside mixup", cutmix=Cutmix(), note="The 4th place had both.")
    exp("idea_triplet", "exp011", "triplet attention", attention=TripletAttention(13), note="The 3rd place's, with its kernel.")
    exp("idea_gem", "exp011", "generalised-mean pooling", pool=GeM())
    exp("idea_panel_pool", "exp011", "the classifier sees the panels in their order", pool=PanelPool())
    exp(
        "idea_freq_roll",
        "exp011",
        "frequency rolled",
        freq_roll=FreqRoll(),
        note="Files are windows cut anywhere from wider bands.",
    )
    exp(
        "idea_some_on",
        "exp011",
        "one ON panel replaced by an OFF panel",
        replace_on=ReplaceOn(count=1),
        note="In the test a signal may be in some of the ON panels only.",
    )
    log.blend(
        "idea_by_loss",
        "members by loss and output",
        ("exp011", "idea_focal", "idea_wmw", "idea_auc_margin", "idea_two_class", "idea_arcface"),
        how="rank",
        note="From the idea list. By rank: the losses' scores have scales of their own.",
    )
    for how in ("rank", "logit"):
        log.blend(
            f"idea_{how}s",
            f"post-processing: the solution's runs by their {how}s",
            log.blends["second_place"].members,
            how=how,
            note=listed,
        )


def remedies(log: Log) -> None:
    """Each remedy against destroyed weights on its own; exp005 lost a fold, and warm-up is two of them at once."""
    exp = log.exp
    planned = "The log plans it against dead folds; its warm-up is head first and RAdam together."
    exp("remedy_head_first", "exp005", "the classifier first", head_first=HeadFirst(), note=planned)
    exp("remedy_radam", "exp005", "RAdam", optimiser="radam", note=planned)
    exp("remedy_ramp", "exp005", "a ramp of the learning rate", schedule=RampCosine(), note="What others mean by warm-up.")
    exp("remedy_batch", "exp005", "a batch four times as large", accumulate=4, note=planned)
    exp("remedy_clip", "exp005", "clipped gradients", clip_norm=1.0)


def shifts(log: Log) -> None:
    """Against the shift between training and test."""
    exp = log.exp
    exp("idea_sky_first", "exp011", "begin on an endless synthetic sky", sky_first=SkyFirst())
    exp(
        "idea_detector",
        "sky_demo",
        "the tracks of needles, taught by drawn needles alone",
        detect=Detector(),
        backbone="track_net",
        resize=edit(time=48),
        clean=None,
        inject=None,
        panels=None,
        pool=None,
        because="a detector has its own network, its own view of the panels and its own needles",
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
    exp("idea_cleaned", "exp011", MINUS_SKY, layout="ABACAD", clean=(CLIPPED,), because=CLIP_TOO, note="The winners' magic 2.")
    exp("idea_cleaned_beside", "exp011", BESIDE, layout="abacad,ABACAD", clean=(CLIPPED,), because=CLIP_TOO)
    shown = {"clean": (Whiten(), CLIPPED), "because": CLIP_TOO}
    exp("sky_cleaned", "sky_demo", MINUS_SKY, layout="A,B,A,C,A,D", **shown)
    exp("sky_cleaned_beside", "sky_demo", BESIDE, layout="a,b,a,c,a,d,A,B,A,C,A,D", **shown)

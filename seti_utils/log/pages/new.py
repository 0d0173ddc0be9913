"""exp000 to exp017: after the data had been replaced."""

from seti_utils.log.registry import Log
from seti_utils.log.specs import Flip, HeadFirst, Mixup, PanelFlip, Resize, ReverseTime, ShuffleCons, ShuffleInv

TITLE = "The new log"
B5 = {"backbone": "tf_efficientnet_b5_ns", "batch": 36}
FITTED = "36 is the batch that fitted"
WARMUP = {"head_first": HeadFirst(), "optimiser": "radam"}
WARMUP_IS_ONE = "the log's warm-up: one epoch for the classifier alone, then everything, both with RAdam"


def write(log: Log) -> None:
    """Write down the new log; exp000 is its common recipe."""
    log.base(
        "exp000",
        "ABACAD in one channel, B4, 2 stages",
        backbone="tf_efficientnet_b4_ns",
        resize=Resize(512, 512),
        flip=Flip(),
        mixup=Mixup(until=0.8),
        drop_rate=0.4,
        drop_path_rate=0.2,
        epochs=20,
        stages=2,
        batch=48,
        tta=("identity", "freq"),
        because="the recipe with which the new data were begun",
        confidence="H",
    )
    channels(log)
    larger_networks(log)
    warm_up(log)
    shuffles(log)


def channels(log: Log) -> None:
    """exp001 and exp002: which panels the channels of an image show."""
    exp = log.exp
    exp(
        "exp001",
        "exp000",
        "ON and OFF as channels",
        layout="aaa,bcd",
        confidence="H",
        verdict="the channel split has no effect on CV",
    )
    exp(
        "exp002",
        "exp000",
        "three channels: ON, OFF and all",
        layout="aaa,bcd,abacad",
        confidence="H",
        verdict="a fold died",
        note="The code's third channel stacked an overwritten array, so this input was never truly tried.",
    )


def larger_networks(log: Log) -> None:
    """exp003 to exp007: B5, ResNeXt, and more stages."""
    exp = log.exp
    exp(
        "exp003",
        "exp000",
        "B5",
        **B5,
        because=FITTED,
        confidence="H",
        verdict="CV slightly up",
    )
    exp(
        "exp004",
        "exp000",
        "ResNeXt-101 32x32d",
        backbone="ig_resnext101_32x32d",
        batch=12,
        accumulate=4,
        confidence="H",
        because="12 is the batch that fitted",
        verdict="a fold died",
    )
    exp(
        "exp005",
        "exp001",
        "B5",
        **B5,
        because=FITTED,
        confidence="H",
        verdict="a fold died",
    )
    exp(
        "exp006",
        "exp002",
        "B5",
        **B5,
        because=FITTED,
        confidence="H",
        verdict="a fold died",
    )
    exp("exp007", "exp000", "4 stages", stages=4, confidence="H", verdict="repeating cosine annealing does not help")


def warm_up(log: Log) -> None:
    """exp008 to exp011: what cures destroyed weights."""
    exp = log.exp
    exp(
        "exp008",
        "exp000",
        "EfficientNetV2-S with warm-up",
        backbone="tf_efficientnetv2_s_in21ft1k",
        **WARMUP,
        confidence="H",
        because="the plain run did not learn",
        verdict="warm-up cured it",
    )
    exp(
        "exp009",
        "exp008",
        "EfficientNetV2-M",
        backbone="tf_efficientnetv2_m_in21ft1k",
        batch=36,
        confidence="H",
        because=FITTED,
        verdict="B5 is better",
    )
    exp("exp010", "exp000", "EfficientNetV2-L", backbone="tf_efficientnetv2_l_in21ft1k", confidence="H")
    exp(
        "exp011",
        "exp003",
        "warm-up",
        **WARMUP,
        because=WARMUP_IS_ONE,
        confidence="H",
        verdict="stable, no score lost: all upside",
    )


def shuffles(log: Log) -> None:
    """exp012 to exp017: panels that change places, with and without warm-up; and B6."""
    exp = log.exp
    exp(
        "exp012",
        "exp003",
        "whole-time flip, label 0",
        reverse_time=ReverseTime(),
        confidence="H",
        verdict="like shuffle",
        note="The code altered validation rows too; here evaluation has no randomness.",
    )
    exp("exp013", "exp003", "shuffle_cons", shuffle_cons=ShuffleCons(), confidence="H", verdict="CV up, LB slightly down")
    exp(
        "exp014",
        "exp013",
        "shuffle_inv",
        shuffle_inv=ShuffleInv(),
        confidence="H",
        verdict="CV looks good",
        note="The code also flipped time inside every panel (exp014_flip) and altered validation rows, so his CV flatters.",
    )
    exp("exp014_flip", "exp014", "time flip inside every panel", panel_flip=PanelFlip(), confidence="H")
    exp("exp014_w", "exp014", "warm-up", **WARMUP, because=WARMUP_IS_ONE, confidence="H")
    exp("exp015_w", "exp014_w", "ON and OFF as channels", layout="aaa,bcd", confidence="H")
    exp("exp016_w", "exp014_w", "three channels: ON, OFF and all", layout="aaa,bcd,abacad", confidence="H")
    exp(
        "exp017",
        "exp000",
        "B6",
        backbone="tf_efficientnet_b6_ns",
        batch=64,
        confidence="H",
        because="64 is the batch that an A100 held",
        verdict="CV slightly up",
    )

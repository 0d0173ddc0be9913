"""What an experiment can switch on: one small frozen value per feature.

A feature that is off is ``None`` in :class:`seti_utils.log.config.Config`. The fields of a spec are the keyword
arguments of the function that does the work, so this file is also the index of every knob below the log.
``p`` is always the probability per cadence; ``until`` the share of a stage after which the feature is off.
"""

from seti_utils.log.specs.images import Cutmix, Cutout, Flip, GridDistortion, Masks, Mixup
from seti_utils.log.specs.network import ArcHead, GeM, L2Head, PanelEncoder, PanelPool, TripletAttention, TwoClass
from seti_utils.log.specs.panels import (
    FreqRoll,
    Injection,
    Noise,
    PanelFlip,
    ReplaceOn,
    ReverseTime,
    ShuffleCons,
    ShuffleInv,
    SwapOnOff,
)
from seti_utils.log.specs.shift import AdaBN, Detector, Reweight, Shot
from seti_utils.log.specs.training import (
    BCE,
    EMA,
    SWA,
    WMW,
    AUCMargin,
    Cosine,
    Distill,
    FixMatch,
    Focal,
    HeadFirst,
    OneCycle,
    Pseudo,
    RampCosine,
    SkyFirst,
    SoftCrossEntropy,
)
from seti_utils.log.specs.views import Clip, ColumnNorm, Compress, Emphasis, HighPass, LowRank, OffMedian, Resize, RowNorm, Whiten

__all__ = [
    "Resize",
    "OffMedian",
    "Clip",
    "Compress",
    "ColumnNorm",
    "RowNorm",
    "HighPass",
    "Emphasis",
    "LowRank",
    "Whiten",
    "Injection",
    "ReverseTime",
    "PanelFlip",
    "ShuffleCons",
    "ShuffleInv",
    "SwapOnOff",
    "ReplaceOn",
    "FreqRoll",
    "Noise",
    "Flip",
    "Cutout",
    "GridDistortion",
    "Masks",
    "Mixup",
    "Cutmix",
    "GeM",
    "PanelPool",
    "TripletAttention",
    "PanelEncoder",
    "L2Head",
    "ArcHead",
    "TwoClass",
    "BCE",
    "Focal",
    "SoftCrossEntropy",
    "AUCMargin",
    "WMW",
    "Cosine",
    "RampCosine",
    "OneCycle",
    "HeadFirst",
    "SkyFirst",
    "EMA",
    "SWA",
    "Pseudo",
    "FixMatch",
    "Distill",
    "AdaBN",
    "Shot",
    "Reweight",
    "Detector",
]

"""exp0001 to exp0023: the data before they were replaced."""

from seti_utils.log.registry import Log, edit
from seti_utils.log.specs import (
    SWA,
    WMW,
    AUCMargin,
    Clip,
    Flip,
    GridDistortion,
    Injection,
    L2Head,
    Mixup,
    Noise,
    OffMedian,
    Pseudo,
    Resize,
)

TITLE = "The old log"


def write(log: Log) -> None:
    """Write down the old log; exp0001 is the defaults of ``Config``."""
    log.base("exp0001", "simple baseline", confidence="H")
    augmentations(log)
    images(log)
    losses_and_heads(log)
    needles_and_noise(log)
    training(log)


def augmentations(log: Log) -> None:
    """exp0002 to exp0005: what is done to the image, and to the network against learning by heart."""
    exp = log.exp
    exp(
        "exp0002",
        "exp0001",
        "flip",
        flip=Flip(axes=("freq", "time", "both")),
        confidence="H",
        note="A flip of the whole time axis turns ABACAD into DACABA; the log kept the label, and so does this line.",
    )
    exp("exp0003", "exp0002", "mixup, OR target", mixup=Mixup(), confidence="H")
    exp("exp0004", "exp0003", "distortion", distort=GridDistortion(), confidence="H")
    exp("exp0005", "exp0003", "regularise", drop_rate=0.2, drop_path_rate=0.2, because="one idea, two knobs", confidence="H")


def images(log: Log) -> None:
    """exp0006 to exp0012: panels laid out, sizes, cleaning, and a larger network."""
    exp = log.exp
    exp(
        "exp0006",
        "exp0005",
        "panel order AAABCD",
        layout="aaabcd",
        confidence="H",
        note="The code also raised the probability of the flip to 0.75.",
    )
    exp("exp0007", "exp0005", "resize to 512 x 512 by PIL bicubic", resize=Resize(512, 512), confidence="H", verdict="works")
    exp(
        "exp0008",
        "exp0007",
        "panel order AAABCD",
        layout="aaabcd",
        confidence="H",
        verdict="hardly different, slightly down; an ensemble member",
    )
    exp(
        "exp0009",
        "exp0007",
        "EfficientNet-B3",
        backbone="efficientnet_b3",
        confidence="H",
        note="The code also raised drop_rate to 0.3.",
    )
    exp(
        "exp0010",
        "exp0007",
        "resize to 768 x 768",
        resize=edit(freq=768, time=768),
        confidence="H",
        verdict="a bigger model pays more than a bigger image",
    )
    exp("exp0011", "exp0007", "subtract the OFF median", clean=(OffMedian(),), confidence="H", verdict="so-so")
    exp(
        "exp0012",
        "exp0007",
        "ON and OFF as channels",
        layout="aaa,bcd",
        confidence="H",
        verdict="mysteriously good",
        note="The code also swapped PIL's bicubic for OpenCV's, which does not antialias.",
    )


def losses_and_heads(log: Log) -> None:
    """exp0013 to exp0016: what aims at the AUC, channels, and heads."""
    exp = log.exp
    exp(
        "exp0013",
        "exp0007",
        "LibAUC",
        loss=AUCMargin(imratio=0.1),
        optimiser="pesg",
        lr=0.1,
        confidence="H",
        because="the loss, its optimiser and that optimiser's rate come as one",
        verdict="did not learn at all",
    )
    exp("exp0014", "exp0007", "AUC surrogate beside BCE", auc_loss=WMW(), confidence="H")
    exp("exp0014_x10", "exp0014", "AUC surrogate ten times as heavy", auc_loss=edit(weight=10.0), confidence="H")
    exp("exp0015", "exp0007", "six channels", layout="a,b,a,c,a,d", confidence="H", verdict="terrible")
    exp(
        "exp0016",
        "exp0012",
        "EfficientNet-B3",
        backbone="efficientnet_b3",
        confidence="H",
        note="The code also raised drop_rate to 0.3.",
    )
    exp("exp0016_clip", "exp0016", "clip to [-3, 3]", clean=(Clip(3.0),), confidence="H")
    exp(
        "exp0016_upsample",
        "exp0016",
        "over-sample the positives",
        oversample=2,
        confidence="H",
        verdict="no gain",
        note="The factor is not in the log.",
    )
    exp(
        "exp0016_l2",
        "exp0016",
        "L2-constrained head",
        head=L2Head(),
        confidence="H",
        verdict="validation falls, and so does the gap to the board",
        note="The code divided by the norm of the whole batch; here every row has its own.",
    )


def needles_and_noise(log: Log) -> None:
    """exp0017 to exp0019: drawn needles, noise, and labels from a teacher."""
    exp = log.exp
    exp(
        "exp0017",
        "exp0012",
        "line augmentation",
        inject=Injection(families=("drift", "chirp_linear"), p=0.1),
        confidence="H",
        note="The code also dropped Cutout.",
    )
    exp(
        "exp0017_chirps",
        "exp0017",
        "quadratic and exponential chirps as well",
        confidence="H",
        inject=edit(families=("drift", "chirp_linear", "chirp_quadratic", "chirp_exponential")),
    )
    exp(
        "exp0018",
        "exp0012",
        "noise",
        noise=Noise("gaussian", 0.0, 1.0),
        confidence="H",
        verdict="slightly down",
        note="The code re-scaled training images only, so validation saw another contrast.",
    )
    exp("exp0019", "exp0012", "pseudo labels", pseudo=Pseudo("exp0012", above=0.95, below=0.02), confidence="H")


def training(log: Log) -> None:
    """exp0020 to exp0023: averages, strides, and the end of mixup."""
    exp = log.exp
    exp(
        "exp0020",
        "exp0012",
        "SWA from exp0012's weights",
        average=SWA(),
        init_from="exp0012",
        lr=1e-4,
        confidence="H",
        because="SWA starts from trained weights at a tenth of the rate",
    )
    exp(
        "exp0021",
        "exp0012",
        "SE-ResNet-18, stem stride 1",
        backbone="seresnet18",
        stem_stride=1,
        pretrained=False,
        confidence="M",
        because="a small net pays for the stride of its stem, and nobody published weights for this one",
        note="The log says seresnet18; the code's default stayed B0.",
    )
    exp(
        "exp0021_b0",
        "exp0012",
        "stem stride 1",
        stem_stride=1,
        confidence="M",
        note="What the code's default was. It re-initialised the stem at random; here the pretrained weights stay.",
    )
    exp("exp0022", "exp0012", "mixup off at the end", mixup=edit(until=0.8), confidence="H")
    exp(
        "exp0023",
        "exp0007",
        "frequency flip only, mixup off at the end",
        flip=edit(axes=("freq",)),
        mixup=edit(until=0.8),
        tta=("identity", "freq"),
        confidence="H",
        because="the log made both changes at once; a view that training never showed is left out of the TTA",
        verdict="trained in 2 stages: strikingly good",
    )

"""From panels to images on the device: layout, cleaning, resize, and augmentations with their label rules."""

from seti_utils.views.background import low_rank
from seti_utils.views.cleaning import clip, column_norm, compress, emphasis, high_pass, off_median, row_norm
from seti_utils.views.injection import inject
from seti_utils.views.layout import arrange, rows_of
from seti_utils.views.mixing import cutmix, mixup
from seti_utils.views.noise import add_noise
from seti_utils.views.normalising import normalise_panels
from seti_utils.views.panels import (
    freq_roll,
    panel_flip,
    replace_on,
    reverse_time,
    shuffle_cons,
    shuffle_inv,
    swap_on_off,
)
from seti_utils.views.pixels import cutout, distort, flip, mask
from seti_utils.views.rendering import mirror, render
from seti_utils.views.resizing import resize
from seti_utils.views.whitening import whiten

CLEANING = {
    "OffMedian": off_median,
    "Clip": clip,
    "Compress": compress,
    "ColumnNorm": column_norm,
    "RowNorm": row_norm,
    "HighPass": high_pass,
    "Emphasis": emphasis,
    "LowRank": low_rank,
    "Whiten": whiten,
}
"""By the name of its spec: what cleans panels."""

PANEL_AUGMENTATIONS = {
    "inject": inject,
    "replace_on": replace_on,
    "reverse_time": reverse_time,
    "panel_flip": panel_flip,
    "shuffle_cons": shuffle_cons,
    "shuffle_inv": shuffle_inv,
    "swap_on_off": swap_on_off,
    "freq_roll": freq_roll,
    "noise": add_noise,
}
"""By the name of its knob, in the order in which they act: what augments panels."""

IMAGE_AUGMENTATIONS = {
    "flip": flip,
    "distort": distort,
    "masks": mask,
    "cutout": cutout,
    "cutmix": cutmix,
    "mixup": mixup,
}
"""By the name of its knob, in the order in which they act: what augments the image."""

__all__ = [
    "CLEANING",
    "IMAGE_AUGMENTATIONS",
    "PANEL_AUGMENTATIONS",
    "add_noise",
    "arrange",
    "clip",
    "column_norm",
    "compress",
    "cutmix",
    "cutout",
    "distort",
    "emphasis",
    "flip",
    "freq_roll",
    "high_pass",
    "inject",
    "low_rank",
    "mask",
    "mirror",
    "mixup",
    "normalise_panels",
    "off_median",
    "panel_flip",
    "render",
    "replace_on",
    "resize",
    "reverse_time",
    "row_norm",
    "rows_of",
    "shuffle_cons",
    "shuffle_inv",
    "swap_on_off",
    "whiten",
]

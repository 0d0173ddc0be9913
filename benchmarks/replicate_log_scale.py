"""The log at a scale that one processor core can afford: a small sky, small networks that know needles, shorter runs.

For :mod:`replicate_log`. Everything here is equal for all experiments, and :func:`words` says it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from timm.models import generate_default_cfgs, register_model
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.efficientnet import _cfg, _create_effnet

from seti_utils.data.folds import write_folds
from seti_utils.files import replacing, write_json, write_table
from seti_utils.log.config import Config
from seti_utils.log.pages import LOG
from seti_utils.log.specs import Resize
from seti_utils.nets.models import Classifier, build_model
from seti_utils.progress import progress
from seti_utils.sky import EndlessSky
from seti_utils.sky.cadences import Content, standardise
from seti_utils.sky.chunk import write_array
from seti_utils.stats.seeds import seed_of
from seti_utils.views.rendering import mirror, render
from seti_utils.views.whitening import whiten

TRAIN, TEST, FOLDS, GROUP, WINDOWS = 2160, 1440, 3, 24, 6
EPOCHS, BATCH = 4, 32
FREQ, TIME = 256, 48
"""What 512 x 512 becomes; other sizes follow in proportion. Eight rows per panel where six are stacked."""

LESSONS, LESSON_EPOCHS, LESSON_RATE = 1920, 3, 3e-3
"""Cadences of an endless sky that every stand-in is pretrained on, how often it sees them, and the highest rate."""

WIDTHS = {"stand_in_b0": 0.75, "stand_in_b4": 1.0, "stand_in_b5": 1.25, "stand_in_b6": 1.5}
"""Stand-ins and their widths, relative to the channels in ``BLOCKS``."""

BLOCKS = (
    ["cn_r1_k3_s1_e1_c16"],
    ["er_r1_k3_s2_e4_c24"],
    ["er_r1_k3_s2_e4_c32"],
    ["ir_r2_k3_s2_e4_c48_se0.25"],
    ["ir_r2_k3_s2_e4_c64_se0.25"],
)
"""A small EfficientNetV2 in timm's notation: fused bottlenecks, then inverted ones with squeeze and excitation."""

STAND_INS = {
    "efficientnet_b0": "stand_in_b0",
    "efficientnet_b3": "stand_in_b4",
    "tf_efficientnet_b4_ns": "stand_in_b4",
    "tf_efficientnet_b5_ns": "stand_in_b5",
    "tf_efficientnet_b6_ns": "stand_in_b6",
    "tf_efficientnetv2_s_in21ft1k": "stand_in_b4",
    "tf_efficientnetv2_m_in21ft1k": "stand_in_b5",
    "tf_efficientnetv2_l_in21ft1k": "stand_in_b6",
    "ig_resnext101_32x32d": "stand_in_b6",
    "seresnet18": "test_resnet",
}
"""Small networks in the order of the large ones' size; what has one stand-in is told apart by its recipe only."""

default_cfgs = generate_default_cfgs({f"{name}.none": _cfg() for name in WIDTHS})
"""What timm's register asks of a module that brings networks."""


def brought(name: str) -> None:
    """Make a stand-in known to timm under ``name``."""

    def build(pretrained: bool = False, **options: object) -> torch.nn.Module:
        channels = partial(round_channels, multiplier=WIDTHS[name], round_limit=0.0)
        return _create_effnet(
            name,
            pretrained,
            block_args=decode_arch_def(list(BLOCKS)),
            num_features=channels(256),
            stem_size=24,
            round_chs_fn=channels,
            act_layer=torch.nn.SiLU,
            **options,
        )

    build.__name__, build.__module__ = name, __name__
    globals()[name] = register_model(build)


for NAME in WIDTHS:
    if not timm.is_model(NAME):
        brought(NAME)


def quiet(sky: EndlessSky, number: int) -> tuple[torch.Tensor, torch.Tensor, Content]:
    """A batch of the sky, whitened: a network of this size does not learn to look past slopes, combs and spikes."""
    x_BPTF, y, content = sky.batch(number)
    x_BPTF = whiten(x_BPTF.float(), freq=15, limit=6.0)
    standardise(x_BPTF)
    return x_BPTF.half(), y, content


def make_small_sky(folder: Path, seed: int) -> Path:
    """A competition folder with half positives, no sky shared between folds or with the test, which is shifted.

    Groups of 24 rows are cut from bands of their own; a group lies in one fold. Left as it is where it is complete.
    """
    if (folder / "sky.json").exists():
        return folder
    for split, rows in (("train", TRAIN), ("test", TEST)):
        sky = EndlessSky(GROUP, seed_of(seed, "replicate", split), split, positive=0.5, windows=WINDOWS)
        table = []
        for number in progress(range(rows // GROUP), rows // GROUP, f"sky: {split}", "group"):
            x_BPTF, y, _ = quiet(sky, number)
            for row, (x_PTF, target) in enumerate(zip(x_BPTF.numpy(), y.tolist(), strict=True)):
                name = hashlib.blake2b(f"{seed}/{split}/{number}/{row}".encode(), digest_size=8).hexdigest()[:15]
                (folder / split / name[0]).mkdir(parents=True, exist_ok=True)
                write_array(folder / split / name[0] / f"{name}.npy", x_PTF)
                table.append((name, int(target)))
        labels = pd.DataFrame(table, columns=["id", "target"])
        write_table(folder / f"{split}_labels.csv", labels)
        if split == "test":
            write_table(folder / "sample_submission.csv", labels.assign(target=0.5))
    write_json(folder / "sky.json", {"train": TRAIN, "test": TEST, "seed": seed})
    return folder


def settle_folds(sky: Path, out: Path) -> None:
    """Folds of whole groups, written where a run looks for them."""
    path = out / f"folds_{FOLDS}_{Config().fold_seed}.csv"
    if not path.exists():
        ids = pd.read_csv(sky / "train_labels.csv", dtype={"id": str})["id"]
        write_folds(path, ids, np.arange(len(ids)) // GROUP % FOLDS)


def needles_shown(content: Content, panels: tuple[int, ...]) -> torch.Tensor:
    """Whether any needle, the star's or a terrestrial one, is visible in ``panels``: float32 (B,)."""
    shown = torch.zeros(len(content.target), dtype=torch.bool)
    for needle in (content.star, content.terrestrial):
        there = needle.tracks.visible().any(2) & (needle.amplitude() > 0)
        shown |= there[:, list(panels)].any(1)
    return shown.float()


def lessons(path: Path, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, FREQ, TIME) in every order of panels that the log uses, and whether they show a needle at all."""
    if not path.exists():
        sky = EndlessSky(GROUP, seed_of(seed, "replicate", "lessons"), "train", positive=0.5, windows=WINDOWS)
        images, answers, every = [], [], (0, 1, 2, 3, 4, 5)
        for number in progress(range(LESSONS // GROUP), LESSONS // GROUP, "lessons", "group"):
            x_BPTF, _, content = quiet(sky, number)
            for layout, panels in (("abacad", every), ("aaabcd", every), ("aaa", every[::2]), ("bcd", every[1::2])):
                images.append(render(x_BPTF, layout=layout, resize={"freq": FREQ, "time": TIME}).half())
                answers.append(needles_shown(content, panels))
        with replacing(path) as temporary:
            save_file({"images": torch.cat(images), "answers": torch.cat(answers)}, temporary)
    held = load_file(path)
    return held["images"], held["answers"]


def pretrained(name: str, out: Path, seed: int, say=print) -> None:
    """Write ``out/weights/<name>.safetensors``: what ImageNet was to the author, needles are to the stand-in.

    The question is whether the picture shows a needle, wherever it comes from; which panels make a candidate is left
    to the experiment. The stem is stored for three channels, so it is adapted like any pretrained one.
    """
    path = out / "weights" / f"{name}.safetensors"
    if path.exists() or name not in WIDTHS:
        return
    images, answers = lessons(out / "lessons.safetensors", seed)
    torch.manual_seed(seed_of(seed, "pretrain", name))
    model = build_model(name, 1).to(memory_format=torch.channels_last)
    loss = taught(model, images, answers, seed)
    state = {key: value.contiguous() for key, value in model.body.state_dict().items()}
    stem = f"{model.body.pretrained_cfg['first_conv']}.weight"
    state[stem] = state[stem].repeat(1, 3, 1, 1) / 3
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        save_file(state, temporary)
    say(f"pretrained {name}: mean loss of the last epoch {loss:.3f}")


def taught(model: Classifier, images: torch.Tensor, answers: torch.Tensor, seed: int) -> float:
    """Train on the lessons with AdamW and one cycle; returns the mean loss of the last epoch."""
    optimiser = torch.optim.AdamW(model.parameters(), LESSON_RATE, weight_decay=0.02, fused=True)
    generator = torch.Generator().manual_seed(seed_of(seed, "lessons"))
    steps = len(images) // BATCH
    course = torch.optim.lr_scheduler.OneCycleLR(optimiser, LESSON_RATE, total_steps=steps * LESSON_EPOCHS)
    model.train()
    for _ in range(LESSON_EPOCHS):
        total = 0.0
        for rows in batched(torch.randperm(len(images), generator=generator)):
            flip = ("identity", "freq")[int(torch.randint(2, (), generator=generator))]
            image = mirror(images[rows].float(), flip).contiguous(memory_format=torch.channels_last)
            loss = F.binary_cross_entropy_with_logits(model(image), answers[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            course.step()
            optimiser.zero_grad()
            total += loss.item()
    return total / steps


def batched(order: torch.Tensor) -> Iterator[torch.Tensor]:
    """Whole batches of ``order``."""
    yield from order[: len(order) // BATCH * BATCH].split(BATCH)


def scaled(config: Config) -> Config:
    """``config`` at this scale: every knob that is not about size stays."""
    size = config.resize or Resize(256, 1638)
    resize = replace(size, freq=size.freq * FREQ // 512, time=size.time * TIME // 512)
    epochs, own = EPOCHS // config.stages, TRAIN * (FOLDS - 1) // FOLDS
    if config.pseudo and not any((config.pseudo.above, config.pseudo.below, config.pseudo.top, config.pseudo.bottom)):
        epochs = round(epochs * own / (own + TEST))
    return replace(
        config,
        backbone=STAND_INS.get(config.backbone, config.backbone),
        resize=resize,
        epochs=epochs,
        folds=FOLDS,
        batch=BATCH // (config.accumulate or 1),
        precision=None,
    )


def scale_log() -> None:
    """Put every experiment of the log at this scale, in place: names, parents and changes stay."""
    for name, entry in LOG.experiments.items():
        LOG.experiments[name] = replace(entry, config=scaled(entry.config))

"""A run under way: the legs of one experiment, fold and seed, on one loop."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils import specs
from seti_utils.config import Config, plain
from seti_utils.data.batches import Batch
from seti_utils.data.cadence import FREQ, TIME
from seti_utils.data.competition import Competition
from seti_utils.data.sources import Source
from seti_utils.experiments import LOG
from seti_utils.files import write_json, write_table
from seti_utils.layouts import RAW
from seti_utils.learn.adapting import adapt_batchnorm, information_maximisation
from seti_utils.learn.average import NoAverage
from seti_utils.learn.checkpoint import exists, load_resume, restore, save_resume, save_weights
from seti_utils.learn.detector import detecting
from seti_utils.learn.distributed import Team, agreed, gather, parallel, shared, split
from seti_utils.learn.fit import Position, fit
from seti_utils.learn.objectives import Augment, Views, distill, fixmatch, paired, supervised
from seti_utils.learn.precision import Precision, choose_precision
from seti_utils.learn.seeding import Randomness, seed_of
from seti_utils.learn.survival import (
    CURES,
    DeadRun,
    check_alive,
    explain_memory,
    first_reason,
    stop_on_signal,
    vital_signs,
)
from seti_utils.progress import progress
from seti_utils.run.adapting import ADAPTED, kept_weights, plain_images, test_batches
from seti_utils.run.artifacts import load_body, load_network, tidy, trained
from seti_utils.run.compose import (
    augments,
    average_of,
    bare_network,
    bound,
    loss_of,
    network_of,
    optimiser_of,
    panels_of,
    schedule_of,
    view_of,
)
from seti_utils.run.legs import Leg, legs_of
from seti_utils.run.rows import Rows, cadences, epoch_batches, sky_batches, unlabelled_batches
from seti_utils.runtime import Runtime, versions
from seti_utils.use.prediction import predict, sigmoid
from seti_utils.use.tables import make_scores, write_scores
from seti_utils.views import IMAGE_AUGMENTATIONS, PANEL_AUGMENTATIONS
from seti_utils.views.layout import rows_of
from seti_utils.views.sowing import sow

SAVE_EVERY = 200
"""Steps between two resume states inside an epoch."""

ENOUGH = 20
"""Validation rows of each class below which nobody can tell a dead run from bad luck."""

AFTER = 0.4
"""Share of the training before which a network from random weights may still look dead."""


class Trial:
    """A run under way: what its legs share."""

    def __init__(
        self, config: Config, fold: int, seed: int, runtime: Runtime, crew: Team, rows: Rows, folder: Path,
        meta: dict[str, object], competition: Competition,
    ):
        self.config, self.fold, self.seed, self.runtime, self.crew = config, fold, seed, runtime, crew
        self.rows, self.folder, self.meta, self.competition = rows, folder, meta, competition
        self.view = view_of(config)
        torch.manual_seed(seed_of(seed, fold, "weights"))
        self.model = network_of(config, runtime.weights).to(crew.device, memory_format=torch.channels_last)
        if config.init_from:
            source = LOG.fingerprint(config.init_from, runtime.overrides)
            whole = bool(config.detect) == bool(LOG.config(config.init_from, runtime.overrides).detect)
            place = trained(config.init_from, fold, seed, runtime) / "last.pt"
            (load_network if whole else load_body)(self.model, place, crew, fingerprint=source, folds=meta["folds"])
        self.precision = Precision(choose_precision(config.precision, crew.device), crew.device)
        self.randomness = Randomness(seed_of(seed, fold), crew.device, crew.rank)
        self.loss, self.loss_module = loss_of(config)
        if self.loss_module is not None:
            self.loss_module.to(crew.device)
        self.legs = legs_of(config)
        self.views = Views(self.view, self.randomness.generator, panel_augments=self.panel_augments(),
                           image_augments=augments(config, IMAGE_AUGMENTATIONS), channels_last=True)

    def panel_augments(self) -> tuple[Augment, ...]:
        """Augmentations of panels; a teacher's opinion comes last, on what the student will see."""
        steps = augments(self.config, PANEL_AUGMENTATIONS)
        if self.config.distill is None:
            return steps
        name = self.config.distill.source
        config = LOG.config(name, self.runtime.overrides)
        teacher = bare_network(config).to(self.crew.device)
        load_network(teacher, trained(name, self.fold, self.seed, self.runtime) / "best.pt", self.crew,
                     fingerprint=LOG.fingerprint(name, self.runtime.overrides), folds=self.meta["folds"])
        return (*steps, distill(teacher, view_of(config), weight=self.config.distill.weight, autocast=self.precision.autocast))

    def now_and_then(self, reason: Callable[[], str | None]) -> Callable[[], str | None]:
        """``reason`` as all ranks agree on it; several ranks ask each other every tenth step only."""
        steps = itertools.count(1)
        return lambda: None if self.crew.world > 1 and next(steps) % 10 else agreed(reason(), self.crew)

    def stream_of(self, leg: Leg) -> tuple[Callable, int]:
        """Batches of a leg, as ``fit`` asks for them, and the steps of its epochs."""
        config, crew, seed = self.config, self.crew, seed_of(self.seed, self.fold)
        if leg.kind == "sky":
            steps = config.sky_first.steps // (config.accumulate or 1)
            return sky_batches(config.sky_first, config.batch, seed, leg.before, crew), steps
        if leg.kind == "adapt":
            return test_batches(self.test_source(), self.model, self.test_images(), batch=config.batch, seed=seed, crew=crew,
                                workers=self.rows.workers, pin=self.rows.pin, autocast=self.precision.autocast,
                                guess=bool(config.adapt.pseudo))
        stream, steps = epoch_batches(self.rows, config, seed, leg.before, crew)
        if config.fixmatch:
            stream = paired(stream, unlabelled_batches(self.test_source(), self.rows, config, seed, leg.before, crew))
        return stream, steps

    def test_source(self) -> Source:
        """The test cadences."""
        return cadences(self.config, self.competition, "test", self.runtime)

    def test_images(self) -> Iterator[torch.Tensor]:
        """Images of the test cadences, without augmentation."""
        source = self.test_source()
        return self.images(source, range(len(source)))

    def load_best(self) -> None:
        """Put the weights of the best epoch into the network."""
        load_network(self.model, self.folder / "best.pt", self.crew,
                     fingerprint=self.meta["fingerprint"], folds=self.meta["folds"])

    def objective(self, leg: Leg) -> Callable:
        """What a step minimises."""
        if leg.kind == "adapt":
            flips = Views(self.view, self.randomness.generator, channels_last=True,
                          image_augments=augments(self.config, {"flip": IMAGE_AUGMENTATIONS["flip"]}))
            return bound(self.config.adapt, information_maximisation)(flips, autocast=self.precision.autocast)
        if self.config.detect:
            needles = partial(bound(self.config.detect, sow), cleaned=min(panels_of(self.config)) >= RAW)
            return detecting(self.views, needles, autocast=self.precision.autocast)
        if self.config.fixmatch is None or leg.kind == "sky":
            return supervised(self.loss, self.views, autocast=self.precision.autocast)
        strong = augments(self.config, {knob: IMAGE_AUGMENTATIONS[knob] for knob in ("flip", "cutout")})
        return fixmatch(self.loss, self.views, strong=strong, autocast=self.precision.autocast, **vars(self.config.fixmatch))

    def train(self, stop: Callable[[], str | None], say: Callable[[str], None]) -> Position:
        """Every leg that is not behind us yet."""
        resume, marks = self.folder / "resume.pt", {key: self.meta[key] for key in ("fingerprint", "folds")}
        found = shared(load_resume(resume, **marks) if self.crew.leads and exists(resume) else None, self.crew)
        position, states = found or (Position(), None)
        if found:
            say(f"going on from stage {position.stage + 1}, epoch {position.epoch + 1}, step {position.step}")
        with stop_on_signal() as signalled:
            reason = first_reason(signalled, stop)
            for leg in self.legs[position.stage :]:
                position = self.train_leg(leg, position, states, self.now_and_then(reason), say)
                states = None
                position.next_stage()
        if isinstance(self.config.adapt, specs.AdaBN):
            self.load_best()
            adapt_batchnorm(self.model, self.test_images())
            if self.crew.leads:
                save_weights(self.folder / ADAPTED, self.model, self.meta)
            shared(None, self.crew)
        return position

    def train_leg(self, leg: Leg, position: Position, states: dict | None, stop: Callable, say: Callable) -> Position:
        """One call of ``fit``."""
        config, crew = self.config, self.crew
        if leg.kind == "adapt":
            self.load_best()
        for parameter in self.model.body_parameters():
            parameter.requires_grad_(leg.kind != "head")
        for parameter in self.model.head.parameters():
            parameter.requires_grad_(leg.kind != "adapt")
        model = parallel(self.model, crew, sync_bn=self.runtime.sync_bn)
        gently = replace(config, lr=config.lr * config.adapt.rate) if leg.kind == "adapt" else config
        optimiser = optimiser_of(gently, self.model, leg.kind == "head", self.loss_module)
        average = NoAverage() if leg.kind == "adapt" else average_of(config, self.model, self.plain_images)
        parts = {"model": self.model, "optimiser": optimiser, "precision": self.precision, "average": average}
        if self.loss_module is not None:
            parts["loss"] = self.loss_module
        stream, steps = self.stream_of(leg)
        if states is not None:
            restore(states, **parts)
        objective = self.objective(leg)
        with explain_memory(config.batch // crew.world, partial(self.attempt, model, objective, leg)):
            return fit(
                model, stream, objective, optimiser, schedule_of(config, leg.epochs),
                epochs=leg.epochs, steps=steps, randomness=self.randomness, precision=self.precision, average=average,
                judge=partial(self.judge, leg, position),
                keep=partial(self.keep, position, say),
                save=lambda at: self.save(at, parts),
                save_every=SAVE_EVERY, stop=stop, show=progress if crew.leads else lambda steps, **words: steps,
                clip_norm=config.clip_norm, accumulate=config.accumulate or 1, position=position,
            )

    def attempt(self, model, objective, leg: Leg, batch: int) -> None:
        """One forward and backward pass on ``batch`` empty cadences: does it fit into memory?"""
        x = torch.zeros(batch, len(self.rows.source.panels), TIME, FREQ, dtype=torch.float16)
        empty = Batch(x, torch.zeros(batch), torch.arange(batch))
        two = self.config.fixmatch and leg.kind in ("head", "all")
        objective(model, (empty, empty) if two else empty, 0.0).backward()
        model.zero_grad(set_to_none=True)

    def plain_images(self) -> Iterator[torch.Tensor]:
        """Images of the training rows without augmentation, for BatchNorm's statistics."""
        return self.images(self.rows.source, self.rows.train)

    def images(self, source: Source, rows: Sequence[int]) -> Iterator[torch.Tensor]:
        """Images of the ``rows`` of ``source``, without augmentation."""
        return plain_images(source, rows, self.view, self.config.batch, self.crew.device, self.rows.workers)

    def logits(self, network: torch.nn.Module, tta: tuple[str, ...], finite: bool = True) -> np.ndarray:
        """Logits of the validation rows, in their order, on every rank."""
        kind = self.precision.kind
        stream = self.rows.stream(split(self.rows.valid, self.crew), self.config.batch)
        logit, _ = predict(network, stream, self.view, tta=tta, device=self.crew.device, autocast=kind,
                           mosaic=rows_of(self.config.layout), finite=finite)
        return gather(logit, self.crew)

    def judge(self, leg: Leg, position: Position, network: torch.nn.Module, epoch: int) -> dict[str, object]:
        """Vital signs on the validation rows; raises ``DeadRun`` when they fail."""
        target = self.rows.targets[self.rows.valid]
        logit = self.logits(network, ("identity",), finite=False)
        if not np.isfinite(logit).all():
            raise DeadRun("its predictions are not finite", [knob for knob in CURES if knob not in self.tried()])
        signs = vital_signs(target, logit)
        if leg.kind == "adapt":  # what adaptation did to the validation rows is told, and chooses nothing
            return {f"adapted_{name}": value for name, value in signs.items()}
        total = self.legs[-1].before + self.legs[-1].epochs
        if leg.kind == "all" and min(target.sum(), (1 - target).sum()) >= ENOUGH:
            check_alive([*position.history, signs], (leg.before + epoch + 1) / total, after=AFTER, tried=self.tried())
        return signs

    def tried(self) -> tuple[str, ...]:
        """Cures against a dead run that this experiment takes already."""
        config = self.config
        taken = {"head_first": config.head_first, "clip_norm": config.clip_norm, "precision": self.precision.kind is None}
        return tuple(knob for knob, on in taken.items() if on)

    def keep(self, position: Position, say: Callable, network: torch.nn.Module, row: dict, better: bool) -> None:
        """Weights and history after an epoch."""
        if not self.crew.leads:
            return
        meta = self.meta | {"stage": row["stage"], "epoch": row["epoch"], "auc": row.get("auc")}
        adapted = self.legs[row["stage"]].kind == "adapt"
        for name in (ADAPTED,) if adapted else ("last.pt", *(["best.pt"] if better else [])):
            save_weights(self.folder / name, network, meta)
        write_table(self.folder / "history.csv", pd.DataFrame(position.history))
        auc = f"AUC {row['auc']:.4f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" if "auc" in row else "AUC undefined"
        say(f"fold {self.fold} seed {self.seed} stage {row['stage'] + 1}/{len(self.legs)} epoch {row['epoch'] + 1}: "
            f"loss {row['loss']:.4f}  {auc}" + ("  best" if better else ""))

    def save(self, position: Position, parts: dict) -> None:
        """The resume state."""
        if self.crew.leads:
            save_resume(self.folder / "resume.pt", position, self.meta, **parts)
        shared(None, self.crew)

    def finish(self, position: Position, seconds: float) -> None:
        """Scores of the validation rows by the best weights, and the card of the run."""
        load_network(self.model, self.folder / kept_weights(self.config.adapt), self.crew,
                     fingerprint=self.meta["fingerprint"], folds=self.meta["folds"])
        logit = self.logits(self.model, self.config.tta)
        if not self.crew.leads:
            return
        table = make_scores(
            self.rows.source.ids[self.rows.valid], sigmoid(logit), target=self.rows.targets[self.rows.valid], fold=self.fold,
            experiment=self.meta["experiment"], seed=self.seed, fingerprint=self.meta["fingerprint"],
        )
        write_scores(self.folder / "oof.csv", table)
        device = torch.cuda.get_device_name(self.crew.device) if self.crew.device.type == "cuda" else "cpu"
        write_json(self.folder / "meta.json", self.meta | {
            "finished": True,
            "recipe": {knob: plain(value) for knob, value in self.config.departures().items()},
            "best_auc": position.best if np.isfinite(position.best) else None,
            "train_rows": len(self.rows.train), "valid_rows": len(self.rows.valid), "seconds": round(seconds, 1),
            "device": device, "ranks": self.crew.world, "precision": self.precision.kind or "fp32",
            "skipped_steps": self.precision.skipped, "data": self.competition.name, "versions": versions(),
        })
        tidy(self.folder)

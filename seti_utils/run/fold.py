"""A run under way: the phases of one experiment, fold and seed, on one loop."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import FREQ, TIME
from seti_utils.data.competition import Competition
from seti_utils.data.sources import Source
from seti_utils.files import write_json, write_table
from seti_utils.learn.adapting import adapt_batchnorm
from seti_utils.learn.average import NoAverage
from seti_utils.learn.checkpoint import exists, load_resume, restore, save_resume, save_weights
from seti_utils.learn.distributed import Team, agreed, gather, parallel, shared, split
from seti_utils.learn.fit import Position, fit
from seti_utils.learn.objectives import Augment, Views, paired, supervised
from seti_utils.learn.precision import Precision, choose_precision
from seti_utils.learn.predicting import predict
from seti_utils.learn.seeding import Randomness
from seti_utils.learn.survival import (
    CURES,
    DeadRun,
    check_alive,
    explain_memory,
    first_reason,
    stop_on_signal,
    vital_signs,
)
from seti_utils.log import specs
from seti_utils.log.config import Config, plain
from seti_utils.log.pages import LOG
from seti_utils.machine import versions
from seti_utils.nets.detector import detecting
from seti_utils.progress import progress
from seti_utils.run.adapting import ADAPTED, kept_weights, plain_images, test_batches
from seti_utils.run.artifacts import load_body, load_network, tidy, trained
from seti_utils.run.compose import (
    IMAGE_KNOBS,
    PANEL_KNOBS,
    augments,
    average_of,
    bare_network,
    bound,
    loss_of,
    network_of,
    optimiser_of,
    schedule_of,
    view_of,
)
from seti_utils.run.fold_data import FoldData, cadences, epoch_batches, sky_batches, unlabelled_batches
from seti_utils.run.phases import Phase, phases_of
from seti_utils.run.runtime import Runtime
from seti_utils.scores.tables import make_scores, write_scores
from seti_utils.stats.logistic import sigmoid
from seti_utils.stats.seeds import seed_of
from seti_utils.views.layout import rows_of

SAVE_EVERY = 200
"""Steps between two resume states inside an epoch."""

ENOUGH = 20
"""Validation rows of each class below which nobody can tell a dead run from bad luck."""

AFTER = 0.4
"""Share of the training before which a network from random weights may still look dead."""


class FoldRun:
    """A run under way: what its phases share."""

    def __init__(
        self,
        config: Config,
        fold: int,
        seed: int,
        runtime: Runtime,
        team: Team,
        rows: FoldData,
        folder: Path,
        meta: dict[str, object],
        competition: Competition,
    ):
        self.config, self.fold, self.seed, self.runtime, self.team = config, fold, seed, runtime, team
        self.rows, self.folder, self.meta, self.competition = rows, folder, meta, competition
        self.view = view_of(config)
        torch.manual_seed(seed_of(seed, fold, "weights"))
        self.model = network_of(config, runtime.weights).to(team.device, memory_format=torch.channels_last)
        if config.init_from:
            source = LOG.fingerprint(config.init_from, runtime.overrides)
            whole = bool(config.detect) == bool(LOG.config(config.init_from, runtime.overrides).detect)
            place = trained(config.init_from, fold, seed, runtime) / "last.pt"
            (load_network if whole else load_body)(self.model, place, team, fingerprint=source, folds=meta["folds"])
        self.precision = Precision(choose_precision(config.precision, team.device), team.device)
        self.randomness = Randomness(seed_of(seed, fold), team.device, team.rank)
        self.loss, self.loss_module = loss_of(config)
        if self.loss_module is not None:
            self.loss_module.to(team.device)
        self.phases = phases_of(config)
        self.views = Views(
            self.view,
            self.randomness.generator,
            panel_augments=self.panel_augments(),
            image_augments=augments(config, IMAGE_KNOBS),
            channels_last=True,
        )

    def panel_augments(self) -> tuple[Augment, ...]:
        """Augmentations of panels; a teacher's opinion comes last, on what the student will see."""
        steps = augments(self.config, PANEL_KNOBS)
        if self.config.distill is None:
            return steps
        name = self.config.distill.source
        config = LOG.config(name, self.runtime.overrides)
        teacher = bare_network(config).to(self.team.device)
        load_network(
            teacher,
            trained(name, self.fold, self.seed, self.runtime) / "best.pt",
            self.team,
            fingerprint=LOG.fingerprint(name, self.runtime.overrides),
            folds=self.meta["folds"],
        )
        return (*steps, bound(self.config.distill)(teacher, view_of(config), autocast=self.precision.autocast))

    def now_and_then(self, reason: Callable[[], str | None]) -> Callable[[], str | None]:
        """``reason`` as all ranks agree on it; several ranks ask each other every tenth step only."""
        steps = itertools.count(1)
        return lambda: None if self.team.world > 1 and next(steps) % 10 else agreed(reason(), self.team)

    def stream_of(self, phase: Phase) -> tuple[Callable, int]:
        """Batches of a phase, as ``fit`` asks for them, and the steps of its epochs."""
        config, team, seed = self.config, self.team, seed_of(self.seed, self.fold)
        if phase.kind == "sky":
            steps = config.sky_first.steps // (config.accumulate or 1)
            return sky_batches(config.sky_first, config.batch, seed, phase.before, team), steps
        if phase.kind == "adapt":
            return test_batches(
                self.test_source(),
                self.model,
                self.test_images(),
                batch=config.batch,
                seed=seed,
                team=team,
                workers=self.rows.workers,
                pin=self.rows.pin,
                autocast=self.precision.autocast,
                guess=bool(config.adapt.pseudo),
            )
        stream, steps = epoch_batches(self.rows, config, seed, phase.before, team)
        if config.fixmatch:
            stream = paired(stream, unlabelled_batches(self.test_source(), self.rows, config, seed, phase.before, team))
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
        load_network(
            self.model, self.folder / "best.pt", self.team, fingerprint=self.meta["fingerprint"], folds=self.meta["folds"]
        )

    def objective(self, phase: Phase) -> Callable:
        """What a step minimises."""
        if phase.kind == "adapt":
            flips = Views(
                self.view,
                self.randomness.generator,
                channels_last=True,
                image_augments=augments(self.config, ("flip",)),
            )
            return bound(self.config.adapt)(flips, autocast=self.precision.autocast)
        if self.config.detect:
            return detecting(self.views, bound(self.config.detect), autocast=self.precision.autocast)
        if self.config.fixmatch is None or phase.kind == "sky":
            return supervised(self.loss, self.views, autocast=self.precision.autocast)
        strong = augments(self.config, ("flip", "cutout"))
        return bound(self.config.fixmatch)(self.loss, self.views, strong=strong, autocast=self.precision.autocast)

    def train(self, stop: Callable[[], str | None], say: Callable[[str], None]) -> Position:
        """Every phase that is not behind us yet."""
        resume, marks = self.folder / "resume.pt", {key: self.meta[key] for key in ("fingerprint", "folds")}
        found = shared(load_resume(resume, **marks) if self.team.leads and exists(resume) else None, self.team)
        position, states = found or (Position(), None)
        if found:
            say(f"going on from stage {position.stage + 1}, epoch {position.epoch + 1}, step {position.step}")
        with stop_on_signal() as signalled:
            reason = first_reason(signalled, stop)
            for phase in self.phases[position.stage :]:
                position = self.train_phase(phase, position, states, self.now_and_then(reason), say)
                states = None
                position.next_stage()
        if isinstance(self.config.adapt, specs.AdaBN):
            self.load_best()
            adapt_batchnorm(self.model, self.test_images())
            if self.team.leads:
                save_weights(self.folder / ADAPTED, self.model, self.meta)
            shared(None, self.team)
        return position

    def train_phase(self, phase: Phase, position: Position, states: dict | None, stop: Callable, say: Callable) -> Position:
        """One call of ``fit``."""
        config, team = self.config, self.team
        if phase.kind == "adapt":
            self.load_best()
        for parameter in self.model.body_parameters():
            parameter.requires_grad_(phase.kind != "head")
        for parameter in self.model.head.parameters():
            parameter.requires_grad_(phase.kind != "adapt")
        model = parallel(self.model, team, sync_bn=self.runtime.sync_bn)
        gently = replace(config, lr=config.lr * config.adapt.rate) if phase.kind == "adapt" else config
        optimiser = optimiser_of(gently, self.model, phase.kind == "head", self.loss_module)
        average = NoAverage() if phase.kind == "adapt" else average_of(config, self.model, self.plain_images)
        parts = {"model": self.model, "optimiser": optimiser, "precision": self.precision, "average": average}
        if self.loss_module is not None:
            parts["loss"] = self.loss_module
        stream, steps = self.stream_of(phase)
        if states is not None:
            restore(states, **parts)
        objective = self.objective(phase)
        with explain_memory(config.batch // team.world, partial(self.attempt, model, objective, phase)):
            return fit(
                model,
                stream,
                objective,
                optimiser,
                schedule_of(config, phase.epochs),
                epochs=phase.epochs,
                steps=steps,
                randomness=self.randomness,
                precision=self.precision,
                average=average,
                judge=partial(self.judge, phase, position),
                keep=partial(self.keep, position, say),
                save=lambda at: self.save(at, parts),
                save_every=SAVE_EVERY,
                stop=stop,
                show=progress if team.leads else lambda steps, **words: steps,
                clip_norm=config.clip_norm,
                accumulate=config.accumulate or 1,
                position=position,
            )

    def attempt(self, model, objective, phase: Phase, batch: int) -> None:
        """One forward and backward pass on ``batch`` empty cadences: does it fit into memory?"""
        x = torch.zeros(batch, len(self.rows.source.panels), TIME, FREQ, dtype=torch.float16)
        empty = Batch(x, torch.zeros(batch), torch.arange(batch), self.rows.source.panels)
        two = self.config.fixmatch and phase.kind in ("head", "all")
        objective(model, (empty, empty) if two else empty, 0.0).backward()
        model.zero_grad(set_to_none=True)

    def plain_images(self) -> Iterator[torch.Tensor]:
        """Images of the training rows without augmentation, for BatchNorm's statistics."""
        return self.images(self.rows.source, self.rows.train)

    def images(self, source: Source, rows: Sequence[int]) -> Iterator[torch.Tensor]:
        """Images of the ``rows`` of ``source``, without augmentation."""
        return plain_images(source, rows, self.view, self.config.batch, self.team.device, self.rows.workers)

    def logits(self, network: torch.nn.Module, tta: tuple[str, ...], finite: bool = True) -> np.ndarray:
        """Logits of the validation rows, in their order, on every rank."""
        kind = self.precision.kind
        stream = self.rows.stream(split(self.rows.valid, self.team), self.config.batch)
        logit, _ = predict(
            network,
            stream,
            self.view,
            tta=tta,
            device=self.team.device,
            autocast=kind,
            mosaic=rows_of(self.config.layout),
            finite=finite,
        )
        return gather(logit, self.team)

    def judge(self, phase: Phase, position: Position, network: torch.nn.Module, epoch: int) -> dict[str, object]:
        """Vital signs on the validation rows; raises ``DeadRun`` when they fail."""
        target = self.rows.targets[self.rows.valid]
        logit = self.logits(network, ("identity",), finite=False)
        if not np.isfinite(logit).all():
            raise DeadRun("its predictions are not finite", [knob for knob in CURES if knob not in self.tried()])
        signs = vital_signs(target, logit)
        if phase.kind == "adapt":  # what adaptation did to the validation rows is told, and chooses nothing
            return {f"adapted_{name}": value for name, value in signs.items()}
        total = self.phases[-1].before + self.phases[-1].epochs
        if phase.kind == "all" and min(target.sum(), (1 - target).sum()) >= ENOUGH:
            check_alive([*position.history, signs], (phase.before + epoch + 1) / total, after=AFTER, tried=self.tried())
        return signs

    def tried(self) -> tuple[str, ...]:
        """Cures against a dead run that this experiment takes already."""
        config = self.config
        taken = {"head_first": config.head_first, "clip_norm": config.clip_norm, "precision": self.precision.kind is None}
        return tuple(knob for knob, on in taken.items() if on)

    def keep(self, position: Position, say: Callable, network: torch.nn.Module, row: dict, better: bool) -> None:
        """Weights and history after an epoch."""
        if not self.team.leads:
            return
        meta = self.meta | {"stage": row["stage"], "epoch": row["epoch"], "auc": row.get("auc")}
        phase, last = self.phases[row["stage"]], self.phases[-1]
        adapted = phase.kind == "adapt"
        for name in (ADAPTED,) if adapted else ("last.pt", *(["best.pt"] if better else [])):
            save_weights(self.folder / name, network, meta)
        write_table(self.folder / "history.csv", pd.DataFrame(position.history))
        auc = f"AUC {row['auc']:.4f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" if "auc" in row else "AUC undefined"
        say(
            f"fold {self.fold} seed {self.seed} epoch {phase.before + row['epoch'] + 1} of {last.before + last.epochs} "
            f"(stage {row['stage'] + 1} of {len(self.phases)}): "
            f"loss {row['loss']:.4f}  {auc}" + ("  best" if better else "")
        )

    def save(self, position: Position, parts: dict) -> None:
        """The resume state."""
        if self.team.leads:
            save_resume(self.folder / "resume.pt", position, self.meta, **parts)
        shared(None, self.team)

    def finish(self, position: Position, seconds: float) -> None:
        """Scores of the validation rows by the best weights, and the card of the run."""
        load_network(
            self.model,
            self.folder / kept_weights(self.config.adapt),
            self.team,
            fingerprint=self.meta["fingerprint"],
            folds=self.meta["folds"],
        )
        logit = self.logits(self.model, self.config.tta)
        if not self.team.leads:
            return
        table = make_scores(
            self.rows.source.ids[self.rows.valid],
            sigmoid(logit),
            target=self.rows.targets[self.rows.valid],
            fold=self.fold,
            experiment=self.meta["experiment"],
            seed=self.seed,
            fingerprint=self.meta["fingerprint"],
        )
        write_scores(self.folder / "oof.csv", table)
        device = torch.cuda.get_device_name(self.team.device) if self.team.device.type == "cuda" else "cpu"
        write_json(
            self.folder / "meta.json",
            self.meta
            | {
                "finished": True,
                "recipe": {knob: plain(value) for knob, value in self.config.departures().items()},
                "best_auc": position.best if np.isfinite(position.best) else None,
                "train_rows": len(self.rows.train),
                "valid_rows": len(self.rows.valid),
                "seconds": round(seconds, 1),
                "device": device,
                "ranks": self.team.world,
                "precision": self.precision.kind or "fp32",
                "skipped_steps": self.precision.skipped,
                "data": self.competition.name,
                "versions": versions(),
            },
        )
        tidy(self.folder)

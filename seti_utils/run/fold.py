"""A run under way: the phases of one experiment, fold and seed, on one loop."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import FREQ, TIME
from seti_utils.errors import InputError
from seti_utils.files import write_json, write_table
from seti_utils.learn.adapting import adapt_batchnorm
from seti_utils.learn.average import NoAverage
from seti_utils.learn.checkpoint import exists, load_resume, restore, save_resume, save_weights
from seti_utils.learn.computing import Computing
from seti_utils.learn.distributed import Team, agreed, parallel, shared
from seti_utils.learn.fit import Position, fit
from seti_utils.learn.precision import Precision
from seti_utils.learn.seeding import Randomness
from seti_utils.learn.survival import explain_memory, explain_one_row, first_reason, stop_on_signal
from seti_utils.log import specs
from seti_utils.log.layouts import parse_layout
from seti_utils.machine import versions
from seti_utils.progress import progress
from seti_utils.run.artifacts import (
    ADAPTED,
    BEST,
    HISTORY,
    LAST,
    META,
    OOF,
    RESUME,
    TEST,
    kept_weights,
    load_network,
    marks_in,
    tidy,
)
from seti_utils.run.compose import average_of, bare_network, network_of, optimiser_of, schedule_of, view_of
from seti_utils.run.computing import computing_of
from seti_utils.run.fold_data import FoldData
from seti_utils.run.identity import Run
from seti_utils.run.judging import Judge
from seti_utils.run.lessons import Lessons
from seti_utils.run.phases import Phase, phases_of
from seti_utils.scores.tables import make_scores, write_scores
from seti_utils.stats.auc import auc
from seti_utils.stats.logistic import sigmoid
from seti_utils.stats.seeds import seed_of
from seti_utils.wording import quantity

SAVE_EVERY = 200
"""Steps between two resume states inside an epoch."""

Say = Callable[[str], None]


class FoldRun:
    """A run under way: what its phases share."""

    def __init__(self, run: Run, team: Team, rows: FoldData, meta: dict[str, Any], say: Say = print):
        self.run, self.config, self.team, self.rows = run, run.config, team, rows
        self.folder = run.folder
        self.marks = {key: meta[key] for key in ("fingerprint", "folds")}
        torch.manual_seed(seed_of(run.seed, run.fold, "weights"))
        model = bare_network(self.config) if self.config.init_from else network_of(self.config, run.runtime.weights)
        self.model = model.to(team.device)
        if self.config.init_from:
            begin_with(self.model, run, run.source(self.config.init_from), team, meta["folds"])
        self.phases = phases_of(self.config)
        self.computing = self.computed(say)
        self.meta: dict[str, Any] = meta | {"ranks": team.world, "computing": self.computing.record()}
        self.model.to(memory_format=self.computing.memory_format)
        self.precision = Precision(self.computing.precision, team.device)
        self.randomness = Randomness(seed_of(run.seed, run.fold), team.device, team.rank)
        layout = self.computing.memory_format
        self.lessons = Lessons(run, rows, self.model, team, self.precision, self.randomness, meta["folds"], layout)
        self.judge = Judge(self.config, rows, team, self.precision, self.phases[-1].before + self.phases[-1].epochs)

    def computed(self, say: Say) -> Computing:
        """The way in which steps are computed, see :func:`seti_utils.run.computing.computing_of`."""
        panels = torch.zeros(1, len(self.rows.source.panels), TIME, FREQ)
        image = view_of(self.config)(panels, panels=self.rows.source.panels).shape[1:]
        images = len(self.rows.train) * sum(phase.epochs for phase in self.phases)
        return computing_of(self.run, self.model, self.team, (self.config.batch // self.team.world, *image), images, say)

    def now_and_then(self, reason: Callable[[], str | None]) -> Callable[[], str | None]:
        """``reason`` as all ranks agree on it; several ranks ask each other every tenth step only."""
        steps = itertools.count(1)
        return lambda: None if self.team.world > 1 and next(steps) % 10 else agreed(reason(), self.team)

    def load_weights(self, name: str) -> None:
        """Put the weights of a file of this run into the network."""
        load_network(self.model, self.folder / name, self.team, **self.marks)

    def train(self, stop: Callable[[], str | None], say: Say) -> Position:
        """Every phase that is not behind us yet."""
        position, states = self.resumed(say)
        with stop_on_signal() as signalled:
            reason = first_reason(signalled, stop)
            for phase in self.phases[position.phase :]:
                position = self.train_phase(phase, position, states, self.now_and_then(reason), say)
                states = None
                position.next_phase()
        if isinstance(self.config.adapt, specs.AdaBN):
            self.load_weights(BEST)
            adapt_batchnorm(self.model, self.lessons.test_images())
            if self.team.leads:
                save_weights(self.folder / ADAPTED, self.model, self.meta)
            shared(None, self.team)
        return position

    def resumed(self, say: Say) -> tuple[Position, dict | None]:
        """The saved position and states, or the beginning."""
        resume = self.folder / RESUME
        found = shared(load_resume(resume, **self.marks) if self.team.leads and exists(resume) else None, self.team)
        if not found:
            return Position(), None
        position, states, meta = found
        say(f"resuming at phase {position.phase + 1} of {len(self.phases)}, epoch {position.epoch + 1}, step {position.step}")
        if meta.get("ranks", self.team.world) != self.team.world:
            say(
                f"begun by {quantity(meta['ranks'], 'process', 'processes')}, resumed by {self.team.world}: "
                "each row still comes once per epoch"
            )
        return position, states

    def train_phase(self, phase: Phase, position: Position, states: dict | None, stop: Callable, say: Say) -> Position:
        """One call of ``fit``."""
        config, team = self.config, self.team
        if phase.kind == "adapt":
            self.load_weights(BEST)
        for parameter in self.model.body_parameters():
            parameter.requires_grad_(phase.kind != "head")
        for parameter in self.model.head.parameters():
            parameter.requires_grad_(phase.kind != "adapt")
        model = parallel(self.model, team, sync_bn=self.run.runtime.sync_bn)
        if self.computing.compiled:
            torch.compiler.reset()  # the graphs of other folds count against torch's limit, beyond which nothing is compiled
            model = cast(torch.nn.Module, torch.compile(model))
        gently = replace(config, lr=config.lr * phase.spec.rate) if isinstance(phase.spec, specs.Shot) else config
        optimiser = optimiser_of(gently, self.model, phase.kind == "head", self.lessons.loss_module)
        average = NoAverage() if phase.kind == "adapt" else average_of(config, self.model, self.lessons.train_images)
        parts = {"model": self.model, "optimiser": optimiser, "precision": self.precision, "average": average}
        if self.lessons.loss_module is not None:
            parts["loss"] = self.lessons.loss_module
        stream, steps = self.lessons.stream(phase)
        if states is not None:
            restore(states, **parts)
        objective, part = self.lessons.objective(phase), config.batch // team.world
        with explain_one_row(part), explain_memory(part, partial(self.attempt, model, objective, phase)):
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

    def attempt(self, model: torch.nn.Module, objective: Callable, phase: Phase, batch: int) -> None:
        """One forward and backward pass on ``batch`` empty cadences: does it fit into memory?"""
        x = torch.zeros(batch, len(self.rows.source.panels), TIME, FREQ, dtype=torch.float16)
        empty = Batch(x, torch.zeros(batch), torch.arange(batch), self.rows.source.panels)
        two = self.config.fixmatch and phase.kind in ("head", "all")
        objective(model, (empty, empty) if two else empty, 0.0).backward()
        model.zero_grad(set_to_none=True)

    def keep(self, position: Position, say: Say, network: torch.nn.Module, row: dict, better: bool) -> None:
        """Weights and history after an epoch."""
        if not self.team.leads:
            return
        meta = self.meta | {"phase": row["phase"], "epoch": row["epoch"], "auc": row.get("auc")}
        phase, last = self.phases[row["phase"]], self.phases[-1]
        adapted = phase.kind == "adapt"
        for name in (ADAPTED,) if adapted else (LAST, *([BEST] if better else [])):
            save_weights(self.folder / name, network, meta)
        write_table(self.folder / HISTORY, pd.DataFrame(position.history))
        known = f"AUC {row['auc']:.4f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" if "auc" in row else "AUC undefined"
        say(
            f"fold {self.run.fold} seed {self.run.seed} epoch {phase.before + row['epoch'] + 1} of {last.before + last.epochs} "
            f"(phase {row['phase'] + 1} of {len(self.phases)}): "
            f"loss {row['loss']:.4f}  {known}" + ("  best" if better else "")
        )

    def save(self, position: Position, parts: dict) -> None:
        """The resume state."""
        if self.team.leads:
            save_resume(self.folder / RESUME, position, self.meta, **parts)
        shared(None, self.team)

    def finish(self, position: Position, seconds: float, say: Say) -> None:
        """Scores of the validation rows by the best weights, and the card of the run."""
        kept = kept_weights(self.config.adapt)
        self.load_weights(kept)
        score = sigmoid(self.judge.logits(self.model, self.config.tta))
        if not self.team.leads:
            return
        target, marks = self.judge.target, marks_in(self.folder)
        table = make_scores(
            self.rows.source.ids[self.rows.valid],
            score,
            target=target,
            fold=self.run.fold,
            experiment=self.run.name,
            seed=self.run.seed,
            fingerprint=self.run.fingerprint,
            data=self.meta["inputs"]["train"],
            weights=marks[kept],
        )
        (self.folder / TEST).unlink(missing_ok=True)  # scores of weights that have been trained further
        write_scores(self.folder / OOF, table)
        best = position.best if np.isfinite(position.best) else None
        out_of_fold = auc(target, score) if 0 < target.sum() < len(target) else None
        device = torch.cuda.get_device_name(self.team.device) if self.team.device.type == "cuda" else "cpu"
        card = {
            "finished": True,
            "weights": marks,
            "best_auc": best,
            "oof_auc": out_of_fold,
            "train_rows": len(self.rows.train),
            "valid_rows": len(self.rows.valid),
            "seconds": round(seconds, 1),
            "device": device,
            "precision": self.precision.kind or "fp32",
            "skipped_steps": self.precision.skipped,
            "data": self.run.competition.name,
            "versions": versions(),
        }
        write_json(self.folder / META, self.meta | card)
        tidy(self.folder)
        say(f"{self.run.title}: {told(best, out_of_fold, len(self.config.tta))}, {seconds:.0f} s")


def begin_with(model: torch.nn.Module, run: Run, source: Run, team: Team, folds: str) -> None:
    """Give ``model`` the last weights of ``source``; of another kind of network (a detector, say) the body alone.

    Raises ``InputError`` for an image of another number of channels, and as ``load_network`` does.
    """
    mine, theirs = (len(parse_layout(one.config.layout)) for one in (run, source))
    if mine != theirs:
        raise InputError(
            f"its image has {quantity(mine, 'channel')} (layout={run.config.layout}), that of {source.name}, "
            f"which it begins with, {theirs} "
            f"(layout={source.config.layout})",
            where=run.name,
            remedy="begin with an experiment of the same number of channels",
        )
    load_network(model, source.weights(LAST), team, fingerprint=source.fingerprint, folds=folds)


def told(best: float | None, out_of_fold: float | None, views: int) -> str:
    """The AUC of the best epoch, and that of the scores that are kept: not one number, where these are means over views."""
    if best is None or out_of_fold is None:
        return "AUC undefined, the validation rows are of one class: the weights of the last epoch are kept"
    if views == 1:
        return f"best AUC {best:.4f}, out of fold {out_of_fold:.4f}"
    return f"best AUC of an epoch {best:.4f} (the image as it is), out of fold {out_of_fold:.4f} (mean of {views} views)"

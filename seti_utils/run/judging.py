"""How a run is judged while it trains: the logits of its validation rows, and whether it lives."""

import numpy as np
import torch

from seti_utils.learn.distributed import Team, gather, split
from seti_utils.learn.fit import Position
from seti_utils.learn.precision import Precision
from seti_utils.learn.predicting import predict
from seti_utils.learn.survival import CURES, DeadRun, check_alive, vital_signs
from seti_utils.log.config import Config
from seti_utils.run.compose import view_of
from seti_utils.run.fold_data import FoldData
from seti_utils.run.phases import Phase
from seti_utils.views.layout import rows_of

ENOUGH = 20
"""Validation rows of each class below which a dead run cannot be told from bad luck."""

AFTER = 0.4
"""Share of the training before which a network from random weights may still look dead."""


class Judge:
    """The judge of one run's networks, on its validation rows."""

    def __init__(self, config: Config, rows: FoldData, team: Team, precision: Precision, epochs: int):
        self.config, self.rows, self.team, self.precision, self.epochs = config, rows, team, precision, epochs
        self.view, self.target = view_of(config), rows.targets[rows.valid]

    def logits(self, network: torch.nn.Module, tta: tuple[str, ...], finite: bool = True) -> np.ndarray:
        """Logits of the validation rows, in their order, on every rank."""
        stream = self.rows.stream(split(self.rows.valid, self.team), self.config.batch)
        logit, _ = predict(
            network,
            stream,
            self.view,
            tta=tta,
            device=self.team.device,
            autocast=self.precision.kind,
            mosaic=rows_of(self.config.layout),
            finite=finite,
        )
        return gather(logit, self.team)

    def __call__(self, phase: Phase, position: Position, network: torch.nn.Module, epoch: int) -> dict[str, float]:
        """Vital signs after ``epoch``, by the image as it is; raises ``DeadRun`` when they fail."""
        logit = self.logits(network, ("identity",), finite=False)
        if not np.isfinite(logit).all():
            raise DeadRun("its predictions are not finite", [knob for knob in CURES if knob not in self.tried()])
        signs = vital_signs(self.target, logit)
        if phase.kind == "adapt":  # what adaptation did to the validation rows is reported, and chooses nothing
            return {f"adapted_{name}": value for name, value in signs.items()}
        if phase.kind == "all" and min(self.target.sum(), (1 - self.target).sum()) >= ENOUGH:
            done = (phase.before + epoch + 1) / self.epochs
            check_alive([*position.history, signs], done, after=AFTER, tried=self.tried())
        return signs

    def tried(self) -> tuple[str, ...]:
        """Cures against a dead run that this experiment takes already."""
        config = self.config
        taken = {"head_first": config.head_first, "clip_norm": config.clip_norm, "precision": self.precision.kind is None}
        return tuple(knob for knob, on in taken.items() if on)

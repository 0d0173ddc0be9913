"""What the phases of a run learn from: their batches, their images and their objectives."""

from collections.abc import Callable, Iterator

import torch

from seti_utils.data.cadence import Rows
from seti_utils.data.sources import Source
from seti_utils.learn.distributed import Team
from seti_utils.learn.objectives import Augment, Twins, Views, paired, supervised
from seti_utils.learn.precision import Precision
from seti_utils.learn.seeding import Randomness
from seti_utils.log import specs
from seti_utils.nets.detector import Detector, detecting
from seti_utils.nets.models import Classifier
from seti_utils.run.adapting import plain_images, test_batches
from seti_utils.run.artifacts import BEST
from seti_utils.run.compose import IMAGE_KNOBS, PANEL_KNOBS, augments, bound, loss_of, view_of
from seti_utils.run.fold_data import FoldData, epoch_batches, sky_batches, unlabelled_batches
from seti_utils.run.identity import Run
from seti_utils.run.phases import Phase
from seti_utils.stats.seeds import seed_of


class Lessons:
    """What one run teaches ``model``, phase by phase."""

    def __init__(
        self,
        run: Run,
        rows: FoldData,
        model: Classifier | Detector,
        team: Team,
        precision: Precision,
        randomness: Randomness,
        folds: str,
        layout: torch.memory_format,
    ):
        self.run, self.config, self.rows, self.model, self.team, self.folds = run, run.config, rows, model, team, folds
        self.seed, self.generator, self.autocast = seed_of(run.seed, run.fold), randomness.generator, precision.autocast
        self.view, self.layout = view_of(self.config), layout
        self.loss, self.loss_module = loss_of(self.config)
        if self.loss_module is not None:
            self.loss_module.to(team.device)
        self.views = Views(
            self.view,
            self.generator,
            panel_augments=self.panel_augments(),
            image_augments=augments(self.config, IMAGE_KNOBS),
            layout=layout,
        )

    def panel_augments(self) -> tuple[Augment, ...]:
        """Augmentations of panels; a teacher's opinion comes last, on what the student will see."""
        steps = augments(self.config, PANEL_KNOBS)
        if self.config.distill is None:
            return steps
        source = self.run.source(self.config.distill.source)
        teacher = source.network(self.team, BEST, folds=self.folds).to(self.team.device)
        return (*steps, bound(self.config.distill)(teacher, view_of(source.config), autocast=self.autocast))

    def stream(self, phase: Phase) -> tuple[Callable, int]:
        """Batches of a phase, as ``fit`` asks for them, and the steps of its epochs."""
        config, team, before = self.config, self.team, phase.before
        if isinstance(phase.spec, specs.SkyFirst):
            steps = phase.spec.steps // (config.accumulate or 1)
            return sky_batches(phase.spec, config.batch, self.seed, before, team), steps
        if isinstance(phase.spec, specs.Shot):
            return test_batches(
                self.test_source(),
                self.model,
                self.test_images(),
                batch=config.batch,
                seed=self.seed,
                team=team,
                workers=self.rows.workers,
                pin=self.rows.pin,
                autocast=self.autocast,
                guess=bool(phase.spec.pseudo),
            )
        stream, steps = epoch_batches(self.rows, config, self.seed, before, team)
        if config.fixmatch:
            stream = paired(stream, unlabelled_batches(self.test_source(), self.rows, config, self.seed, before, team))
        return stream, steps

    def objective(self, phase: Phase) -> Callable:
        """What a step minimises."""
        config, autocast = self.config, self.autocast
        if isinstance(phase.spec, specs.Shot):
            flips = Views(self.view, self.generator, layout=self.layout, image_augments=augments(config, ("flip",)))
            return bound(phase.spec)(flips, autocast=autocast)
        twins = Twins(bound(config.twins), config.twins.weight) if config.twins else None
        if config.detect:
            return detecting(self.views, bound(config.detect), twins=twins, autocast=autocast)
        if config.fixmatch is None or phase.kind == "sky":
            return supervised(self.loss, self.views, twins=twins, autocast=autocast)
        strong = augments(config, ("flip", "cutout"))
        return bound(config.fixmatch)(self.loss, self.views, strong=strong, autocast=autocast)

    def test_source(self) -> Source:
        """The test cadences."""
        return self.run.cadences("test")

    def test_images(self) -> Iterator[torch.Tensor]:
        """Images of the test cadences, without augmentation."""
        source = self.test_source()
        return self.images(source, range(len(source)))

    def train_images(self) -> Iterator[torch.Tensor]:
        """Images of the training rows without augmentation, for BatchNorm's statistics."""
        return self.images(self.rows.source, self.rows.train)

    def images(self, source: Source, rows: Rows) -> Iterator[torch.Tensor]:
        """Images of the ``rows`` of ``source``, without augmentation."""
        return plain_images(source, rows, self.view, self.config.batch, self.team.device, self.rows.workers, self.layout)

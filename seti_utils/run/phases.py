"""The stretches that a training consists of."""

import itertools
from dataclasses import dataclass

from seti_utils.log import specs
from seti_utils.log.config import Config


@dataclass(frozen=True)
class Phase:
    """A stretch of training with an optimiser and a schedule of its own; ``before`` epochs went ahead of it.

    ``kind``: ``sky`` (fresh synthetic cadences), ``head`` (the classifier alone), ``all``, or ``adapt`` (test cadences,
    all but the classifier). ``spec``: the feature that asks for it, of all but ``all``.
    """

    kind: str
    epochs: int
    before: int
    spec: specs.Spec | None = None


def phases_of(config: Config) -> list[Phase]:
    """A synthetic sky and the classifier alone, where the experiment begins with them, then one phase per stage."""
    asked: list[tuple[str, int, specs.Spec | None]] = []
    asked += [("sky", config.sky_first.epochs, config.sky_first)] if config.sky_first else []
    asked += [("head", config.head_first.epochs, config.head_first)] if config.head_first else []
    asked += [("all", config.epochs, None)] * config.stages
    asked += [("adapt", config.adapt.epochs, config.adapt)] if isinstance(config.adapt, specs.Shot) else []
    before = itertools.accumulate((epochs for _, epochs, _ in asked), initial=0)
    return [Phase(kind, epochs, ahead, spec) for (kind, epochs, spec), ahead in zip(asked, before, strict=False)]

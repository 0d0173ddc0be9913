"""The stretches that a training consists of."""

from dataclasses import dataclass

from seti_utils.log import specs
from seti_utils.log.config import Config


@dataclass(frozen=True)
class Phase:
    """A stretch of training with an optimiser and a schedule of its own; ``before`` epochs went ahead of it.

    ``kind``: ``sky`` (fresh synthetic cadences), ``head`` (the classifier alone), ``all``, or ``adapt`` (test cadences,
    all but the classifier).
    """

    kind: str
    epochs: int
    before: int


def phases_of(config: Config) -> list[Phase]:
    """A synthetic sky and the classifier alone, where the experiment begins with them, then one phase per stage."""
    lengths = [("sky", config.sky_first.epochs)] if config.sky_first else []
    lengths += [("head", config.head_first.epochs)] if config.head_first else []
    lengths += [("all", config.epochs)] * config.stages
    lengths += [("adapt", config.adapt.epochs)] if isinstance(config.adapt, specs.Shot) else []
    return [Phase(kind, epochs, sum(length for _, length in lengths[:place])) for place, (kind, epochs) in enumerate(lengths)]

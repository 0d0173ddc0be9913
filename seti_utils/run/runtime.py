"""Where and how a run happens: nothing here changes what an experiment is, except ``overrides``, which show."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Runtime:
    """Folders, machine and budget of a run.

    ``overrides`` replaces knobs of the experiment (a smaller backbone for a test, fewer epochs for a look). They
    enter the fingerprint, so what was trained under them is never mistaken for the experiment itself.
    ``out`` is written to; ``runs`` are further folders in which trained weights are looked for.
    ``overlap`` is the folder of an overlap search, for folds and cleaned panels; ``adversarial`` a table of row
    weights. ``stop_after`` is in seconds of wall-clock time.
    ``incomplete`` leaves out cadences whose file is not there.
    ``sync_bn`` takes BatchNorm over the batch of all ranks (GPUs only).
    """

    data: Path | None = None
    out: Path = Path("runs")
    runs: tuple[Path, ...] = ()
    weights: Path | None = None
    packed: Path | None = None
    overlap: Path | None = None
    adversarial: Path | None = None
    device: str = "auto"
    workers: int | None = None
    incomplete: bool = False
    sync_bn: bool = False
    stop_after: float | None = None
    overrides: dict[str, object] = field(default_factory=dict)

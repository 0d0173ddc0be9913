"""What is asked of a search, and how much was left after each of its stages."""

from dataclasses import dataclass, field

from seti_utils.errors import InputError
from seti_utils.telescope.bands import Band


@dataclass(frozen=True)
class Limits:
    """What is asked for: drift in Hz/s, SNR, false events per MHz·h (None: any), and what is masked."""

    max_drift: float
    min_drift: float = 0.0
    snr: float = 10.0
    false_alarms: float | None = 0.1
    zero_drift: bool = True
    notches: tuple[Band, ...] = ()
    known: tuple[Band, ...] = ()


@dataclass
class Funnel:
    """The stages of a search: a name, how much was left, and of what."""

    stages: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, name: str, count: int, what: str, empty: str | None = None) -> None:
        """Note a stage. Where something has to be left and nothing is, that is an error with the remedy ``empty``."""
        self.stages.append((name, int(count), what))
        if not count and empty:
            raise InputError(f"the stage {name!r} saw nothing", remedy=empty)

    def lines(self) -> list[str]:
        """One line per stage."""
        wide = max(len(f"{count:,}") for _, count, _ in self.stages)
        return [f"  {f'{count:,}':>{wide}} {what:<10} {name}" for name, count, what in self.stages]

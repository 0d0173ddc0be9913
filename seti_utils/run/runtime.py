"""Where and how a run happens: nothing here changes what an experiment is, except ``overrides``, which show.

A field of :class:`Runtime` is written once. Its option on the command line, the words that repeat it, and the notebooks'
parameter of its name all come from what stands beside it here.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seti_utils.durations import parse_duration, spelled
from seti_utils.errors import InputError
from seti_utils.learn.computing import read_computing
from seti_utils.log.overrides import NO_WEIGHTS, RANDOM_START, parse_overrides, spelled_overrides, split_overrides
from seti_utils.machine import check_device

if TYPE_CHECKING:
    from seti_utils.data.competition import Competition


def whole(text: str) -> int:
    """A whole number from 1 up. Raises ``InputError``."""
    if not text.strip().isdigit() or int(text) < 1:
        raise InputError(f"{text} is not a whole number from 1 up", remedy="write for example 4")
    return int(text)


@dataclass(frozen=True)
class Option:
    """How a field is typed. ``read`` makes a value of one word (None: a switch), ``write`` a word of a value.

    ``several``: any number of words. ``where``: the commands that have it: ``all``, those that use ``trained`` weights,
    or those that are ``training``.
    """

    help: str
    read: Callable[[str], object] | None = Path
    write: Callable[..., str] = str
    several: bool = False
    metavar: str | None = None
    where: str = "all"
    flag: str | None = None


def option(default: object, help: str, read: Callable[[str], object] | None = Path, **more: Any) -> Any:
    """A field with its :class:`Option`."""
    about = {"option": Option(help, read, **more)}
    return field(default_factory=dict, metadata=about) if isinstance(default, dict) else field(default=default, metadata=about)


def yes(name: str, text: str) -> bool:
    """True: a switch among a notebook's parameters is empty or ``yes``. Raises ``InputError`` for anything else."""
    if text != "yes":
        raise InputError(f"{text!r} is neither yes nor empty", where=name, remedy=f'write {name} = "yes", or leave it empty')
    return True


@dataclass(frozen=True)
class Runtime:
    """Folders, machine and budget of a run.

    ``out`` is written to; ``runs`` are further folders in which trained weights are looked for. ``overrides`` replaces
    knobs of the experiment; they enter the fingerprint, so what was trained under them is never mistaken for the experiment
    itself. ``incomplete`` leaves out cadences whose file is not there. ``stop_after`` is in seconds of wall-clock time.
    ``partial`` takes weights whose training is not finished, and whatever is made with them says so. ``computing`` fixes how a
    step is computed (:mod:`seti_utils.run.computing`). Folders may be given as text. Raises ``InputError`` for a device or a
    way of computing that cannot exist and for numbers out of range.
    """

    data: Path | None = option(None, "the competition folder (default: $SETI_DATA, Kaggle's mounts, or ./data)")
    incomplete: bool = option(False, "take the cadences whose files are there and leave out the others, saying how many", None)
    out: Path = option(Path("runs"), "where artifacts go (default: runs)")
    runs: tuple[Path, ...] = option(
        (), "more folders with trained weights, besides --out", several=True, metavar="FOLDER", where="trained"
    )
    partial: bool = option(
        False, "use weights of runs that are not finished too; all that is made with them says so", None, where="trained"
    )
    weights: Path | None = option(
        None,
        f"folder with pretrained weights; '{NO_WEIGHTS}' starts from random ones, as --set {RANDOM_START[0]} does",
        metavar="FOLDER",
    )
    packed: Path | None = option(None, "folder with packed stores, made by the command pack", metavar="FOLDER")
    overlap: Path | None = option(None, "folder of an overlap search, made by the command overlap", metavar="FOLDER")
    adversarial: Path | None = option(
        None, "weights of the training rows, written by the command shift (adversarial.csv)", metavar="CSV"
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:1 (default: auto, the first GPU if there is one)", str)
    workers: int | None = option(None, "reading threads (default: chosen for this machine)", whole, metavar="N")
    sync_bn: bool = option(
        False, "several GPUs on one batch: BatchNorm over the whole of it, not over each part", None, where="training"
    )
    computing: str | None = option(
        None,
        "memory layout, precision and torch.compile: 'measured' takes the fastest of up to twenty steps each; or some of "
        "channels_last, contiguous, float32, fp16, bf16, compiled, eager, with commas between (default: a GPU is measured, a "
        "CPU computes channels_last in the experiment's precision)",
        read_computing,
        metavar="WAY",
        where="training",
    )
    stop_after: float | None = option(
        None,
        "time budget: finish the step, save, and exit with code 75; the same command resumes",
        parse_duration,
        write=spelled,
        metavar="11h30m",
        where="training",
    )
    overrides: dict[str, object] = option(
        {},
        "replace a knob of the experiment: epochs=2, backbone=resnet10t, resize.freq=128, mixup=None, "
        "'mixup=Mixup(alpha=5)'; it enters the fingerprint (may be given again)",
        str,
        metavar="KNOB=VALUE",
        flag="set",
    )

    def __post_init__(self) -> None:
        for each in fields(self):  # a person writes out="runs"
            value = getattr(self, each.name)
            if isinstance(each.metadata.get("option"), Option) and each.metadata["option"].read is Path and value is not None:
                paths = tuple(map(Path, value)) if each.metadata["option"].several else Path(value)
                object.__setattr__(self, each.name, paths)
        if self.computing is not None:
            object.__setattr__(self, "computing", read_computing(self.computing))
        check_device(self.device)
        if self.workers is not None and self.workers < 1:
            raise InputError(
                f"{self.workers} reading threads are too few", where="workers", remedy="give 1 or more, or leave it out"
            )
        if self.stop_after is not None and self.stop_after <= 0:
            raise InputError("the time budget is not above zero", where="stop_after", remedy="write it as 11h30m, 45m or 90s")

    @classmethod
    def parsed(cls, **texts: str) -> "Runtime":
        """The ``Runtime`` of a notebook's parameters, one word of text per field; an empty one leaves the default."""
        pairs = split_overrides(texts.pop("overrides", ""))
        if texts.get("weights") == NO_WEIGHTS:
            pairs, texts = [*pairs, *RANDOM_START], texts | {"weights": ""}
        given: dict[str, Any] = {}
        for name, text in texts.items():
            about = OPTIONS[name]
            if text:
                value = about.read(text) if about.read else yes(name, text)
                given[name] = (value,) if about.several else value
        return cls(**given, overrides=parse_overrides(pairs))

    def words(self) -> list[str]:
        """The options that say the same on the command line; what is as by default is left out."""
        said = []
        for name, about in OPTIONS.items():
            value = getattr(self, name)
            if value == DEFAULTS[name]:
                continue
            flag = flag_of(name)
            if name == "overrides":
                said += [word for pair in spelled_overrides(value) for word in (flag, pair)]
            elif about.read is None:
                said.append(flag)
            else:
                said += [flag, *(about.write(one) for one in (value if about.several else [value]))]
        return said

    @cached_property
    def competition(self) -> "Competition":
        """The competition's folder, found and indexed once."""
        from seti_utils.data.competition import find_data, read_competition
        from seti_utils.data.content import keep_content

        competition = read_competition(find_data(self.data), incomplete=self.incomplete)
        keep_content(competition, self.out)
        return competition


OPTIONS: dict[str, Option] = {f.name: f.metadata["option"] for f in fields(Runtime)}
DEFAULTS: dict[str, object] = {
    f.name: f.default if f.default_factory is MISSING else f.default_factory() for f in fields(Runtime)
}


def flag_of(name: str) -> str:
    """``--stop-after`` of the field ``stop_after``."""
    return f"--{OPTIONS[name].flag or name.replace('_', '-')}"

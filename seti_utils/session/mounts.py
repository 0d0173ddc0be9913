"""Where inputs appear in a session: new and old mount layouts, looked through to a fixed depth only."""

import os
import tempfile
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.session.bundle import opened
from seti_utils.session.runfile import RUN_FILE, read_run


def input_root() -> Path:
    """The folder below which inputs are mounted: /kaggle/input, or ``SETI_INPUT``."""
    return Path(os.environ.get("SETI_INPUT", "/kaggle/input"))


def mounted() -> list[str]:
    """What is mounted, two levels deep, for an error that helps."""
    root = input_root()
    return sorted(path.relative_to(root).as_posix() for depth in ("*", "*/*") for path in root.glob(depth) if path.is_dir())


def outputs() -> list[Path]:
    """Mounted notebook outputs: notebooks/owner/slug, or the slug alone in the old layout."""
    root = input_root()
    return sorted(path for depth in ("notebooks/*/*", "*") for path in root.glob(depth) if (path / RUN_FILE).is_file())


def find_runs(runs: str | Path = "", stage: str = "train") -> list[Path]:
    """Folders of finished or interrupted runs of ``stage``: ``runs`` itself or its children, else mounted outputs.

    An output that comes as a tar is unpacked into the session's scratch space, not into what the session keeps.
    Raises ``InputError`` listing what is mounted where there is none.
    """
    if runs:
        places = [Path(runs), *sorted(path for path in Path(runs).glob("*") if path.is_dir())]
        places = [place for place in places if (place / RUN_FILE).is_file()]
    else:
        places = outputs()
    found = [place for place in places if read_run(place)["stage"] == stage]
    if not found:
        listed = ", ".join(mounted()) or "nothing"
        raise InputError(
            f"no output of a {stage} run (mounted: {listed})",
            where=runs or input_root(),
            remedy="name the train kernels in kernel_sources, or give their folder as runs",
        )
    return [plain(place) for place in found]


def plain(place: Path) -> Path:
    """The folder in which the files of the mounted output ``place`` lie one by one."""
    return opened(place, read_run(place), Path(tempfile.gettempdir()) / "seti_utils-mounted")


def find_previous(experiment: str, folds: list[int], seeds: list[int], fingerprint: str) -> Path | None:
    """This kernel's own earlier output, mounted because the time budget had ended it; None where there is none."""
    for place in outputs():
        run = read_run(place)
        if (
            (run["stage"], run["experiment"], run["fingerprint"]) == ("train", experiment, fingerprint)
            and (run["folds"], run["seeds"]) == (list(folds), list(seeds))
            and run["kernel"] == os.environ.get("SETI_KERNEL")
        ):
            return plain(place)
    return None

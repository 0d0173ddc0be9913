"""The notebook ``search``: telescope files in, the search's stages, events and pictures on show, and its sensitivity."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from IPython.display import Image, Markdown, display

from seti_utils.errors import InputError
from seti_utils.pictures.style import save_picture
from seti_utils.session.mounts import input_root
from seti_utils.telescope.detectors import find_detector
from seti_utils.telescope.injecting import Recipe
from seti_utils.telescope.inputs import ENDINGS, open_cadences
from seti_utils.telescope.jobs import Job, prepare, usual_max_drift
from seti_utils.telescope.limits import Funnel, Limits
from seti_utils.telescope.recall_picture import draw_sensitivity
from seti_utils.telescope.search import search_cadences
from seti_utils.telescope.sensitivity import measure_sensitivity
from seti_utils.wording import quantity

SHOWN = ["rank", "f_mid", "drift", "drift_error", "snr", "n_on", "n_off", "score_classical", "score_network", "false_alarms"]


def find_files(files: str) -> list[Path]:
    """The paths named (a folder, a list, or paths separated by spaces); empty: the one mounted folder with telescope files.

    Raises ``InputError`` naming what is mounted where there is none, or more than one.
    """
    if files:
        return [Path(word) for word in files.split()] if not Path(files).exists() else [Path(files)]
    root = input_root()
    places = sorted({path.parent for depth in ("*/*", "*/*/*", "*/*/*/*") for path in root.glob(depth) if path.suffix in ENDINGS})
    if len(places) == 1:
        return places
    there = ", ".join(map(str, places)) or "none"
    raise InputError(
        f"folders with telescope files: {there}", where=root, remedy="give one as files=FOLDER, or six paths with spaces between"
    )


@dataclass
class TelescopeSearch:
    """One cadence, its options, and what came of it."""

    job: Job
    out: Path
    options: dict[str, object]
    pictures: int
    events: pd.DataFrame | None = None
    stages: list[tuple[str, int, str]] = field(default_factory=list)

    def describe(self) -> None:
        """The files in order of time, the band, and what will be done."""
        print("\n".join([self.job.cadence.name, *self.job.cadence.describe(), *(f"  {line}" for line in self.job.said)]))

    def search(self) -> None:
        """Search, and show how much was left after every stage. A finished search is read, not repeated."""

        def told(job: Job, folder: Path, events: pd.DataFrame | None, funnel: Funnel | None) -> None:
            print("\n".join(funnel.lines()) if funnel is not None else f"{folder}: searched before")

        self.events = search_cadences([self.job], self.out, options=self.options, pictures=self.pictures, done=told)

    def show_events(self, count: int = 20) -> None:
        """The best events as a table."""
        if self.events is None or not len(self.events):
            display(Markdown("No event is left: the stages above say where the last ones went."))
            return
        display(self.events[SHOWN].head(count).round({"f_mid": 6, "drift": 3, "drift_error": 3, "snr": 1}))

    def show_pictures(self) -> None:
        """The best events as six panels with their track."""
        for path in sorted((self.out / "pictures").glob("event_*.png")):
            display(Image(data=path.read_bytes()))

    def show_sensitivity(self, needles: int, rate: float) -> None:
        """Recall on your own files; 0 needles: left out."""
        if needles < 1:
            print("left out: give needles=400, for example")
            return
        recipe = Recipe((6, 8, 10, 15, 20, 30, 50), ("line", "drift"), (0.5, 6.0), self.job.limits.max_drift)
        result = measure_sensitivity(self.job, recipe, needles=needles, rate=rate, bright=15.0)
        figure = draw_sensitivity(
            result.table, f"{quantity(len(result.needles), 'needle')}, at most {rate:g} false events per MHz and hour", 15.0
        )
        save_picture(figure, self.out / "sensitivity.png")
        result.table.to_csv(self.out / "sensitivity.csv", index=False, lineterminator="\n")
        display(figure)


def telescope_search(
    *, files: str, out: str, max_drift: float, snr: float, false_alarms: float, network: str, pictures: int
) -> TelescopeSearch:
    """The ``search`` notebook's parameters, checked. ``max_drift`` 0: the usual one of the product."""
    cadences = open_cadences(find_files(files))
    if len(cadences) != 1:
        raise InputError(
            quantity(len(cadences), "cadence"), where=files, remedy="give one at a time: its six files, or their folder"
        )
    if not (snr > 0 and false_alarms > 0 and max_drift >= 0):
        raise InputError(f"snr={snr}, false_alarms={false_alarms}, max_drift={max_drift}", remedy="give numbers above 0")
    limits = Limits(max_drift or usual_max_drift(cadences[0]), snr=snr, false_alarms=false_alarms)
    detector, without = find_detector(network)
    job = prepare(cadences[0], limits, detector=detector, without=without)
    return TelescopeSearch(job, Path(out), {"network": network}, pictures)

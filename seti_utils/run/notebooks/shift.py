"""What the notebook ``eda_domain_shift`` calls: each step of the study, shown where it is called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seti_utils.log.pages import LOG
from seti_utils.run.coordinates import parse_folds, parse_seeds
from seti_utils.run.runtime import Runtime
from seti_utils.run.study import Study, folds_trained
from seti_utils.shift.explorer import Explorer, is_interactive
from seti_utils.shift.report import Section, table_html


def shift_study(
    *, data: str, experiment: str, folds: str, seeds: str, runs: str, overrides: str, overlap: str, rows: int
) -> "ShownStudy":
    """The notebook's parameters, checked, as a study whose sample is read. Empty strings mean: find it, or do without."""
    runtime = Runtime.parsed(data=data, out=runs, overlap=overlap, overrides=overrides)
    names, numbers = [LOG.find(name).name for name in experiment.replace(",", " ").split()], []
    if names:
        count = min(LOG.config(name, runtime.overrides).folds for name in names)
        trained = [set(folds_trained(name, runtime, parse_seeds(seeds))) for name in names]
        numbers = parse_folds(folds, count) if folds else sorted(set.intersection(*trained))
    study = ShownStudy(runtime, names=names, folds=numbers, seeds=parse_seeds(seeds), rows=rows or None)
    study.read()
    return study


class ShownStudy:
    """A :class:`Study` that shows what it finds."""

    def __init__(self, runtime: Runtime, **options: Any):
        self.study = Study(runtime, **options)

    def read(self) -> None:
        """Read the sample and say what it is."""
        sample, competition = self.study.sample, self.study.competition
        counts = ", ".join(
            f"{len(sample.rows(split)):,} of {len(competition.split(split)):,} {split}" for split in ("train", "test")
        )
        print(f"{competition.name}: {counts} cadences" + ("" if self.study.groups is None else "; rows of one sky stay together"))

    def statistics(self) -> None:
        """Statistics of the panels."""
        show_section(self.study.statistics())

    def leaks(self) -> None:
        """The known leaks."""
        show_section(self.study.leaks())

    def adversary(self) -> None:
        """Adversarial validation."""
        show_section(self.study.adversary())

    def predictions(self) -> None:
        """Scores, calibration, rows that models disagree about."""
        for section in self.study.predictions():
            show_section(section, heading=True)

    def explore(self, rows: int) -> None:
        """Sliders and pickers before a person; otherwise ``rows`` rows as pictures, and others like the first."""
        from IPython.display import display

        explorer = self.study.explorer()
        if is_interactive():
            display(explorer.widgets())
            return
        chosen = chosen_rows(explorer, rows)
        for one in chosen:
            display(explorer.picture(one, heat=True))
        if chosen and (others := explorer.others(chosen[0])) is not None:
            display(others)

    def write(self, out: str) -> None:
        """The report and its tables, where ``out`` names a folder."""
        print(f"report: {self.study.write(Path(out))}" if out else "no report: out is empty")


def chosen_rows(explorer: Explorer, count: int) -> list[str]:
    """``count`` different rows worth a look: in turn the first of every order that the table allows."""
    queues: Sequence[list[str]] = [explorer.ids(order=order) for order in explorer.orders()[1:] or explorer.orders()]
    found: list[str] = []
    for place in range(max(map(len, queues), default=0)):
        for queue in queues:
            if place < len(queue) and queue[place] not in found and len(found) < count:
                found.append(queue[place])
    return found


def show_section(section: Section, heading: bool = False) -> None:
    """A section in a notebook: sentences, tables, and pictures below their captions."""
    from IPython.display import HTML, Markdown, display

    words = [f"**{section.verdict}**"] if section.verdict else []
    display(Markdown("\n\n".join(([f"### {section.title}"] if heading else []) + words + section.sentences)))
    for caption, table in section.tables:
        display(HTML(table_html(caption, table)))
    for caption, figure in section.pictures:
        display(figure)
        display(Markdown(f"*{caption}*"))

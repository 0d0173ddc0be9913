"""The executable log: experiments by name, each one change away from its parent."""

from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from seti_utils.errors import InputError, did_you_mean
from seti_utils.log.config import HINTS, Config, fingerprint
from seti_utils.log.layouts import RAW, panels_shown, parse_layout
from seti_utils.log.specs import Spec, features_of

STACK = "stack"
"""How a blend is made that believes its members by whether a row has neighbours (``scores.stacking``)."""

KNOBS = tuple(f.name for f in fields(Config))


@dataclass(frozen=True)
class Edit:
    """A change of some fields of a parent's spec; see :func:`edit`."""

    fields: tuple[tuple[str, object], ...]


def edit(**changes: object) -> Edit:
    """Change fields of a feature that the parent has, and keep the others: ``mixup=edit(until=0.8)``."""
    return Edit(tuple(changes.items()))


@dataclass(frozen=True)
class Experiment:
    """One line of the log. ``changes`` are against ``parent`` (against exp0001's defaults where there is none)."""

    name: str
    title: str
    config: Config
    changes: dict[str, object]
    parent: str | None = None
    because: str | None = None
    verdict: str | None = None
    note: str | None = None
    confidence: str | None = None
    page: str = ""


@dataclass(frozen=True)
class Blend:
    """Several experiments' scores as one: a mean (``how``, see ``scores.ensemble.blend``), or a "stack" by coverage.

    ``detectors``: names of detectors that come with the package, whose scores take part too.
    """

    name: str
    title: str
    members: tuple[str, ...]
    how: str = "plain"
    note: str | None = None
    detectors: tuple[str, ...] = ()
    page: str = ""

    @property
    def said(self) -> str:
        """``rank mean of``, ``stack by coverage of``: what comes before the members."""
        return "stack by coverage of" if self.how == STACK else f"{self.how} mean of"

    @property
    def parts(self) -> tuple[str, ...]:
        """The members, and the detectors in words."""
        return (*self.members, *(f"the shipped detector {name}" for name in self.detectors))


@dataclass
class Log:
    """Experiments and blends in the order in which they were written down."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    blends: dict[str, Blend] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    page: str = ""

    def base(self, name: str, title: str, *, because: str | None = None, **rest: Any) -> Experiment:
        """Write down an experiment without a parent; its changes are against the defaults of ``Config``."""
        return self.write(name, None, title, because or "a new start", **rest)

    def exp(self, name: str, parent: str, title: str, *, because: str | None = None, **rest: Any) -> Experiment:
        """Write down ``name = parent + one change``; several changes need ``because=`` saying why they are one idea."""
        self.refuse_unless_known(parent, f"{name}: unknown parent")
        return self.write(name, parent, title, because, **rest)

    def write(
        self,
        name: str,
        parent: str | None,
        title: str,
        because: str | None,
        verdict: str | None = None,
        note: str | None = None,
        confidence: str | None = None,
        **changes: object,
    ) -> Experiment:
        self.refuse_duplicate(name)
        before = self.experiments[parent].config if parent else Config()
        after = changed(before, changes, name)
        if len(changes) > 1 and not because:
            raise InputError(
                f"{len(changes)} changes at once ({', '.join(changes)})",
                where=name,
                remedy="write one experiment for each, or say because= why they are one idea",
            )
        if parent and not changes:
            raise InputError(f"changes nothing compared with {parent}", where=name, remedy="name the knob that it turns")
        for knob, source in after.sources().items():
            self.refuse_unless_known(source, f"{name}: {knob} names an unknown experiment")
            self.refuse_other_folds(name, after, source)
        if after.distill:
            self.refuse_other_panels(name, after, after.distill.source)
        self.experiments[name] = Experiment(
            name, title, after, changes, parent, because if parent else None, verdict, note, confidence, self.page
        )
        return self.experiments[name]

    def blend(
        self,
        name: str,
        title: str,
        members: tuple[str, ...],
        how: str = "plain",
        note: str | None = None,
        detectors: tuple[str, ...] = (),
    ) -> Blend:
        """Write down a mean or a stack of experiments, and of ``detectors`` that come with the package."""
        self.refuse_duplicate(name)
        for member in members:
            self.refuse_unless_known(member, f"{name}: unknown member")
        self.blends[name] = Blend(name, title, members, how, note, detectors, self.page)
        return self.blends[name]

    def alias(self, name: str, of: str) -> None:
        """Give ``of`` a second name."""
        self.refuse_duplicate(name)
        self.refuse_unless_known(of, f"{name}: alias of unknown")
        self.aliases[name] = of

    def find(self, name: str) -> Experiment:
        """The experiment called ``name``; an unknown name is refused with the nearest ones."""
        name = self.aliases.get(name, name)
        if name in self.blends:
            raise InputError(
                "is a blend, not an experiment", where=name, remedy=f"its members are {', '.join(self.blends[name].members)}"
            )
        self.refuse_unless_known(name, "unknown experiment")
        return self.experiments[name]

    def lineage(self, name: str) -> list[Experiment]:
        """``name`` and its ancestors, the eldest first."""
        line = [self.find(name)]
        while line[0].parent:
            line.insert(0, self.experiments[line[0].parent])
        return line

    def needs(self, name: str) -> list[str]:
        """Experiments that must have run before ``name``, the earliest first, each once."""
        order: list[str] = []
        for source in self.find(name).config.sources().values():
            order += [step for step in (*self.needs(source), source) if step not in order]
        return order

    def config(self, name: str, overrides: dict[str, object] | None = None) -> Config:
        """The configuration of ``name``, with the overrides of a run applied to it."""
        return changed(self.find(name).config, overrides or {}, name, must_change=False)

    def fingerprint(self, name: str, overrides: dict[str, object] | None = None) -> str:
        """The fingerprint of ``name`` under ``overrides``, which reach the experiments it builds on as well."""
        return fingerprint(self.config(name, overrides), lambda source: self.fingerprint(source, overrides))

    def refuse_duplicate(self, name: str) -> None:
        if name in self.experiments or name in self.blends or name in self.aliases:
            raise InputError("is already in the log", where=name, remedy="choose another name: history is not rewritten")

    def refuse_other_folds(self, name: str, config: Config, source: str) -> None:
        """Refuse labels or weights of networks whose folds are others: they have seen this one's validation rows."""
        mine, theirs = ((c.folds, c.fold_seed, c.fold_groups) for c in (config, self.experiments[source].config))
        if mine != theirs:
            raise InputError(
                f"{source}, which it builds on, has folds {theirs}, not {mine}",
                where=name,
                remedy="give both the same folds, fold_seed and fold_groups",
            )

    def refuse_other_panels(self, name: str, config: Config, teacher: str) -> None:
        """Refuse a teacher that looks at a kind of panels (raw, cleaned) that its student does not read."""
        mine, theirs = (
            {panel < RAW for panel in panels_shown(parse_layout(layout))}
            for layout in (config.layout, self.experiments[teacher].config.layout)
        )
        if not theirs <= mine:
            raise InputError(
                f"its teacher {teacher} looks at {'raw' if True in theirs - mine else 'cleaned'} panels, it does not",
                where=name,
                remedy="show both kinds, or take a teacher of its own kind",
            )

    def refuse_unless_known(self, name: str, problem: str) -> None:
        if name not in self.experiments:
            raise InputError(f"{problem} {name!r}", remedy=nearest(name, tuple(self.experiments)))


def changed(before: Config, changes: dict[str, object], name: str, must_change: bool = True) -> Config:
    """``before`` with ``changes`` made; each is checked where it is written.

    The log writes history, so there a change must change something, and :func:`edit` a feature that is on
    (``must_change``); a run's overrides may do either, and an edit switches a feature on.
    """
    values = {}
    for knob, value in changes.items():
        if knob not in KNOBS:
            raise InputError(f"unknown knob {knob!r}", where=name, remedy=nearest(knob, KNOBS))
        old = getattr(before, knob)
        if isinstance(value, Edit):
            on = old if old is not None or must_change else switched_on(knob, name)
            values[knob] = edited(on, value, f"{name}: {knob}")
        else:
            values[knob] = value
        if must_change and values[knob] == old:
            raise InputError(f"{knob}={old!r} is already what its parent has", where=name, remedy="leave it out")
    try:
        return replace(before, **values)
    except InputError as error:
        raise InputError(error.problem, where=name, remedy=error.remedy) from None


def switched_on(knob: str, where: str) -> Spec:
    """The feature that ``knob`` switches on, with its own defaults: what a run's edit of a feature that is off begins with.

    Raises ``InputError`` where that is not told by the knob alone: several features to choose from, or settings without a
    default.
    """
    features = features_of(HINTS[knob])
    shown = [f"{kind.__name__}({', '.join(f.name for f in fields(kind))})" for kind in features]
    if len(features) == 1 and all(f.default is not MISSING for f in fields(features[0])):
        return features[0]()
    raise InputError(
        f"{knob} is off" if features else f"{knob} has no settings",
        where=where,
        remedy=f"switch it on as a whole: {knob}={' or '.join(shown)}" if features else "give its value without a dot",
    )


def edited(old: object, change: Edit, where: str) -> Spec:
    """The parent's spec with some fields changed."""
    if old is None:
        raise InputError("edit() of a feature that is off", where=where, remedy="write the whole spec instead")
    if not isinstance(old, Spec):
        raise InputError(f"its value {old!r} has no settings", where=where, remedy="give its value without a dot")
    known = tuple(f.name for f in fields(old))
    for key, _ in change.fields:
        if key not in known:
            raise InputError(f"{type(old).__name__} has no setting {key!r}", where=where, remedy=nearest(key, known))
    try:
        return replace(old, **dict(change.fields))
    except InputError as error:
        raise InputError(error.problem, where=where, remedy=error.remedy) from None


def nearest(name: str, known: tuple[str, ...]) -> str:
    """What a person may have meant by ``name``."""
    return did_you_mean(name, known, f"known: {', '.join(known)}", most=3)

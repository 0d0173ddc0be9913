"""A ready plan for an experiment or a blend of the log: everything it builds on, fold to fold, as kernels."""

from seti_utils.errors import InputError
from seti_utils.log.config import SEED
from seti_utils.log.pages import LOG
from seti_utils.log.registry import STACK, nearest

WEIGHTS = "{owner}/seti-pretrained-weights"
HEADER = """# {name}: {title}.
# {kernels} kernels in {stages} stages, written by `python -m seti_utils kaggle chain --example {name}`; edit it freely.
#
# 1. python -m seti_utils kaggle weights {roots}       pretrained weights as a dataset of yours, once
# 2. python -m seti_utils kaggle chain {name}.yaml     with --dry-run first; again after any interruption: it resumes
# 3. python -m seti_utils {last}
at_once: 2                # runs at a time; the site allows two GPU sessions
sessions: 6               # a training that meets its time budget is pushed again, up to this many sessions in all
folds: {folds}
seeds: [{seed}]
datasets: ["{weights}"]
stages:
"""


def example_plan(name: str, folds: int = 5) -> str:
    """YAML of a plan that trains what ``name`` needs and predicts with it. Raises ``InputError`` for an unknown name.

    Trained weights stay on the site, where the next stage mounts them; only the predictions are fetched.
    """
    if name not in LOG.blends and name not in LOG.aliases and name not in LOG.experiments:
        raise InputError(f"unknown experiment or blend {name!r}", remedy=nearest(name, (*LOG.experiments, *LOG.blends)))
    blend = LOG.blends.get(name)
    if blend and blend.how == STACK:
        raise InputError(
            "is a stack by coverage, which no kernel makes",
            where=name,
            remedy=f"train its members ({', '.join(blend.members)}) by a plan each, then stack them: blend --stack OVERLAP",
        )
    members = blend.members if blend else (LOG.find(name).name,)
    steps = list(dict.fromkeys(step for member in members for step in (*LOG.needs(member), member)))
    stages = [train_stage(step) for step in steps]
    stages += [
        f"  infer_{member}: {{notebook: infer, each: experiment, experiments: [{member}], after: [{member}]}}\n"
        for member in members
    ]
    backbones = {LOG.config(step).backbone: step for step in reversed(steps) if LOG.config(step).pretrained}
    outputs = f"runs/kaggle/{name}/seti-infer-*/submission.csv"
    return HEADER.format(
        name=name,
        title=(blend or LOG.find(name)).title,
        kernels=len(steps) * folds + len(members),
        stages=len(stages),
        roots=" ".join(reversed(backbones.values())),
        last=f"blend {outputs} --how {blend.how} --out submission.csv" if blend else f"kaggle submit {outputs} -m {name}",
        folds=list(range(folds)),
        seed=SEED,
        weights=WEIGHTS,
    ) + "".join(stages)


def train_stage(step: str) -> str:
    """One training stage: one kernel per fold, after the experiments whose weights or labels it takes."""
    after = ", ".join(dict.fromkeys(LOG.config(step).sources().values()))
    needs = f", after: [{after}]" if after else ""
    return f"  {step}: {{notebook: train, experiments: [{step}]{needs}, fetch: false}}  # {LOG.find(step).title}\n"

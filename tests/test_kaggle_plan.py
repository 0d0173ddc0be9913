"""Plans of chains: read, fanned out fold to fold, refused where they are wrong, and written for the log's own."""

import pytest
from local_kaggle.fixtures import ROOT
from local_kaggle.plans import INFER, TRAIN, plan  # noqa: F401 - fixtures

from seti_utils.errors import InputError
from seti_utils.kaggle.chain import describe
from seti_utils.kaggle.example import example_plan
from seti_utils.kaggle.plan import expand, read_plan
from seti_utils.log.pages import LOG


def test_a_plan_fans_out(plan):
    tasks = expand(plan, "tester")
    assert [task.kernel for task in tasks] == [*(TRAIN.format(fold) for fold in range(3)), INFER]
    assert tasks[-1].needs == [TRAIN.format(fold) for fold in range(3)] and tasks[-1].folds == [0, 1, 2]
    assert describe(plan, "tester").splitlines()[0] == "4 kernels, at most 2 at once"


def test_a_fold_builds_on_its_own_fold(tmp_path):
    """With several sources too; what has no counterpart is mounted whole."""
    path = tmp_path / "p.yaml"
    path.write_text(
        """
folds: [0, 1]
datasets: ["{owner}/weights"]
stages:
  teacher: {notebook: train, experiments: [exp011]}
  other: {notebook: train, experiments: [exp009], folds: [3], datasets: []}
  student: {notebook: train, experiments: [v2m_student], after: [teacher, other]}
  alone: {notebook: train, experiments: [exp0001], folds: [7], after: [teacher]}
""",
        encoding="utf-8",
    )
    tasks = {(task.experiment, task.folds[0]): task for task in expand(read_plan(path), "tester")}
    assert tasks["v2m_student", 1].needs == ["tester/seti-train-exp011-fold1-seed2021"]
    assert len(tasks["exp0001", 7].needs) == 2
    assert tasks["exp011", 0].stage.datasets == ["{owner}/weights"] and tasks["exp009", 3].stage.datasets == []


@pytest.mark.parametrize(("name", "kernels"), [("closing_the_shift", 30), ("mle_bench", 24), ("second_place", 45)])
def test_every_kernel_of_the_committed_plans_could_be_built(name, kernels):
    """Experiments, knobs, folds, notebooks and inputs of all their stages are resolved, as a dry run does."""
    assert describe(read_plan(ROOT / f"plans/{name}.yaml"), "tester").splitlines()[0].startswith(f"{kernels} kernels")


def test_the_committed_plan_is_the_log_s_own():
    """The 2nd place as kernels: every source comes before what builds on it, fold to fold, weights mounted."""
    path = ROOT / "plans/second_place.yaml"
    assert path.read_text(encoding="utf-8") == example_plan("second_place"), "write it again: kaggle chain --example second_place"
    tasks = expand(read_plan(path), "tester")
    made = {}
    for task in tasks:
        sources = LOG.config(task.experiment).sources().values() if task.stage.notebook == "train" else [task.experiment]
        assert set(task.needs) == {made[source, fold] for source in sources for fold in task.folds}
        if task.stage.notebook == "train":
            made[task.experiment, task.folds[0]] = task.kernel
    assert {task.experiment for task in tasks if task.stage.notebook == "infer"} == set(LOG.blends["second_place"].members)
    assert max(map(len, (task.kernel.split("/")[1] for task in tasks))) <= 50


@pytest.mark.parametrize("name", ["exp0001", "exp0019", "teacher"])
def test_every_experiment_has_a_plan(tmp_path, name):
    path = tmp_path / "p.yaml"
    path.write_text(example_plan(name), encoding="utf-8")
    assert [task.stage.notebook for task in expand(read_plan(path), "tester")][-1] == "infer"
    with pytest.raises(InputError, match="did you mean"):
        example_plan(f"{name}x")


def test_a_plan_is_yaml(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("name: mine\nstages: {train: {experiments: [a, b], folds: [0], seeds: [1, 2]}}\n", encoding="utf-8")
    assert len(expand(read_plan(path), "tester")) == 4 and read_plan(path).name == "mine"
    path.write_text("PLAN = {'stages': {}}", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML"):
        read_plan(path)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("train: {experiments: [exp9999]}", "p, stage train: unknown experiment 'exp9999'"),
        ("train: {experiments: [sky_demo], folds: [7]}", "p, stage train, sky_demo: there is no fold 7"),
        ("train: {experiments: [sky_demo], folds: [0], parameters: {overrides: epoch=1}}", "p, stage train.*epoch"),
        ("train: {experiments: [sky_demo], folds: [0], parameters: {stop_after: soon}}", "soon.*11h30m"),
        ("train: {experiments: [sky_demo], folds: [0], parameters: {computing: fast}}", "'fast' is not a way to compute"),
        ("train: {experiments: [sky_demo], folds: [0], parameters: {fold: '1'}}", "unknown parameter 'fold'; did you mean folds"),
        ("trian: {experiments: [sky_demo]}", "trian.ipynb: no such notebook"),
        ("train: {experiments: [sky_demo], folds: [0], machine: P100}", "the P100 is retired"),
        ("train: {experiments: [sky_demo], folds: [0], datasets: [datasets/a/b]}", "dataset_sources holds 'datasets/a/b'"),
        ("train: {experiments: [exp0023]}", "nothing that could hold the weights is mounted"),
    ],
)
def test_a_dry_run_resolves_every_kernel(tmp_path, stage, message):
    """Nothing is found only when that kernel's turn comes."""
    path = tmp_path / "p.yaml"
    path.write_text(f"stages:\n  good: {{notebook: train, experiments: [sky_demo], folds: [1]}}\n  {stage}\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        describe(read_plan(path), "tester")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: [a]", "no stages"),
        ("a: [", "not YAML"),
        ("stages: {train: {experiment: [a]}}", "unknown 'experiment'"),
        ("stages: {train: {folds: [0]}}", "missing"),
        ("stages: {train: {experiments: a}}", "a list of texts"),
        ("stages: {train: {experiments: [a], folds: ['0']}}", "a list of whole numbers"),
        ("at_twice: 1\nstages: {train: {experiments: [a]}}", "unknown 'at_twice'"),
        ("stages: {}", "no stages"),
        ("at_once: two\nstages: {train: {experiments: [a]}}", "at_once is 'two'; write a whole number from 1 up"),
        ("at_once: 0\nstages: {train: {experiments: [a]}}", "at_once is 0"),
        ("sessions: -1\nstages: {train: {experiments: [a]}}", "sessions is -1"),
        ("at_once: true\nstages: {train: {experiments: [a]}}", "at_once is True"),
        ("stages: {train: {experiments: []}}", "stage train: experiments is empty"),
        ("stages: {train: {experiments: [a], folds: []}}", "folds is empty"),
        ("stages: {train: [a]}", "is not a mapping"),
        ("stages: {train: {experiments: [a], fetch: sometimes}}", "fetch is 'sometimes'; write true or false"),
        ("stages: {train: {experiments: [a], parameters: [x]}}", "parameters is"),
        ("stages: {train: {experiments: [a], machine: 4}}", "machine is 4; write a text"),
        ("stages: {train: {experiments: [a], after: train}}", "after is 'train'"),
        ("stages: {train: {experiments: [a], seed: [1]}}", "did you mean seeds"),
        ("stages: {infer: {experiments: [a], after: [train]}}", "not all before it"),
        ("stages: {train: {experiments: [a], each: night}}", "fold or experiment"),
        ("stages: {train: {experiments: [a, a]}}", "appears twice"),
    ],
)
def test_mistakes_in_a_plan(tmp_path, text, message):
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        expand(read_plan(path), "tester")

"""The notebooks are thin, in step with their sources, without outputs, and papermill runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from papermill import inspect_notebook

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.log.pages import LOG
from seti_utils.run.notebooks import execute
from seti_utils.run.notebooks.execute import run_notebook
from seti_utils.run.notebooks.look import look
from seti_utils.run.notebooks.session import session
from seti_utils.scores.tables import make_scores
from seti_utils.session.parameters import read_parameters
from seti_utils.sky import make_sky

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TINY = "overrides=backbone=test_efficientnet epochs=2 resize.freq=32 resize.time=32 batch=8"


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("notebooks") / "sky", train=60, test=12, seed=3, workers=1)


def test_every_source_has_its_notebook():
    assert (
        {path.stem for path in NOTEBOOKS}
        == {path.stem for path in (ROOT / "notebooks").glob("*.py")}
        >= {"look", "train", "infer"}
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_thin_clean_and_in_step_with_its_source(path):
    jupytext = pytest.importorskip("jupytext")
    notebook = nbformat.read(path, as_version=4)
    source = jupytext.read(path.with_suffix(".py"))
    assert [(c.cell_type, c.source) for c in notebook.cells] == [(c.cell_type, c.source) for c in source.cells], (
        "run `make notebooks`"
    )
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code:
        assert "def " not in cell.source and "class " not in cell.source, "logic belongs into seti_utils"
        assert len(cell.source.splitlines()) <= 12
    assert set(inspect_notebook(str(path))), "papermill finds its parameters"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (["experimen=exp0001"], "did you mean experiment"),
        (["folds"], "name=value"),
        (["experiment=exp0001", "sides=3"], "unknown"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(tmp_path, parameters, said):
    with pytest.raises(InputError, match=said):
        run_notebook("train", tmp_path / "train.ipynb", parameters)
    assert not (tmp_path / "train.ipynb").exists()


def test_a_value_of_the_wrong_type_is_refused(tmp_path):
    with pytest.raises(InputError, match="rows"):
        run_notebook("look", tmp_path / "look.ipynb", ["rows=many"])


def test_a_session_takes_features_with_settings_and_random_weights(sky, tmp_path):
    overrides = "epochs=2 resize=Resize(64, 64) head_first.epochs=1"
    now = session("exp0001", folds="0", seeds="1", data=str(sky), out=str(tmp_path), overrides=overrides, weights="none")
    config = LOG.config("exp0001", now.runtime.overrides)
    assert not config.pretrained and config.head_first.epochs == 1 and config.resize.time == 64


def write_notebook(path, *sources, parameters=""):
    """A small notebook: its parameters, then its cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in (parameters, *sources)]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return str(path)


HOSTILE = {
    "equals": "a=b==c",
    "quotes": """he said "it's 'fine'" """,
    "blanks": "  two  blanks ",
    "windows": r"C:\new\table.csv",
    "word": "nan",
    "letters": "σ, é, 日本",
    "braces": "{name} %s {{}}",
    "lines": "one\ntwo\ttabs",
    "empty": "",
}


def test_values_arrive_exactly_and_the_output_opens_in_jupyter(tmp_path):
    source = write_notebook(
        tmp_path / "source {x}.ipynb",
        "import json; print(json.dumps([" + ", ".join(HOSTILE) + ", number]))",
        parameters="\n".join(f'{name} = ""  # any text' for name in HOSTILE) + "\nnumber = 0.5",
    )
    out = tmp_path / "out {y}.ipynb"
    run_notebook(source, out, [*(f"{name}={value}" for name, value in HOSTILE.items()), "number=1e-7"])
    nbformat.validate(nbformat.read(out, as_version=4))
    json.loads(out.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert json.loads(texts(out)[0]) == [*HOSTILE.values(), 1e-7]
    for value in ("nan", "inf", "1e999", "many"):
        with pytest.raises(InputError, match="parameter number is"):
            run_notebook(source, tmp_path / "never.ipynb", [f"number={value}"])


def test_a_killed_kernel_is_one_line_and_an_exit_code(tmp_path, capsys):
    source = write_notebook(
        tmp_path / "killed.ipynb", "print('so far')", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert main(["notebook", source, str(tmp_path / "out.ipynb")]) == 1
    said = capsys.readouterr().err.strip()
    assert said.splitlines()[-1].startswith("error: ") and "was killed; most often memory ran out" in said
    assert "Traceback" not in said and "so far" in texts(tmp_path / "out.ipynb")[0]


@pytest.mark.parametrize("foreign", [True, False], ids=["a foreign kernel", "no kernel"])
def test_the_notebook_runs_in_this_python_whatever_jupyter_knows(tmp_path, monkeypatch, foreign):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    if foreign:
        place = tmp_path / "jupyter" / "kernels" / "python3"
        place.mkdir(parents=True)
        about = {
            "argv": ["/another/environment/python", "-f", "{connection_file}"],
            "display_name": "other",
            "language": "python",
        }
        (place / "kernel.json").write_text(json.dumps(about), encoding="utf-8")
    before = dict(os.environ)
    source = write_notebook(tmp_path / "which.ipynb", "import sys, seti_utils; print(sys.executable, seti_utils.__file__)")
    run_notebook(source, tmp_path / "out.ipynb", [])
    assert texts(tmp_path / "out.ipynb")[0].split() == [sys.executable, str(ROOT / "seti_utils" / "__init__.py")]
    assert nbformat.read(tmp_path / "out.ipynb", as_version=4).metadata.kernelspec.name == "python3"
    assert dict(os.environ) == before


def test_what_is_missing_or_in_the_way_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is a folder; give the notebook to write, .*look.ipynb"):
        run_notebook("look", tmp_path, [])
    with pytest.raises(InputError, match="there is no such notebook; give a path, or one of: .*look, search, train"):
        run_notebook("lok", tmp_path / "x.ipynb", [])
    with pytest.raises(InputError, match="no_such_package is not installed in .* -m pip install no_such_package"):
        execute.require("json", "no_such_package")
    monkeypatch.setenv("PYTHONPATH", "mine")
    with execute.own_kernel():
        assert os.environ["PYTHONPATH"] == os.pathsep.join((str(ROOT), "mine"))
    assert os.environ["PYTHONPATH"] == "mine"


def test_a_cell_that_fails_and_a_kernel_that_does_not_start_are_one_line(tmp_path, monkeypatch):
    source = write_notebook(tmp_path / "fails.ipynb", "print('so far')", "1 / 0")
    with pytest.raises(
        InputError, match="out.ipynb: cell . failed: ZeroDivisionError: division by zero; the notebook up to there"
    ):
        run_notebook(source, tmp_path / "out.ipynb", [])
    assert "so far" in texts(tmp_path / "out.ipynb")[0]

    def dead(*_, **__):
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr("papermill.execute_notebook", dead)
    with pytest.raises(execute.KernelDied, match="the notebook's process did not start .Kernel died before replying"):
        run_notebook(source, tmp_path / "never.ipynb", [])


@pytest.mark.parametrize(("folds", "mode"), [([0, 1], "folds"), ([0], "ranks")])
def test_a_session_of_several_gpus_uses_them_all(tmp_path, monkeypatch, folds, mode):
    started = []
    monkeypatch.setenv("SETI_INPUT", str(tmp_path))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("seti_utils.run.notebooks.session.launch", lambda *words: started.append(words))
    run = session("exp0001", folds=",".join(map(str, folds)), seeds="5", data="", out=str(tmp_path / "out"))
    run.train()
    ((how, name, given, seeds, _),) = started
    assert (how, name, given, seeds) == (mode, "exp0001", folds, [5])


def test_validation_rows_of_one_class_have_no_auc_and_the_session_says_so(tmp_path, monkeypatch, capsys):
    shown = []
    one = make_scores(list("abc"), [0.2, 0.4, 0.9], fold=0, experiment="exp0001", seed=5, fingerprint="f", target=[0, 0, 0])
    monkeypatch.setattr("seti_utils.run.notebooks.session.out_of_fold", lambda *_: one)
    monkeypatch.setattr("seti_utils.run.notebooks.session.show", lambda figure, path: shown.append(path))
    session("exp0001", folds="0", seeds="5", data="", out=str(tmp_path / "out")).show_out_of_fold()
    assert "out-of-fold AUC undefined: 3 cadences, all of one class" in capsys.readouterr().out
    assert [path.name for path in shown] == ["exp0001_scores.png"]


def test_ids_that_are_not_there_are_named(tiny_competition):
    with pytest.raises(InputError, match="no cadence 'nobody'; ids stand in train_labels.csv"):
        look(data=str(tiny_competition), rows=1, ids="nobody", out="")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_papermill_knows_every_parameter(path, caplog):
    """It warns of a line that it cannot parse, and of a parameter that it therefore does not know."""
    assert set(inspect_notebook(str(path))) == set(read_parameters(path)) and not caplog.records


def test_a_touched_notebook_is_not_written_again(tmp_path):
    for path in (ROOT / "notebooks").iterdir():
        shutil.copy(path, tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.ipynb")}
    for path in before:
        os.utime(path)
    sources = sorted(map(str, tmp_path.glob("*.py")))
    subprocess.run([sys.executable, "-m", "jupytext", "--update", "--to", "ipynb", *sources], check=True, capture_output=True)
    assert {path: path.read_bytes() for path in before} == before


def texts(path):
    """What an executed notebook printed, and how many pictures it shows."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    return "".join("".join(output.get("text", [])) for output in outputs), pictures


@pytest.mark.slow
def test_train_then_infer_gives_a_submission_and_pictures(sky, tmp_path):
    run_notebook("train", tmp_path / "train.ipynb", [f"data={sky}", f"out={tmp_path}", TINY, "folds=0,1"])
    said, pictures = texts(tmp_path / "train.ipynb")
    assert "out-of-fold AUC" in said and pictures == 4
    run_notebook(
        "infer", tmp_path / "infer.ipynb", [f"data={sky}", f"runs={tmp_path}", f"out={tmp_path / 'infer'}", TINY, "folds=0,1"]
    )
    said, pictures = texts(tmp_path / "infer.ipynb")
    assert "hidden test labels" in said and pictures == 2
    submission = pd.read_csv(tmp_path / "infer" / "submission.csv")
    assert list(submission["id"]) == list(pd.read_csv(sky / "sample_submission.csv")["id"])
    run = json.loads((tmp_path / "infer" / "run.json").read_text(encoding="utf-8"))
    assert run["stage"] == "infer" and run["finished"] and "submission.csv" in run["files"]


@pytest.mark.slow
def test_a_spent_budget_still_ends_in_a_card_that_says_so(sky, tmp_path):
    """The second fold never began: curves are those there are, and run.json says that it will resume."""
    run_notebook("train", tmp_path / "train.ipynb", [f"data={sky}", f"out={tmp_path}", TINY, "folds=0,1", "stop_after=0.001s"])
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert run["stage"] == "train" and not run["finished"] and "budget" in run["reason"]


@pytest.mark.slow
def test_look_draws_the_real_needle(tmp_path):
    real = ROOT.parent / "shared" / "real"
    if not real.is_dir():
        pytest.skip("the real cadences are not here")
    run_notebook("look", tmp_path / "look.ipynb", [f"data={real}", "ids=0028a35de92941d", f"out={tmp_path}"])
    assert texts(tmp_path / "look.ipynb")[1] == 2
    assert (tmp_path / "0028a35de92941d.png").stat().st_size > 10_000


@pytest.mark.slow
def test_look_works_on_a_sky(sky, tmp_path):
    run_notebook("look", tmp_path / "look.ipynb", [f"data={sky}", "rows=1"])
    assert texts(tmp_path / "look.ipynb")[1] == 3


def test_look_needs_neither_all_files_nor_training_data(tiny_competition, capsys):
    for path in sorted((tiny_competition / "train").rglob("*.npy"))[:6]:
        path.unlink()
    found = look(data=str(tiny_competition), rows=2, ids="", out="")
    assert "6 of 12 cadences are not there" in capsys.readouterr().err
    shown = [*found.labelled(1), *found.labelled(0)]
    assert shown and found.read(shown).shape == (len(shown), 6, 273, 256)
    assert (found.read(shown[-1:])[0] == np.load(tiny_competition / "train" / shown[-1][0] / f"{shown[-1]}.npy")).all()
    (tiny_competition / "train_labels.csv").unlink()
    shutil.rmtree(tiny_competition / "train")
    assert len(look(data=str(tiny_competition), rows=2, ids="", out="").source) == 5
    for rows in (0, -3):
        with pytest.raises(InputError, match=f"rows={rows}; give the number of positives"):
            look(data=str(tiny_competition), rows=rows, ids="", out="")


def test_the_recipe_is_printed_once(sky, tmp_path, capsys):
    """`make run` trains and predicts: the notebook that trains tells the recipe, the one that predicts which one it was."""
    now = session("sky_demo", folds="0", seeds="1", data=str(sky), out=str(tmp_path))
    now.describe()
    first = capsys.readouterr().out
    now.describe(recipe=False)
    second = capsys.readouterr().out
    assert "against exp0001's defaults" in first and "against exp0001's defaults" not in second
    assert now.fingerprint in first and now.fingerprint in second
    assert "describe(recipe=False)" in (ROOT / "notebooks" / "infer.py").read_text(encoding="utf-8")

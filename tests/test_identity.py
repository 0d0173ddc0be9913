"""A run knows what it is: recipe, data, inputs, remedies; whatever differs is named, and nothing passes for finished that is
not."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.__main__ import main
from seti_utils.claims import at_work
from seti_utils.data import competition as competitions
from seti_utils.data.competition import read_competition
from seti_utils.errors import InputError
from seti_utils.learn import checkpoint
from seti_utils.learn.survival import DeadRun, Stopped
from seti_utils.log.pages import LOG
from seti_utils.log.registry import edit
from seti_utils.log.specs import Distill, Reweight, Shot
from seti_utils.run import judging
from seti_utils.run import train as training
from seti_utils.run.adapting import plain_images
from seti_utils.run.artifacts import read_meta
from seti_utils.run.identity import Run
from seti_utils.run.infer import predict_test
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train, train_fold
from seti_utils.sky import make_sky

TINY = {
    "backbone": "test_efficientnet",
    "pretrained": False,
    "epochs": 1,
    "batch": 4,
    "folds": 2,
    "resize": edit(freq=32, time=32),
}
WORDS = ["--set", "backbone=test_efficientnet", "--set", "pretrained=False", "--set", "epochs=1", "--set", "batch=4"]
WORDS += [
    "--set",
    "folds=2",
    "--set",
    "resize.freq=32",
    "--set",
    "resize.time=32",
    "--workers",
    "1",
    "--folds",
    "0",
    "--seeds",
    "7",
]


def quiet(line):
    """Says nothing."""


def runtime(data, out, **more):
    knobs = {name: more.pop(name) for name in list(more) if name not in Runtime.__dataclass_fields__}
    return Runtime(data=data, out=out, workers=1, device="cpu", overrides=TINY | knobs, **more)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("identity") / "sky", train=30, test=8, seed=2, workers=1)


@pytest.fixture(scope="module")
def twin(sky, tmp_path_factory):
    """The same ids and labels, other arrays."""
    folder = shutil.copytree(sky, tmp_path_factory.mktemp("twin") / "sky")
    for split in ("train", "test"):
        for path in read_competition(folder).split(split)["path"]:
            np.save(path, np.load(path)[:, ::-1])
    return folder


@pytest.fixture(scope="module")
def finished(sky, tmp_path_factory):
    """A finished run of exp0012, for tests that copy it."""
    out = tmp_path_factory.mktemp("finished") / "runs"
    train("exp0012", [0], [7], runtime(sky, out), say=quiet)
    return out


@pytest.fixture
def runs(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "runs")


@pytest.fixture(scope="module")
def halted(sky, tmp_path_factory):
    """A run of exp0012 that was stopped in its second epoch of three."""
    out = tmp_path_factory.mktemp("halted") / "runs"
    calls = iter(range(100))
    with pytest.raises(Stopped):
        train_fold(
            Run("exp0012", 0, 7, runtime(sky, out, epochs=3)), stop=lambda: "enough" if next(calls) == 4 else None, say=quiet
        )
    return out


@pytest.fixture
def paused(halted, tmp_path):
    return shutil.copytree(halted, tmp_path / "runs")


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# --- data


def test_other_arrays_under_the_same_ids_are_other_data(sky, twin, runs, capsys):
    """Two skies of one seed had equal ids: a finished run of one answered for the other, and so did its scores."""
    predict_test("exp0012", [0], [7], runtime(sky, runs), say=quiet)
    for command in ("train", "predict", "summary", "anomaly"):
        before = files_in(runs)
        assert main([command, "exp0012", "--data", str(twin), "--out", str(runs), *WORDS]) == 2
        said = capsys.readouterr().err
        assert "fold0_seed7: was made with other training cadences: " in said and "--data" in said and said.count("\n") == 1
        assert files_in(runs) == before
    assert main(["train", "exp0012", "--data", str(sky), "--out", str(runs), *WORDS]) == 0
    assert "already trained" in capsys.readouterr().out


def test_kept_scores_of_other_test_cadences_are_not_believed(sky, twin, runs, tmp_path):
    """The networks may score another test, and then do so anew."""
    first, _ = predict_test("exp0012", [0], [7], runtime(sky, runs), say=quiet)
    other = shutil.copytree(sky, tmp_path / "other")
    shutil.rmtree(other / "test")
    shutil.copytree(twin / "test", other / "test")
    second, _ = predict_test("exp0012", [0], [7], runtime(other, runs), say=quiet)
    assert second["id"].tolist() == first["id"].tolist() and (second["score"] != first["score"]).all()
    assert set(first["data"]) != set(second["data"])
    again, _ = predict_test("exp0012", [0], [7], runtime(sky, runs), say=quiet)
    assert again.equals(first)


def test_kept_scores_of_another_recipe_are_made_anew_and_of_earlier_versions_believed(sky, runs, capsys):
    first, _ = predict_test("exp0012", [0], [7], runtime(sky, runs), say=quiet)
    folder = runs / "exp0012" / "fold0_seed7"
    table = pd.read_csv(folder / "test.csv", dtype={"id": str})
    table.assign(score=0.5, fingerprint="another").to_csv(folder / "test.csv", index=False)
    again, _ = predict_test("exp0012", [0], [7], runtime(sky, runs), say=quiet)
    assert again.equals(first)
    table.assign(score=0.25).drop(columns=["data", "weights"]).to_csv(folder / "test.csv", index=False)
    for path in folder.glob("best*"):
        path.unlink()
    capsys.readouterr()
    kept, _ = predict_test("exp0012", [0], [7], runtime(sky, runs), say=quiet)
    assert (kept["score"] == 0.25).all() and f"note: {folder / 'test.csv'} does not say" in capsys.readouterr().err


def test_a_prediction_needs_test_cadences_and_a_run_its_own_split(sky, runs, tmp_path):
    alone = shutil.copytree(sky, tmp_path / "alone", ignore=lambda folder, names: {"test", "sample_submission.csv"} & set(names))
    with pytest.raises(InputError, match=f"{alone}: has no test cadences; give a folder with sample_submission.csv"):
        predict_test("exp0012", [0], [7], runtime(alone, runs), say=quiet)
    folder = runs / "exp0012" / "fold0_seed7"
    card = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    (folder / "meta.json").write_text(json.dumps(card | {"folds": "f" * 64}), encoding="utf-8")
    with pytest.raises(
        InputError, match="was trained on another split: folds is f+, here it is .*; its validation rows are not un"
    ):
        train("exp0012", [0], [7], runtime(sky, runs), say=quiet)


def test_other_labels_are_another_run(sky, runs, tmp_path):
    other = shutil.copytree(sky, tmp_path / "other")
    table = pd.read_csv(other / "train_labels.csv", dtype={"id": str})
    table.assign(target=1 - table["target"]).to_csv(other / "train_labels.csv", index=False)
    with pytest.raises(InputError, match="was made with other training labels: [0-9a-f]{16} there, [0-9a-f]{16} here"):
        train("exp0012", [0], [7], runtime(other, runs), say=quiet)


def test_a_folder_is_indexed_once_per_command(sky, runs, monkeypatch, capsys):
    opened = []
    real = competitions.read_competition
    monkeypatch.setattr(competitions, "read_competition", lambda *where, **how: opened.append(where) or real(*where, **how))
    for command in ("train", "predict", "summary"):
        assert main([command, "exp0012", "--data", str(sky), "--out", str(runs), *WORDS]) == 0
        assert len(opened) == 1, command
        opened.clear()


# --- recipe and inputs


def test_another_recipe_names_the_knobs_that_differ(sky, runs):
    with pytest.raises(InputError, match=r"holds a run with fingerprint .* \(layout is aaa,bcd there, abacad here; lr is .*\)"):
        train("exp0012", [0], [7], runtime(sky, runs, layout="abacad", lr=0.5), say=quiet)


def test_another_table_of_row_weights_is_another_run(sky, tmp_path):
    """``train idea_reweight --adversarial other.csv`` answered "already trained"."""
    ids = pd.read_csv(sky / "train_labels.csv", dtype={"id": str})[["id"]]
    tables = [tmp_path / name for name in ("one.csv", "other.csv")]
    for number, path in enumerate(tables):
        ids.assign(weight=np.linspace(0.5, 1.5 + number, len(ids))).to_csv(path, index=False)

    def run(table):
        return train("exp0012", [0], [7], runtime(sky, tmp_path / "runs", reweight=Reweight(), adversarial=table), say=quiet)

    (folder,) = run(tables[0])
    assert set(read_meta(folder)["inputs"]) == {"train", "labels", "adversarial"}
    with pytest.raises(InputError, match="was made with another table of row weights: .*--adversarial"):
        run(tables[1])
    assert run(tables[0]) == [folder]
    tables[0].unlink()
    assert run(tables[0]) == [folder], "what is not here any more is not compared"


def test_another_pretrained_file_is_another_run(sky, tmp_path):
    from seti_utils.nets.backbones import make_body

    for number in (1, 2):
        torch.manual_seed(number)
        body = make_body("test_efficientnet", 3)
        (tmp_path / f"weights{number}").mkdir()
        torch.save(body.state_dict(), tmp_path / f"weights{number}" / "test_efficientnet.pth")

    def run(number):
        place = runtime(sky, tmp_path / "runs", pretrained=True, weights=tmp_path / f"weights{number}")
        return train("exp0012", [0], [7], place, say=quiet)

    (folder,) = run(1)
    assert "pretrained" in read_meta(folder)["inputs"] and run(1) == [folder]
    with pytest.raises(InputError, match="was made with other pretrained weights: .*--weights"):
        run(2)


@pytest.mark.parametrize(("student", "knob"), [("exp0019", "pseudo"), ("exp0020", "init_from"), ("distilled", "distill")])
def test_what_a_run_builds_on_must_be_finished_and_stay_the_same(student, knob, sky, runs, halted, tmp_path, monkeypatch):
    monkeypatch.setattr(LOG, "experiments", dict(LOG.experiments))
    LOG.exp("distilled", "exp0012", "learns from exp0012", distill=Distill("exp0012"))
    place = tmp_path / "student"
    with pytest.raises(
        InputError, match=r"exp0012 fold 0 seed 7 was not trained: no best.*; train it: python -m seti_utils train exp0012"
    ):
        train(student, [0], [7], runtime(sky, place), say=quiet)
    with pytest.raises(InputError, match="the training of exp0012 fold 0 seed 7 is not finished: .*epoch 1.* --partial"):
        train(student, [0], [7], runtime(sky, place, epochs=3, runs=(halted,)), say=quiet)
    assert not place.exists(), "nothing is written before all is there"
    (folder,) = train(student, [0], [7], runtime(sky, place, runs=(runs,)), say=quiet)
    assert len(read_meta(folder)["inputs"][knob]) == 16
    train(student, [0], [7], runtime(sky, place), say=quiet)
    shutil.rmtree(runs)
    train("exp0012", [0], [8], runtime(sky, tmp_path), say=quiet)
    shutil.move(tmp_path / "exp0012" / "fold0_seed8", runs / "exp0012" / "fold0_seed7")
    with pytest.raises(InputError, match="was made with (another teacher|other weights)"):
        train(student, [0], [7], runtime(sky, place, runs=(runs,)), say=quiet)


def test_a_command_that_is_named_is_the_whole_command(sky, tmp_path, capsys):
    """Copied without --set, --data and --out it trains another fingerprint, of other data, elsewhere."""
    out = tmp_path / "my runs"
    assert main(["predict", "exp0012", "--data", str(sky), "--out", str(out), *WORDS]) == 2
    said = capsys.readouterr().err
    command = said.partition("train it: ")[2]
    for part in (
        f"--data {sky}",
        f"--out '{out}'",
        "--set backbone=test_efficientnet",
        "--set resize.freq=32",
        "--folds 0 --seeds 7",
    ):
        assert part in command, command


def test_what_earlier_versions_trained_is_found_with_a_note(sky, runs, capsys):
    """Their weights and cards do not say from what they were made."""
    folder = runs / "exp0012" / "fold0_seed7"
    new = ("inputs", "recipe", "weights", "oof_auc", "ranks")
    card = {key: value for key, value in read_meta(folder).items() if key not in new}
    (folder / "meta.json").write_text(json.dumps(card), encoding="utf-8")
    for name in ("best", "last"):
        content, meta = checkpoint.load(folder / f"{name}.safetensors")
        checkpoint.save(folder / f"{name}.pt", content, {key: value for key, value in meta.items() if key not in new})
        (folder / f"{name}.safetensors").unlink()
    oof = pd.read_csv(folder / "oof.csv", dtype={"id": str}).drop(columns=["data", "weights"])
    oof.to_csv(folder / "oof.csv", index=False)
    capsys.readouterr()
    assert train("exp0012", [0], [7], runtime(sky, runs), say=quiet) == [folder]
    assert f"note: {folder} does not say which data it was made from" in capsys.readouterr().err
    scores, _ = predict_test("exp0012", [0], [7], runtime(sky, runs), say=quiet)
    assert len(scores) == 8 and (scores["weights"].str.len() == 16).all()


# --- trained is not finished


@pytest.mark.parametrize("command", ["predict", "summary", "anomaly"])
def test_nothing_is_made_of_a_paused_run(command, sky, paused, capsys):
    """``predict`` wrote submission.csv from a network of two epochs, and stopped afterwards."""
    before = files_in(paused)
    assert main([command, "exp0012", "--data", str(sky), "--out", str(paused), *WORDS, "--set", "epochs=3"]) == 2
    said = capsys.readouterr().err
    assert "the training of exp0012 fold 0 seed 7 is not finished: its best weights are of phase 1, epoch 1" in said
    assert "finish it: python -m seti_utils train exp0012" in said and "--partial" in said
    assert files_in(paused) == before


def test_a_paused_run_that_is_asked_for_says_so_in_everything_and_leaves_nothing_to_be_believed(sky, paused, capsys):
    words = ["exp0012", "--data", str(sky), "--out", str(paused), *WORDS, "--set", "epochs=3"]
    assert main(["predict", *words, "--partial"]) == 0
    assert "by 1 network, trained in part only, written to" in capsys.readouterr().out
    for name in ("test.csv", "oof.csv"):
        table = pd.read_csv(paused / "exp0012" / name, dtype={"id": str})
        assert table["weights"].str.endswith(" partial").all() and len(table)
    assert json.loads((paused / "submission.origin.json").read_text(encoding="utf-8"))["partial"] is True
    assert "test.csv" not in files_in(paused / "exp0012" / "fold0_seed7")
    assert main(["train", *words]) == 0 and main(["predict", *words]) == 0
    assert json.loads((paused / "submission.origin.json").read_text(encoding="utf-8"))["partial"] is False
    for name in ("test.csv", "oof.csv"):
        assert not pd.read_csv(paused / "exp0012" / name)["weights"].str.contains("partial").any()


def test_scores_that_an_earlier_version_kept_of_a_paused_run_do_not_outlive_it(sky, paused):
    """They were believed by their fingerprint after the training had ended."""
    folder, place = paused / "exp0012" / "fold0_seed7", runtime(sky, paused, epochs=3)
    ids = read_competition(sky).test["id"]
    stale = {"score": 0.5, "fold": 0, "experiment": "exp0012", "seed": 7, "fingerprint": Run("exp0012", 0, 7, place).fingerprint}
    pd.DataFrame({"id": ids, **stale}).to_csv(folder / "test.csv", index=False)
    train("exp0012", [0], [7], place, say=quiet)
    scores, _ = predict_test("exp0012", [0], [7], place, say=quiet)
    assert (scores["score"] != 0.5).any()


def test_a_finished_copy_is_taken_before_a_paused_one(sky, finished, tmp_path):
    place = runtime(sky, tmp_path / "here", runs=(finished,))
    shutil.copytree(finished, tmp_path / "here")
    (tmp_path / "here" / "exp0012" / "fold0_seed7" / "meta.json").unlink()
    found = Run("exp0012", 0, 7, place).found()
    assert found.home == finished / "exp0012" / "fold0_seed7" and not found.paused


# --- two at once


def test_two_processes_do_not_train_in_one_folder(sky, runs, tmp_path, capsys):
    folder = tmp_path / "out" / "exp0012" / "fold0_seed7"
    words = ["train", "exp0012", "--data", str(sky), *WORDS, "--out"]
    with at_work(folder):
        assert main([*words, str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{folder}: process " in said and "has been at work here since" in said and said.count("\n") == 1
    assert files_in(tmp_path / "out") == set(), "nothing was written"
    with at_work(runs / "exp0012" / "fold0_seed7"):
        assert main([*words, str(runs)]) == 0, "a finished run needs no work"


# --- remedies


@pytest.fixture
def deadly(monkeypatch):
    """Every run without a trained head first is called dead after its first epoch."""

    def check(history, done, *, after, tried):
        if "head_first" not in tried:
            raise DeadRun("its prediction is constant", ["head_first", "lr"])

    monkeypatch.setattr(judging, "check_alive", check)
    monkeypatch.setattr(judging, "ENOUGH", 0)


def stopping(monkeypatch, after):
    """From now on a training is stopped after so many steps."""

    def deadline(seconds):
        calls = iter(range(10**6))
        return lambda: "enough" if next(calls) == after - 1 else None

    monkeypatch.setattr(training, "deadline", deadline)


def test_a_retried_run_that_is_interrupted_at_every_phase_resumes_with_its_remedies(sky, tmp_path, monkeypatch, deadly):
    """Remedies change the phases: without them stage 1 was behind the last one; nothing was trained, and called finished."""
    knobs = {"adapt": Shot()}
    (whole,) = train("exp0012", [0], [7], runtime(sky, tmp_path / "whole", **knobs), retry=1, say=quiet)
    assert read_meta(whole)["remedies"] == ["head_first"]
    place, said, stages = runtime(sky, tmp_path / "parts", stop_after=1.0, **knobs), [], []
    stopping(monkeypatch, 2)
    while True:
        try:
            (parts,) = train("exp0012", [0], [7], place, retry=1, say=said.append)
            break
        except Stopped as stopped:
            stages.append(stopped.position.phase)
    assert stages == [0, 0, 0, 1, 2], "all, which died; head, twice; all; adapt"
    assert sum("trying again" in line for line in said) == 1
    assert read_meta(parts)["remedies"] == ["head_first"] and read_meta(parts)["finished"]
    for name in ("last.safetensors", "best.safetensors", "adapted.safetensors"):
        (one, _), (other, _) = checkpoint.load(whole / name), checkpoint.load(parts / name)
        assert all(torch.equal(one[key], other[key]) for key in one), name
    assert list(pd.read_csv(parts / "history.csv")["phase"]) == [0, 1, 2]


def test_a_retry_that_was_killed_before_its_first_save_takes_its_remedy_again(sky, tmp_path, monkeypatch, deadly):
    place, real, calls = runtime(sky, tmp_path), training.train_fold, []

    def dying(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(training, "train_fold", dying)
    with pytest.raises(KeyboardInterrupt):
        train("exp0012", [0], [7], place, retry=1, say=quiet)
    (folder,) = train("exp0012", [0], [7], place, retry=1, say=quiet)
    assert read_meta(folder)["remedies"] == ["head_first"] and len(calls) == 3
    assert {path.name for path in (tmp_path / "exp0012").iterdir()} == {"fold0_seed7", "fold0_seed7.dead1"}


def test_a_fresh_start_after_deaths_takes_no_remedy_unless_retries_are_asked_for(sky, tmp_path, deadly):
    place = runtime(sky, tmp_path)
    for name in ("fold0_seed7.dead1", "fold0_seed7.dead2"):
        (tmp_path / "exp0012" / name).mkdir(parents=True)
    dead = {"fingerprint": Run("exp0012", 0, 7, place).fingerprint, "remedies": [], "next": "head_first"}
    (tmp_path / "exp0012" / "fold0_seed7.dead1" / "dead.json").write_text(json.dumps(dead), encoding="utf-8")
    assert Run("exp0012", 0, 7, place).begun(retry=1).remedies == ("head_first",)
    assert Run("exp0012", 0, 7, place).begun().remedies == ()
    with pytest.raises(DeadRun):
        train("exp0012", [0], [7], place, say=quiet)
    assert json.loads((tmp_path / "exp0012" / "fold0_seed7" / "dead.json").read_text(encoding="utf-8"))["next"] is None


def test_a_precision_that_was_a_remedy_is_that_of_its_predictions(sky, runs):
    """float32 was taken because half precision overflowed: scores in half precision would not be this network's."""
    folder = runs / "exp0012" / "fold0_seed7"
    card = read_meta(folder) | {"remedies": ["precision"]}
    (folder / "meta.json").write_text(json.dumps(card), encoding="utf-8")
    run = Run("exp0012", 0, 7, runtime(sky, runs)).found()
    assert run.remedies == ("precision",) and run.config.precision is None and run.recipe.precision == "fp16"
    assert run.fingerprint == card["fingerprint"]


# --- what cannot be trained


def test_labels_of_one_class_are_refused(sky, tmp_path, capsys):
    """It trained, called its best AUC -inf, and wrote a submission."""
    data = shutil.copytree(sky, tmp_path / "data")
    table = pd.read_csv(data / "train_labels.csv", dtype={"id": str})
    table.assign(target=0).to_csv(data / "train_labels.csv", index=False)
    assert main(["train", "exp0012", "--data", str(data), "--out", str(tmp_path / "out"), *WORDS]) == 2
    assert (
        "fold 0: all 15 training rows have target 0: there is nothing to tell apart; give labels of both"
        in capsys.readouterr().err
    )


def test_a_validation_of_one_class_is_said_in_words(sky, tmp_path, capsys):
    data = shutil.copytree(sky, tmp_path / "data")
    table = pd.read_csv(data / "train_labels.csv", dtype={"id": str})
    table.assign(target=(np.arange(len(table)) == 0).astype(int)).to_csv(data / "train_labels.csv", index=False)
    fold = [fold for fold in range(2) if Run("exp0012", fold, 7, runtime(data, tmp_path / "out")).split[0][0] != fold][0]
    said = []
    (folder,) = train("exp0012", [fold], [7], runtime(data, tmp_path / "out"), say=said.append)
    assert "AUC undefined, the validation rows are of one class: the weights of the last epoch are kept" in said[-1]
    assert read_meta(folder)["best_auc"] is None


def test_a_batch_of_one_row_is_one_line_where_batchnorm_cannot_learn_from_it(sky, tmp_path, capsys):
    words = ["train", "exp0012", "--data", str(sky), "--out", str(tmp_path), *WORDS, "--set", "batch=1"]
    assert main(words) == 2
    assert "BatchNorm cannot learn from 1 row at a time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "batch", "sizes"), [(9, 4, [4, 5]), (8, 4, [4, 4]), (10, 4, [4, 4, 2]), (5, 1, [2, 3]), (1, 4, [1])]
)
def test_a_row_that_is_left_over_joins_the_batch_before_it(rows, batch, sizes, sky):
    """BatchNorm's statistics of a single row would be worth as much as a whole batch's, or an error."""
    source, seen = read_competition(sky).open("train"), []
    for image in plain_images(source, range(rows), lambda x, panels: x[:, :1].float(), batch, torch.device("cpu"), 1):
        seen.append(len(image))
    assert seen == sizes

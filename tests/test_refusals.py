"""What cannot work is refused in one line with its remedy: at the command line with exit code 2 and nothing written, in Python by type."""

import errno
import io
import json
import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seti_utils import files
from seti_utils.__main__ import main
from seti_utils.data.cadence import panel_numbers
from seti_utils.data.competition import FORMATS, read_competition
from seti_utils.data.finding import find_data
from seti_utils.data.resplit import LINKS, link
from seti_utils.data.sources import BesideCadences
from seti_utils.data.store import pack, verify
from seti_utils.errors import InputError, explained
from seti_utils.kaggle.recipe import repository
from seti_utils.learn.adapting import information_maximisation
from seti_utils.learn.checkpoint import load, save
from seti_utils.learn.distributed import Team, choose_device
from seti_utils.learn.optimisers import make_optimiser
from seti_utils.log.layouts import parse_layout
from seti_utils.machine import memory_gib, versions
from seti_utils.pictures.gallery import draw_gallery
from seti_utils.progress import progress
from seti_utils.run.fold import begin_with
from seti_utils.run.identity import Run
from seti_utils.run.notebooks.execute import require
from seti_utils.run.runtime import Runtime
from seti_utils.scores.ensemble import blend
from seti_utils.scores.tables import gather_folds, make_scores, write_scores
from seti_utils.scores.weighting import find_weights
from seti_utils.session.parameters import read_parameters
from seti_utils.shift.adversary import choose_validation
from seti_utils.shift.explorer import Explorer
from seti_utils.sky.chunk import write_array
from seti_utils.sky.dedrift import find_drift
from seti_utils.views.cleaning import compress
from seti_utils.views.layout import rows_of
from seti_utils.views.matrices import resampling_matrix
from seti_utils.views.mixing import mixup


@pytest.fixture
def places(shared_competition, tmp_path, monkeypatch):
    """A working folder: score tables of two members, data whose test part has no cadence, cadences twice."""
    monkeypatch.chdir(tmp_path)
    competition = read_competition(shared_competition)
    for name, seed in (("a", 0), ("b", 1)):
        for ending, rows in (("", competition.test), ("_oof", competition.train)):
            score = np.random.default_rng(seed).random(len(rows))
            target = rows["target"].to_numpy(float) if ending else None
            fold = np.arange(len(rows)) % 2
            made = make_scores(rows["id"], score, fold=fold, experiment=name, seed=1, fingerprint=name, target=target)
            write_scores(tmp_path / f"{name}{ending}.csv", made)
    alone = tmp_path / "alone"
    shutil.copytree(shared_competition / "train", alone / "train")
    shutil.copy(shared_competition / "train_labels.csv", alone)
    twice = tmp_path / "twice"
    shutil.copytree(shared_competition, twice, ignore=shutil.ignore_patterns("old_leaky_data"))
    first, test = competition.train["id"][0], pd.read_csv(twice / "sample_submission.csv", dtype={"id": str})
    (twice / "test" / first[0]).mkdir(exist_ok=True)
    shutil.copy(competition.train["path"][0], twice / "test" / first[0])
    pd.concat([test, test.iloc[:1].assign(id=first)]).to_csv(twice / "sample_submission.csv", index=False)
    (tmp_path / "file.txt").write_text("text", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    return {"data": str(shared_competition), "alone": str(alone), "twice": str(twice)}


BLEND = ["blend", "a.csv", "b.csv", "--out", "out/s.csv"]
TRAIN = ["train", "exp0001", "--folds", "0", "--data", "{data}", "--out", "out", "--set", "pretrained=False"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["blend", "a.csv", "b.csv", "--out", "a.csv"], "a.csv: is one of the tables to blend; choose another --out"),
        ([*BLEND, "--oof", "a_oof.csv", "b_oof.csv", "--weights", "1", "2"], "both --weights and --oof were given; give one"),
        ([*BLEND, "--oof", "a_oof.csv", "b_oof.csv", "--draws", "1"], "draws=1 give no interval; use 50"),
        ([*TRAIN, "--computing", "fast"], "'fast'"),
        ([*TRAIN, "--computing", "fp16,bf16"], "both fp16 and bf16; write one of them"),
        ([*TRAIN, "--set", "batch=64"], "rows do not fill one step of 64; take a smaller batch"),
        (["chain", "exp0001x", "--data", "{data}"], "did you mean exp0001"),
        (["train", "exp0001", "--data", "file.txt"], "file.txt: "),
        (["shift", "{alone}", "--out", "out"], "has no test cadences; give a folder with sample_submission.csv"),
        (
            ["shift", "{data}", "--out", "out", "--oof", "a.csv", "--test", "b.csv"],
            "a.csv: has no targets, so it is not an out-of-",
        ),
        (["overlap", "search", "{twice}", "out"], "an id is in test and in train; give every cadence its own id"),
        (["notebook", "look", "out/look.ipynb", "-p", "rows=0.5"], "rows"),
        (["play", "none.yaml", "--data", "{data}"], "none.yaml: no such plan"),
        ([*TRAIN[:-2], "--weights", "empty"], "empty"),
        ([*TRAIN, "--set", "inject=Injection(amplitude=(5, 1))"], "the lower one first"),
        ([*TRAIN, "--set", "clean=(HighPass(freq=4),)"], "an odd number of at least"),
        (["score", "{alone}", "--split", "test", "--out", "out/s.csv"], "test"),
        (["sky", "out", "--old", "1"], "old"),
        (["publish", "exp0001", "file.txt", "--folds", "0"], "file.txt: this is a file; name a folder"),
    ],
    ids=lambda value: " ".join(value[:1] + value[-2:]) if isinstance(value, list) else "",
)
def test_a_command_is_refused(places, tmp_path, capsys, words, message):
    before = sorted(path.name for path in tmp_path.iterdir())
    try:
        code = main([word.format(**places) for word in words])
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2 and said.startswith("error: ") and message in said, said
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and not path.name.startswith("folds_")]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "out") == before and not left


def test_a_folder_without_a_test_part_is_packed_as_far_as_it_goes(places, capsys):
    assert main(["pack", places["alone"], "out"]) == 0
    assert sorted(path.name for path in files.Path("out").iterdir()) == ["train"] and "12 cadences" in capsys.readouterr().out


def test_an_interruption_is_one_word_and_the_shells_exit_code(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("seti_utils.log.book.log_table", interrupt)
    assert main(["log"]) == 130 and capsys.readouterr().err == "interrupted\n"


# --- in Python


class Plain(nn.Module):
    """A network that ``build_model`` did not make."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(2, 2)


def table(count: int) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"r{row}" for row in range(count)], "split": "train", "score": np.linspace(0, 1, count)})


CALLS = {
    "panels of another word": (lambda: panel_numbers("even"), "write one of all, on, off"),
    "a panel twice": (lambda: panel_numbers([1, 1]), "different numbers between 0 and 5"),
    "a panel too many": (lambda: panel_numbers([6]), "different numbers between 0 and 5"),
    "rows of other lengths": (lambda: parse_layout("aaa/bc"), "the rows of a channel differ in length, or are empty"),
    "an empty row": (lambda: parse_layout("aaa,/"), "the rows of a channel differ in length, or are empty"),
    "a gallery of nothing": (lambda: draw_gallery(None, table(3), count=0), "count"),
    "compression by nothing": (lambda: compress(torch.zeros(1, 6, 4, 8), scale=0.0), "choose a positive number of standard dev"),
    "a body of another number of channels": (
        lambda: begin_with(nn.Identity(), Run("exp0012", 0, 1, Runtime()), Run("exp0001", 0, 1, Runtime()), Team(), ""),
        "exp0012: its image has 2 channels .layout=aaa,bcd., that of exp0001, which it begins with, 1 .*same number of channels",
    ),
    "no table": (lambda: blend([]), "no score tables to blend; give at least one"),
    "no fold": (lambda: gather_folds([], []), "no score tables were given; predict at least one fold first"),
    "SHOT without a share": (lambda: information_maximisation(None, positive=1.0), "positive=1.0 is not a share between 0 and 1"),
    "a whole validation set": (lambda: choose_validation(table(9), share=1.0), "share=1.0 of the rows; choose a number between"),
    "vectors of other rows": (lambda: Explorer(None, table(3), np.zeros((2, 4))), "3 rows, 2 vectors; give one vector per row"),
    "no drift": (lambda: find_drift(torch.zeros(1, 6, 4, 32), torch.zeros(0)), "needs at least one drift"),
    "rows that differ": (lambda: rows_of("aaa/bcd,aaa"), "its channels have .1, 2. rows; give every channel as many rows"),
    "a device of torch's that nothing here computes on": (
        lambda: choose_device("meta"),
        "'meta' is not a device; write auto, cpu",
    ),
    "a GPU too many": (lambda: choose_device("cuda:99"), "cuda:99: this machine has .*GPU.*; write auto, which takes what is"),
    "an unknown kernel": (
        lambda: resampling_matrix(8, 4, "sinc", True, torch.float32, torch.device("cpu")),
        "kernel 'sinc'; expected one of",
    ),
    "an empty axis": (
        lambda: resampling_matrix(8, 0, "bilinear", True, torch.float32, torch.device("cpu")),
        "resize from 8 to 0 pixels; both must be positive",
    ),
    "no distribution": (
        lambda: mixup(torch.zeros(2, 1, 4, 4), torch.zeros(2), alpha=0, generator=torch.Generator()),
        "alpha must be positive",
    ),
    "layers of a strange network": (
        lambda: make_optimiser("adam", Plain(), 1e-3, layer_decay=0.8),
        "layer_decay needs a model made by build_model; leave it None",
    ),
    "a package that is not here": (
        lambda: require("json", "no_such_package"),
        "no_such_package is not installed in .*-m pip install",
    ),
}


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_a_function_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "not a notebook; write it again from its .py source"),
        ("{", "not a notebook"),
        (["x: int"], "a parameter is not a plain literal; one `name = literal` per line"),
        (["x = y = 1"], "not a plain literal"),
        (["x.y = 1"], "not a plain literal"),
        (["x = open('f')"], "not a plain literal"),
    ],
)
def test_parameters_that_nobody_could_give(tmp_path, content, message):
    cell = {"metadata": {"tags": ["parameters"]}, "source": content}
    text = content if isinstance(content, str) else json.dumps({"cells": [cell]})
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"a.ipynb: .*{message}"):
        read_parameters(tmp_path / "a.ipynb")
    cell["source"] = ["a: int = 3\n", 'b = "x"']
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    assert read_parameters(tmp_path / "a.ipynb") == {"a": 3, "b": "x"}


def test_weights_are_sought_where_every_fold_has_both_classes():
    oof = [
        make_scores(
            list("abcd"), [0.1, 0.4, 0.6, 0.8], fold=[0, 0, 1, 1], experiment=name, seed=1, fingerprint="f", target=target
        )
        for name, target in (("one", [0, 1, 0.5, 1]), ("two", [0, 1, 0.5, 1]))
    ]
    with pytest.raises(InputError, match="targets other than 0 and 1 have no AUC; use hard labels"):
        find_weights(oof, draws=2)


def test_a_checkpoint_of_a_later_version_says_so(tmp_path):
    save(tmp_path / "resume.pt", {"a": torch.zeros(2)}, {"fingerprint": "f"})
    found = torch.load(tmp_path / "resume.pt", weights_only=True)
    torch.save(found | {"format": found["format"] + 1}, tmp_path / "resume.pt")
    with pytest.raises(InputError, match=f"checkpoint format {found['format'] + 1}, this version reads {found['format']}"):
        load(tmp_path / "resume.pt")


def test_stores_and_sources_of_other_cadences(shared_competition, tiny_competition, tmp_path, monkeypatch):
    store = pack(read_competition(tiny_competition), tmp_path / "store", "test", quiet=True)
    sample = pd.read_csv(tiny_competition / "sample_submission.csv", dtype={"id": str})
    sample.iloc[1:].to_csv(tiny_competition / "sample_submission.csv", index=False)
    with pytest.raises(
        InputError, match=f"1 of 5 cadences is not in .*: {sample['id'][0]}; give the data that it was packed from"
    ):
        verify(store, read_competition(tiny_competition))
    competition = read_competition(shared_competition)
    with pytest.raises(ValueError, match="both sources need the same cadences in the same order"):
        BesideCadences(competition.open("train"), competition.open("test"))
    monkeypatch.setitem(FORMATS, ".npz", FORMATS[".npy"])
    paths = competition.train["path"].copy()
    paths[0] = str(paths[0]).replace(".npy", ".npz")
    mixed = read_competition(shared_competition)
    object.__setattr__(mixed, "train", competition.train.assign(path=paths))
    with pytest.raises(InputError, match="files of several formats: .npy, .npz; keep one of them"):
        mixed.open("train")


# --- the system


def test_what_the_system_says_is_kept_where_no_remedy_is_known():
    said = str(explained(OSError(errno.ENOTCONN, "Transport endpoint is not connected", "/mnt/data/x.npy")))
    assert said == "/mnt/data/x.npy: Transport endpoint is not connected"


def test_a_name_that_nobody_chose_is_not_shown(tmp_path):
    path = tmp_path / ("x" * 250)  # with the temporary name's ending it is longer than a file system allows
    with pytest.raises(OSError) as raised:
        files.write_json(path, {})
    assert str(explained(raised.value)) == f"{path}: the name is too long for this disk; give a shorter one"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_to_is_told_first(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # root may write anywhere
    with pytest.raises(InputError, match="cannot be written to; choose another place"):
        files.require_writable(tmp_path / "a" / "b")


def test_a_place_that_cannot_hold_the_table_is_told_before_the_work(tmp_path, capsys):
    """Scoring a folder that holds no cadence: what is wrong with the place for the table comes first."""
    (tmp_path / "table").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    for out, message in (
        ("table", "table: is a folder, where a file is needed"),
        ("file/a.csv", "file: is a file, where a folder"),
    ):
        assert main(["score", str(tmp_path), "--out", str(tmp_path / out)]) == 2
        assert message in capsys.readouterr().err
    assert main(["blend", str(tmp_path / "none.csv"), "--out", str(tmp_path / "table")]) == 2
    assert "table: is a folder, where a file is needed" in capsys.readouterr().err
    assert main(["shift", str(tmp_path / "none"), "--out", str(tmp_path / "file")]) == 2
    assert "file: is a file, where a folder is needed" in capsys.readouterr().err


def test_a_blend_does_not_write_over_what_it_is_made_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("id,score\n", encoding="utf-8")
    assert main(["blend", "a.csv", "--out", str(tmp_path / "a.csv")]) == 2
    assert "is one of the tables to blend" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "there is no such file; check the path"), ("{", "is not valid JSON .*; cure"), ("[]", "is not a JSON object; cure")],
)
def test_a_json_object_that_is_none(tmp_path, text, message):
    if text is not None:
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"a.json: {message}"):
        files.read_object(tmp_path / "a.json", "cure")


def test_a_bar_lives_in_a_terminal_and_leaves_nothing(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(progress(range(3), desc="reading")) == [0, 1, 2]
    assert "reading" in terminal.getvalue() and terminal.getvalue().rstrip(" ").endswith("\r")


def test_no_notebooks_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr("seti_utils.kaggle.recipe.find_root", lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: there is no kernel-metadata.json with notebooks beside it; run from the"):
        repository()


def test_reading_needs_no_advice_to_the_system(shared_competition, monkeypatch):
    """macOS and Windows have no ``posix_fadvise``: the same bytes, announced to nobody."""
    source = read_competition(shared_competition).open("test")
    first, again = (torch.empty(5, 6, 273, 256, dtype=torch.float16) for _ in range(2))
    source.read_into(range(5), first)
    monkeypatch.delattr(os, "posix_fadvise")
    source.will_need([0, 1])
    source.read_into(range(5), again)
    assert torch.equal(first, again)


def test_a_file_in_place_of_the_data_folder_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SETI_DATA", raising=False)
    monkeypatch.setenv("SETI_INPUT", str(tmp_path / "input"))
    (tmp_path / "data").write_text("not a folder", encoding="utf-8")
    with pytest.raises(InputError, match="data.*is not a folder"):
        find_data()


def test_an_array_that_reached_the_disk_in_part_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "writev", lambda handle, parts: 100)
    with pytest.raises(OSError, match="a.npy: only 100 bytes written"):
        write_array(tmp_path / "a.npy", np.zeros((6, 273, 256), np.float16))


@pytest.mark.parametrize(("links", "function"), [("hard", "link"), ("symbolic", "symlink")])
def test_a_disk_that_takes_no_links_of_a_kind_names_the_other(tmp_path, monkeypatch, links, function):
    def refused(*_, **__):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setitem(LINKS, links, refused)
    other = {"hard": "symbolic", "symbolic": "hard"}[links]
    with pytest.raises(InputError, match=f"no {links} link to .* can be made .Invalid cross-device link.; .*or --links {other}"):
        link("target.npy", tmp_path / "train" / "a.npy", links)


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_what_is_not_a_full_disk_goes_by_its_own_name(tmp_path, monkeypatch, number):
    save(tmp_path / "resume.pt", {"a": torch.ones(2)}, {"fingerprint": "f"})
    before = (tmp_path / "resume.pt").read_bytes()

    def broken(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError) as raised:
        save(tmp_path / "resume.pt", {"a": torch.zeros(2)}, {"fingerprint": "f"})
    assert raised.value.errno == number and (tmp_path / "resume.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["resume.pt"]


def test_a_machine_that_does_not_say_what_it_is(monkeypatch):
    monkeypatch.setattr("seti_utils.machine.PACKAGES", ("torch", "no-such-package"))
    assert "torch" in versions() and "no-such-package" not in versions()
    monkeypatch.delattr(os, "sysconf")
    assert np.isnan(memory_gib())


def test_a_folder_that_may_not_be_looked_into_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("SETI_INPUT", str(tmp_path / "input"))
    monkeypatch.delenv("SETI_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "secret").mkdir(parents=True)
    real = os.scandir

    def guarded(place="."):
        if str(place).endswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(InputError, match="secret/"):
        find_data()


def test_a_sky_on_a_broken_disk_is_one_line(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "a.npy")

    monkeypatch.setattr(os, "writev", broken)
    assert main(["sky", str(tmp_path / "sky"), "--train", "6", "--test", "2", "--workers", "1"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: a.npy: the disk reports a read or write error; check the disk, or use another one\n"
    )
    assert not (tmp_path / "sky" / "train_labels.csv").exists()

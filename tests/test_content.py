"""The content of data: equal ids do not make equal data, wherever the two may meet."""

import json
import os
import shutil
import time

import numpy as np
import pytest
from conftest import write_competition

from seti_utils.data import content
from seti_utils.data.competition import read_competition
from seti_utils.data.content import content_of, keep_content, marks_of
from seti_utils.data.store import pack
from seti_utils.errors import InputError
from seti_utils.overlap.search import search
from seti_utils.run import inputs


def marks(folder):
    return marks_of(read_competition(folder))


def changed(path, change):
    x_PTF = np.load(path)
    change(x_PTF)
    np.save(path, x_PTF)


def test_equal_files_have_equal_marks_wherever_they_lie_and_however_the_table_is_ordered(tiny_competition, tmp_path):
    found = marks(tiny_competition)
    assert set(found) == {"train", "test"} and found["train"] != found["test"]
    copy = shutil.copytree(tiny_competition, tmp_path / "elsewhere")
    head, *rows = (copy / "train_labels.csv").read_text(encoding="utf-8").splitlines()
    (copy / "train_labels.csv").write_text("\n".join([head, *rows[::-1]]) + "\n", encoding="utf-8")
    for path in copy.rglob("*.npy"):
        os.utime(path, (1, 1))
    assert marks(copy) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda x: np.multiply(x, 1.01, out=x),
        lambda x: np.copyto(x[4], x[3]),
        lambda x: np.copyto(x, x[::-1].copy()),
        lambda x: np.copyto(x, x[:, ::-1].copy()),
        lambda x: np.copyto(x, x[..., ::-1].copy()),
    ],
    ids=["a scale", "a panel", "an order", "time", "frequency"],
)
def test_an_array_that_was_rewritten_shows(tiny_competition, change):
    before = marks(tiny_competition)
    changed(read_competition(tiny_competition).train["path"][3], change)
    after = marks(tiny_competition)
    assert after["train"] != before["train"] and after["test"] == before["test"]


def test_a_missing_or_renamed_file_shows(tiny_competition):
    before, table = marks(tiny_competition)["train"], (tiny_competition / "train_labels.csv").read_text(encoding="utf-8")
    (tiny_competition / "train_labels.csv").write_text("\n".join(table.splitlines()[:-1]) + "\n", encoding="utf-8")
    assert marks(tiny_competition)["train"] != before


def test_a_folder_is_looked_at_once_per_command_and_again_by_the_next(tiny_competition, monkeypatch):
    looks = []
    real = content._looked_at
    monkeypatch.setattr(content, "_looked_at", lambda *table: looks.append(1) or real(*table))
    competition = read_competition(tiny_competition)
    assert content_of(competition, "train") is content_of(competition, "train")
    content_of(read_competition(tiny_competition), "train")
    assert len(looks) == 2


def test_many_files_are_looked_at_once_until_one_of_them_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "WORTH_KEEPING", 10)
    data, looks = write_competition(tmp_path / "data"), []
    real = content._looked_at
    monkeypatch.setattr(content, "_looked_at", lambda *table: looks.append(1) or real(*table))

    def look():
        competition = read_competition(data)
        keep_content(competition, tmp_path / "out")
        return content_of(competition, "train")

    first = look()
    assert look() == first and len(looks) == 2, "files as young as these may change again within one tick of their clock"
    monkeypatch.setattr(content, "SETTLED_S", -3600)
    assert [look(), look()] == [first, first] and len(looks) == 3
    changed(read_competition(data).train["path"][0], lambda x: np.negative(x, out=x))
    assert look() != first and len(looks) == 4
    (tmp_path / "out" / content.KEPT_FILE).write_text("{", encoding="utf-8")
    assert look() == look() and len(looks) == 5
    assert len(json.loads((tmp_path / "out" / content.KEPT_FILE).read_text(encoding="utf-8"))) == 1
    assert not (data / content.KEPT_FILE).exists()
    (tmp_path / "out" / content.KEPT_FILE).unlink()
    (tmp_path / "out" / content.KEPT_FILE).mkdir()
    assert look() == look() and len(looks) == 7, "what cannot be kept is looked at each time"


def test_what_was_kept_of_the_content_does_not_make_a_new_folder_a_foreign_one(tmp_path, monkeypatch):
    """Of a search or a store: many old files are looked at before the folder is claimed."""
    monkeypatch.setattr(content, "WORTH_KEEPING", 10)
    monkeypatch.setattr(content, "SETTLED_S", -3600)
    data = write_competition(tmp_path / "data")
    search(read_competition(data), tmp_path / "overlap", workers=1, quiet=True)
    pack(read_competition(data), tmp_path / "store", workers=1, quiet=True)
    assert all((tmp_path / name / content.KEPT_FILE).exists() for name in ("overlap", "store"))


def test_blank_panels_and_another_scale_are_told_by_name(tmp_path):
    competition = read_competition(write_competition(tmp_path, train=20))
    ids, paths = competition.train["id"], competition.train["path"]
    assert content_of(competition, "train").remarks("train") == []
    changed(paths[2], lambda x: np.copyto(x[3], np.float16(0)))
    changed(paths[7], lambda x: np.multiply(x, 5, out=x))
    changed(paths[8], lambda x: np.divide(x, 5, out=x))
    changed(paths[11], lambda x: np.add(x[::2, :, 90:95], 60, out=x[::2, :, 90:95]))  # a needle that blinds its ON panels
    changed(paths[12], lambda x: np.multiply(x[1:3, 85:100], 9, out=x[1:3, 85:100]))  # bursts where two panels are looked at
    changed(paths[9], lambda x: np.copyto(x, np.float16(0)))
    found = content_of(read_competition(tmp_path), "train")
    assert found.blank == (ids[2], ids[9]) and found.off_scale == (ids[7], ids[8])
    blank, scale = found.remarks("train")
    assert blank.startswith(f"2 of 20 train cadences have a panel without any signal (all values equal) ({ids[2]}, {ids[9]})")
    assert ids[7] in scale and "another scale" in scale


def test_a_file_that_cannot_be_read_is_named(tiny_competition):
    competition = read_competition(tiny_competition)
    os.unlink(competition.train["path"][4])
    with pytest.raises(InputError, match=f"{competition.train['id'][4]}.npy: there is no such file"):
        content_of(competition, "train")


def test_a_file_written_anew_within_one_second_shows_where_times_are_whole_seconds(tmp_path, monkeypatch):
    """Some file systems know no smaller time: equal sizes and equal times do not make equal files."""
    path, second, marks = tmp_path / "adversarial.csv", int(time.time()), []
    for text in ("id,weight\na,1\n", "id,weight\na,2\n"):
        path.write_text(text, encoding="utf-8")
        os.utime(path, (second, second))
        marks.append(inputs.file_mark(path))
    assert marks[0] != marks[1]
    monkeypatch.setattr(inputs.time, "time", lambda: second + 60.0)
    read, sha256 = [], inputs.sha256
    monkeypatch.setattr(inputs, "sha256", lambda path: read.append(path) or sha256(path))
    assert [inputs.file_mark(path) for _ in range(3)] == [marks[1]] * 3 and read == [path], "one that has settled is read once"

"""The competition's folder is found where it may lie, and every fault of its tables is named."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.data import finding
from seti_utils.data.competition import FORMATS, read_competition
from seti_utils.data.finding import find_data
from seti_utils.data.packed import PackedCadences
from seti_utils.data.sources import FileCadences
from seti_utils.data.store import pack
from seti_utils.data.tables import read_targets
from seti_utils.errors import InputError


def mark(folder):
    folder.mkdir(parents=True)
    (folder / "train_labels.csv").write_text("id,target\na,0\n", encoding="utf-8")
    return folder


def find(tmp_path, override=None, environment=None):
    return find_data(override, environment=environment or {}, mounts=tmp_path / "input", local=tmp_path / "data")


def test_the_places_are_tried_in_order(tmp_path):
    deep = mark(tmp_path / "input/datasets/owner/slug/folder")
    assert find(tmp_path) == deep
    old = mark(tmp_path / "input/seti-breakthrough-listen")
    assert find(tmp_path) == old
    new = mark(tmp_path / "input/competitions/seti-breakthrough-listen")
    assert find(tmp_path) == new
    said = mark(tmp_path / "said")
    assert find(tmp_path, environment={"SETI_DATA": str(said)}) == said
    given = mark(tmp_path / "given")
    assert find(tmp_path, given, {"SETI_DATA": str(said)}) == given
    assert find(tmp_path, "", {"SETI_DATA": ""}) == new


def test_the_local_folder_is_searched_and_the_shallowest_wins(tmp_path):
    mark(tmp_path / "data/a/b")
    sky = mark(tmp_path / "data/sky")
    assert find(tmp_path) == sky


def test_two_at_the_same_depth_are_refused_with_both_named(tmp_path):
    mark(tmp_path / "data/one")
    mark(tmp_path / "data/two")
    with pytest.raises(InputError, match="several.*one.*two.*SETI_DATA"):
        find(tmp_path)


def test_folders_of_arrays_and_folders_too_deep_are_not_entered(tmp_path, monkeypatch):
    mark(tmp_path / "input/some/train/0")
    mark(tmp_path / "input/1/2/3/4/5/6")
    entered = []
    folders = finding._folders
    monkeypatch.setattr(finding, "_folders", lambda folder: entered.append(folder.name) or folders(folder))
    with pytest.raises(InputError, match="no competition data"):
        find(tmp_path)
    assert "train" not in entered and "some" in entered and "6" not in entered


def test_what_is_there_is_listed(tmp_path):
    (tmp_path / "input/other-data").mkdir(parents=True)
    with pytest.raises(InputError, match=r"input holds other-data/.*data does not exist.*seti_utils sky"):
        find(tmp_path)


def test_a_named_folder_is_taken_at_its_word(tmp_path):
    mark(tmp_path / "input/seti-breakthrough-listen")
    with pytest.raises(InputError, match="does not exist"):
        find(tmp_path, tmp_path / "nowhere")
    with pytest.raises(InputError, match="SETI_DATA does not exist"):
        find(tmp_path, environment={"SETI_DATA": str(tmp_path / "nowhere")})
    with pytest.raises(InputError, match="did you mean .*seti-breakthrough-listen"):
        find(tmp_path, tmp_path / "input")


def test_current_era(shared_competition):
    competition = read_competition(shared_competition)
    assert list(competition.train) == ["id", "target", "path"] and list(competition.test) == ["id", "path"]
    assert len(competition.train) == 12 and competition.train["target"].sum() == 3
    sample = pd.read_csv(shared_competition / "sample_submission.csv")
    assert competition.test["id"].tolist() == sample["id"].tolist()
    row = competition.train.iloc[3]
    assert row["path"] == str(shared_competition / "train" / row["id"][0] / f"{row['id']}.npy")
    assert competition.name == "tiny" and not competition.renormalise
    assert competition.split("test") is competition.test
    with pytest.raises(ValueError, match="train or test"):
        competition.split("valid")


def test_old_era(shared_competition):
    competition = read_competition(shared_competition, era="old")
    assert len(competition.train) == 9 and list(competition.test) == ["id", "target", "path"]
    assert "old_leaky_data/test_old/" in competition.test["path"].iloc[0]
    assert competition.name == "tiny (old)" and competition.renormalise
    with pytest.raises(ValueError, match="current or old"):
        read_competition(shared_competition, era="new")


def test_no_old_data(tiny_competition):
    with pytest.raises(InputError, match="old_leaky_data.*no such folder"):
        read_competition(tiny_competition, era="old")


def test_a_folder_without_a_test_part(tiny_competition):
    shutil.rmtree(tiny_competition / "test")
    with pytest.raises(InputError, match="5 of 5 files"):
        read_competition(tiny_competition)
    (tiny_competition / "sample_submission.csv").unlink()
    assert len(read_competition(tiny_competition).test) == 0
    (tiny_competition / "test").mkdir()
    with pytest.raises(InputError, match="sample_submission.csv: there is no such table"):
        read_competition(tiny_competition)


def test_missing_files_are_counted_and_the_first_named(tiny_competition):
    files = sorted((tiny_competition / "train").rglob("*.npy"))
    for path in files[:4]:
        path.unlink()
    with pytest.raises(InputError, match="4 of 12 files that train_labels.csv names are missing: .*, …") as caught:
        read_competition(tiny_competition)
    assert "--incomplete" in str(caught.value)


def test_incomplete_data_are_taken_only_on_request_and_said_loudly(tiny_competition, capsys):
    """The full tables with a handful of arrays, or one of the 16 sub-folders: what public copies of the data often are."""
    files = sorted((tiny_competition / "train").rglob("*.npy"))
    for path in files[:4]:
        path.unlink()
    shutil.rmtree(tiny_competition / "test")
    found = read_competition(tiny_competition, incomplete=True)
    assert len(found.train) == 8 and not set(found.train["id"]) & {path.stem for path in files[:4]} and len(found.test) == 0
    assert all(path.endswith(f"{name}.npy") for name, path in zip(found.train["id"], found.train["path"], strict=True))
    said = capsys.readouterr().err
    assert "train: 4 of 12 cadences are not there: left out (--incomplete)" in said and "test: 5 of 5 cadences" in said
    shutil.rmtree(tiny_competition / "train")
    with pytest.raises(InputError, match="has no cadence that its tables name"):
        read_competition(tiny_competition, incomplete=True)


def test_a_test_part_alone_is_enough_to_predict(tiny_competition, tmp_path):
    shutil.rmtree(tiny_competition / "train")
    with pytest.raises(InputError, match="12 of 12 files"):
        read_competition(tiny_competition)
    (tiny_competition / "train_labels.csv").unlink()
    found = read_competition(tiny_competition)
    assert len(found.train) == 0 and list(found.train) == ["id", "target", "path"] and len(found.test) == 5
    assert int(found.train["target"].sum()) == 0 and len(found.open("train")) == 0 and len(found.open("test")) == 5
    assert find_data(tiny_competition, environment={}) == tiny_competition
    assert find_data(environment={}, mounts=tmp_path / "none", local=tmp_path) == tiny_competition
    whole = mark(tmp_path / "deeper/down")
    assert find_data(environment={}, mounts=tmp_path / "none", local=tmp_path) == whole
    (tiny_competition / "sample_submission.csv").unlink()
    shutil.rmtree(tiny_competition / "test")
    with pytest.raises(InputError, match="has neither train_labels.csv nor sample_submission.csv"):
        read_competition(tiny_competition)


class Compressed(FileCadences):
    """Another format, as somebody might add it: the same arrays, compressed."""

    def read_into(self, rows, out):
        for place, row in enumerate(rows):
            out[place] = torch.from_numpy(np.load(self.paths[row])["x"][list(self.panels)])


def test_another_format_is_one_class_and_one_line(tiny_competition, tmp_path, monkeypatch):
    raw = read_competition(tiny_competition).open("train", "on")
    raw.read_into(range(12), wanted := torch.empty(12, 3, 273, 256, dtype=torch.float16))
    for path in tiny_competition.rglob("*.npy"):
        np.savez_compressed(path.with_suffix(".npz"), x=np.load(path))
        path.unlink()
    monkeypatch.setitem(FORMATS, ".npz", f"{__name__}:Compressed")
    found = read_competition(tiny_competition)
    source = found.open("train", "on")
    source.read_into(range(12), out := torch.empty(12, 3, 273, 256, dtype=torch.float16))
    assert isinstance(source, Compressed) and torch.equal(out, wanted)
    kept = PackedCadences(pack(found, tmp_path / "store", "train", "on", workers=1, quiet=True))
    kept.read_into(range(12), out)
    assert torch.equal(out, wanted)


def test_any_row_of_any_count(tiny_competition):
    table = tiny_competition / "train_labels.csv"
    table.write_text("\n".join(table.read_text(encoding="utf-8").splitlines()[:6]), encoding="utf-8")
    assert len(read_competition(tiny_competition).train) == 5


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("empty", "", "the table is empty"),
        ("no rows", "id,target\n", "no rows"),
        ("duplicate", "id,target\na,0\nb,1\na,0\n", "line 4: id 'a' already appeared in line 2"),
        ("absent column", "id\na\n", "column 'target' is missing"),
        ("no id", "target\n0\n", "column 'id' is missing"),
        ("column twice", "id,target,target\na,0,1\n", "a column appears twice"),
        ("third class", "id,target\na,0\nb,2\n", "line 3: target '2' is neither 0 nor 1"),
        ("probability", "id,target\na,0.5\n", "target '0.5' is neither"),
        ("no target", "id,target\na,\n", "target '' is neither"),
        ("upwards", "id,target\n../../etc/passwd,0\n", "is not a valid id"),
        ("absolute", "id,target\n/etc/passwd,0\n", "is not a valid id"),
        ("nothing", "id,target\n,0\n", "is not a valid id"),
        ("file ending", "id,target\na.npy,0\n", "is the name of a file; leave out .npy"),
        ("option", "id,target\n-rf,0\n", "is not a valid id"),
        ("long line", "id,target\na,0\nb,1,1\n", "line 3: 3 values where the header has 2"),
        ("short line", "id,target\na\n", "line 2: 1 value where"),
        ("open quote", 'id,target\n"a,0\n', "line 2: is not a CSV"),
        ("an array", b"\x93NUMPY\xff\xfe", "is an array, not a table"),
        ("a spreadsheet", b"PK\x03\x04\x14\x00", "zip archive or a spreadsheet"),
        ("gzip", b"\x1f\x8b\x08\x00", "compressed"),
        ("web page", b"\n<!DOCTYPE html><html>", "is a web page, not a table; log in"),
        ("Git LFS", b"version https://git-lfs.github.com/spec/v1\noid", "Git-LFS pointer.*git lfs pull"),
        ("UTF-16", "id,target\na,0\n".encode("utf-16"), "UTF-16 text.*UTF-8"),
        ("UTF-16 without mark", "id,target\na,0\n".encode("utf-16-le"), "UTF-16 text.*UTF-8"),
        ("Latin-1", "id,target\na,0\né,1\n".encode("latin-1"), "line 3: is not UTF-8 text .byte 0xe9"),
        ("semicolons", "id;target\na;0,5\n", "line 1: its columns are separated by semicolons; save it as CSV"),
        ("tabs", "id\ttarget\na\t0\n", "separated by tabs"),
    ],
    ids=lambda value: value if isinstance(value, str) and "," not in value and len(value) < 16 else "",
)
def test_table_faults(tmp_path, name, text, message):
    path = tmp_path / "train_labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_targets(path)
    assert str(path) in str(caught.value) and caught.value.remedy


def test_harmless_forms_of_a_table_are_read(tmp_path):
    path = tmp_path / "train_labels.csv"
    path.write_bytes("\ufefftarget,id\r\n1.0,007\r\n\r\n0,1e5\r\n".encode())
    table = read_targets(path)
    assert table["id"].tolist() == ["007", "1e5"] and table["target"].tolist() == [1, 0]


def test_a_sample_submission_may_hold_any_target(tmp_path):
    path = tmp_path / "sample_submission.csv"
    path.write_text("id,target\na,0.5\nb,\n", encoding="utf-8")
    assert list(read_targets(path, labelled=False)) == ["id"]
    with pytest.raises(InputError, match="no such table"):
        read_targets(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_targets(tmp_path)


def test_the_competitions_own_tables(real_tables):
    table = read_targets(real_tables / "train_labels.csv")
    assert len(table) == 60_000 and table["target"].sum() == 6_000
    assert len(read_targets(real_tables / "sample_submission.csv", labelled=False)) == 39_995


def test_more_columns_are_not_used_and_a_note_says_so(tmp_path, capsys):
    """What pandas, the site and competitors add: an index, the fold, the file's path."""
    path = tmp_path / "train_labels.csv"
    path.write_text(",id,target,fold,file_path\n0,a,0,3,train/a/a.npy\n1,b,1,4,train/b/b.npy\n", encoding="utf-8")
    assert read_targets(path).to_dict("list") == {"id": ["a", "b"], "target": [0, 1]}
    read_targets(path)
    assert capsys.readouterr().err == f"note: {path}: not used: columns (no name), fold, file_path\n"

"""A packed store is whole or not one: resumed after a kill, verified, and refused when damaged or not fitting."""

import errno
import json
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch

from seti_utils import claims
from seti_utils.__main__ import main
from seti_utils.data import packed, store
from seti_utils.data.batches import batches
from seti_utils.data.competition import read_competition
from seti_utils.data.packed import PackedCadences, open_cadences
from seti_utils.data.store import pack, verify
from seti_utils.errors import InputError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(store, "BATCH", 4)


@pytest.fixture(scope="module")
def competition(shared_competition):
    return read_competition(shared_competition)


@pytest.fixture(scope="module")
def whole(competition, tmp_path_factory):
    return pack(competition, tmp_path_factory.mktemp("whole"), quiet=True)


def everything(source):
    return torch.cat([batch.x.clone() for batch in batches(source, None, np.arange(len(source)), 5)])


@pytest.mark.parametrize("stored", ["all", "on"])
@pytest.mark.parametrize("era", ["current", "old"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_store_takes_the_place_of_files(shared_competition, tmp_path, era, split, stored):
    competition = read_competition(shared_competition, era)
    folder = pack(competition, tmp_path, split, stored, quiet=True)
    assert folder == tmp_path / split and verify(folder, quiet=True) == len(competition.split(split))
    files = open_cadences(competition, split, panels=stored)
    for place in (tmp_path, folder):
        kept = open_cadences(competition, split, place, stored)
        assert kept.ids.tolist() == files.ids.tolist() and kept.panels == files.panels
        assert torch.equal(everything(kept), everything(files))
    assert sorted(path.name for path in folder.iterdir()) == ["cadences.npy", "index.csv", "store.json"]


def test_on_panels_of_a_whole_store(competition, whole, monkeypatch):
    kept, real, read = open_cadences(competition, "train", whole, "on"), os.preadv, []
    monkeypatch.setattr(
        os, "preadv", lambda handle, buffers, offset: read.append(sum(map(len, buffers))) or real(handle, buffers, offset)
    )
    kept.read_into([3], out := torch.empty(1, 3, 273, 256, dtype=torch.float16))
    assert read == [273 * 256 * 2] * 3
    assert (out[0].numpy() == np.load(competition.train["path"][3])[[0, 2, 4]]).all()
    kept.close()


def test_any_npy_reader_opens_it(competition, whole):
    array = np.load(whole / "cadences.npy", mmap_mode="r")
    assert array.shape == (12, 6, 273, 256) and array.dtype == np.float16
    assert (array[7] == np.load(competition.train["path"][7])).all()
    assert (PackedCadences(whole).array[7] == array[7]).all()


def test_ids_choose_and_order_rows(competition, whole):
    ids = competition.train["id"].iloc[[9, 2, 5]]
    kept = PackedCadences(whole, ids=ids)
    kept.will_need([0, 1, 2])
    assert (everything(kept)[1].numpy() == np.load(competition.train["path"][2])).all() and len(kept) == 3
    with pytest.raises(InputError, match="1 of 1 cadences is not in the store: fff"):
        PackedCadences(whole, ids=["fff"])


def killed_after(count, monkeypatch):
    """The process dies while it writes the batch after ``count``."""
    crc, calls = store.zlib.crc32, []

    def dying(data):
        calls.append(None)
        if len(calls) > count * 4:
            raise KeyboardInterrupt
        return crc(data)

    monkeypatch.setattr(store.zlib, "crc32", dying)


def test_a_killed_run_is_continued(competition, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        killed_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            pack(competition, tmp_path, quiet=True)
    for place in (tmp_path, tmp_path / "train"):
        with pytest.raises(InputError, match="half-written.*same pack command"):
            open_cadences(competition, "train", place)
    first = os.stat(tmp_path / "train/cadences.npy.part").st_ino
    asked = []
    real = store.batches
    monkeypatch.setattr(
        store,
        "batches",
        lambda source, targets, order, *rest, **more: asked.append(list(order)) or real(source, targets, order, *rest, **more),
    )
    folder = pack(competition, tmp_path, quiet=True)
    assert asked == [[8, 9, 10, 11]] and os.stat(folder / "cadences.npy").st_ino == first
    for name in ("cadences.npy", "index.csv", "store.json"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    "harm, rows",
    [
        (
            lambda folder: (folder / "crc32.part").write_text(
                (folder / "crc32.part").read_text(encoding="utf-8")[:-3], encoding="utf-8"
            ),
            7,
        ),
        (lambda folder: os.truncate(folder / "cadences.npy.part", 128 + 5 * 838_656 + 17), 5),
        (lambda folder: os.truncate(folder / "cadences.npy.part", 20), 0),
        (lambda folder: (folder / "crc32.part").unlink(), 0),
    ],
    ids=["torn journal", "shorter array", "no array", "no journal"],
)
def test_continuing_trusts_only_what_reached_the_disk(competition, whole, tmp_path, monkeypatch, harm, rows):
    with monkeypatch.context() as patch:
        killed_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            pack(competition, tmp_path, quiet=True)
    harm(tmp_path / "train")
    assert store._done(tmp_path / "train", 128, 838_656) == rows
    folder = pack(competition, tmp_path, quiet=True)
    assert (folder / "cadences.npy").read_bytes() == (whole / "cadences.npy").read_bytes()
    assert verify(folder, quiet=True) == 12


@pytest.mark.parametrize(("module", "where"), [(store, "write_table"), (claims, "write_json")], ids=["index", "description"])
def test_killed_while_finishing(competition, whole, tmp_path, monkeypatch, module, where):
    real = getattr(module, where)

    def dying(path, content):
        if "begun" not in path.name:
            raise KeyboardInterrupt
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(module, where, dying)
        with pytest.raises(KeyboardInterrupt):
            pack(competition, tmp_path, quiet=True)
    with pytest.raises(InputError, match="half-written"):
        PackedCadences(tmp_path / "train")
    monkeypatch.setattr(store, "_write", lambda *_: pytest.fail("written anew"))
    folder = pack(competition, tmp_path, quiet=True)
    assert (folder / "store.json").read_bytes() == (whole / "store.json").read_bytes() and verify(folder, quiet=True) == 12


def test_a_finished_store_is_left_as_it_is(competition, whole, monkeypatch):
    monkeypatch.setattr(store, "_write", lambda *_: pytest.fail("written anew"))
    assert pack(competition, whole.parent, quiet=True) == whole


def test_another_store_is_not_overwritten(competition, whole, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"holds another packed store: panels=\[0, 1, 2, 3, 4, 5\] \(asked: \[0, 2, 4\]\)"):
        pack(competition, whole.parent, panels="on", quiet=True)
    killed_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pack(competition, tmp_path, quiet=True)
    with pytest.raises(InputError, match="holds another, unfinished packed store"):
        pack(competition, tmp_path, panels="on", quiet=True)
    (tmp_path / "train/begun.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="does not describe a packed store"):
        pack(competition, tmp_path, quiet=True)


def test_a_disk_too_small_is_refused_before_anything_is_written(competition, tmp_path, monkeypatch):
    needed = 128 + 12 * 838_656 + store.SPARE
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, needed - 1))
    with pytest.raises(InputError, match="has 0.08 GB free, the store needs 0.08 GB.*ON panels only"):
        pack(competition, tmp_path, quiet=True)
    assert list((tmp_path / "train").iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, needed))
    pack(competition, tmp_path, quiet=True)


def test_a_disk_that_fills_up(competition, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def broken(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "fsync", full)
        patch.setattr(claims, "write_json", lambda path, content: path.write_text(json.dumps(content), encoding="utf-8"))
        with pytest.raises(InputError, match="the disk is full.*it resumes"):
            pack(competition, tmp_path, quiet=True)
        patch.setattr(store.os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output error"):
            pack(competition, tmp_path, quiet=True)
    assert verify(pack(competition, tmp_path, quiet=True), quiet=True) == 12


def test_a_faulty_file_is_named_and_the_work_kept(tiny_competition, tmp_path):
    competition = read_competition(tiny_competition)
    path, good = competition.train["path"][9], np.load(competition.train["path"][9])
    np.save(path, np.where(good == good.max(), np.nan, good).astype(np.float16))
    with pytest.raises(InputError, match=f"{competition.train['id'][9]}.npy: 1 of 419,328 values is NaN"):
        pack(competition, tmp_path / "out", quiet=True)
    with pytest.raises(InputError, match="half-written"):
        open_cadences(competition, "train", tmp_path / "out")
    np.save(path, good)
    assert store._done(tmp_path / "out/train", 128, 838_656) == 8
    assert verify(pack(competition, tmp_path / "out", quiet=True), quiet=True) == 12


def test_one_flipped_bit_is_found(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "train")
    with open(folder / "cadences.npy", "r+b") as file:
        file.seek(128 + 6 * 838_656 + 1000)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    name = PackedCadences(whole).ids[6]
    with pytest.raises(InputError, match=f"row 6: 1 of 12 cadences is damaged: {name}"):
        verify(folder, quiet=True)


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda folder: os.truncate(folder / "cadences.npy", 5_000_000), "array (cannot be read|is)"),
        (lambda folder: (folder / "cadences.npy").unlink(), "cannot be read"),
        (lambda folder: (folder / "cadences.npy").write_bytes(b""), "cannot be read"),
        (lambda folder: np.save(folder / "cadences.npy", np.zeros((12, 3, 273, 256), np.float16)), "not float16"),
        (lambda folder: np.save(folder / "cadences.npy", np.zeros((12, 6, 273, 256), np.int16)), "not float16"),
        (
            lambda folder: (folder / "cadences.npy").write_bytes((folder / "cadences.npy").read_bytes() + b"\0"),
            "the store's array",
        ),
        (lambda folder: (folder / "index.csv").write_text("id,crc32\n", encoding="utf-8"), "index is missing or was changed"),
        (lambda folder: (folder / "index.csv").unlink(), "index is missing or was changed"),
        (lambda folder: (folder / "store.json").unlink(), "there is no packed store"),
        (lambda folder: (folder / "store.json").write_text("{", encoding="utf-8"), "not a store of format 1"),
        (lambda folder: (folder / "store.json").write_text('{"format": 2}', encoding="utf-8"), "not a store of format 1"),
        (lambda folder: (folder / "store.json").write_text("[]", encoding="utf-8"), "not a store of format 1"),
    ],
    ids=["cut", "no array", "empty", "shape", "dtype", "longer", "index", "no index", "no json", "half", "other", "[]"],
)
def test_a_damaged_store_is_refused(whole, tmp_path, harm, message):
    folder = shutil.copytree(whole, tmp_path / "train")
    harm(folder)
    with pytest.raises(InputError, match=message) as caught:
        PackedCadences(folder)
    assert str(folder) in str(caught.value) and caught.value.remedy


def test_a_store_cut_while_it_is_open(whole, tmp_path):
    kept = PackedCadences(shutil.copytree(whole, tmp_path / "train"))
    os.truncate(kept.folder / packed.ARRAY, 3_000_000)
    with pytest.raises(InputError, match="row 11: the store is shorter"):
        kept.read_into([11], torch.empty(1, 6, 273, 256, dtype=torch.float16))


def test_a_store_that_does_not_fit_the_question(shared_competition, competition, whole, tmp_path):
    with pytest.raises(InputError, match="holds train of the current data, not test of the current data"):
        open_cadences(competition, "test", whole)
    with pytest.raises(InputError, match="not train of the old data"):
        open_cadences(read_competition(shared_competition, "old"), "train", whole)
    on = pack(competition, tmp_path, "test", "on", quiet=True)
    with pytest.raises(InputError, match=r"no panels \[1, 3, 5\]"):
        open_cadences(competition, "test", on)
    with pytest.raises(InputError, match="there is no packed store"):
        open_cadences(competition, "train", tmp_path / "nowhere")


def rewritten(path):
    """Other values in a file whose name and size stay."""
    np.save(path, np.load(path)[:, ::-1])


@pytest.fixture
def twin(tiny_competition, tmp_path):
    """A folder with the ids of another, and other arrays."""
    folder = shutil.copytree(tiny_competition, tmp_path / "twin")
    for path in read_competition(folder).train["path"]:
        rewritten(path)
    return folder


def test_a_store_of_other_arrays_under_the_same_ids_is_refused(tiny_competition, twin, tmp_path):
    made = pack(read_competition(tiny_competition), tmp_path / "store", quiet=True)
    other = read_competition(twin)
    open_cadences(read_competition(tiny_competition), "train", tmp_path / "store")
    with pytest.raises(InputError, match=f"{made}: was made from other data: its train cadences have content .* {twin}"):
        open_cadences(other, "train", tmp_path / "store")
    with pytest.raises(InputError, match="made from other data: content train [0-9a-f]{16}, here it is train [0-9a-f]{16}"):
        pack(other, tmp_path / "store", quiet=True)


def test_verifying_reads_the_files_that_the_store_is_said_to_hold(tiny_competition, tmp_path, capsys):
    assert main(["pack", str(tiny_competition), str(tmp_path / "store"), "--split", "train", "--verify"]) == 0
    assert f"12 verified against the files of {tiny_competition}" in capsys.readouterr().out
    path = read_competition(tiny_competition).train["path"][5]
    x_PTF = np.load(path)
    x_PTF[4, 7, 9] += 1  # one pixel that no sample sees
    np.save(path, x_PTF)
    assert main(["pack", str(tiny_competition), str(tmp_path / "store"), "--split", "train", "--verify"]) == 2
    said = capsys.readouterr().err
    assert f"row 5: 1 of 12 cadences is not from {tiny_competition}" in said and said.count("\n") == 1


def test_stores_of_earlier_versions_open_with_a_note_that_their_data_are_unknown(tiny_competition, tmp_path, capsys):
    folder = pack(read_competition(tiny_competition), tmp_path, quiet=True)
    about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    del about["content"]
    (folder / "store.json").write_text(json.dumps(about), encoding="utf-8")
    assert len(open_cadences(read_competition(tiny_competition), "train", tmp_path)) == 12
    assert f"note: {folder} does not say which data it was made from" in capsys.readouterr().err
    assert pack(read_competition(tiny_competition), tmp_path, quiet=True) == folder


def test_an_empty_split(tiny_competition, tmp_path):
    shutil.rmtree(tiny_competition / "test")
    (tiny_competition / "sample_submission.csv").unlink()
    with pytest.raises(InputError, match="test has no cadences"):
        pack(read_competition(tiny_competition), tmp_path, "test", quiet=True)


def test_progress_counts_what_is_left_to_do(competition, tmp_path, monkeypatch):
    shown = []

    def bar(items, total=None, desc="", unit="it"):
        shown.append((desc.split()[0], total, unit))
        return items

    monkeypatch.setattr(store, "progress", bar)
    with monkeypatch.context() as patch:
        killed_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            pack(competition, tmp_path)
    verify(pack(competition, tmp_path))
    assert shown == [("packing", 3, "batch"), ("packing", 1, "batch"), ("verifying", 3, "batch")]
    pack(competition, tmp_path / "quiet", "test", quiet=True)
    assert len(shown) == 3


def test_the_five_real_cadences(real_folder, tmp_path):
    competition = read_competition(real_folder)
    for split in ("train", "test"):
        pack(competition, tmp_path, split, quiet=True)
        files, kept = open_cadences(competition, split), open_cadences(competition, split, tmp_path)
        assert torch.equal(everything(files), everything(kept))

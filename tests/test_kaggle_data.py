"""The competition's data are downloaded, resumed, unpacked and verified; what is damaged is not kept for ever."""

import shutil
import zipfile

import pytest
from local_kaggle import Fault
from local_kaggle.fixtures import kaggle, kaggle_process, site  # noqa: F401 - fixtures

from seti_utils.kaggle import data, errors
from seti_utils.session.errors import HostileName, Unverified


@pytest.fixture
def archive(shared_competition, tmp_path):
    """The tiny competition as the site's zip file, with some old data."""
    path = tmp_path / "served.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for source in sorted(shared_competition.rglob("*")):
            if source.is_file():
                packed.write(source, source.relative_to(shared_competition).as_posix())
    return path


def get(out, **rest):
    return data.download(out, archive_bytes=10**6, unpacked_bytes=10**6, **rest)


def test_data_are_downloaded_unpacked_and_verified(kaggle, archive, tmp_path):
    kaggle.competitions.archive = archive
    assert get(tmp_path / "data") == {"train": 12, "test": 5}
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "sample_submission.csv",
        "test",
        "train",
        "train_labels.csv",
    ]
    assert get(tmp_path / "old", old=True) == {"train": 12, "test": 5} and (tmp_path / "old/old_leaky_data").is_dir()


def test_a_cut_download_is_resumed(kaggle, archive, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kaggle.competitions.archive = archive
    kaggle.faults.append(Fault("GET", body="cut"))
    assert get(tmp_path / "data", keep_archive=True) == {"train": 12, "test": 5}
    starts = [request["start"] for method, request in kaggle.calls if method == "GET"]
    assert starts[0] == 0 and 0 < starts[-1] < archive.stat().st_size
    count = kaggle.count("GET")
    next((tmp_path / "data/train").rglob("*.npy")).write_bytes(b"half")
    assert get(tmp_path / "data", keep_archive=True) == {"train": 12, "test": 5} and kaggle.count("GET") == count


@pytest.mark.parametrize("tail", [b"\0" * 400, b""], ids=["its end zeroed", "cut"])
def test_a_damaged_archive_is_downloaded_again(kaggle, archive, tmp_path, tail, capsys):
    """As long as the site's and newer, so that the client would take it for the whole; or shorter, without the client's note."""
    whole = archive.read_bytes()
    kaggle.competitions.archive = archive
    (tmp_path / "data").mkdir()
    (tmp_path / "data/seti-breakthrough-listen.zip").write_bytes(whole[: len(whole) - 400] + tail)
    assert get(tmp_path / "data") == {"train": 12, "test": 5} and "is damaged" in capsys.readouterr().err


def test_a_damaged_member_says_what_to_delete(kaggle, archive, tmp_path):
    body = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as packed:
        member = next(entry for entry in packed.infolist() if entry.filename.startswith("train/"))
    body[member.header_offset + 200] ^= 0xFF
    kaggle.competitions.archive = bytes(body)
    with pytest.raises(Unverified, match="is damaged in the archive; delete the archive"):
        get(tmp_path / "data", keep_archive=True)
    assert not [path for path in (tmp_path / "data").rglob("*.part")]


def test_a_full_disk_is_told_before_the_first_byte(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 9 * 10**11, 10**11))
    with pytest.raises(errors.NoSpace, match="240 GB are needed, 100 GB are free"):
        data.download(tmp_path / "data")
    assert kaggle.calls == []


def test_an_archive_that_is_an_error_page(kaggle, tmp_path):
    kaggle.competitions.archive = b"<html>sorry</html>"
    with pytest.raises(Unverified, match="something other than a whole zip.*deleted"):
        get(tmp_path / "data")


def test_an_archive_that_would_escape(kaggle, tmp_path):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("../evil.txt", "x")
    kaggle.competitions.archive = path
    with pytest.raises(HostileName):
        get(tmp_path / "data")
    assert not (tmp_path / "evil.txt").exists()


def test_an_incomplete_archive_is_named(kaggle, archive, tmp_path):
    short = tmp_path / "short.zip"
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(short, "w") as packed:
        names = [name for name in full.namelist() if name.startswith("train/")]
        for name in full.namelist():
            if name != names[0]:
                packed.writestr(name, full.read(name))
    kaggle.competitions.archive = short
    with pytest.raises(Unverified, match="1 of 12 files"):
        get(tmp_path / "data")
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(short, "w") as packed:
        for name in full.namelist():
            packed.writestr(name, full.read(name)[: 100 if name == names[0] else None])
    with pytest.raises(Unverified, match=f"{names[0]}: 100 bytes, not .*; delete it and run the same command again"):
        get(tmp_path / "again")


def test_rules_that_were_not_accepted(kaggle, tmp_path):
    kaggle.faults.append(
        Fault(
            "DownloadDataFiles",
            403,
            message="You must accept this competition's rules before you'll be able to download files.",
        )
    )
    with pytest.raises(errors.Forbidden, match="accept the rules at https://.*/seti-breakthrough-listen/rules"):
        get(tmp_path / "data")

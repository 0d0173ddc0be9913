"""A cadence's file gives the bytes NumPy gives, or one error that names the file and what to do."""

import os
import pickle

import numpy as np
import pytest
import torch

from seti_utils.data import cadence, reading
from seti_utils.data.cadence import SHAPE, panel_numbers
from seti_utils.data.competition import read_competition
from seti_utils.data.reading import read_cadence, renormalise_panels, runs
from seti_utils.data.sources import FileCadences
from seti_utils.errors import InputError


def good():
    return np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32).astype(np.float16)


def saved(path, array, **options):
    np.save(path, array, **options)
    return path


def with_value(value, at=(5, 272, 255)):
    array = good()
    array[at] = value
    return array


def test_constants():
    assert cadence.FILE_BYTES == 838_784 and cadence.PANEL_BYTES * 6 + cadence.HEADER_BYTES == cadence.FILE_BYTES
    assert cadence.PANEL_S == pytest.approx(293.13, abs=0.01)
    assert cadence.HZ_PER_S_PER_CHANNEL_PER_PANEL == pytest.approx(9.76, abs=0.001)
    assert cadence.FREQ * cadence.DF_HZ == pytest.approx(0.732e6, rel=1e-3)


def test_panel_numbers():
    assert panel_numbers("all") == (0, 1, 2, 3, 4, 5) and panel_numbers("on") == (0, 2, 4)
    assert panel_numbers("off") == (1, 3, 5) and panel_numbers([5, 0]) == (5, 0)
    for wrong in ("some", (), (0, 0), (6,), (-1,)):
        with pytest.raises(ValueError, match="panels"):
            panel_numbers(wrong)
    assert runs((0, 1, 2, 3, 4, 5)) == [(0, 6)] and runs((0, 2, 4)) == [(0, 1), (2, 1), (4, 1)]
    assert runs((5, 0, 1)) == [(5, 1), (0, 2)]


def test_the_expected_header_is_what_numpy_writes(tmp_path):
    assert saved(tmp_path / "a.npy", good()).read_bytes()[:128] == reading.EXPECTED_HEADER


HOSTILE = {
    "missing": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "truncated": (lambda path: path.write_bytes(saved(path, good()).read_bytes()[:-2]), "truncated"),
    "header only": (lambda path: path.write_bytes(saved(path, good()).read_bytes()[:128]), "truncated"),
    "half a header": (lambda path: path.write_bytes(saved(path, good()).read_bytes()[:60]), "header is damaged"),
    "too long": (lambda path: path.write_bytes(saved(path, good()).read_bytes() + b"\0"), "too long"),
    "web page": (lambda path: path.write_bytes(b"<!DOCTYPE html><html>..."), "is a web page, not an array; download"),
    "Git LFS": (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git-LFS pointer"),
    "zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(60)), "is an archive"),
    "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n" + bytes(60)), "is an HDF5 file"),
    "no npy": (lambda path: path.write_bytes(b"\x89PNG" + bytes(838_780)), "is not a .npy file; download the file again"),
    "a wild header": (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00" + b"{" * 838_774), "header is damaged"),
    "an unknown version": (lambda path: path.write_bytes(b"\x93NUMPY\x09\x00v\x00" + bytes(838_774)), "is damaged"),
    "five panels": (lambda path: saved(path, good()[:5]), r"shape \(5, 273, 256\)"),
    "axes swapped": (lambda path: saved(path, good().transpose(0, 2, 1)), r"shape \(6, 256, 273\)"),
    "flat": (lambda path: saved(path, good().ravel()), "shape"),
    "voltages": (
        lambda path: saved(path, good().astype(np.complex64)),
        "complex64: a cadence is of real numbers; save its power",
    ),
    "words": (lambda path: saved(path, np.full(SHAPE, "x")), "<U1: a cadence is of real numbers"),
    "float32 in another shape": (lambda path: saved(path, good()[:5].astype(np.float32)), r"shape \(5, 273, 256\)"),
    "pickled": (lambda path: saved(path, np.array([{}], dtype=object), allow_pickle=True), "never loaded"),
    "a bare pickle": (lambda path: path.write_bytes(pickle.dumps([1])), "is not a .npy file; download the file again"),
    "NaN": (lambda path: saved(path, with_value(np.nan)), "1 of [0-9,]+ values is NaN"),
    "negative NaN": (lambda path: saved(path, with_value(-np.nan, (0, 0, 0))), "NaN or infinite"),
    "infinity": (lambda path: saved(path, with_value(np.inf)), "NaN or infinite"),
    "NaN in float32": (lambda path: saved(path, with_value(np.nan).astype(np.float32)), "1 of [0-9,]+ values is NaN"),
    "infinity in float64": (lambda path: saved(path, with_value(np.inf).astype(np.float64)), "1 of [0-9,]+ values is NaN"),
    "negative infinity": (lambda path: saved(path, with_value(-np.inf)), "NaN or infinite"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_files(tmp_path, fault):
    make, message = HOSTILE[fault]
    path = tmp_path / "abc.npy"
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        read_cadence(path)
    assert str(path) in str(caught.value) and caught.value.remedy
    with pytest.raises(InputError, match=message):
        FileCadences(["abc"], [path], panels=(4, 5, 0)).read_into([0], torch.empty(1, 3, 273, 256, dtype=torch.float16))


def test_a_pickled_file_is_never_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = saved(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError):
        read_cadence(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i4", "<u2", "<i8", np.longdouble])
def test_other_real_numbers_are_brought_to_mean_0_and_std_1(tmp_path, dtype):
    """A telescope's power is far more than float16 can hold; what the panels show of it is what float16 panels would."""
    scale = 1e7 if np.dtype(dtype).itemsize > 2 else 5e3
    power = (scale * (5 + np.random.default_rng(3).standard_normal(SHAPE).clip(-4, 4))).astype(dtype)
    power[5] = 7
    read = read_cadence(saved(tmp_path / "a.npy", power))
    assert read.dtype == np.float16 and not read[5].any()
    wanted = power[:5].astype(np.float64)
    wanted = (wanted - wanted.mean((1, 2), keepdims=True)) / wanted.std((1, 2), keepdims=True)
    np.testing.assert_allclose(read[:5], wanted, rtol=1e-3, atol=1e-3)
    part = torch.empty(1, 2, 273, 256, dtype=torch.float16)
    FileCadences(["a"], [tmp_path / "a.npy"], panels=(4, 1)).read_into([0], part)
    assert np.array_equal(part[0].numpy(), read[[4, 1]])


@pytest.mark.parametrize("extreme", [65504.0, -65504.0, 0.0, -0.0, 6e-8, -6e-8])
def test_extreme_finite_values_pass(tmp_path, extreme):
    array = with_value(extreme)
    assert (read_cadence(saved(tmp_path / "a.npy", array)) == array).all()


def test_all_bit_patterns_are_judged_as_numpy_judges_them():
    for bits in range(0, 1 << 16, 256):
        block = np.arange(bits, bits + 256, dtype=np.uint16).view(np.float16)
        for value in (block, *block[::37, None]):
            if np.isfinite(value).all():
                reading.check_finite(value, "x")
            else:
                with pytest.raises(InputError):
                    reading.check_finite(value, "x")


def test_the_same_array_written_in_another_way_is_read(tmp_path):
    array = good()
    for number, (other, version) in enumerate(
        ((np.asfortranarray(array), (1, 0)), (array.astype(">f2"), (1, 0)), (array, (2, 0)))
    ):
        path = tmp_path / f"{number}.npy"
        with open(path, "wb") as file:
            np.lib.format.write_array(file, other, version=version)
        out = torch.empty(1, 3, 273, 256, dtype=torch.float16)
        FileCadences(["a"], [path], panels="on").read_into([0], out)
        assert (read_cadence(path) == array).all() and (out[0].numpy() == array[[0, 2, 4]]).all()


def test_parts_of_a_read_are_joined(tmp_path, monkeypatch):
    """A network disk gives a read in parts; a system without preadv gives one buffer at a time."""
    path, whole = saved(tmp_path / "a.npy", good()), os.preadv
    monkeypatch.setattr(reading, "_look", lambda path: pytest.fail("taken for a faulty file"))
    monkeypatch.setattr(os, "preadv", lambda handle, buffers, offset: whole(handle, [memoryview(buffers[0])[:100_001]], offset))
    assert (read_cadence(path) == good()).all()
    monkeypatch.delattr(os, "preadv")
    assert (read_cadence(path) == good()).all()
    out = torch.empty(1, 3, 273, 256, dtype=torch.float16)
    FileCadences(["a"], [path], panels="off").read_into([0], out)
    assert (out[0].numpy() == good()[[1, 3, 5]]).all()


def test_only_the_wanted_panels_are_read(tmp_path, monkeypatch):
    path, whole, read = saved(tmp_path / "a.npy", good()), os.preadv, []
    monkeypatch.setattr(
        os,
        "preadv",
        lambda handle, buffers, offset: read.append((offset, sum(map(len, buffers)))) or whole(handle, buffers, offset),
    )
    FileCadences(["a"], [path], panels="on").read_into([0], torch.empty(1, 3, 273, 256, dtype=torch.float16))
    panel = 273 * 256 * 2
    assert read == [(0, 128 + panel), (128 + 2 * panel, panel), (128 + 4 * panel, panel)]


def test_renormalising_removes_the_old_datas_leak(shared_competition):
    path = read_competition(shared_competition, era="old").train["path"].iloc[0]
    raw, cured = np.load(path).astype(np.float64), read_cadence(path, renormalise=True).astype(np.float64)
    assert raw.mean() == pytest.approx(1, abs=0.05) and raw.std() == pytest.approx(3, abs=0.05)
    assert np.abs(cured.mean((1, 2))).max() < 1e-3 and np.abs(cured.std((1, 2)) - 1).max() < 1e-3
    want = (raw - raw.mean((1, 2), keepdims=True)) / raw.std((1, 2), keepdims=True)
    assert np.abs(cured - want).max() < 2e-3


def test_a_constant_panel_becomes_zero():
    x = torch.full((1, 6, 273, 256), 7.0, dtype=torch.float16)
    x[0, 1, 3, 4] = 9
    renormalise_panels(x)
    assert x.isfinite().all() and (x[0, 0] == 0).all() and x[0, 1, 3, 4] > 200


def test_large_values_do_not_overflow():
    x = torch.full((2, 273, 256), 60000.0, dtype=torch.float16)
    x[:, ::2] = -60000
    renormalise_panels(x)
    assert x.abs().max() < 1.01 and x.isfinite().all()


def test_real_cadences(real_folder):
    competition = read_competition(real_folder)
    paths = [*competition.train["path"], *competition.test["path"]]
    assert len(paths) == 5 and competition.train["target"].tolist() == [0, 0, 1, 1]
    for path in paths:
        x_PTF = read_cadence(path)
        assert x_PTF.dtype == np.float16 and (x_PTF == np.load(path)).all()
        wide = x_PTF.astype(np.float64)
        assert np.abs(wide.mean((1, 2))).max() < 0.01 and np.abs(wide.std((1, 2)) - 1).max() < 0.01

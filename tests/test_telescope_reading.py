"""Telescope files are read as they are, whatever their bits, planes and order, and what cannot be read is told by name."""

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from telescope_files import DF_MHZ, DT_S, HEADER, keyword, packed, write_fil, write_h5

from seti_utils.errors import InputError
from seti_utils.telescope.files import open_file
from seti_utils.telescope.header import parse_replacements

REAL = Path(__file__).parents[1].parent / "shared" / "real" / "telescope"
RNG = np.random.default_rng(0)


def refused(path, **options):
    """What is said of a file that is refused; it names the file and a remedy."""
    with pytest.raises(InputError) as told:
        open_file(path, **options).read(0, 1)
    assert str(path) in str(told.value) and told.value.remedy and "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("foff", [-DF_MHZ, DF_MHZ])
def test_every_number_of_bits_is_read_in_ascending_frequency(tmp_path, bits, foff):
    values = RNG.integers(0, 2 ** min(bits, 15), (7, 40))
    file = open_file(write_fil(tmp_path / "a.fil", values, bits=bits, foff=foff))
    ascending = values[:, ::-1] if foff < 0 else values
    assert file.header.rows == 7 and file.header.bits == bits
    for start, stop in ((0, 40), (3, 9), (39, 40), (0, 1), (17, 31)):
        assert np.array_equal(file.read(start, stop), ascending[:, start:stop])
    assert np.allclose(file.read(2, 30, average=3), ascending[:6, 2:30].reshape(2, 3, -1).mean(1))


@pytest.mark.parametrize("write", [write_fil, write_h5], ids=["fil", "h5"])
@pytest.mark.parametrize("foff", [-DF_MHZ, DF_MHZ])
def test_several_ranges_of_channels_in_one_pass_are_each_as_if_read_alone(tmp_path, write, foff):
    file = open_file(write(tmp_path / "a.x", RNG.standard_normal((11, 40)).astype(np.float32), foff=foff))
    ranges = [(0, 40), (31, 40), (3, 9), (5, 7)]
    for average in (1, 3):
        for (start, stop), values in zip(ranges, file.read_ranges(ranges, average), strict=True):
            assert np.allclose(values, file.read(start, stop, average), atol=1e-6)
    with pytest.raises(ValueError, match="channels"):
        file.read_ranges([(0, 4), (38, 41)])


def test_eight_bits_do_not_wrap_when_one_file_is_subtracted_from_another(tmp_path):
    on, off = (open_file(write_fil(tmp_path / f"{level}.fil", np.full((4, 8), level), bits=8)) for level in (3, 250))
    assert (on.read(0, 8) - off.read(0, 8) == -247).all()
    signed = write_fil(tmp_path / "s.fil", np.full((4, 8), 255), bits=8, extra=keyword("signed", 1, "b"))
    assert (open_file(signed).read(0, 8) == -1).all()


@pytest.mark.parametrize("write", [write_fil, write_h5], ids=["fil", "h5"])
def test_polarisations_are_summed_by_a_rule_that_is_said(tmp_path, write):
    values = RNG.integers(0, 100, (5, 4, 16)).astype(np.float32)
    path = tmp_path / "a.x"
    two = open_file(write(path, values[:, :2], foff=DF_MHZ))
    assert np.array_equal(two.read(0, 16), values[:, :2].sum(1)) and "sum" in two.header.notes[0]
    path = write(tmp_path / "b.x", values, foff=DF_MHZ)
    four = open_file(path)
    assert np.array_equal(four.read(0, 16), values[:, :2].sum(1)) and "--planes 0" in four.header.notes[0]
    assert np.array_equal(open_file(path, planes=(0,)).read(0, 16), values[:, 0])
    assert "the file has 4" in refused(path, planes=(4,))
    assert "3 polarisation planes" in refused(write(tmp_path / "c.x", values[:, :3]))


def test_the_middle_axis_may_be_missing(tmp_path):
    values = RNG.random((5, 16), np.float32)
    assert np.array_equal(open_file(write_h5(tmp_path / "a.h5", values, foff=DF_MHZ)).read(0, 16), values)


@pytest.mark.parametrize("kind", ["int8", "uint8", "uint16", "float16", "float64"])
def test_hdf5_of_any_number(tmp_path, kind):
    values = RNG.integers(0, 100, (5, 1, 16)).astype(kind)
    assert np.array_equal(open_file(write_h5(tmp_path / "a.h5", values, foff=DF_MHZ)).read(0, 16), values[:, 0])


def test_the_format_is_known_by_the_first_bytes(tmp_path):
    values = RNG.random((5, 16), np.float32)
    fil, h5 = write_fil(tmp_path / "a.h5", values, foff=DF_MHZ), write_h5(tmp_path / "b.fil", values, foff=DF_MHZ)
    assert np.array_equal(open_file(fil).read(0, 16), open_file(h5).read(0, 16))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1f\x8b\x08rest", "gunzip"),
        (b"SIMPLE  =                    T / PSRFITS", "FITS"),
        (b"BACKEND = 'GUPPI   '", "raw voltages"),
        (b"PKTIDX  =                12345", "raw voltages"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"\x93NUMPY\x01\x00", "NumPy"),
        (b"\x00\x00\x00\x0cHEADER_START", "big-endian"),
        (b"", "empty"),
        (b"nothing of the kind", "neither HDF5 nor SIGPROC"),
    ],
)
def test_other_files_are_told_by_name(tmp_path, content, said):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    assert said in refused(path)
    assert "no such file" in refused(tmp_path / "none.h5")


def test_hdf5_without_data_names_what_it_holds(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spectra"], file["mask"] = 1, 2
    assert "holds mask, spectra" in refused(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("data")
    assert "no dataset 'data'" in refused(tmp_path / "a.h5")


def test_header_and_content_of_hdf5_are_held_against_each_other(tmp_path):
    values = np.zeros((5, 1, 16), np.float32)
    assert "nchans is 32, but data has 16" in refused(write_h5(tmp_path / "a.h5", values, nchans=32))
    assert "nifs is 2, but data has 1" in refused(write_h5(tmp_path / "a.h5", values, nifs=2))
    assert "holds complex64" in refused(write_h5(tmp_path / "a.h5", values.astype(np.complex64)))
    assert "shape (0, 1, 16)" in refused(_empty(tmp_path))


def _empty(tmp_path):
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["data"] = np.zeros((0, 1, 16), np.float32)
    return tmp_path / "e.h5"


def test_attributes_on_the_file_and_bytes_names_are_read(tmp_path):
    values = np.zeros((5, 1, 16), np.float32)
    header = open_file(write_h5(tmp_path / "a.h5", values, where="file", source_name=np.bytes_(b"HIP 1\x00"))).header
    assert header.source == "HIP 1" and header.tsamp == DT_S
    header = open_file(write_h5(tmp_path / "b.h5", values, tsamp=np.array([2.0]), source_name=np.array([b"X"]))).header
    assert header.tsamp == 2 and header.source == "X"


@pytest.mark.parametrize("write", [write_fil, write_h5], ids=["fil", "h5"])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tsamp", 0.0, "tsamp is 0.0"),
        ("tsamp", -1.0, "tsamp is -1"),
        ("foff", float("nan"), "foff is not a number"),
        ("foff", None, "no foff"),
        ("fch1", None, "no fch1"),
        ("fch1", float("inf"), "fch1 is inf"),
        ("tsamp", None, "no tsamp"),
    ],
)
def test_what_a_header_lacks_is_named_with_the_option_that_replaces_it(tmp_path, write, name, value, said):
    path = write(tmp_path / "a.x", np.zeros((5, 1, 16), np.float32), **{name: value})
    message = refused(path)
    assert said in message and f"--header {name}=" in message
    assert open_file(path, {name: HEADER[name]}).header.tsamp == DT_S


def test_replacements_of_header_fields_are_checked():
    assert parse_replacements(["tsamp=2", "source_name=A,B"], 2) == [{"tsamp": 2.0, "source_name": n} for n in "AB"]
    for wrong in ("tsmap=2", "tsamp", "tsamp=", "tsamp=1,2,3", "tsamp=fast"):
        with pytest.raises(InputError, match="--header"):
            parse_replacements([wrong], 2)


def test_rows_come_from_the_size_of_the_file(tmp_path):
    values = np.ones((6, 16), np.float32)
    header = open_file(write_fil(tmp_path / "a.fil", values, nsamples=10**9, tail=b"half a row")).header
    assert header.rows == 6 and "10 bytes after the last whole row" in header.notes[0] and "1,000,000,000" in header.notes[1]
    assert "no data" in refused(write_fil(tmp_path / "b.fil", values[:0]))
    assert "less than a row" in refused(write_fil(tmp_path / "b.fil", values[:0], tail=b"123"))


def test_unknown_keywords_are_left_out_and_named(tmp_path):
    values = np.arange(32.0).reshape(2, 16)
    for extra in (keyword("observer", "Jill"), keyword("gain", 1.5), keyword("shots", 3), keyword("flag", 1, "b")):
        file = open_file(write_fil(tmp_path / "a.fil", values, extra=extra, foff=DF_MHZ))
        assert np.array_equal(file.read(0, 16), values) and "unknown header keyword" in file.header.notes[0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"nbits": 3}, "nbits is 3"),
        ({"nbits": None}, "nbits is missing"),
        ({"nbits": 64}, "nbits is 64"),
        ({"nchans": 0}, "nchans is missing"),
        ({"nchans": -5}, "nchans is -5"),
        ({"nchans": 2**31 - 1}, "less than a row"),
        ({"fch1": 0.01}, "frequencies from"),
    ],
)
def test_an_impossible_header_is_refused_without_reading(tmp_path, fields, said):
    assert said in refused(write_fil(tmp_path / "a.fil", np.zeros((4, 16), np.float32), **fields))


def test_packed_bits_have_to_fill_bytes(tmp_path):
    path = tmp_path / "a.fil"
    body = b"".join(keyword(name, value) for name, value in {**HEADER, "nchans": 3, "nifs": 1, "nbits": 2}.items())
    path.write_bytes(keyword("HEADER_START") + body + keyword("HEADER_END") + b"\x00" * 30)
    assert "not whole bytes" in refused(path)


def test_bitshuffle_without_its_plugin_says_what_to_install(tmp_path):
    path = write_h5(tmp_path / "a.h5", RNG.random((32, 1, 64), np.float32))
    code = f"import sys; sys.modules['hdf5plugin'] = None\nfrom seti_utils.telescope.files import open_file\nopen_file({str(path)!r}).read(0, 4)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=Path(__file__).parents[1])
    assert "pip install hdf5plugin" in ended.stderr.splitlines()[-1]


def test_a_header_that_ends_too_soon_or_lists_frequencies_is_refused(tmp_path):
    path = write_fil(tmp_path / "a.fil", np.zeros((4, 16), np.float32))
    whole = path.read_bytes()
    place = whole.index(b"tsamp") + len(b"tsamp")
    for cut in (place + 3, place - 2, place - 7):  # in the number, in its name, in the length before the name
        path.write_bytes(whole[:cut])
        assert "the header does not end within" in refused(path)
    listed = keyword("FREQUENCY_START") + keyword("fchannel", 1400.0)
    assert "the header lists every channel's frequency" in refused(write_fil(path, np.zeros((4, 16), np.float32), extra=listed))


def test_reading_needs_no_preadv_and_tells_what_a_disk_refuses(tmp_path, monkeypatch):
    values = RNG.random((64, 16), np.float32)
    file = open_file(write_fil(tmp_path / "a.fil", values, foff=DF_MHZ))

    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(InputError, match="a.fil: cannot be read .Input/output error.; check the file and its disk"):
        file.read(0, 16)
    monkeypatch.delattr(os, "preadv")  # as on macOS before 11, and on Windows
    assert np.array_equal(file.read(3, 9), values[:, 3:9])
    with pytest.raises(ValueError, match="channels 3 to 17 of 16"):
        file.read(3, 17)


def test_chunks_that_memory_cannot_hold_are_refused_with_the_command_that_helps(tmp_path, monkeypatch):
    monkeypatch.setattr("seti_utils.telescope.hdf5.MOST_CHUNK", 1 << 20)
    path = write_h5(tmp_path / "a.h5", np.zeros((16, 1, 1 << 15), np.float32))
    assert "chunks of 2 MiB, each of which is unpacked as a whole; rewrite it in smaller ones: h5repack" in refused(path)


def test_a_shortened_file_is_told(tmp_path):
    path = write_fil(tmp_path / "a.fil", np.zeros((64, 16), np.float32))
    file = open_file(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="became shorter"):
        file.read(0, 16)
    path = write_h5(tmp_path / "a.h5", RNG.random((64, 1, 512), np.float32))
    path.write_bytes(path.read_bytes()[:-3000])
    assert "damaged HDF5" in refused(path) or "cannot be read" in refused(path)


def test_a_large_sparse_file_is_read_in_windows(tmp_path):
    """40 GB of zeros: what is read is what is asked for."""
    path = tmp_path / "large.fil"
    write_fil(path, np.zeros((1, 1 << 20), np.float32), foff=-DF_MHZ / 1024)
    offset = path.stat().st_size - (4 << 20)
    with open(path, "r+b") as file:
        file.truncate(offset + 10_000 * (4 << 20))
        file.seek(offset + 5_000 * (4 << 20))
        file.write(np.arange(1 << 20, dtype="<f4").tobytes())
    file = open_file(path)
    assert file.header.rows == 10_000 and path.stat().st_size > 40e9
    window = file.read(1000, 1064, average=50)
    assert window.shape == (200, 64) and window[100, 0] == ((1 << 20) - 1 - 1000) / 50 and window[0].max() == 0


@pytest.mark.parametrize("seed", range(4))
def test_damaged_sigproc_headers_end_in_an_error_of_ours(tmp_path, seed):
    """Bytes changed, cut, doubled, lengths made absurd: read, or refused in one line."""
    rng = np.random.default_rng(seed)
    path = tmp_path / "a.fil"
    whole = write_fil(path, RNG.random((4, 32), np.float32), extra=keyword("observer", "Jill")).read_bytes()
    head = whole.index(b"HEADER_END") + 10
    outcomes = set()
    for _ in range(700):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(16, head))
            how = rng.integers(4)
            if how == 0:
                content[at] = rng.integers(256)
            elif how == 1:
                content[at : at + 4] = struct.pack("<i", int(rng.choice([-1, 0, 2**31 - 1, 4096, 65536, -(2**31)])))
            elif how == 2:
                del content[at : at + int(rng.integers(1, 20))]
            else:
                content[at:at] = content[at : at + int(rng.integers(1, 20))]
        path.write_bytes(content)
        try:
            file = open_file(path)
            assert file.read(0, min(file.header.channels, 64), rows=slice(0, 4)).size
            outcomes.add("read")
        except InputError as error:
            assert error.remedy and "\n" not in str(error)
            outcomes.add("refused")
        else:
            file.close()
    assert outcomes == {"read", "refused"}


def test_damaged_hdf5_files_end_in_an_error_of_ours(tmp_path):
    rng = np.random.default_rng(5)
    path = tmp_path / "a.h5"
    whole = write_h5(path, RNG.random((16, 1, 64), np.float32)).read_bytes()
    outcomes = set()
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 8)):
            content[int(rng.integers(8, len(content)))] = rng.integers(256)
        path.write_bytes(content[: int(rng.integers(100, len(content)))] if rng.random() < 0.2 else content)
        try:
            file = open_file(path)
            file.read(0, 1)
            file.close()
            outcomes.add("read")
        except InputError as error:
            assert error.remedy and "\n" not in str(error)
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_attributes_of_any_kind_end_in_an_error_of_ours(tmp_path):
    odd = ["text", b"bytes", np.nan, np.inf, -1, 0, 10**300, [1, 2], np.array([[1.0]]), np.zeros(0), True, 1e-300, "\x00"]
    rng = np.random.default_rng(2)
    for turn in range(150):
        fields = {
            name: odd[rng.integers(len(odd))] for name in ("fch1", "foff", "tsamp", "tstart", "source_name", "nchans", "nifs")
        }
        some = {name: value for name, value in fields.items() if rng.random() < 0.5}
        path = tmp_path / f"{turn}.h5"
        try:
            write_h5(path, np.zeros((4, 1, 16), np.float32), pack=False, **some)
        except (OverflowError, ValueError, TypeError):
            continue
        try:
            open_file(path).read(0, 16)
        except InputError as error:
            assert error.remedy


@pytest.mark.skipif(not REAL.is_dir(), reason="the real telescope files are not here")
def test_real_files():
    header = open_file(REAL / "setigen_sample.fil").header
    assert (header.source, header.rows, header.channels, header.bits) == ("DIAG_SGR_B2", 32, 1024, 32)
    eight, two = (open_file(REAL / f"sigpyproc3_parkes_{bits}.fil").read(0, 832) for bits in ("8bit_1", "2bit"))
    assert np.corrcoef(eight.ravel(), two.ravel())[0, 1] > 0.9
    assert open_file(REAL / "sigpyproc3_tutorial.fil").read(0, 64).shape == (187520, 64)
    for name in ("priwo_test_16bit.fil", "sigproc_filterbank_header_only.fil"):
        assert "no data" in refused(REAL / name)
    assert "compressed" in refused(REAL / "bitshuffle_regression_0.4.0.h5")


def test_packing_of_the_test_files_is_sigprocs():
    assert packed(np.array([[1, 2, 2, 0]]), 2) == b"\x29"

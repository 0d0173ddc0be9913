"""Open a telescope file by what is in it, not by its name; a file of another kind is refused and told what it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.telescope import sigproc
from seti_utils.telescope.hdf5 import Hdf5File
from seti_utils.telescope.sigproc import SigprocFile
from seti_utils.telescope.source import TelescopeFile

HDF5 = b"\x89HDF\r\n\x1a\n"
PLACES = (0, 512, 1024, 2048)
"""Where an HDF5 signature may stand."""

WANTED = "give filterbank files: HDF5 in Breakthrough Listen's layout (.h5) or SIGPROC (.fil)"
FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "the file is compressed with gzip", "unpack it first: gunzip FILE"),
    (b"BZh", "the file is compressed with bzip2", "unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ", "the file is compressed with xz", "unpack it first: unxz FILE"),
    (b"\x28\xb5\x2f\xfd", "the file is compressed with zstd", "unpack it first: unzstd FILE"),
    (b"PK\x03\x04", "the file is a zip archive", "unpack it first: unzip FILE"),
    (b"SIMPLE  =", "this is a FITS file (PSRFITS, say)", WANTED),
    (b"BACKEND =", "these are raw voltages (GUPPI)", "channelise them first, with rawspec for example"),
    (b"BLOCSIZE=", "these are raw voltages (GUPPI)", "channelise them first, with rawspec for example"),
    (b"version https://git-lfs", "this is a Git-LFS pointer, not the file", "fetch the content: git lfs pull"),
    (b"\x93NUMPY", "this is a NumPy array", "give its folder of cadences instead: seti search FOLDER"),
    (b"\x00\x00\x00\x0cHEADER_START", "a SIGPROC file in big-endian byte order", "rewrite it on a little-endian machine"),
)


def open_file(path: str | Path, given: Mapping[str, object] | None = None, planes: Sequence[int] | None = None) -> TelescopeFile:
    """The reader of ``path``, chosen by its first bytes. Nothing but the header is read.

    ``given`` replaces header fields (:data:`seti_utils.telescope.header.FIELDS`); ``planes`` says which polarisation
    planes are summed. Raises ``InputError`` naming the file, what is wrong and the remedy.
    """
    path, given = str(path), given or {}
    try:
        with open(path, "rb") as file:
            head = file.read(max(PLACES) + len(HDF5))
    except OSError as error:
        problem = "there is no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise InputError(problem, where=path, remedy="give the paths of telescope files") from error
    if not head:
        raise InputError("the file is empty", where=path, remedy="download it again")
    if head.startswith(sigproc.MAGIC):
        return SigprocFile(path, given, planes)
    if any(head[place:].startswith(HDF5) for place in PLACES):
        return Hdf5File(path, given, planes)
    for first, problem, remedy in FOREIGN:
        if head.startswith(first):
            raise InputError(problem, where=path, remedy=remedy)
    if head.lstrip()[:5].lower() in (b"<!doc", b"<html", b"<?xml"):
        raise InputError("this is a web page, not the file", where=path, remedy="download it again, logged in")
    if head[8:10] == b"= " and head[:8].strip().isalnum():
        raise InputError("these are raw voltages (GUPPI) or another FITS-like file", where=path, remedy=WANTED)
    raise InputError("this is neither HDF5 nor SIGPROC", where=path, remedy=WANTED)

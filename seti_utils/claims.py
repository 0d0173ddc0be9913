"""Whose a folder is: what it holds or will hold, and which process is at work in it."""

import errno
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.files import write_json
from seti_utils.notes import note

try:
    import fcntl
except ImportError:  # no file locks on this system: nobody is kept out
    fcntl = None

LOCK = ".lock"
UNSAID = "does not say which data it was made from: an earlier version wrote it"
UNSUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
"""What a file system answers that has no locks."""


@dataclass(frozen=True)
class Claim:
    """A kind of folder that describes itself: in ``begun`` while it is being made, in ``done``, written last, for good.

    ``what`` it is called in messages. Both files are JSON objects; the parameters stand below ``key``, or, without one, at
    the top.
    """

    what: str
    done: str
    begun: str
    key: str | None = "parameters"

    @property
    def one(self) -> str:
        """``what`` with its article."""
        return f"{'an' if self.what[0] in 'aeiou' else 'a'} {self.what}"

    def find(self, folder: Path, wanted: Mapping[str, object], content: Mapping[str, str] | None = None) -> bool | None:
        """Whether what ``wanted`` describes is finished in ``folder``; None where it is not begun.

        ``content`` is that of the data it is made from (``data.content``); it stands beside the parameters, and versions
        before wrote none. Raises ``InputError`` for a folder that holds anything else, or the same kind of thing with other
        parameters or from other data.
        """
        for name in (self.done, self.begun):
            if (folder / name).is_file():
                about = self.read(folder / name)
                there = about[self.key] if self.key else {key: about.get(key) for key in wanted}
                if content is not None and about.get("content") not in (None, content):
                    raise InputError(
                        f"holds {self.one} made from other data: content {_spelled(about['content'])}, here it is "
                        f"{_spelled(content)}",
                        where=folder,
                        remedy="give another folder, or delete this one",
                    )
                if content is not None and "content" not in about:
                    note(f"{folder} {UNSAID}")
                keys = [key for key in {**wanted, **there} if there.get(key) != wanted.get(key)]
                if other := [f"{key}={there.get(key)} (asked: {wanted.get(key)})" for key in keys]:
                    kind = "another" if name == self.done else "another, unfinished"
                    raise InputError(
                        f"holds {kind} {self.what}: {', '.join(other)}",
                        where=folder,
                        remedy="give another folder, or delete this one",
                    )
                return name == self.done
        if folder.exists() and not folder.is_dir():
            raise InputError("is a file, not a folder", where=folder, remedy="give another name")
        # Hidden files are nobody's work: a lock, a file manager's notes, what a look at the data kept.
        if folder.is_dir() and not all(path.name.startswith(".") for path in folder.iterdir()):
            raise InputError(f"exists but does not contain {self.one}", where=folder, remedy="give a new or an empty folder")
        return None

    @contextmanager
    def taken(self, folder: Path, wanted: Mapping[str, object], content: Mapping[str, str] | None = None) -> Iterator[bool]:
        """Take ``folder`` for what ``wanted`` describes, and keep other processes out; False where it is finished there.

        Errors as in :meth:`find` and :func:`at_work`.
        """
        if self.find(folder, wanted, content):
            yield False
            return
        with at_work(folder):
            found = self.find(folder, wanted, content)  # another process may have begun it, or finished it, just before
            if found is None:
                about = {self.key: wanted} if self.key else {**wanted}
                write_json(folder / self.begun, about | ({} if content is None else {"content": content}))
            yield not found

    def read(self, path: Path) -> dict:
        """The description in ``path``. Raises ``InputError`` where it is not one."""
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(about[self.key] if self.key else about, dict):
                return about
        except (ValueError, KeyError, TypeError):
            pass
        raise InputError(f"does not describe {self.one}", where=path, remedy="delete the folder and make it again")

    def finish(self, folder: Path, about: Mapping[str, object]) -> None:
        """Write the description of the finished thing, and remove the mark of the unfinished one."""
        write_json(folder / self.done, about)
        (folder / self.begun).unlink(missing_ok=True)


def _spelled(content: object) -> str:
    """``train 3f…, test 9a…``."""
    return ", ".join(f"{split} {mark}" for split, mark in content.items()) if isinstance(content, dict) else str(content)


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Keep other processes out of ``folder`` while the block runs; the folder is made if need be.

    The lock is the operating system's: it ends with the process, however that ends, so nothing stale is left to clear.
    Raises ``InputError`` naming the process that is at work there, and ``OSError`` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = _locked(folder / LOCK)
    try:
        os.ftruncate(handle, 0)
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%H:%M:%S UTC", time.gmtime())}
        os.pwrite(handle, json.dumps(about).encode(), 0)
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int:
    """The file at ``path``, opened and locked."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if _is_taken(handle):
            who = _who(handle)
            os.close(handle)
            raise InputError(who, where=path.parent, remedy="wait until it is done, or end it, then run the same command again")
        try:
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)  # who held it before has removed it since it was opened


def _is_taken(handle: int) -> bool:
    """Lock the open file; True where somebody else holds it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    return False


def _who(handle: int) -> str:
    """Who holds the lock, as the file says."""
    try:
        about = json.loads(os.pread(handle, 1000, 0))
        return f"process {about['pid']} on {about['host']} has been at work here since {about['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process is at work here"

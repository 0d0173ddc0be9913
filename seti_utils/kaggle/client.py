"""Calls the kaggle client in a child process: clean environment, typed errors, no credentials in sight."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seti_utils.kaggle import child
from seti_utils.kaggle.answers import error_of
from seti_utils.kaggle.credentials import redact
from seti_utils.kaggle.errors import ConnectionLost, NoClient, Unauthorized

PASSED_ON = (
    "PATH",
    "HOME",
    "USERPROFILE",
    "APPDATA",
    "SYSTEMROOT",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "XDG_CONFIG_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "KAGGLE_CONFIG_DIR",
    "KAGGLE_USERNAME",
    "KAGGLE_KEY",
    "KAGGLE_API_TOKEN",
)


def client_python() -> str:
    """The Python that the client belongs to: this one, or that of ``SETI_KAGGLE_CLIENT`` (a `kaggle` command or a Python).

    Raises ``NoClient`` where that file is missing.
    """
    named = os.environ.get("SETI_KAGGLE_CLIENT")
    if not named:
        return sys.executable
    path = Path(named)
    if path.stem.startswith("kaggle"):
        path = path.resolve().with_name("python.exe" if os.name == "nt" else "python")
    if not path.is_file():
        raise NoClient("there is no Python with the kaggle client", where=path, remedy="correct SETI_KAGGLE_CLIENT")
    return str(path)


def clean_environment() -> dict[str, str]:
    """The variables that the client may see.

    Everything else stays out: ``VERBOSE`` prints the Authorization header, and any other ``KAGGLE_…`` variable
    silently becomes a setting. ``KAGGLE_API_ENVIRONMENT`` passes only as LOCALHOST, the client's own test mode.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if os.environ.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST":
        environment["KAGGLE_API_ENVIRONMENT"] = "LOCALHOST"
    return environment | {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}


def ask(call: str, *, where: object = None, timeout: float = 600, live: bool = False, **arguments: object) -> Any:
    """The value of one call of the client; see :mod:`seti_utils.kaggle.child` for what ``call`` may be.

    ``where`` names what is asked about in an error. ``timeout`` in seconds; past it the client is stopped and
    ``ConnectionLost`` raised. ``live`` shows the client's own progress bars in a terminal. Raises the typed error of a
    refusal.
    """
    lines = lines_of({"call": call, "arguments": arguments}, timeout, live)
    return value_of(next(line for line in lines if "event" not in line), where)


def pages(call: str, *, where: object = None, timeout: float = 600, **arguments: object) -> Iterator[dict]:
    """Every page of a list that the site serves in pages; raises like :func:`ask`."""
    token = ""
    while True:
        page = ask(call, where=where, timeout=timeout, **arguments, **({"pageToken": token} if token else {}))
        yield page
        following = page.get("nextPageToken") or ""
        if following in ("", token):
            return
        token = following


def events(
    call: str, *, where: object = None, started: Callable[[subprocess.Popen], None] | None = None, **arguments: object
) -> Iterator[dict]:
    """What a call of the client yields, as it comes; raises like :func:`ask`. ``started`` gets the child, to end it early."""
    lines = iter(lines_of({"call": call, "arguments": arguments}, None, False, started))
    while "event" in (line := next(lines)):
        yield line["event"]
    value_of(line, where)


def value_of(line: dict, where: object) -> Any:
    """The value of the child's telling line; raises the typed error that it holds."""
    if "error" in line:
        raise error_of(line["error"] | {"message": redact(line["error"]["message"])}, where=where)
    return line["value"]


def lines_of(
    request: dict, timeout: float | None, live: bool, started: Callable[[subprocess.Popen], None] | None = None
) -> Iterator[dict]:
    """The child's lines: events, then a value or an error; its death without either is an error too."""
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as printed:
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        process = subprocess.Popen(
            [client_python(), "-P", child.__file__],
            env=clean_environment(),
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=None if live and sys.stderr.isatty() else printed,
            encoding="utf-8",
        )
        with process:
            if started:
                started(process)
            try:
                told = process.stdout or ()
                yield from whole(told if timeout is None else process.communicate(timeout=timeout)[0].splitlines())
                process.wait()
            except subprocess.TimeoutExpired:
                raise ConnectionLost(f"no answer within {timeout:.0f} s", where=request["call"]) from None
            finally:
                process.kill()
        printed.seek(0)
        yield {"error": crash(printed.read().decode("utf-8", "replace"), process.returncode)}


def whole(lines) -> Iterator[dict]:
    """The lines that are JSON objects: a child that is killed may leave half a line."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def crash(printed: str, code: int) -> dict:
    """The error of a child that ended without an answer, told by the last line that it printed: a traceback's telling one."""
    last = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), f"exit status {code}")
    return {"type": "crash", "status": None, "message": last, "wait": None}


def user() -> str:
    """The name of the user who is logged in. Raises ``Unauthorized`` where nobody is."""
    name = ask("get_config_value", name="username", timeout=120)
    if not name:
        raise Unauthorized("nobody is logged in")
    return name

"""Calls the kaggle client as a subprocess: clean environment, honest outcome, no credentials in sight."""

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from seti_utils.kaggle.answers import error_of
from seti_utils.kaggle.errors import ConnectionLost, NoClient, Unauthorized
from seti_utils.session.errors import KaggleError

KEPT = (
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
SECRETS = ("KAGGLE_KEY", "KAGGLE_API_TOKEN")


@dataclass(frozen=True)
class Answer:
    """What the client printed, cleaned of credentials; ``code`` is its exit status, which lies."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return f"{self.out}\n{self.err}".strip()


def client() -> Path:
    """The client beside this Python; ``SETI_KAGGLE_CLIENT`` names another. Raises ``NoClient``."""
    path = Path(os.environ.get("SETI_KAGGLE_CLIENT") or Path(sys.executable).with_name("kaggle"))
    for candidate in (path, path.with_suffix(".exe")):
        if candidate.is_file():
            return candidate
    raise NoClient("the kaggle client is not installed", where=path)


def clean_environment() -> dict[str, str]:
    """The variables that the client may see.

    Everything else stays out: ``VERBOSE`` prints the Authorization header, and any other ``KAGGLE_…`` variable
    silently becomes a setting. ``KAGGLE_API_ENVIRONMENT`` passes only as LOCALHOST, the client's own test mode.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    if os.environ.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST":
        environment["KAGGLE_API_ENVIRONMENT"] = "LOCALHOST"
    return environment | {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1", "COLUMNS": "200"}


def secrets() -> list[str]:
    """Every form in which a credential of this user could appear in a text, longest first."""
    found = {os.environ[name] for name in SECRETS if os.environ.get(name)}
    homes = [Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle"), Path.home() / ".config/kaggle"]
    user = os.environ.get("KAGGLE_USERNAME", "")
    for home in homes:
        for name in ("kaggle.json", "access_token", "access_token.txt", "credentials.json"):
            try:
                text = (home / name).read_text(encoding="utf-8").strip()
            except OSError:
                continue
            if not name.endswith(".json"):
                found.add(text)
                continue
            try:
                values = json.loads(text)
            except ValueError:
                continue
            user = user or str(values.get("username", ""))
            found |= {str(value) for key, value in values.items() if "token" in key or key == "key"}
    found |= {base64.b64encode(f"{user}:{secret}".encode()).decode() for secret in set(found)}
    return sorted((secret for secret in found if len(secret) >= 8), key=len, reverse=True)


def redact(text: str) -> str:
    """``text`` with every credential replaced by stars, whatever printed it."""
    for secret in secrets():
        text = text.replace(secret, "*****")
    return re.sub(r"(?i)(authorization:\s*\w+\s+)\S+", r"\1*****", text)


def ask(*arguments: object, timeout: float = 600, cwd: Path | None = None, check: bool = True) -> Answer:
    """Run ``kaggle arguments…`` and return what it printed.

    Raises the typed error that the text tells of, also where the exit status claims success; ``check=False`` leaves
    the judgement to the caller. ``timeout`` in seconds; past it the client is stopped and ``ConnectionLost`` raised.
    """
    words = tuple(str(argument) for argument in arguments)
    code, out, err = run_client(words, timeout, cwd)
    answer = Answer(words, code, redact(out), redact(err))
    if check and code:
        raise error_of(answer.text, where="kaggle " + " ".join(words[:2]))
    return answer


def run_client(words: tuple[str, ...], timeout: float, cwd: Path | None) -> tuple[int, str, str]:
    """Exit status and uncleaned texts of one call of the client; raises ``ConnectionLost`` past ``timeout`` seconds."""
    try:
        done = subprocess.run(
            [str(client()), "-W", *words],
            env=clean_environment(),
            cwd=cwd,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired as late:
        raise ConnectionLost(f"no answer within {timeout:.0f} s", where=f"kaggle {' '.join(words[:2])}") from late
    return done.returncode, done.stdout, done.stderr


def user() -> str:
    """The name of the user who is logged in. Raises ``Unauthorized`` where nobody is."""
    try:
        answer = ask("config", "view", timeout=60)
    except KaggleError as error:
        raise error if isinstance(error, Unauthorized) else Unauthorized(error.problem) from error
    found = re.search(r"^- username: (\S+)", answer.out, re.M)
    if not found or found[1] == "None":
        raise Unauthorized("nobody is logged in")
    return found[1]

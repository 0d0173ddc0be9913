"""What can go wrong on a site, and how a scripted run behaves."""

import json
from dataclasses import dataclass, field


class Refusal(Exception):
    """An error of the site: HTTP status and message."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Fault:
    """Make calls to ``method`` fail, ``times`` times, after letting ``skip`` calls through.

    ``body`` is "json" (the site's own error), "html" (a proxy's error page), "cut" (the connection ends half-way)
    or "answer" (status 200 with ``answer`` merged into the reply; nothing happens where it holds an "error").
    ``after`` lets the call take effect first, so that only its answer is lost. Methods are the remote call's last
    word, "GET" for downloads and "PUT" for uploads.
    """

    method: str
    status: int = 500
    body: str = "json"
    message: str = "Something went wrong"
    answer: dict = field(default_factory=dict)
    after: bool = False
    times: int = 1
    skip: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def strikes(self, method: str) -> bool:
        """Whether this call fails; counts it."""
        if method != self.method or self.times <= 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True

    def page(self) -> tuple[str, bytes]:
        """Content type and bytes of the error's body."""
        if self.body == "html":
            return "text/html", f"<html><body><h1>{self.status} {self.message}</h1></body></html>".encode()
        return "application/json", json.dumps({"code": self.status, "message": self.message}).encode()


@dataclass
class Script:
    """How a kernel that is not executed behaves: one status per question (the last one stays), then its output.

    ``live`` are the events of a log that is still being written, ``pace`` the seconds before each.
    """

    statuses: tuple[str, ...] = ("COMPLETE",)
    files: dict[str, bytes] = field(default_factory=dict)
    log: str = "[]"
    failure: str = ""
    live: tuple[dict, ...] = ()
    pace: float = 0

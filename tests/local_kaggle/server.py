"""The HTTP side: accepts what the client sends through a proxy variable, on 127.0.0.1 and a free port."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .accounts import Accounts
from .competitions import Competitions
from .datasets import Datasets
from .faults import Fault, Refusal
from .kernels import Kernels
from .models import Models

LONGEST_BODY = 64 << 20


class LocalKaggle:
    """A Kaggle for one user. Use as a context manager; point the client at it with :meth:`environment`.

    ``calls`` records (method, request) in order, ``faults`` is a list of :class:`Fault` to live through.
    """

    def __init__(
        self,
        folder: Path,
        *,
        user: str = "tester",
        key: str = "k" * 32,
        execute: bool = False,
        layout: str = "new",
        machines: int = 1,
    ):
        self.folder, self.user, self.key = Path(folder), user, key
        self.calls: list[tuple[str, dict]] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.uploads: dict[str, bytes] = {}
        self.stored: dict[str, Path | bytes] = {}
        self.kernels = Kernels(self, execute=execute, layout=layout, machines=machines)
        self.datasets = Datasets(self)
        self.competitions = Competitions(self)
        self.models = Models(self)
        self.accounts = Accounts(self)

    def __enter__(self) -> "LocalKaggle":
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_error) -> None:
        self.kernels.stop()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(timeout=5)

    def forget(self) -> None:
        """Start afresh: no kernels, datasets, submissions, calls or faults."""
        with self.lock:
            self.kernels.stop()
            self.calls.clear()
            self.faults.clear()
            self.uploads.clear()
            self.stored.clear()
            self.kernels.forget()
            self.datasets = Datasets(self)
            self.competitions = Competitions(self)
            self.models = Models(self)
            self.accounts = Accounts(self)

    def environment(self, home: Path) -> dict[str, str]:
        """The variables that make the real client talk to this server and to nothing else."""
        return {
            "HOME": str(home),
            "KAGGLE_CONFIG_DIR": str(Path(home) / ".kaggle"),
            "TMPDIR": str(home),
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": f"http://127.0.0.1:{self.port}",
            "https_proxy": "http://127.0.0.1:1",
            "KAGGLE_USERNAME": self.user,
            "KAGGLE_KEY": self.key,
        }

    def count(self, method: str) -> int:
        """How often a remote call was made."""
        return sum(name == method for name, _ in self.calls)

    def store(self, name: str, content: Path | bytes) -> str:
        """Serve ``content`` and return its address."""
        self.stored[name] = content
        return f"http://localhost/storage/{name}"

    def fault(self, method: str) -> Fault | None:
        """The fault that strikes this call, if any."""
        with self.lock:
            return next((fault for fault in self.faults if fault.strikes(method)), None)

    def answer(self, method: str, request: dict) -> dict | str:
        """Carry out one remote call. A string is an address to be redirected to."""
        with self.lock:
            self.calls.append((method, request))
            for service in (self.kernels, self.datasets, self.competitions, self.models, self.accounts):
                action = getattr(service, method, None)
                if action is not None:
                    return action(request)
        raise Refusal(501, f"Method {method} is unknown here")


def handler_of(site: LocalKaggle) -> type[BaseHTTPRequestHandler]:
    """The request handler class bound to ``site``."""
    credentials = base64.b64encode(f"{site.user}:{site.key}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments) -> None:
            """Say nothing: the recorded calls tell more."""

        def send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            size = int(self.headers.get("Content-Length") or 0)
            if size > LONGEST_BODY:
                self.close_connection = True
                raise Refusal(413, "Request entity too large")
            return self.rfile.read(size)

        def is_user(self) -> bool:
            kind, _, secret = self.headers.get("Authorization", "").partition(" ")
            return secret == credentials if kind == "Basic" else secret in site.accounts.tokens

        def strike(self, fault: Fault) -> None:
            if fault.body == "cut":
                self.send(200, "application/json", b'{"ref": "/code/somebody/some-kernel", "url":', cut=True)
            else:
                kind, page = fault.page()
                self.send(fault.status, kind, page, fault.headers)

        def do_POST(self) -> None:
            method = urlsplit(self.path).path.rsplit("/", 1)[-1]
            try:
                request = json.loads(self.body() or b"{}")
                if not self.is_user() and method not in ("IntrospectToken", "GenerateAccessToken"):
                    raise Refusal(401, "Unauthenticated")
                fault = site.fault(method)
                if fault and not fault.after and fault.body != "answer":
                    return self.strike(fault)
                if fault and "error" in fault.answer:
                    return self.send(200, "application/json", json.dumps(fault.answer).encode())
                answer = site.answer(method, request)
                if fault and fault.body != "answer":
                    return self.strike(fault)
                if isinstance(answer, str):
                    return self.send(302, "text/plain", b"", {"Location": answer})
                self.send(200, "application/json", json.dumps({**answer, **(fault.answer if fault else {})}).encode())
            except Refusal as refusal:
                self.send(refusal.status, *Fault(method, refusal.status, message=refusal.message).page())

        def do_PUT(self) -> None:
            token = urlsplit(self.path).path.rsplit("/", 1)[-1]
            content = self.body()
            fault = site.fault("PUT")
            if fault:
                return self.strike(fault)
            site.uploads[token] = content
            self.send(200, "application/json", b"{}")

        def stream(self, owner: str, slug: str) -> None:
            """The log of a kernel: events as they come while it runs, one array once it has ended."""
            fault = site.fault("logs")
            versions = site.kernels.versions.get(f"{owner}/{slug}")
            if fault and fault.body != "cut":
                return self.strike(fault)
            if not versions:
                return self.send(404, *Fault("logs", 404, message="Kernel not found").page())
            version, cut = versions[-1], fault is not None
            if not version.live():
                return self.send(200, "application/json", version.log().encode())
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number, event in enumerate(version.events()):
                if cut and number:
                    self.close_connection = True
                    return
                self.chunk(f"data: {json.dumps(event)}\n\n")
            self.chunk("data: END_OF_LOG\n\n")
            self.chunk("")

        def chunk(self, text: str) -> None:
            body = text.encode()
            self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
            self.wfile.flush()

        def do_GET(self) -> None:
            place = urlsplit(self.path).path.split("/kernels/logs/stream/")
            if len(place) == 2:
                site.calls.append(("logs", {"kernel": place[1]}))
                return self.stream(*place[1].split("/"))
            name = unquote(urlsplit(self.path).path).removeprefix("/storage/")
            fault = site.fault("GET")
            if fault and fault.body != "cut":
                return self.strike(fault)
            content = site.stored.get(name)
            if content is None:
                return self.send(404, "text/html", b"<html>404</html>")
            body = content if isinstance(content, bytes) else Path(content).read_bytes()
            headers = {
                "ETag": f'"{name}-{len(body)}"',
                "Accept-Ranges": "bytes",
                "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
            }
            start = 0
            if self.headers.get("Range", "").startswith("bytes="):
                start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            site.calls.append(("GET", {"name": name, "start": start}))
            self.send(206 if start else 200, "application/octet-stream", body[start:], headers, cut=bool(fault))

    return Handler

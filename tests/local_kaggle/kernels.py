"""Kernels: saved versions, sessions, output, quota."""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .execute import Execution
from .faults import Refusal, Script

ACTIVE = {"QUEUED", "RUNNING"}


def slug_of(title: str) -> str:
    """The site's slug of a title: lower case, runs of other characters become one hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    """``folder`` with ``files`` in it. Those that are there already stay as they are: another session may be reading them."""
    for inside, content in files.items():
        path = folder / inside
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


@dataclass
class Version:
    """One pushed version: what arrived and how its run goes."""

    number: int
    request: dict
    script: Script
    execution: Execution | None = None
    asked: int = 0
    pages: dict[str, bytes] = field(default_factory=dict)

    def status(self) -> str:
        if self.execution:
            return self.execution.status
        status = self.script.statuses[min(self.asked, len(self.script.statuses) - 1)]
        self.asked += 1
        return status

    def active(self) -> bool:
        if self.execution:
            return self.execution.status in ACTIVE
        return self.script.statuses[min(self.asked, len(self.script.statuses) - 1)] in ACTIVE

    def files(self) -> dict:
        return self.execution.files() if self.execution else self.script.files

    def log(self) -> str:
        return self.execution.log() if self.execution else self.script.log

    def live(self) -> bool:
        """Whether the log is still being written."""
        return self.execution.status == "RUNNING" if self.execution else bool(self.script.live)

    def events(self) -> Iterator[dict]:
        """The log's pieces as they come; a scripted run waits before each for :attr:`Script.pace`."""
        if self.execution:
            yield from self.execution.events()
        for event in () if self.execution else self.script.live:
            time.sleep(self.script.pace)
            yield event

    def failure(self) -> str:
        return self.execution.failure if self.execution else self.script.failure


class Kernels:
    """All kernels of the user. ``scripts[slug]`` queues how coming runs behave where nothing is executed.

    Where kernels are executed, ``machines`` of them run at a time; ``layouts[slug]`` is the mount layout of a kernel whose
    layout is not the others'.
    """

    def __init__(self, site, *, execute: bool, layout: str, machines: int = 1, sessions: int = 2):
        self.site, self.execute, self.layout, self.sessions = site, execute, layout, sessions
        self.machines = machines
        self.forget()

    def forget(self) -> None:
        self.versions: dict[str, list[Version]] = {}
        self.scripts: dict[str, list[Script]] = {}
        self.unknown_sources: set[str] = set()
        self.mounts: dict[str, object] = {}
        self.layouts: dict[str, str] = {}
        self.used_seconds = 3600
        self.running = threading.Semaphore(self.machines)

    def stop(self) -> None:
        """End every execution that still runs."""
        for versions in self.versions.values():
            for version in versions:
                if version.execution:
                    version.execution.stop()

    def latest(self, request: dict) -> Version:
        versions = self.versions.get(f"{request['userName']}/{request['kernelSlug']}")
        if not versions:
            raise Refusal(404, "Kernel not found")
        return versions[-1]

    def SaveKernel(self, request: dict) -> dict:
        owner, slug = request["slug"].split("/")
        if owner != self.site.user:
            raise Refusal(403, "Permission 'kernels.update' was denied")
        if len(request["text"]) >= 1_000_000:
            raise Refusal(413, "Request entity too large")
        landed = f"{owner}/{slug_of(request.get('newTitle') or slug)}"
        busy = sum(version.active() for versions in self.versions.values() for version in versions)
        quick = request.get("kernelExecutionType") == "QUICK_SAVE"
        if request.get("enableGpu") and busy >= self.sessions and not quick:
            return {"error": f"Maximum batch GPU session count of {self.sessions} reached."}
        versions = self.versions.setdefault(landed, [])
        script = self.scripts[landed].pop(0) if self.scripts.get(landed) and not quick else Script()
        version = Version(len(versions) + 1, request, script)
        sources = request.get("kernelDataSources", [])
        invalid = {
            "invalidKernelSources": [name for name in sources if name not in self.versions],
            "invalidCompetitionSources": [
                name for name in request.get("competitionDataSources", []) if name != self.site.competitions.slug
            ],
            "invalidDatasetSources": [name for name in request.get("datasetDataSources", []) if name in self.unknown_sources],
            "invalidModelSources": [],  # the site drops models silently
        }
        if self.execute and not quick:
            folder = self.site.folder / "sessions" / landed / str(version.number)
            previous = {name: self.versions[name][-1] for name in sources if self.versions.get(name)}
            version.execution = Execution(
                folder,
                json.loads(request["text"]),
                self.layouts.get(landed, self.layout),
                self.mounts
                | self.mounted_datasets(request.get("datasetDataSources", []))
                | self.mounted_models(request.get("modelDataSources", [])),
                previous,
                self.running,
            )
        versions.append(version)
        return {
            "ref": f"/code/{landed}",
            "url": f"https://www.kaggle.com/code/{landed}",
            "versionNumber": version.number,
            **{key: names for key, names in invalid.items() if names},
        }

    def mounted_datasets(self, names: list[str]) -> dict[str, object]:
        """Uploaded datasets as folders to mount."""
        mounts = {}
        for name in names:
            folder = self.site.folder / "datasets" / name
            folder.mkdir(parents=True, exist_ok=True)
            mounts[f"datasets/{name}"] = laid_out(folder, self.site.datasets.known.get(name, {"files": {}})["files"])
        return mounts

    def mounted_models(self, names: list[str]) -> dict[str, object]:
        """Uploaded models as folders to mount."""
        mounts = {}
        for name in names:
            mounts[f"models/{name}"] = laid_out(self.site.folder / "models" / name, self.site.models.files(name) or {})
        return mounts

    def GetKernelSessionStatus(self, request: dict) -> dict:
        version = self.latest(request)
        status = version.status()
        answer = {"status": status}
        if status == "ERROR" and version.failure():
            answer["failureMessage"] = version.failure()
        return answer

    def ListKernelSessionOutput(self, request: dict) -> dict:
        version = self.latest(request)
        size, first = request.get("pageSize", 20), int(request.get("pageToken") or 0)
        names = sorted(version.files())
        page = names[first : first + size]
        prefix = f"{request['userName']}/{request['kernelSlug']}/{version.number}"
        files = [
            {"fileName": name, "url": self.site.store(f"{prefix}/{number}", version.files()[name])}
            for number, name in enumerate(page, first)
        ]
        answer = {"files": files, "log": version.log()}
        return answer | ({"nextPageToken": str(first + size)} if first + size < len(names) else {})

    def ListKernelFiles(self, request: dict) -> dict:
        version = self.latest(request)
        size, first = request.get("pageSize", 20), int(request.get("pageToken") or 0)
        names = sorted(version.files())
        files = [{"name": name, "size": 1, "creationDate": "2026-01-01"} for name in names[first : first + size]]
        return {"files": files} | ({"nextPageToken": str(first + size)} if first + size < len(names) else {})

    def GetKernel(self, request: dict) -> dict:
        request = request | {"kernelSlug": request["kernelSlug"].split("/")[0]}
        version = self.latest(request)
        sent = version.request
        metadata = {
            "id": 1,
            "ref": sent["slug"],
            "title": sent.get("newTitle", ""),
            "language": "python",
            "kernelType": "notebook",
            "modelDataSources": [name for name in sent.get("modelDataSources", []) if name not in self.unknown_sources],
            "currentVersionNumber": version.number,
        }
        blob = {"source": sent["text"], "language": "python", "kernelType": "notebook", "slug": request["kernelSlug"]}
        return {"blob": blob, "metadata": metadata}

    def DeleteKernel(self, request: dict) -> dict:
        self.latest(request)
        for version in self.versions.pop(f"{request['userName']}/{request['kernelSlug']}"):
            if version.execution:
                version.execution.stop()
        return {}

    def GetAcceleratorQuotaStatistics(self, request: dict) -> dict:
        return {
            "gpuQuota": {"timeUsed": f"{self.used_seconds}s", "totalTimeAllowed": "108000s"},
            "quotaRefreshTime": "2026-01-10T00:00:00Z",
        }

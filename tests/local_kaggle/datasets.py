"""Datasets and the blob uploads they are made of."""

import io
import zipfile

from .faults import Refusal


class Datasets:
    """Owner/slug -> {"title", "files": {name: bytes}, "asked": how often its status was asked}.

    ``end`` is the state in which processing ends. Zip files are unpacked, as the site does.
    """

    def __init__(self, site):
        self.site = site
        self.known: dict[str, dict] = {}
        self.ready_after, self.end = 1, "READY"

    def GetDatasetStatus(self, request: dict) -> dict:
        dataset = self.known.get(f"{request['ownerSlug']}/{request['datasetSlug']}")
        if dataset is None:
            raise Refusal(404, "Dataset not found")
        dataset["asked"] += 1
        return {"status": self.end if dataset["asked"] >= self.ready_after else "BLOBS_RECEIVED"}

    def ListDatasets(self, request: dict) -> dict:
        words = request.get("search", "").lower()
        found = [(ref, entry["title"]) for ref, entry in self.known.items() if words in entry["title"].lower()]
        return {"datasets": [{"ref": ref, "title": title} for ref, title in found]}

    def DownloadDataset(self, request: dict) -> str:
        ref = f"{request['ownerSlug']}/{request['datasetSlug']}"
        if ref not in self.known:
            raise Refusal(404, "Dataset not found")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in self.known[ref]["files"].items():
                archive.writestr(name, content)
        return self.site.store(f"{ref}.zip", packed.getvalue())

    def StartBlobUpload(self, request: dict) -> dict:
        token = f"blob{len(self.site.calls)}-{request['name']}"
        return {"token": token, "createUrl": f"http://localhost/upload/{token}"}

    def files_of(self, request: dict) -> dict[str, bytes]:
        files = {}
        for token in (file["token"] for file in request.get("files", [])):
            name, content = token.split("-", 1)[1], self.site.uploads[token]
            if name.endswith(".zip"):
                with zipfile.ZipFile(io.BytesIO(content)) as packed:
                    members = [member for member in packed.namelist() if not member.endswith("/")]
                    files |= {f"{name.removesuffix('.zip')}/{member}": packed.read(member) for member in members}
            else:
                files[name] = content
        return files

    def CreateDataset(self, request: dict) -> dict:
        ref = f"{request['ownerSlug']}/{request['slug']}"
        if any(entry["title"].lower() == request["title"].lower() for entry in self.known.values()):
            return {"status": "error", "error": "The requested title is already in use by a dataset."}
        self.known[ref] = {"title": request["title"], "files": self.files_of(request), "asked": 0, "versions": 1}
        return {"status": "ok", "url": f"https://www.kaggle.com/datasets/{ref}", "ref": ref}

    def CreateDatasetVersion(self, request: dict) -> dict:
        ref = f"{request['ownerSlug']}/{request['datasetSlug']}"
        before = self.known[ref]
        files = self.files_of(request["body"])
        self.known[ref] = before | {"files": files, "asked": 0, "versions": before["versions"] + 1}
        return {"status": "ok", "url": f"https://www.kaggle.com/datasets/{ref}"}

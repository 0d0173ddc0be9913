"""Datasets and the blob uploads they are made of."""

from .faults import Refusal


class Datasets:
    """Owner/slug -> {"files": {token: bytes}, "asked": how often its status was asked}."""

    def __init__(self, site):
        self.site = site
        self.known: dict[str, dict] = {}
        self.ready_after = 1

    def GetDatasetStatus(self, request: dict) -> dict:
        dataset = self.known.get(f"{request['ownerSlug']}/{request['datasetSlug']}")
        if dataset is None:
            raise Refusal(404, "Dataset not found")
        dataset["asked"] += 1
        return {"status": "READY" if dataset["asked"] >= self.ready_after else "BLOBS_RECEIVED"}

    def StartBlobUpload(self, request: dict) -> dict:
        token = f"blob{len(self.site.calls)}-{request['name']}"
        return {"token": token, "createUrl": f"http://localhost/upload/{token}"}

    def files_of(self, request: dict) -> dict[str, bytes]:
        tokens = [file["token"] for file in request.get("files", [])]
        return {token.split("-", 1)[1]: self.site.uploads[token] for token in tokens}

    def CreateDataset(self, request: dict) -> dict:
        ref = f"{request['ownerSlug']}/{request['slug']}"
        self.known[ref] = {"files": self.files_of(request), "asked": 0, "versions": 1}
        return {"status": "ok", "url": f"https://www.kaggle.com/datasets/{ref}", "ref": ref}

    def CreateDatasetVersion(self, request: dict) -> dict:
        ref = f"{request['ownerSlug']}/{request['datasetSlug']}"
        files = self.files_of(request["body"])
        self.known[ref] = {"files": files, "asked": 0, "versions": self.known[ref]["versions"] + 1}
        return {"status": "ok", "url": f"https://www.kaggle.com/datasets/{ref}"}

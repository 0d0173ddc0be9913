"""Models: variations with versions, made of blob uploads and served as tar files."""

import io
import tarfile

from .faults import Refusal


class Models:
    """ "owner/model" -> {"title", "description", "variations": {"framework/variation": [files of each version]}}."""

    def __init__(self, site):
        self.site = site
        self.known: dict[str, dict] = {}

    def model(self, request: dict) -> dict:
        found = self.known.get(f"{request['ownerSlug']}/{request.get('modelSlug') or request.get('slug')}")
        if found is None:
            raise Refusal(404, "Model not found")
        return found

    def versions(self, request: dict) -> list[dict[str, bytes]]:
        found = self.model(request)["variations"].get(self.named(request))
        if not found:
            raise Refusal(404, "Model variation not found")
        return found

    def named(self, request: dict) -> str:
        return f"pyTorch/{request['instanceSlug']}"

    def GetModel(self, request: dict) -> dict:
        return {"id": 1, "title": self.model(request)["title"]}

    def CreateModel(self, request: dict) -> dict:
        name = f"{request['ownerSlug']}/{request['slug']}"
        if request["ownerSlug"] != self.site.user:
            raise Refusal(403, "Permission 'models.create' was denied")
        self.known[name] = {"title": request["title"], "description": request["description"], "variations": {}}
        return {"id": len(self.known), "ref": f"/{name}", "url": f"https://www.kaggle.com/models/{name}"}

    def GetModelInstance(self, request: dict) -> dict:
        return {"id": 2, "slug": request["instanceSlug"], "versionNumber": len(self.versions(request))}

    def CreateModelInstance(self, request: dict) -> dict:
        variations = self.model(request)["variations"]
        variations[self.named(request["body"])] = [self.site.datasets.files_of(request["body"])]
        return {"id": 3, "url": f"https://www.kaggle.com/models/{request['ownerSlug']}/{request['modelSlug']}"}

    def CreateModelInstanceVersion(self, request: dict) -> dict:
        self.versions(request).append(self.site.datasets.files_of(request["body"]))
        return {"id": 4, "url": f"https://www.kaggle.com/models/{request['ownerSlug']}/{request['modelSlug']}"}

    def DownloadModelInstanceVersion(self, request: dict) -> str:
        versions = self.versions(request)
        if not 1 <= request["versionNumber"] <= len(versions):
            raise Refusal(404, "Model version not found")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in versions[request["versionNumber"] - 1].items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return self.site.store(f"models/{request['ownerSlug']}/{request['modelSlug']}.tar.gz", packed.getvalue())

    def files(self, source: str) -> dict[str, bytes] | None:
        """Files of a model source with five parts, None where the site does not know it."""
        owner, model, framework, variation, number = source.split("/")
        versions = self.known.get(f"{owner}/{model}", {"variations": {}})["variations"].get(f"{framework}/{variation}", [])
        return versions[int(number) - 1] if int(number) <= len(versions) else None

"""A competition: its data, submissions and their score."""

import csv
import io
from pathlib import Path

from .faults import Refusal


def auc(targets: list[float], scores: list[float]) -> float:
    """Area under the ROC curve by counting pairs, ties half; small tables only."""
    ones = [score for target, score in zip(targets, scores, strict=True) if target > 0.5]
    zeros = [score for target, score in zip(targets, scores, strict=True) if target <= 0.5]
    wins = sum((one > zero) + 0.5 * (one == zero) for one in ones for zero in zeros)
    return wins / (len(ones) * len(zeros))


class Competitions:
    """``archive``: the zip served as the competition's data; ``solution``: {id: target} that scores submissions.

    ``page`` rows of submissions are served at most, whatever is asked for; ``tells_more`` adds the next page's token.
    """

    def __init__(self, site, slug: str = "seti-breakthrough-listen"):
        self.site, self.slug = site, slug
        self.archive: Path | bytes = b""
        self.solution: dict[str, float] = {}
        self.submissions: list[dict] = []
        self.pending, self.page, self.tells_more = 1, 20, True
        self.accepted, self.entered = True, [slug]

    def check(self, name: str) -> None:
        if name != self.slug:
            raise Refusal(404, f"Competition not found: {name}")
        if not self.accepted:
            raise Refusal(403, "You must accept this competition's rules before you'll be able to download files.")

    def ListCompetitions(self, request: dict) -> dict:
        return {"competitions": [{"ref": f"https://www.kaggle.com/competitions/{slug}"} for slug in self.entered]}

    def StartSubmissionUpload(self, request: dict) -> dict:
        self.check(request["competitionName"])
        token = f"submission{len(self.submissions)}-{request['fileName']}"
        return {"token": token, "createUrl": f"http://localhost/upload/{token}"}

    def CreateSubmission(self, request: dict) -> dict:
        self.check(request["competitionName"])
        token = request["blobFileTokens"]
        content = self.site.uploads[token]
        self.submissions.insert(
            0,
            {
                "ref": 1000 + len(self.submissions),
                "fileName": token.split("-", 1)[1],
                "date": "2026-01-02T03:04:05Z",
                "description": request.get("submissionDescription", ""),
                "content": content,
                "asked": 0,
            },
        )
        return {
            "message": "Successfully submitted to SETI Breakthrough Listen",
            "ref": 1000 + len(self.submissions) - 1,
        }

    def GetSubmissionLimits(self, request: dict) -> dict:
        return {"numToday": len(self.submissions), "numAllowedNow": 5 - len(self.submissions)}

    def ListSubmissions(self, request: dict) -> dict:
        self.check(request["competitionName"])
        rows, size = [], min(self.page, request.get("pageSize", 20))
        first = int(request.get("pageToken") or size * (request.get("page", 1) - 1))
        for submission in self.submissions[first : first + size]:
            submission["asked"] += 1
            row = {key: submission[key] for key in ("ref", "fileName", "date", "description")}
            if submission["asked"] > self.pending:
                row |= self.score(submission["content"])
            rows.append(row)
        more = self.tells_more and first + size < len(self.submissions)
        return {"submissions": rows} | ({"nextPageToken": str(first + size)} if more else {})

    def score(self, content: bytes) -> dict:
        rows = {row["id"]: float(row["target"]) for row in csv.DictReader(io.StringIO(content.decode()))}
        if rows.keys() != self.solution.keys():
            return {"status": "ERROR", "errorDescription": "ids do not match"}
        ids = sorted(rows)
        return {
            "status": "COMPLETE",
            "publicScore": f"{auc([self.solution[i] for i in ids], [rows[i] for i in ids]):.5f}",
        }

    def DownloadDataFiles(self, request: dict) -> str:
        self.check(request["competitionName"])
        return self.site.store(f"{self.slug}.zip", self.archive)

    def ListDataFiles(self, request: dict) -> dict:
        self.check(request["competitionName"])
        return {"files": [{"name": "train_labels.csv", "ref": "train_labels.csv", "totalBytes": 100}]}

"""Logins by token: which are accepted, and whose they are."""

from .faults import Refusal


class Accounts:
    """``tokens`` are accepted as bearers; ``refresh`` tokens give one of them."""

    def __init__(self, site):
        self.site = site
        self.tokens: set[str] = set()
        self.refresh: set[str] = set()

    def IntrospectToken(self, request: dict) -> dict:
        if request["token"] not in self.tokens:
            raise Refusal(404, "Token not found")
        return {"active": True, "username": self.site.user}

    def GenerateAccessToken(self, request: dict) -> dict:
        if request.get("refreshToken") not in self.refresh:
            raise Refusal(400, "The refresh token is not valid")
        self.tokens.add("KGAT_fresh")
        return {"token": "KGAT_fresh", "expiresIn": 3600, "userName": self.site.user}

"""Where the kaggle client keeps credentials, so that none of them is ever shown or pushed."""

import base64
import json
import os
import re
from pathlib import Path

VARIABLES = ("KAGGLE_KEY", "KAGGLE_API_TOKEN")
FILES = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")


def secrets() -> list[str]:
    """Every form in which a credential of this user could appear in a text, longest first."""
    found = {os.environ[name] for name in VARIABLES if os.environ.get(name)}
    found |= {contents(name) for name in found}  # KAGGLE_API_TOKEN may name the file that holds the token
    homes = [Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle"), Path.home() / ".config/kaggle"]
    user = os.environ.get("KAGGLE_USERNAME", "")
    for home in homes:
        for name in FILES:
            try:
                text = (home / name).read_text(encoding="utf-8").strip()
                values = json.loads(text) if name.endswith(".json") else {"token": text}
            except (OSError, ValueError):
                continue
            user = user or str(values.get("username", ""))
            found |= {str(value) for key, value in values.items() if "token" in key or key == "key"}
    found |= {base64.b64encode(f"{user}:{secret}".encode()).decode() for secret in set(found)}
    return sorted((secret for secret in found if len(secret) >= 8), key=len, reverse=True)


def contents(name: str) -> str:
    """What the file called ``name`` holds, "" where there is none."""
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def redact(text: str) -> str:
    """``text`` with every credential replaced by stars, whatever printed it."""
    for secret in secrets():
        text = text.replace(secret, "*****")
    return re.sub(r"(?i)(authorization:\s*\w+\s+)\S+", r"\1*****", text)

"""Every way to log in works with the real client, and every way in which none is accepted says what to do."""

import json

import pytest
from local_kaggle.fixtures import kaggle_process, site  # noqa: F401 - fixtures

from seti_utils.kaggle import client, errors
from seti_utils.kaggle.credentials import redact, secrets
from seti_utils.kaggle.fetch import fetch
from seti_utils.kaggle.quota import quota


@pytest.fixture
def nobody(kaggle_process, tmp_path, monkeypatch):
    """The site, and a home folder without credentials; returns the folder for them."""
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    folder = tmp_path / "home/.kaggle"
    folder.mkdir()
    return folder


def test_a_key_in_a_file(nobody, site):
    (nobody / "kaggle.json").write_text(json.dumps({"username": site.user, "key": site.key}), encoding="utf-8")
    assert client.user() == "tester" and quota()["GPU"].total == 30


def test_a_token_alone(nobody, site):
    site.accounts.tokens.add("KGAT_0123456789abcdef")
    (nobody / "access_token").write_text("KGAT_0123456789abcdef\n", encoding="utf-8")
    assert client.user() == "tester" and quota()["GPU"].total == 30
    assert redact("KGAT_0123456789abcdef") == "*****"


def test_a_token_in_the_environment(nobody, site, monkeypatch, tmp_path):
    site.accounts.tokens.add("KGAT_0123456789abcdef")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_0123456789abcdef")
    assert client.user() == "tester"
    (tmp_path / "token").write_text("KGAT_0123456789abcdef", encoding="utf-8")
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(tmp_path / "token"))
    assert client.user() == "tester" and "KGAT_0123456789abcdef" in secrets()


def test_a_login_in_the_browser(nobody, site):
    """What `kaggle auth login` leaves: a refresh token, from which the client gets an access token when it needs one."""
    site.accounts.refresh.add("refresh-refresh")
    left = {"refresh_token": "refresh-refresh", "access_token": "", "access_token_expiration": "", "username": "tester"}
    (nobody / "credentials.json").write_text(json.dumps(left), encoding="utf-8")
    assert client.user() == "tester" and quota()["GPU"].total == 30


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kaggle.json", '{"username": "tester"}'),
        ("kaggle.json", "not json"),
        ("access_token", "KGAT_of_yesterday_0000"),
        ("credentials.json", '{"refresh_token": "revoked", "username": "tester"}'),
        ("nothing", ""),
    ],
    ids=["no key", "damaged", "expired token", "revoked login", "none"],
)
def test_what_is_not_accepted_says_how_to_log_in(nobody, tmp_path, name, content):
    (nobody / name).write_text(content, encoding="utf-8")
    for ask in (client.user, lambda: fetch("tester/x", tmp_path / "out")):
        with pytest.raises(errors.Unauthorized, match="kaggle auth login") as raised:
            ask()
        assert "KGAT" not in str(raised.value) and raised.value.exit_code

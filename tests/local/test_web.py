"""`make up`: its logins, and what the console finds in its environment."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from local import environment as env
from local import web


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LOCAL", tmp_path)
    monkeypatch.setattr(web, "PASSWORDS", tmp_path / "passwords.json")
    for name in ("COMPLIANCE_EVIDENCE_URL", "COMPLIANCE_DATA_DOCS_URL", env.VAULT_KEY):
        monkeypatch.delenv(name, raising=False)


def test_two_logins_may_decide_so_that_one_accepts_what_the_other_handed_in() -> None:
    roles = dict(user.split(":") for user in web.USERS.split(","))
    assert roles == {"admin": "admin", "owner": "op", "reviewer": "user", "viewer": "viewer"}


def test_a_login_that_is_new_gets_a_password_and_the_others_keep_theirs() -> None:
    web.PASSWORDS.write_text(json.dumps({"admin": "kept", "owner": "kept too"}))
    web._write_passwords()
    passwords = json.loads(web.PASSWORDS.read_text())
    assert passwords["admin"] == "kept" and passwords["owner"] == "kept too"
    assert len(passwords["reviewer"]) >= 16 and passwords["reviewer"] != passwords["viewer"]
    assert stat.S_IMODE(web.PASSWORDS.stat().st_mode) == 0o600
    web._write_passwords()
    assert json.loads(web.PASSWORDS.read_text()) == passwords


def test_the_console_finds_its_address_the_vaults_key_and_the_folders_of_make_evidence(tmp_path: Path) -> None:
    found = web.web_environment(tmp_path / "home", 8081)
    assert found["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8081"
    assert len(found[env.VAULT_KEY]) == 44
    assert found["COMPLIANCE_EVIDENCE_URL"] == (tmp_path / "evidence").as_uri()


def test_folders_that_a_person_named_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", "s3://store@bucket/evidence")
    assert web.web_environment(tmp_path / "home", 8081)["COMPLIANCE_EVIDENCE_URL"] == "s3://store@bucket/evidence"


def test_webhooks_are_delivered_to_the_console_unless_a_person_named_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPLIANCE_WEBHOOK_URL", raising=False)
    monkeypatch.delenv(env.BITBUCKET_CONNECTION, raising=False)
    own = web.web_environment(tmp_path / "home", 8081)["COMPLIANCE_WEBHOOK_URL"]
    assert own == "http://127.0.0.1:8081/compliance/webhooks/bitbucket"
    # Bitbucket itself reaches no loopback.
    monkeypatch.setenv(env.BITBUCKET_CONNECTION, "{}")
    assert "COMPLIANCE_WEBHOOK_URL" not in web.web_environment(tmp_path / "home", 8081)
    monkeypatch.setenv("COMPLIANCE_WEBHOOK_URL", "https://hooks.example.com/webhooks/bitbucket")
    named = web.web_environment(tmp_path / "home", 8081)["COMPLIANCE_WEBHOOK_URL"]
    assert named == "https://hooks.example.com/webhooks/bitbucket"

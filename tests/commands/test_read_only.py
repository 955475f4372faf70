"""Operator commands on a server: the code can't be written, `local` and `sandbox` are not there, nor is a home."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bitbucket_compliance.registry import persons
from sandbox import demo
from tests.conftest import ROOT, Database
from tests.pipeline.board import PEERS, Board, Judged
from tests.registry.files import picture

NOBODY = 65534

Operator = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def code() -> Iterator[Path]:
    """A copy of what an image holds, closed to writing and outside the folders of one user."""
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    for part in ("include/bitbucket_compliance", "plugins", "dags"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def data() -> Iterator[Path]:
    """Where an operator's files lie; everybody may write there."""
    folder = Path(tempfile.mkdtemp(prefix="operator-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def _another_user() -> dict[str, Any]:
    """Root may write anywhere: where the tests run as root, the user `nobody` runs commands, if Python lets it."""
    if os.geteuid() != 0:
        return {}
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        done = subprocess.run([sys.executable, "-c", "import psycopg"], **user, cwd="/", check=False)
    except OSError:
        return {}
    return user if done.returncode == 0 else {}


@pytest.fixture
def operator(code: Path, data: Path, dsn: str) -> Operator:
    """Runs a command and gives exit code, output and errors."""
    user = _another_user()
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join([str(code / "include"), str(code / "plugins")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW_HOME": str(data / "airflow"),
        "AIRFLOW_CONN_COMPLIANCE_POSTGRES": dsn,
        "COMPLIANCE_VAULT_KEY": Fernet.generate_key().decode(),
        "COMPLIANCE_WEBHOOK_KEY": Fernet.generate_key().decode(),
        "COMPLIANCE_EVIDENCE_URL": (data / "evidence").as_uri(),
        "COMPLIANCE_EXPORT_TARGET": str(data / "exports"),
    }

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "bitbucket_compliance", *arguments],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **user,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def _contents(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.slow
def test_every_command_works_with_the_code_read_only_and_from_another_folder(
    operator: Operator, code: Path, data: Path, database: Database
) -> None:
    assert not any(path.stat().st_mode & stat.S_IWOTH for path in code.rglob("*"))
    before = _contents(code)
    database.autocommit = False
    board = Board(database)
    board.repository("pay")
    board.publish({"{pay}": Judged("failing", "one")})
    # Who owns the risk is known here, whoever runs the commands.
    persons.note(database, "os:root")
    database.commit()
    (data / "policy.yaml").write_text("thresholds: {min_approvals: 2}\n")
    (data / "shot.png").write_bytes(picture())
    day = datetime.now(UTC).date()
    flags = ("--test", PEERS, "--workspace", board.workspace)
    until = f"--until={day + timedelta(days=9)}"

    for arguments, words in (
        (["upgrade"], "compliance schema is current"),
        (["import", f"--roster={demo.ROSTER}", f"--classification={demo.CLASSIFICATION}"], "imported: classification"),
        (["unclassify", "--target-type=project", "--target=CORE"], "taken back"),
        (["policy", "--workspace=acme", f"--file={data / 'policy.yaml'}", "--reason=r"], "min_approvals: 2"),
        (
            ["evidence", *flags, f"--file={data / 'shot.png'}", f"--captured-on={day}", "--scope=workspace"],
            "submitted:",
        ),
        (["evidence"], PEERS),
        (["exception", *flags, "--subject=pay", "--owner=os:root", "--reason=r", until], "requested: exception"),
        (["explain", "--test", PEERS, "--subject=pay"], "how it went"),
        (["export", "--format=csv"], "1 failing"),
        (["verify"], "all fits"),
        (["rotate-vault-key"], "COMPLIANCE_VAULT_KEY: 0"),
    ):
        code_of, out, err = operator(*arguments)
        assert (code_of, words in out) == (0, True), (arguments, out, err)
    [exception_id] = [row["exception_id"] for row in database.execute("SELECT exception_id FROM registry.exceptions")]
    code_of, _, err = operator("review", f"--exception={exception_id}", "--decision=accept")
    assert code_of == 1 and "somebody else has to decide" in err
    for command in ("connect", "webhooks"):
        code_of, _, err = operator(command)
        assert code_of == 1 and "set AIRFLOW_CONN_BITBUCKET_DEFAULT" in err

    # What was noted of the record is found again; another file in the place of a screenshot is not taken for it.
    code_of, out, _ = operator("verify", f"--workspace={board.workspace}")
    digest = out.split("sha256 ")[-1].split()[0]
    assert (code_of, f"{digest} is link" in operator("verify", f"--head={digest}")[1]) == (0, True)
    code_of, _, err = operator("verify", f"--head={'0' * 64}")
    assert code_of == 1 and "no digest of the record" in err
    [shot] = (data / "evidence").rglob("*.png")
    shot.chmod(0o600)
    shot.write_bytes(picture() + b"another")
    code_of, out, err = operator("verify")
    assert code_of == 1 and "1 thing is not as it was recorded, the first is evidence" in err and "changed" in out

    assert _contents(code) == before
    assert list((data / "evidence").rglob("*.png")) and list((data / "exports").glob("*.csv"))

"""What an operator is given to type, and what others are called, does nothing to the operator's shell or terminal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bitbucket_compliance.commands.command_line import COMMANDS, Command, CommandError, main, table
from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.evidence_files.store import keep
from bitbucket_compliance.registry.imports import problem_lines
from local import __main__ as _of_one_machine  # noqa: F401 - registers its commands
from tests.conftest import ROOT

HOSTILE = (
    "$(shell touch {0}/a)x $5 $$7 `touch {0}/b` ; touch {0}/c \"q\" 's' # h \\ $(error boom) ${{HOME}} $(eval x := 1)"
    " $@ %s é\t* ? > {0}/d | touch {0}/e && touch {0}/f"
)


@pytest.fixture
def makefile(tmp_path: Path) -> Path:
    """The Makefile beside a set-up that does nothing, and a program that keeps what it was given."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "include" / "local").mkdir(parents=True)
    (tmp_path / "include" / "local" / "setup.sh").touch()
    (tmp_path / "keep.py").write_text(
        "import json, os, sys\njson.dump([sys.argv[1:], dict(os.environ)], open('kept.json', 'w'))\n"
    )
    return tmp_path


def given(makefile: Path, name: str, by_environment: bool, *options: str) -> tuple[list[str], dict[str, str]]:
    """What a command gets of hostile values of all its variables, on its command line and in its environment."""
    value = HOSTILE.format(makefile)
    variables = {flag.name.upper().replace("-", "_"): value for flag in COMMANDS[name].flags}
    typed = [] if by_environment else [f"{variable}={value}" for variable in variables]
    subprocess.run(
        ["make", "--silent", *options, name, *typed, f"LOCAL={sys.executable} keep.py"],
        cwd=makefile,
        env=dict(os.environ) | (variables if by_environment else {}),
        check=True,
        timeout=60,
    )
    arguments, environment = json.loads((makefile / "kept.json").read_text())
    return arguments, {variable: environment[variable] for variable in variables}


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize(
    "name", sorted(name for name, command in COMMANDS.items() if command.flags and command.is_for_make)
)
def test_a_value_reaches_a_command_as_it_was_typed(makefile: Path, name: str, by_environment: bool) -> None:
    arguments, values = given(makefile, name, by_environment)
    assert arguments == [name]
    assert all(value == HOSTILE.format(makefile) for value in values.values())
    assert {path.name for path in makefile.iterdir()} == {"Makefile", "include", "keep.py", "kept.json"}


@pytest.mark.parametrize("options", [["--environment-overrides"], ["--jobs", "2"], ["--warn-undefined-variables"]])
def test_no_option_of_make_changes_that(makefile: Path, options: list[str]) -> None:
    _, values = given(makefile, "import", False, *options)
    assert all(value == HOSTILE.format(makefile) for value in values.values())


@pytest.mark.parametrize("target", ["sandbox", "bench-console"])
def test_the_recipes_that_use_a_value_themselves_run_nothing_of_it(makefile: Path, target: str) -> None:
    value = HOSTILE.format(makefile)
    variables = [f"{name}={value}" for name in ("PORT", "WORKLOAD", "OPTIONS")]
    subprocess.run(
        ["make", "--silent", target, *variables, f"PYTHON_BIN={sys.executable} keep.py"],
        cwd=makefile,
        check=True,
        timeout=60,
    )
    assert {path.name for path in makefile.iterdir()} == {"Makefile", "include", "keep.py", "kept.json"}


# ---------------------------------------------------------------------------------------------------- the terminal

NAME = "pay\x1b]0;owned\x07\x1b[2Jments\u202egnp.exe\u2066\x9b31m\x00\r\u2028zero\u200bwidth\udc80"
SHOWN = r"pay\x1b]0;owned\x07\x1b[2Jments\u202egnp.exe\u2066\x9b31m\x00\r\u2028zero\u200bwidth\udc80"


def run(monkeypatch: pytest.MonkeyPatch, function: Callable[[], None]) -> int:
    """Run a command that was registered as any other is."""
    monkeypatch.setitem(COMMANDS, "try", Command("try", "a command", (), None, function))
    return main("program", ["try"])


def test_a_name_does_nothing_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        print(f"imported: {NAME}\nunmatched: {NAME}")
        raise CommandError(f"{NAME}: no such repository")

    assert run(monkeypatch, fails) == 1
    said = capsys.readouterr()
    assert said.out == f"imported: {SHOWN}\nunmatched: {SHOWN}\n"
    assert said.err.startswith("error: pay\\x1b]0;owned") and said.err.rstrip("\n").isprintable()


def test_a_name_of_several_lines_is_one_cell_and_one_refusal() -> None:
    assert table([("name", "status"), ("a\nb", "failing")]).splitlines() == ["name  status", r"a\nb  failing"]
    [line] = problem_lines(ImportRefused("x", ["roster.csv: line 1: a\nimported: roster"]))
    assert line == r"refused: roster.csv: line 1: a\nimported: roster"


def test_what_a_command_creates_is_for_its_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert run(monkeypatch, lambda: (tmp_path / "made").mkdir() or (tmp_path / "file").touch()) == 0
        assert os.umask(0o022) == 0o022, "the caller's own is as it was"
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("made", "file")] == [0o700, 0o600]


def test_evidence_is_kept_for_its_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "store").as_uri())
    keep(b"evidence", "png")
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {0o700, 0o600}

"""How commands are registered and called, and that their help and `make help` tell the same."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from bitbucket_compliance.__main__ import main as operate
from bitbucket_compliance.commands.command_line import BY_MAKE, COMMANDS, PROGRAM, spelled
from bitbucket_compliance.commands.environment import operator
from local import __main__ as _of_one_machine  # noqa: F401 - registers its commands
from tests.conftest import ROOT


@pytest.fixture
def by_make() -> Iterator[None]:
    token = BY_MAKE.set(True)
    yield
    BY_MAKE.reset(token)


def _operator_commands() -> list[str]:
    return [name for name, each in COMMANDS.items() if each.function.__module__.startswith("bitbucket_compliance.")]


def _make_help() -> dict[str, str]:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(re.findall(r"^  make (\S+) +(.*)$", done.stdout, re.MULTILINE))


@pytest.mark.usefixtures("by_make")
def test_make_help_tells_what_each_command_registered() -> None:
    listed = _make_help()
    for_make = {name: each.help_line for name, each in COMMANDS.items() if each.is_for_make}
    assert {name: listed.get(name) for name in for_make} == for_make
    assert {name for name in COMMANDS if name not in listed} == {"judge"}


def test_the_recipe_of_a_command_passes_nothing_on_the_command_line() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in (name for name, each in COMMANDS.items() if each.is_for_make):
        assert re.search(rf"^{name}: [^\n]*\n\t@[^\n]*\$\(LOCAL\) {name}(; fi)?$", makefile, re.MULTILINE), name


@pytest.mark.parametrize("name", _operator_commands())
def test_the_help_of_a_command_tells_what_it_does_and_every_flag(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as left:
        operate([name, "--help"])
    assert left.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert COMMANDS[name].text in told and f"usage: {PROGRAM} {name}" in told
    for flag in COMMANDS[name].flags:
        assert f"--{flag.name} " in told and flag.shown in told and flag.text in told


def test_operator_commands_know_nothing_of_one_machine() -> None:
    assert {"upgrade", "policy", "import", "webhooks"} <= set(_operator_commands())
    assert set(_operator_commands()).isdisjoint({"demo", "run", "up", "psql", "clean"})


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nothing"], "error: command: invalid choice: 'nothing'"),
        (["explain", "--test=x"], "error: the following arguments are required: --subject; usage: python -m "),
        (["explain", "--tests=x"], "error: the following arguments are required: --test, --subject; usage: "),
        (["review", "--decision=maybe"], "error: --decision=maybe: choose one of accept, reject, withdraw; usage: "),
        (["review", "--decision=accept"], "error: give --evidence=id, --exception=id or --policy=number, one of them"),
        (["webhooks", "--reactivate=perhaps"], "error: --reactivate=perhaps: write 1, or leave it out; usage: "),
        (["connect", "--port=70000"], "error: --port=70000: is no port: write a number from 1 to 65535; usage: "),
        (["evidence", "--captured-on=31.3."], "error: --captured-on=31.3.: is no date: write it as 2026-03-31"),
        (["evidence", "--file=/no/such.png"], "error: --file=/no/such.png: there is no such file"),
    ],
)
def test_a_wrong_call_is_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert operate(arguments) == 1
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(line.replace("command: ", "COMMAND: ") if "invalid choice" in line else line)


@pytest.mark.usefixtures("by_make")
def test_make_is_answered_in_the_words_of_make() -> None:
    assert spelled(f"{PROGRAM} review --evidence=1 --captured-on=2026-03-31 'a --flag of theirs' a--b") == (
        "make review EVIDENCE=1 CAPTURED_ON=2026-03-31 'a FLAG of theirs' a--b"
    )


def test_without_a_postgres_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", raising=False)
    for arguments in (["upgrade"], ["evidence"], ["explain", "--test=a", "--subject=b"]):
        assert operate(arguments) == 1
        assert capsys.readouterr().err.startswith("error: AIRFLOW_CONN_COMPLIANCE_POSTGRES is not set")


def test_who_runs_a_command_is_not_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = operator()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert operator() == before != "somebody-else"

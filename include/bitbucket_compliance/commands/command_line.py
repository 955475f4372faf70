"""The frame of every command: registered with its flags and help, called, and refused in one line.

A flag is written ``--captured-on`` in the code. Where ``make`` calls a command, the same flag is the variable
CAPTURED_ON: its value comes from the environment, and what is printed names it so.

argparse, because the commands that need Airflow are few, and typer or click would bring nothing but another way to
print errors on several lines.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, NoReturn, TypeVar, cast

from bitbucket_cloud.errors import BitbucketError
from bitbucket_compliance.core.errors import PipelineError, one_line
from bitbucket_compliance.core.printable import printable

PROGRAM: Final = "python -m bitbucket_compliance"
#: the same, where the package is installed
INSTALLED: Final = "bitbucket-compliance"
#: whether make called the command, and flags are variables
BY_MAKE: Final[ContextVar[bool]] = ContextVar("by_make", default=False)

Function = TypeVar("Function", bound=Callable[..., "int | None"])

_FLAG = re.compile(r"(?<![\w'\"-])--([a-z]+(?:-[a-z]+)*)")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_UUID = re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)


class CommandError(PipelineError):
    """A command can't go on; the message is the one line that a person reads."""


@dataclass(frozen=True)
class Flag:
    """A flag of a command.

    Attributes:
        shown: a value as an example, or the values there are.
        text: what it means, for the help.
        is_a: reads the value; raises ``ArgumentTypeError`` (see ``wrong``) where it can't be one.
        bare: what the flag means without a value; None: it needs one.
    """

    name: str
    shown: str
    text: str
    is_a: Callable[[str], Any] = str
    default: Any = ""
    required: bool = False
    bare: Any = None

    def __str__(self) -> str:
        """As a usage line shows it."""
        return f"--{self.name}={self.shown}" if self.required else f"[--{self.name}={self.shown}]"

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Let a parser know it."""
        how = {"required": self.required} if self.bare is None else {"nargs": "?", "const": self.bare}
        options: dict[str, Any] = {"help": self.text, "metavar": self.shown, "type": self.is_a, "default": self.default}
        parser.add_argument(f"--{self.name}", **options, **how)


@dataclass(frozen=True)
class Command:
    """A command as it was registered; see ``command``."""

    name: str
    text: str
    flags: tuple[Flag, ...]
    check: Callable[..., None] | None
    function: Callable[..., int | None]
    is_for_make: bool = True

    @property
    def help_line(self) -> str:
        """What it does and its flags, on one line."""
        return spelled(f"{self.text}: {' '.join(map(str, self.flags))}" if self.flags else self.text)

    def variables(self) -> list[str]:
        """The flags that make was given as variables."""
        given = {flag.name: os.environ.get(flag.name.upper().replace("-", "_")) for flag in self.flags}
        return [f"--{name}={value}" for name, value in given.items() if value]


#: every command that was registered, by its name
COMMANDS: Final[dict[str, Command]] = {}


def command(
    name: str, text: str, *flags: Flag, check: Callable[..., None] | None = None, is_for_make: bool = True
) -> Callable[[Function], Function]:
    """Register a function as a command; it is called with the flags by name and gives the exit code where it is not 0.

    ``check`` raises ``CommandError`` where the flags don't fit together, before anything is started. ``is_for_make``:
    there is a target of ``make`` by this name.
    """

    def register(function: Function) -> Function:
        COMMANDS[name] = Command(name, text, flags, check, function, is_for_make)
        return function

    return register


class _Parser(argparse.ArgumentParser):
    usage_line = ""

    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's several."""
        problem = message.removeprefix("argument ").replace(": =", "=", 1)
        raise CommandError(f"{problem}; usage: {self.usage_line or self.prog}")


def main(
    program: str,
    argv: list[str] | None = None,
    around: Callable[[Command], AbstractContextManager[object]] = lambda _: nullcontext(),
) -> int:
    """Run the command of the command line, in a context of its own; what goes wrong becomes one line on standard error.

    Returns:
        The exit code.
    """
    signal.signal(signal.SIGTERM, _terminated)
    argv = sys.argv[1:] if argv is None else argv
    with _escaped(), _private_files():
        return _run(program, argv, around)


def _run(program: str, argv: list[str], around: Callable[[Command], AbstractContextManager[object]]) -> int:
    try:
        if BY_MAKE.get() and argv and argv[0] in COMMANDS:
            argv = [argv[0], *COMMANDS[argv[0]].variables(), *argv[1:]]
        flags = vars(_parser(program).parse_args(argv))
        chosen = COMMANDS[flags.pop("command")]
        if chosen.check:
            chosen.check(**flags)
        with around(chosen):
            return chosen.function(**flags) or 0
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except (PipelineError, BitbucketError) as error:
        print(f"error: {spelled(one_line(error))}", file=sys.stderr)
        return 1


class _Escaped:
    """A stream to a terminal that obeys nothing of what it is shown; lines end as they are written."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write("\n".join(map(printable, text.split("\n"))))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _escaped() -> Iterator[None]:
    """What people elsewhere chose as names can't move the cursor, hide text or turn it round."""
    out, err = (cast(IO[str], _Escaped(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        yield


@contextmanager
def _private_files() -> Iterator[None]:
    """What a command, or a program that it starts, creates is for its own user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _parser(program: str) -> _Parser:
    parser = _Parser(prog=program, allow_abbrev=False)
    called = PROGRAM if BY_MAKE.get() else program
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for each in COMMANDS.values():
        below = commands.add_parser(
            each.name, help=each.text, description=each.text, prog=f"{called} {each.name}", allow_abbrev=False
        )
        below.usage_line = " ".join([below.prog, *map(str, each.flags)])
        for flag in each.flags:
            flag.add_to(below)
    return parser


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def own_name() -> str:
    """How the commands of the package were called."""
    return INSTALLED if Path(sys.argv[0]).name == INSTALLED else PROGRAM


def spelled(text: str) -> str:
    """``text``, with the commands and flags in it as the caller writes them."""
    if not BY_MAKE.get():
        return text.replace(PROGRAM, own_name())
    return _FLAG.sub(lambda flag: flag[1].upper().replace("-", "_"), text.replace(PROGRAM, "make"))


# --- what a flag's value can be ------------------------------------------------------------------------


def wrong(value: str, problem: str) -> argparse.ArgumentTypeError:
    """To be raised where a value can't be one: the line reads ``--flag=value: problem``."""
    return argparse.ArgumentTypeError(f"={value}: {problem}")


def workspace(value: str) -> str:
    """A workspace's slug, in lower case as it is kept, or uuid."""
    value = value.strip().lower()
    if not (_SLUG.fullmatch(value) or _UUID.fullmatch(value)):
        raise wrong(repr(value), "is no workspace slug or uuid; a slug is what follows bitbucket.org/ in its address")
    return value


def day(value: str) -> date:
    """A day."""
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise wrong(value, "is no date: write it as 2026-03-31") from None


def readable_file(value: str) -> Path:
    """The absolute path of a file that can be read."""
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise wrong(value, "there is no such file")
    if not os.access(path, os.R_OK):
        raise wrong(value, "the file can't be read")
    return path


def switch(value: str) -> bool:
    """Whether a switch is on."""
    word = value.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise wrong(value, "write 1, or leave it out")


def number(value: str) -> int:
    """A number from 1 on."""
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 2**63):
        raise wrong(value[:40], "is no number from 1 on")
    return int(value)


def port(value: str) -> int:
    """A port of this machine."""
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise wrong(value, "is no port: write a number from 1 to 65535")
    return int(value)


def port_or_any(value: str) -> int:
    """A port of this machine, or 0 for any that is free."""
    return 0 if value == "0" else port(value)


def one_of(*names: str) -> Callable[[str], str]:
    """One of these words."""

    def chosen(value: str) -> str:
        word = value.strip().lower()
        if word not in names:
            raise wrong(value, f"choose one of {', '.join(names)}")
        return word

    return chosen


# --- what a command prints -----------------------------------------------------------------------------


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows of cells, each column as wide as its widest cell."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )

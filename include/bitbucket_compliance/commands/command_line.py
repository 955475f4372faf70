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
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from bitbucket_cloud.errors import BitbucketError
from bitbucket_compliance.core.errors import PipelineError, one_line

PROGRAM: Final = "python -m bitbucket_compliance"
#: whether make called the command, and flags are variables
BY_MAKE: Final[ContextVar[bool]] = ContextVar("by_make", default=False)

_FLAG = re.compile(r"(?<![\w'\"-])--([a-z]+(?:-[a-z]+)*)")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_UUID = re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)


class CommandError(PipelineError):
    """A command can't go on; the message is the one line that a person reads."""


class Parser(argparse.ArgumentParser):
    """The flags of one command.

    Attributes:
        usages: each flag as a usage line shows it, in order.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self.usages: dict[str, str] = {}

    def flag(
        self,
        name: str,
        shown: str,
        text: str,
        *,
        is_a: Callable[[str], Any] = str,
        default: Any = "",
        required: bool = False,
        bare: Any = None,
    ) -> None:
        """Add ``--name``.

        Args:
            shown: a value as an example, or the values there are.
            text: what it means, for the help.
            is_a: reads the value; raises ``ArgumentTypeError`` (see ``wrong``) where it can't be one.
            bare: what the flag means without a value; None: it needs one.
        """
        self.add_argument(
            f"--{name}",
            help=text,
            metavar=shown,
            type=is_a,
            default=default,
            required=required,
            **({} if bare is None else {"nargs": "?", "const": bare}),
        )
        self.usages[name] = f"--{name}={shown}" if required else f"[--{name}={shown}]"

    def from_environment(self) -> Iterator[str]:
        """The flags that make was given as variables."""
        for name in self.usages:
            if value := os.environ.get(name.upper().replace("-", "_")):
                yield f"--{name}={value}"

    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's several.

        Raises:
            CommandError: always.
        """
        problem = message.removeprefix("argument ").replace(": =", "=", 1)
        raise CommandError(f"{problem}; usage: {' '.join([self.prog, *self.usages.values()])}")


class Commands:
    """The commands of one program."""

    def __init__(self, program: str, description: str) -> None:
        self._parser = Parser(prog=program, description=description)
        self._subparsers = self._parser.add_subparsers(
            dest="command", required=True, metavar="COMMAND", parser_class=Parser
        )
        self.parsers: dict[str, Parser] = {}

    def add(
        self, name: str, function: Callable[..., int | None], text: str, *, check: Callable[..., None] | None = None
    ) -> Parser:
        """Add a command; its flags are added to what is returned.

        Args:
            function: does it, called with the flags by name; gives the exit code where it is not 0.
            text: what it does, for the help.
            check: raises ``CommandError`` where the flags don't fit together, before anything is started.
        """
        parser: Parser = self._subparsers.add_parser(name, help=text, description=text, prog=f"{PROGRAM} {name}")
        parser.set_defaults(function=function, check=check)
        self.parsers[name] = parser
        return parser

    def help_line(self, name: str) -> str:
        """What a command does and its flags, on one line."""
        parser = self.parsers[name]
        flags = " ".join(parser.usages.values())
        return spelled(f"{parser.description}: {flags}" if flags else str(parser.description))

    def main(
        self,
        argv: list[str] | None = None,
        around: Callable[[str], AbstractContextManager[object]] = lambda _: nullcontext(),
    ) -> int:
        """Run the command of the command line; what goes wrong becomes one line on standard error.

        Args:
            around: for the name of a command, the context it runs in.

        Returns:
            The exit code.
        """
        signal.signal(signal.SIGTERM, _terminated)
        try:
            flags = vars(self._parser.parse_args(self._with_variables(sys.argv[1:] if argv is None else argv)))
            name, function, check = (flags.pop(key) for key in ("command", "function", "check"))
            if check:
                check(**flags)
            with around(name):
                return function(**flags) or 0
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return 130
        except (PipelineError, BitbucketError) as error:
            print(f"error: {spelled(one_line(error))}", file=sys.stderr)
            return 1

    def _with_variables(self, argv: list[str]) -> list[str]:
        parser = self.parsers.get(argv[0]) if argv and BY_MAKE.get() else None
        return argv if parser is None else [argv[0], *parser.from_environment(), *argv[1:]]


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def spelled(text: str) -> str:
    """``text``, with the commands and flags in it as the caller writes them."""
    if not BY_MAKE.get():
        return text
    return _FLAG.sub(lambda flag: flag[1].upper().replace("-", "_"), text.replace(PROGRAM, "make"))


# --- what a flag's value can be ------------------------------------------------------------------------


def wrong(value: str, problem: str) -> argparse.ArgumentTypeError:
    """To be raised where a value can't be one: the line reads ``--flag=value: problem``."""
    return argparse.ArgumentTypeError(f"={value}: {problem}")


def workspace(value: str) -> str:
    """A workspace's slug or uuid."""
    value = value.strip()
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


def port(value: str) -> int:
    """A port of this machine."""
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise wrong(value, "is no port: write a number from 1 to 65535")
    return int(value)


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
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )

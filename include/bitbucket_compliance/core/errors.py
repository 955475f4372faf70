"""Errors named for what a person must do next. Each message is one line: what is wrong with what, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

# The drivers are imported where they are asked for: the process that opens uploaded files imports this module at each
# file, and has no use for them.
if TYPE_CHECKING:
    import psycopg


class PipelineError(Exception):
    """Base of the pipeline's own errors. ``retryable`` says whether waiting can cure it."""

    retryable = False


class PostgresUnavailable(PipelineError):
    """Postgres does not answer, or went away in the middle."""

    retryable = True


class PostgresRefused(PipelineError):
    """Postgres answers, and refuses the login or stopped a statement: look at what it says."""

    def __init__(self, message: str, *, retryable: bool):
        super().__init__(message)
        self.retryable = retryable


class PostgresBusy(PipelineError):
    """Another session holds a lock for too long; whoever waited for it tries again."""

    retryable = True


class PostgresFull(PipelineError):
    """Postgres can't write: its disk is full."""

    retryable = True


class PoolerRefused(PipelineError):
    """A pooler in transaction mode stands before Postgres: a session's role and settings would be another's."""


class MigrationRefused(PipelineError):
    """The database can't be brought to the schema of this version; nothing was changed."""


class BackupRefused(PipelineError):
    """A backup can't be written there, or can't be restored; nothing was changed."""


class SchemaMissing(PipelineError):
    """The database was not migrated."""


class SchemaChanged(PipelineError):
    """An upgrade changed the schema under a step of the version before; the step is tried again."""

    retryable = True


class RoleRefused(PipelineError):
    """The login may not step into the role that the work has to be done in."""


class WorkspaceUnknown(PipelineError):
    """No such workspace for this identity."""


class ConnectionRefused(PipelineError):
    """The Bitbucket connection's credentials or scopes don't suffice."""


class BitbucketUnavailable(PipelineError):
    """Bitbucket can't be reached, or answers with nothing but errors."""

    retryable = True


class Waiting(Exception):
    """No failure: the task has to wait for something and gives its worker slot back until then.

    Attributes:
        resume_at: when it is worth coming back (aware, UTC).
    """

    def __init__(self, message: str, resume_at: datetime | None = None):
        super().__init__(message)
        self.resume_at = resume_at or datetime.now(UTC)


class WaitForRequests(Waiting):
    """The hour's requests are used up, or Bitbucket keeps limiting the rate.

    Attributes:
        checkpoints: where the calls that were under way stopped (``Checkpoint``); empty where none was.
    """

    def __init__(self, message: str, resume_at: datetime | None = None):
        super().__init__(message, resume_at)
        self.checkpoints: list[Any] = []

    def joined(self, other: "WaitForRequests | None") -> "WaitForRequests":
        """One reason to wait out of two: the later time, and the checkpoints of both."""
        if other is None:
            return self
        later = self if self.resume_at >= other.resume_at else other
        both = WaitForRequests(str(later), later.resume_at)
        both.checkpoints = [*other.checkpoints, *self.checkpoints]
        return both


class WaitForOtherRun(Waiting):
    """Another run holds the workspace and may have been interrupted; later it shows whether it is still at work."""


class RunNotNeeded(Exception):
    """No failure: another run of the workspace is at work, or there is nothing for this one to do. It is skipped."""


class NothingConnected(Exception):
    """No failure: nobody has set up or connected yet what a scheduled task works with. It is skipped."""


class PolicyInvalid(PipelineError):
    """The policy file holds something the pipeline doesn't know."""


class PolicyRefused(PipelineError):
    """A proposed policy can't be decided on like this; nothing was stored."""


class AssignmentRefused(PipelineError):
    """Findings can't be assigned like this; nothing was stored."""


class ImportRefused(PipelineError):
    """A declared file has bad rows; nothing of it was taken."""

    def __init__(self, message: str, problems: list[str]):
        super().__init__(message)
        self.problems = problems


class RosterShrank(ImportRefused):
    """A roster names many people less than the one before; a person may confirm that this is right.

    Attributes:
        told: what is missing, as a sentence.
    """

    def __init__(self, name: str, told: str):
        hint = "if that is right, confirm it: in the console, by MAY_SHRINK=1, or by may_shrink of the DAG"
        super().__init__(f"{name} was refused, nothing of it was taken: {told}; {hint}", [f"{name}: {told}; {hint}"])
        self.told = told


class PersonUnclear(PipelineError):
    """It can't be told who acts, or a name is given that names nobody."""


class EvidenceRefused(PipelineError):
    """Evidence can't be submitted, or decided on, like this; nothing was stored."""


class EvidenceStoreUnavailable(PipelineError):
    """The store of evidence files can't be used, or a file in it is not what it should be."""

    retryable = True


class InspectionUnavailable(PipelineError):
    """A file that was handed in can't be looked at now; nothing was stored."""

    retryable = True


class SourceWrong(PipelineError):
    """What a roster should be read from is not there, or is no such source."""


class SourceUnavailable(PipelineError):
    """What a roster is read from doesn't answer, or not as it should."""

    retryable = True


class ExceptionRefused(PipelineError):
    """An exception can't be asked for, or decided on, like this; nothing was stored."""


class PurgeRefused(PipelineError):
    """A workspace's data can't be deleted like this; nothing was."""


class ReviewRefused(PipelineError):
    """An access can't be decided on like this; nothing was stored."""


class VerdictRefused(PipelineError):
    """A security test gave a verdict that is none: an unknown reason code, or something missing."""


class GateFailed(PipelineError):
    """An expectation of severity critical does not hold; the last published state stays."""


class GateUnanswered(PipelineError):
    """An expectation of severity critical could not be evaluated; the last published state stays."""

    retryable = True


class NotReadyToPublish(PipelineError):
    """A gate or a security test did not answer for what would be published; the last published state stays."""


class RunSuperseded(PipelineError):
    """Another run of the same workspace took over."""


class WorkspaceBusy(PipelineError):
    """Another run of the same workspace is at work."""

    retryable = True


def one_line(error: BaseException | str) -> str:
    """The first line of a text or of an error's text; an error's class name where it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Turn the driver's errors about the server into the classes above; every other error passes unchanged.

    Raises:
        PostgresUnavailable, PostgresRefused, PostgresBusy, PostgresFull, SchemaMissing, SchemaChanged
    """
    import psycopg
    import sqlalchemy.exc

    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        cause = error.orig if isinstance(error.orig, psycopg.Error) else None
        raise (_named(cause) or error) from error
    except psycopg.Error as error:
        raise (_named(error) or error) from error


def _named(error: "psycopg.Error | None") -> PipelineError | None:
    import psycopg

    if isinstance(error, psycopg.errors.DiskFull):
        return PostgresFull(
            f"compliance_postgres: the disk of the server is full ({one_line(error)}); free space, then run again"
        )
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return PostgresBusy(
            f"compliance_postgres: the step did not get a lock in time ({one_line(error)}); another session holds it: "
            "see pg_stat_activity, and try again"
        )
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return SchemaMissing(
            f"compliance_postgres: the schema is not there or too old ({one_line(error)}); "
            "run `make upgrade` (on a server: python -m bitbucket_compliance upgrade)"
        )
    if isinstance(error, psycopg.errors.UndefinedColumn | psycopg.errors.UndefinedFunction):
        return SchemaChanged(
            f"compliance_postgres: schema and code are of different versions ({one_line(error)}); nothing of the step "
            "was kept, and it is tried again: give this worker the version that the schema was upgraded to"
        )
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return PostgresRefused(
            f"compliance_postgres: the server is read-only ({one_line(error)}); give the address of the primary, not "
            "of a standby, and a login and database without default_transaction_read_only",
            retryable=True,
        )
    if isinstance(error, psycopg.errors.IdleInTransactionSessionTimeout | psycopg.errors.TransactionTimeout):
        return PostgresUnavailable(
            f"compliance_postgres: the server ended the session ({one_line(error)}); this process was silent for too "
            "long, or the time limit named there is below two minutes for this login: raise it, then run again"
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return _of_server(error)
    return None


def _of_server(error: "psycopg.Error") -> PipelineError:
    """What the server did, by the code of its answer; an error without one never came from it, or ended the session."""
    told = f"({one_line(error)})"
    state = error.sqlstate or ""
    if state[:3] == "57P" or state[:2] == "08":
        return PostgresUnavailable(
            f"compliance_postgres: the server went away {told}; see why in its log, then run again"
        )
    if state[:2] == "28" or "FATAL:" in str(error):
        return PostgresRefused(
            f"compliance_postgres: the server refuses the login {told}; "
            "check login, password and database of the connection",
            # It may say so while it starts, or has no connection left.
            retryable=not state,
        )
    if state:
        return PostgresRefused(
            f"compliance_postgres: the server stopped a statement {told}; if it ran out of memory, time or "
            "temporary space, give it more",
            retryable=True,
        )
    if any(words in str(error) for words in _NEVER_CONNECTED):
        return PostgresUnavailable(
            f"compliance_postgres: the server does not answer {told}; check host and port of the connection, then run "
            "again"
        )
    return PostgresUnavailable(
        f"compliance_postgres: the connection broke off {told}; the server restarted, ended the session or ran out of "
        "memory: see its log, then run again"
    )


#: in the texts of errors that libpq or the driver raise while they connect
_NEVER_CONNECTED = ("connection failed", "connection timeout", "failed to resolve", "connection is bad")

"""Database logins that hold one role, or may step into a few. Passwords reach the server as verifiers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

log = logging.getLogger(__name__)

#: What the login that runs may step into: it inherits the rights of none of them.
RUNNING_ROLES: Final = ("compliance_pipeline", "compliance_console", "compliance_vault", "compliance_receiver")
#: Limits of a login that only reads. The last one counts where the login that makes it may set it.
READER_LIMITS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "5min",
    "idle_in_transaction_session_timeout": "5min",
    "temp_file_limit": "2GB",
}


def ensure_login(dsn: str, login: str, role: str, password: str, *, reads_only: bool = False) -> None:
    """Create a login that holds ``role``, or bring its password up to date.

    Args:
        dsn: a ``postgresql://`` URL of a login that made the roles of the schema, as the one that migrates does.
        reads_only: its sessions have the limits of ``READER_LIMITS`` unless they say otherwise.

    Raises:
        psycopg.errors.InsufficientPrivilege: that login may make no others; have an administrator make one.
    """
    import psycopg
    from psycopg import sql

    with psycopg.connect(dsn) as connection:
        _ensure(connection, login, password)
        if reads_only:
            _limit(connection, login)
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(login)))


def ensure_running_login(dsn: str, login: str, password: str) -> None:
    """Let a login step into the roles of ``RUNNING_ROLES``, and make it where it is not there.

    The password of a login that somebody else made stays as it is.

    Args:
        dsn: as for ``ensure_login``.

    Raises:
        psycopg.errors.InsufficientPrivilege: the login at ``dsn`` may make no others, or did not make the roles.
    """
    import psycopg
    from psycopg import sql

    with psycopg.connect(dsn) as connection:
        try:
            with connection.transaction():
                _ensure(connection, login, password, sql.SQL("LOGIN NOINHERIT"))
        except psycopg.errors.InsufficientPrivilege:
            if not _is_known(connection, login):
                raise
        how = sql.SQL(" WITH INHERIT FALSE, SET TRUE" if connection.info.server_version >= 160000 else "")
        for role in RUNNING_ROLES:
            grant = sql.SQL("GRANT {} TO {}{}").format(sql.Identifier(role), sql.Identifier(login), how)
            connection.execute(grant)


def _ensure(connection: psycopg.Connection[Any], login: str, password: str, options: sql.SQL | None = None) -> None:
    from psycopg import sql

    # Two that start at once would both find none.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance login ' || %s, 0))", [login])
    statement = sql.SQL("{verb} ROLE {login} {options} PASSWORD {verifier}").format(
        verb=sql.SQL("ALTER" if _is_known(connection, login) else "CREATE"),
        login=sql.Identifier(login),
        options=options or sql.SQL("LOGIN"),
        verifier=sql.Literal(verifier(connection, login, password)),
    )
    connection.execute(statement)


def verifier(connection: psycopg.Connection[Any], login: str, password: str) -> str:
    """What a server checks the password with, and what may stand in its log: the password can't be told from it."""
    made = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    return made.decode()


def _is_known(connection: psycopg.Connection[Any], login: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login]).fetchone() is not None


def _limit(connection: psycopg.Connection[Any], login: str) -> None:
    """Set the limits of a reader, but for those that are a superuser's to set on this server."""
    import psycopg
    from psycopg import sql

    for name, value in READER_LIMITS.items():
        statement = sql.SQL("ALTER ROLE {} SET {} = {}").format(
            sql.Identifier(login), sql.Identifier(name), sql.Literal(value)
        )
        try:
            with connection.transaction():
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            log.warning(
                "the login %s has no %s: have an administrator run ALTER ROLE %s SET %s = '%s'",
                login,
                name,
                login,
                name,
                value,
            )

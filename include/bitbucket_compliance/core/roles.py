"""Database logins that hold one role and nothing else, for programs that stand beside the pipeline."""

from __future__ import annotations


def ensure_login(dsn: str, login: str, role: str, password: str, *, reads_only: bool = False) -> None:
    """Create a login that holds ``role``, or bring its password up to date.

    Args:
        dsn: a ``postgresql://`` URL of a login that made the roles of the schema, as the pipeline's does.
        reads_only: its transactions are read-only unless it says otherwise.

    Raises:
        psycopg.errors.InsufficientPrivilege: that login may make no others; have an administrator make one.
    """
    import psycopg
    from psycopg import sql

    names = {"login": sql.Identifier(login), "role": sql.Identifier(role), "password": sql.Literal(password)}
    with psycopg.connect(dsn) as connection:
        # Two that start at once would both find none.
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('compliance login ' || %s, 0))", [login])
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login]).fetchone()
        verb = sql.SQL("ALTER" if known else "CREATE")
        connection.execute(sql.SQL("{} ROLE {login} LOGIN PASSWORD {password}").format(verb, **names))
        if reads_only:
            connection.execute(sql.SQL("ALTER ROLE {login} SET default_transaction_read_only = on").format(**names))
        connection.execute(sql.SQL("GRANT {role} TO {login}").format(**names))

"""``preflight``: whether everything is there that a run needs, before the first one, or after a change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from bitbucket_compliance.commands.command_line import command, spelled
from bitbucket_compliance.commands.environment import database, results_address
from bitbucket_compliance.core.errors import PipelineError, one_line
from bitbucket_compliance.core.printable import printable

#: What ``authorization_code`` needs: the tokens of a person's consent are kept encrypted.
_VAULT_KEY: Final = "COMPLIANCE_VAULT_KEY"


class _NotReady(PipelineError):
    """Something that a run needs is not as it has to be."""


@command("preflight", "check database, connections, keys and folders before a run")
def preflight() -> int:
    """Print a line for each check, ``ok:`` or ``error:``; 1 where one of them failed. Writes nothing."""
    failed = 0
    for check in (_results, _bitbucket, _keys):
        try:
            for line in check():
                print(printable(f"ok: {line}"), flush=True)
        except PipelineError as error:
            print(printable(f"error: {spelled(one_line(error))}"), flush=True)
            failed += 1
    for line in _folders():
        print(printable(f"note: {line}"), flush=True)
    return 1 if failed else 0


def _results() -> Iterator[str]:
    """The Postgres of the results, its schema and its catalogue."""
    from bitbucket_compliance.core.own_session import require_own_session
    from bitbucket_compliance.security_tests.published import require_catalogue

    with database() as connection:
        connection.commit()
        require_own_session(connection, results_address().dsn)
        require_catalogue(connection)
        info = connection.info
        yield f"compliance_postgres: database {info.dbname} on {info.host}, schema and catalogue of this version"


def _bitbucket() -> Iterator[str]:
    """Each connection to Bitbucket: a few requests of it."""
    from bitbucket_cloud.hooks.bitbucket import BitbucketHook
    from bitbucket_compliance.core.bitbucket import CONFIGURATION, connection_ids
    from bitbucket_compliance.core.errors import ConnectionRefused, NothingConnected
    from bitbucket_compliance.tasks.connected import connected_settings

    problems = []
    for conn_id in connection_ids():
        try:
            connected_settings(conn_id)
        except (NothingConnected, ConnectionRefused) as problem:
            problems.append(str(problem))
            continue
        is_fine, sentence = BitbucketHook(conn_id, CONFIGURATION).check()
        if is_fine:
            yield f"{conn_id}: {sentence}"
        else:
            problems.append(f"{conn_id}: {sentence}")
    if problems:
        raise _NotReady("; ".join(problems))


def _keys() -> Iterator[str]:
    """The key of the vault, where one is set: whether it opens what is kept."""
    from bitbucket_cloud.auth.encryption import TokenEncryption
    from bitbucket_cloud.errors import BitbucketError
    from bitbucket_compliance.core.bitbucket import CONFIGURATION

    if not os.environ.get(_VAULT_KEY):
        yield f"{_VAULT_KEY} is not set; only a connection with auth authorization_code needs it"
        return
    try:
        TokenEncryption.from_environment(CONFIGURATION)
    except BitbucketError as error:
        raise _NotReady(one_line(error)) from None
    yield f"{_VAULT_KEY}: can be used"


def _folders() -> Iterator[str]:
    """What of the files that are written one worker alone would have, and what can't be written at all."""
    from airflow.configuration import conf

    from bitbucket_compliance.core.configured_folders import FOLDER, place
    from bitbucket_compliance.registry.evidence_files.store import URL_VARIABLE
    from bitbucket_compliance.tasks.local_files import local_places

    yield from local_places(conf.get("core", "executor"))
    if not place(URL_VARIABLE, "evidence"):
        yield f"neither {URL_VARIABLE} nor {FOLDER} is set: evidence can't be handed in"

"""Whether the kept files of evidence are what was handed in."""

from collections.abc import Iterator

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import EvidenceStoreUnavailable
from bitbucket_compliance.registry.evidence_files.store import read_kept


def changed_files(connection: Connection) -> Iterator[tuple[str, str]]:
    """Evidence whose file is gone or was changed: its id and what is wrong, in the order in which it was handed in."""
    kept = connection.execute(
        "SELECT evidence_id, file_sha256, storage_url FROM registry.evidence WHERE storage_url IS NOT null"
        " ORDER BY submitted_at"
    ).fetchall()
    for row in kept:
        try:
            read_kept(row["storage_url"], row["file_sha256"])
        except EvidenceStoreUnavailable as error:
            yield str(row["evidence_id"]), str(error)

"""Hand out the stored file of a piece of evidence."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.core.errors import EvidenceRefused
from bitbucket_compliance.registry.evidence.rows import known_evidence
from bitbucket_compliance.registry.evidence_files.store import read_kept
from bitbucket_compliance.registry.evidence_files.types import BY_MEDIA_TYPE


@dataclass(frozen=True)
class KeptFile:
    """A file as it is handed out again."""

    name: str
    media_type: str
    content: bytes

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers under which a browser saves the file and never runs or shows it as a page."""
        ascii_name = re.sub(r"[^A-Za-z0-9._-]", "_", self.name)
        return {
            "Content-Type": self.media_type,
            "Content-Length": str(len(self.content)),
            "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(self.name, '')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-store",
        }


def open_evidence(connection: Connection, evidence_id: str) -> KeptFile:
    """The stored file of a piece of evidence; its SHA-256 is checked.

    Raises:
        EvidenceRefused: there is no such evidence, or only its rows were taken.
        EvidenceStoreUnavailable: the file is gone or was changed.
    """
    row = known_evidence(connection, evidence_id)
    if row["storage_url"] is None or row["media_type"] not in BY_MEDIA_TYPE:
        raise EvidenceRefused(f"of evidence {evidence_id} no file is kept: only its rows were taken")
    kind = BY_MEDIA_TYPE[row["media_type"]]
    name: str = row["file_name"]
    if Path(name).suffix.lower().removeprefix(".") not in kind.extensions:
        name = f"{name}.{kind.extensions[0]}"
    return KeptFile(name, kind.media_type, read_kept(row["storage_url"], row["file_sha256"]))

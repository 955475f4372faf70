"""Where evidence files are kept: under their SHA-256, in a folder or an object store, never overwritten.

``COMPLIANCE_EVIDENCE_URL`` names the place as Airflow's ``ObjectStoragePath`` takes it: ``file:///folder``, or
``s3://conn_id@bucket/prefix``, ``gs://…``, ``abfs://…`` with the id of an Airflow connection.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bitbucket_compliance.core.configured_folders import FOLDER, place
from bitbucket_compliance.core.errors import EvidenceStoreUnavailable, PipelineError, one_line
from bitbucket_compliance.registry.evidence_files.checks import sha256_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

URL_VARIABLE = "COMPLIANCE_EVIDENCE_URL"
_LOCAL = ("file", "local", "")


def base_url() -> str:
    """The place of the store; a plain path counts as a local folder.

    Raises:
        EvidenceStoreUnavailable: none is named.
    """
    named = place(URL_VARIABLE, "evidence")
    if not named:
        raise EvidenceStoreUnavailable(
            f"{URL_VARIABLE} is not set: name the folder or object store of evidence files, or in {FOLDER} a folder "
            "for all that is written"
        )
    return named if "://" in named else Path(named).expanduser().absolute().as_uri()


def keep(content: bytes, extension: str) -> str:
    """Keep a file; the same content is kept once. Returns its URL.

    Raises:
        EvidenceStoreUnavailable: the store can't be written, or holds something else under this name.
    """
    sha256 = sha256_of(content)
    with _store_errors(base_url()):
        target = _below(base_url(), f"{sha256[:2]}/{sha256}.{extension}")
        if target.exists():
            if target.read_bytes() != content:
                raise EvidenceStoreUnavailable(
                    f"{target} is not the file that its name says: somebody changed it; move it away and find out who"
                )
        elif target.protocol in _LOCAL:
            _write_local(Path(target.path), content)
        else:
            # Object stores show a file when it is whole.
            target.write_bytes(content)
    return str(target)


def read_kept(url: str, sha256: str) -> bytes:
    """The content of a kept file, looked for by its name in the present store; its URL tells how the name ends.

    Raises:
        EvidenceStoreUnavailable: it is not there, or not what was kept.
    """
    extension = url.rpartition(".")[2]
    with _store_errors(base_url()):
        if not re.fullmatch("[0-9a-f]{64}", sha256) or not re.fullmatch("[a-z0-9]{1,5}", extension):
            raise EvidenceStoreUnavailable(
                f"evidence file {url} is none that was kept here: files are named after their SHA-256; "
                "find out who wrote it"
            )
        path = _below(base_url(), f"{sha256[:2]}/{sha256}.{extension}")
        if not path.exists():
            raise EvidenceStoreUnavailable(
                f"evidence file {url} is not below {base_url()}; put it back there from a backup, under the same name"
            )
        content = path.read_bytes()
    if sha256_of(content) != sha256:
        raise EvidenceStoreUnavailable(
            f"evidence file {path} was changed: its SHA-256 is not {sha256}; put it back from a backup"
        )
    return content


def _write_local(target: Path, content: bytes) -> None:
    """Write a file beside its place, then name it: nobody ever sees half of it."""
    for folder in (target.parent.parent, target.parent):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Should another process be quicker, it kept the same bytes: the name says so.
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _path(url: str) -> "ObjectStoragePath":
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(url)


def _below(base: str, name: str) -> "ObjectStoragePath":
    return _path(f"{base.rstrip('/')}/{name}")


@contextmanager
def _store_errors(url: str) -> Iterator[None]:
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:  # each kind of store has errors of its own
        raise EvidenceStoreUnavailable(
            f"{URL_VARIABLE}: the store {url} can't be used ({type(error).__name__}: {one_line(error)}); "
            "check the URL, its Airflow connection and its rights"
        ) from error

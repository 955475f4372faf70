"""What a person typed into a form, field by field."""

from __future__ import annotations

from starlette.datastructures import FormData, UploadFile

from bitbucket_compliance.registry.evidence import LARGEST_FILE


def typed(form: FormData, *names: str) -> dict[str, str]:
    """The text of each field, so that a refused form can be shown as it was; empty where it is not there."""
    return {name: one(form, name) for name in names}


def one(form: FormData, name: str) -> str:
    """The text of a field, without what Postgres can't keep; empty where it is not there, or is a file."""
    value = form.get(name)
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else ""


def several(form: FormData, name: str) -> list[str]:
    """The values of a field that may be there more than once."""
    return [value for value in form.getlist(name) if isinstance(value, str) and "\x00" not in value]


def page_number(form: FormData) -> int:
    """The page of the list that the form stands on; the first where that is no number."""
    text = one(form, "page")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def upload(form: FormData, name: str) -> tuple[str, bytes] | None:
    """Name and content of an uploaded file, no more than shows that it is too large; None: none was chosen."""
    file = form.get(name)
    if not isinstance(file, UploadFile) or not file.filename:
        return None
    return file.filename, file.file.read(LARGEST_FILE + 1)

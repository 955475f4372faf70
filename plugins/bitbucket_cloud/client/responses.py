"""Reads an answer: a JSON object, or the error class that fits its status and body.

Of a body only the message in Bitbucket's JSON envelope is ever passed on: short, on one line, no secrets.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import requests

from bitbucket_cloud import errors
from bitbucket_cloud.auth.scopes import parse
from bitbucket_cloud.client.endpoints import Endpoint
from bitbucket_cloud.http.redaction import Redactor
from bitbucket_cloud.http.statuses import NOT_IN_TIME

MERGE_TIMEOUT = 555
_QUOTED = re.compile(r"\S*@\S*|'[^']*'|\"[^\"]*\"")
_RIGHTS = re.compile(
    r"insufficient|rights|privilege|administrator|\badmins?\b|not (allowed|permitted)|access denied|"
    r"(have|need|require|lack)s? (the )?permission",
    re.IGNORECASE,
)
_SCOPE_MESSAGE = "lack one or more required privilege scopes"


@dataclass(frozen=True)
class Asked:
    """What was asked for, for messages: the endpoint, the path below /2.0 and the connection."""

    endpoint: Endpoint
    path: str
    conn_id: str


def read_object(response: requests.Response, asked: Asked) -> dict[str, Any]:
    """The JSON object of a success; an empty one where something was written and Bitbucket has nothing to say.

    Raises:
        UnreadableBody: it is anything else.
    """
    if asked.endpoint.writes and not response.content.strip():
        return {}
    try:
        body = json.loads(response.content, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise _unreadable(response, asked, "is no complete JSON") from None
    if not isinstance(body, dict):
        raise _unreadable(response, asked, "is JSON, but no object")
    return body


def error_of(response: requests.Response, asked: Asked, redactor: Redactor) -> errors.BitbucketError:
    """The error that an answer other than a success stands for."""
    envelope = _envelope(response)
    note = redactor.note(envelope.get("message"))
    said = f" ({note})" if note else ""
    status = response.status_code
    if status == 403:
        return _forbidden(asked, envelope, said, redactor)
    if status == 400 and _is_about_rights(envelope):
        return _no_right(asked, said, status)
    kind, sentence = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, _NEITHER)
    return kind(sentence.format(conn=asked.conn_id, path=asked.path, status=status, said=said), status=status)


def not_supported(response: requests.Response, asked: Asked, redactor: Redactor) -> errors.TokenNotSupported:
    """The error for a 401 of a token that Bitbucket takes elsewhere."""
    note = redactor.note(_envelope(response).get("message"))
    return errors.TokenNotSupported(
        f"Bitbucket refused the token of Airflow connection {asked.conn_id} for {asked.path}"
        f"{f' ({note})' if note else ''}, but takes it elsewhere; "
        "a token of another kind may be needed for this endpoint",
        status=401,
    )


_Sentence = tuple[type[errors.BitbucketError], str]

_LATE: _Sentence = (errors.ServerError, "Bitbucket ran out of time on {path} (status {status}); run again later")
_MALFORMED: _Sentence = (
    errors.BadRequest,
    "Bitbucket did not accept the request for {path} (status {status}){said}; "
    "the parameters of the call need to change",
)

_BY_STATUS: Mapping[int, _Sentence] = {
    401: (
        errors.AuthenticationError,
        "Bitbucket refused the token of Airflow connection {conn} for {path}{said}; enter its credentials again",
    ),
    404: (
        errors.NotFound,
        "Bitbucket has no {path} that Airflow connection {conn} can see{said}; "
        "check the spelling and the access of its identity",
    ),
    410: (errors.Gone, "Bitbucket has taken {path} out of service{said}; update this pipeline"),
    429: (
        errors.RateLimited,
        "Bitbucket kept limiting the rate of Airflow connection {conn} at {path}; "
        "run again later, or let fewer programs use its identity",
    ),
    MERGE_TIMEOUT: (
        errors.MergeTimeout,
        "Bitbucket ran out of time on {path} (status {status}); ask for less at a time",
    ),
    **dict.fromkeys(NOT_IN_TIME, _LATE),
    **dict.fromkeys((400, 413, 414, 422, 431), _MALFORMED),
}
_BY_CLASS: Mapping[int, _Sentence] = {
    4: (
        errors.BadRequest,
        "Bitbucket refused {path} (status {status}){said}; look at it in Bitbucket as the identity of "
        "Airflow connection {conn}",
    ),
    5: (errors.ServerError, "Bitbucket failed on {path} (status {status}); run again later"),
}
_NEITHER: _Sentence = (
    errors.UnreadableBody,
    "Bitbucket answered {path} with status {status}, which is no success and no error; "
    "check the host of Airflow connection {conn}",
)


def _forbidden(asked: Asked, envelope: Mapping[str, Any], said: str, redactor: Redactor) -> errors.BitbucketError:
    """403: a scope that the token lacks, or a right that the identity lacks."""
    detail = envelope.get("detail")
    detail = detail if isinstance(detail, dict) else {}
    required = _scopes(detail.get("required"), redactor)
    if not required and _SCOPE_MESSAGE not in str(envelope.get("message")):
        return _no_right(asked, said, 403)
    required = required or asked.endpoint.scopes
    return errors.ScopeMissing(
        f"Airflow connection {asked.conn_id} lacks the scope {', '.join(sorted(required)) or 'it needs'} "
        f"for {asked.path}; add it to the OAuth consumer or the token",
        required=required,
        status=403,
    )


def _is_about_rights(envelope: Mapping[str, Any]) -> bool:
    """Whether a request was refused for who asks, not for what it asks, which a message may quote."""
    data = envelope.get("data")
    key = data.get("key") if isinstance(data, dict) else None
    message = _QUOTED.sub("", str(envelope.get("message"))[:1000])
    return bool(_RIGHTS.search(f"{key} {message}"))


def _no_right(asked: Asked, said: str, status: int) -> errors.PermissionMissing:
    return errors.PermissionMissing(
        f"the identity of Airflow connection {asked.conn_id} may not "
        f"{'change' if asked.endpoint.writes else 'read'} {asked.path}{said}; "
        "give it the right in Bitbucket",
        status=status,
    )


def _scopes(value: object, redactor: Redactor) -> frozenset[str]:
    """Scopes in a list or in one string, those alone that look like scopes."""
    if isinstance(value, list):
        value = " ".join(item for item in value if isinstance(item, str))
    if not isinstance(value, str):
        return frozenset()
    return frozenset(
        scope for scope in parse(redactor.note(value)) if scope.replace(":", "").replace("-", "").isalnum()
    )


def _envelope(response: requests.Response) -> Mapping[str, Any]:
    """The ``error`` object of Bitbucket's envelope; empty for plain text, a web page or anything else."""
    try:
        body = json.loads(response.content)
        envelope = body.get("error")
    except (ValueError, AttributeError, RecursionError):
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _unreadable(response: requests.Response, asked: Asked, problem: str) -> errors.UnreadableBody:
    return errors.UnreadableBody(
        f"Bitbucket's answer to {asked.path} {problem}; run again, and check the host of Airflow connection "
        f"{asked.conn_id} if it stays so",
        status=response.status_code,
    )


def _finite(number: str) -> float:
    """A number that is none to Python would be Infinity when it is written again."""
    read = float(number)
    return read if math.isfinite(read) else _refuse_constant(number)


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's, not JSON's; a database would refuse them later."""
    raise ValueError(name)

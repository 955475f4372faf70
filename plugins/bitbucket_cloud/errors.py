"""What can go wrong with Bitbucket, one class for each thing a person or a caller does next.

Every message is one line, names the thing and what to do, and holds no secret and no part of a web page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


class BitbucketError(Exception):
    """Base of all errors of this package.

    Attributes:
        status: HTTP status of the last answer, or None where there was none.
        requests: API requests that the failed call cost, retries and earlier pages included.
        retryable: whether the same request may succeed a moment later.
    """

    retryable = False

    def __init__(self, message: str, *, status: int | None = None, requests: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.requests = requests


class DatabaseUnavailable(BitbucketError):
    """The Postgres that keeps tokens and the count of requests fails: look at that server."""


class ConfigurationError(BitbucketError):
    """A field of the Airflow connection can't be used: correct the field that the message names."""


class EndpointNotAllowed(BitbucketError):
    """A path or host outside the closed table of endpoints was asked for, or a link led there."""


class AuthenticationError(BitbucketError):
    """Key, secret or token were refused: renew them in the Airflow connection that the message names."""


class NeedsReconnect(AuthenticationError):
    """The grant is lost or was never given: a person has to connect Bitbucket again."""


class TokenNotSupported(BitbucketError):
    """401 for one endpoint, by a token that Bitbucket takes for others: it stays usable, this call is refused."""


class ScopeMissing(BitbucketError):
    """The token lacks an OAuth scope, whatever rights its identity has.

    Attributes:
        required: scopes that Bitbucket asked for.
    """

    def __init__(self, message: str, *, required: Iterable[str] = (), status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.required = frozenset(required)


class PermissionMissing(BitbucketError):
    """The scopes suffice, but the identity has no such right on this object."""


class NotFound(BitbucketError):
    """404: it doesn't exist, or this identity can't see it; Bitbucket doesn't tell the two apart."""


class Gone(BitbucketError):
    """Bitbucket took the endpoint away, for good or for some hours: nothing is known of what was asked for."""


class BadRequest(BitbucketError):
    """Bitbucket doesn't accept the request (400 and the other 4xx without a class of their own)."""


class RateLimited(BitbucketError):
    """No request may be sent now: the hour's requests are used up, or Bitbucket still answers 429 after all pauses.

    Attributes:
        resume_at: when to come back (aware, UTC); None where nothing is known.
        cursor: where to go on with a listing that this interrupted; None elsewhere.
    """

    def __init__(self, message: str, *, resume_at: datetime | None = None, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.resume_at = resume_at
        self.cursor: PageCursor | None = None


@dataclass(frozen=True)
class PageCursor:
    """Where to go on with an interrupted listing: the objects of the pages read so far, and the link to the next.

    ``pages``: how many these were, so that a listing without end is one also where it is read in parts.
    ``size``: of the whole listing, as the last of them that said so counted it.
    """

    values: list[dict[str, Any]]
    next_link: str
    pages: int = 0
    size: int | None = None


class ServerError(BitbucketError):
    """Bitbucket failed (5xx), or gave up waiting (408, 425, 499), at every try."""

    retryable = True


class EndpointLimited(BitbucketError):
    """429 at every try from an endpoint with a rate limit of its own: others may be asked, this one later."""


class MergeTimeout(ServerError):
    """555: Bitbucket's own time limit; a repeat would only run into it again."""

    retryable = False


class UnreadableBody(BitbucketError):
    """A success whose body is truncated, is no JSON, or isn't what the endpoint promises."""

    retryable = True


class Unreachable(BitbucketError):
    """No answer: no such host, refused or broken connection, no valid certificate, time-out."""

    retryable = True


class NeverReached(Unreachable):
    """The request never got to Bitbucket: no such host, connection refused, or connecting timed out."""


class AnswerTooSlow(Unreachable):
    """An answer began and did not end in the time that the whole of it may take; a repeat would take as long."""

    retryable = False


class AnswerTooLarge(BitbucketError):
    """An answer has more bytes, or a listing more pages, than any should have: the limit stays, or is raised."""

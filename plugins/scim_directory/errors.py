"""What can go wrong with a directory, one class for each thing a person does next.

Every message is one line, names the connection and the way out, and holds no secret and nothing of an answer's body.
"""

from __future__ import annotations


class ScimError(Exception):
    """Base of all errors of this package. ``retryable``: the same request may succeed a moment later."""

    retryable = False


class ConfigurationError(ScimError):
    """A field of the Airflow connection can't be used."""


class AuthenticationError(ScimError):
    """The directory doesn't take the token, or the token may not list users."""


class Unreachable(ScimError):
    """No answer, or none but errors, after all retries."""

    retryable = True


class WrongAnswer(ScimError):
    """What came is no SCIM list of users: another service, or a wrong base address."""


class ListingIncomplete(ScimError):
    """The listing ended short of its own total or repeated users: it changed under way, or the server pages badly."""

    retryable = True

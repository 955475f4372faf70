"""Signatures by Airflow's secret key, for what a browser holds and brings back."""

from __future__ import annotations

import hashlib
import hmac

from airflow.configuration import conf


def signature(purpose: str, *parts: str) -> str:
    """A signature of ``parts`` that is of no use for another purpose."""
    key = conf.get_mandatory_value("api", "secret_key").encode()
    message = "\0".join((purpose, *parts)).encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def is_signed(claimed: str, purpose: str, *parts: str) -> bool:
    """Whether ``claimed`` is the signature of ``parts``, compared in constant time."""
    return hmac.compare_digest(claimed.encode("utf-8", "replace"), signature(purpose, *parts).encode())

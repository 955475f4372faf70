"""The users of a SCIM 2.0 directory (RFC 7643, RFC 7644), read through an Airflow connection of type ``http``.

Host: the base address, such as https://directory.example.com/scim/v2. Password: the bearer token. Optional extras:
``end_date_attribute`` and ``account_id_attribute``, names of attributes as ``User.attribute`` takes them; ``timeout``,
seconds.

A directory is read whole or not at all. No message holds the token or anything of an answer's body.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.util import Retry

from bitbucket_cloud.http.limits import AnswerBeyondLimit, AnswerTooLate, LimitedAdapter, Limits
from bitbucket_compliance.core.allowed_hosts import check_destination, is_from_environment
from bitbucket_compliance.core.errors import SourceUnavailable, SourceWrong, one_line
from bitbucket_compliance.registry.tables.cells import addresses, is_address

EXAMPLE: Final = "https://directory.example.com/scim/v2"
PAGE_SIZE: Final = 100
# A request is tried again at once, then after twice BACKOFF seconds, four times and so on, up to LONGEST_WAIT.
TRIES = 5
BACKOFF = 1.0
LONGEST_WAIT: Final = 60
MOST_REDIRECTS: Final = 3
# A directory ends: at so many pages, so many users (which some servers hand out one by one), so many seconds.
MOST_PAGES = 10_000
MOST_USERS = 200_000
LONGEST_READING = 3600.0
# Bytes of a page, and how many times the time-out a whole page may take.
MOST_BYTES: Final = 10 * 1024**2
PATIENCE: Final = 5
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Directory:
    """Where a directory is and how to ask it."""

    conn_id: str
    base_url: str
    token: str = field(repr=False)
    end_date_attribute: str = ""
    account_id_attribute: str = ""
    timeout: float = 60.0

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"Airflow connection {self.conn_id}: {self.base_url}/Users"


@dataclass(frozen=True)
class User:
    """One resource of ``/Users``: attribute names compare without case, values may be missing (RFC 7643 §4.1)."""

    resource: Mapping[str, Any]

    @property
    def active(self) -> bool | None:
        """Whether the account may be used; None where the directory doesn't say."""
        value = self.attribute("active")
        if isinstance(value, str):  # some directories write booleans as text
            return {"true": True, "false": False}.get(value.strip().lower())
        return value if isinstance(value, bool) else None

    @property
    def emails(self) -> list[str]:
        """Every address of the person, the primary one first, the user name too where it is one; may be empty.

        Addresses are objects with a value, or plain texts (RFC 7643 §2.4).
        """
        given = self.attribute("emails")
        entries = given if isinstance(given, list) else [given]
        entries = sorted(entries, key=lambda entry: str(_get(entry, "primary")).lower() != "true")
        values = [_get(entry, "value") if isinstance(entry, Mapping) else entry for entry in entries]
        texts = [value for value in (*values, self.text("userName")) if isinstance(value, str)]
        return list(dict.fromkeys(address for text in texts for address in addresses(text)[0]))

    @property
    def name(self) -> str:
        """The name that people see; the user name where there is none and it is no address; may be empty."""
        parts = " ".join(part for part in (self.text("name.givenName"), self.text("name.familyName")) if part)
        shown = self.text("displayName") or self.text("name.formatted") or parts
        user_name = self.text("userName")
        return shown or ("" if is_address(user_name) else user_name)

    def text(self, path: str) -> str:
        """``attribute`` as text without white space around it; empty where it is missing or no single value."""
        value = self.attribute(path)
        return "" if value is None or isinstance(value, dict | list) else str(value).strip()

    def attribute(self, path: str) -> Any:
        """A value by its path: ``userName``, ``name.formatted``, or an extension's ``urn:…:User:endDate``.

        None where it is missing.
        """
        schema, _, name = path.rpartition(":")
        value: Any = _get(self.resource, schema) if schema else self.resource
        for part in name.split("."):
            value = _get(value, part)
        return value


# ----------------------------------------------------------------------------------------------- the connection


def directory_of(conn_id: str) -> Directory:
    """Read and check the Airflow connection.

    Raises:
        SourceWrong: there is none of this id, or a field can't be used; names it.
        DestinationRefused: the connection is stored in Airflow and leads elsewhere than the configuration allows.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.log import mask_secret

    from bitbucket_compliance.core.airflow_errors import AirflowException

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowException as error:
        raise SourceWrong(f"scim:{conn_id}: no such Airflow connection can be used ({one_line(error)})") from None
    try:
        token = _token(connection.password)
        mask_secret(token)
        directory = Directory(conn_id, _base_url(connection), token, **_extras(connection.extra_dejson))
    except ValueError as wrong:
        raise SourceWrong(f"Airflow connection {conn_id}: {wrong}") from None
    check_destination(conn_id, directory.base_url, from_environment=is_from_environment(conn_id))
    return directory


def _token(password: str | None) -> str:
    token = (password or "").strip()
    if not token:
        raise ValueError("password is empty; enter the directory's bearer token")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError("password holds characters that no token has; paste it again")
    return token


def _base_url(connection: Any) -> str:
    host = (connection.host or "").strip().rstrip("/")
    url = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    origin = _origin(url)
    if origin is None or "?" in url or "#" in url:
        raise ValueError(f"host must be an address such as {EXAMPLE}, without a user or a query")
    if origin[0] == "http" and not _is_this_machine(origin[1]):
        raise ValueError("host is plain http: anybody on the way could read the token; use https")
    parts = urlsplit(url)
    port = f":{int(connection.port)}" if connection.port and not parts.port else ""
    return f"{parts.scheme}://{parts.netloc}{port}{parts.path.removesuffix('/Users')}"


def _extras(extra: Any) -> dict[str, Any]:
    if not isinstance(extra, dict):
        raise ValueError("extra is no JSON object")
    found: dict[str, Any] = {}
    for name in ("end_date_attribute", "account_id_attribute"):
        value = extra.get(name) or ""
        if not isinstance(value, str):
            raise ValueError(f"extra {name} must be the name of an attribute")
        found[name] = value.strip()
    try:
        found["timeout"] = float(extra.get("timeout") or 60)
    except (TypeError, ValueError):
        found["timeout"] = 0.0
    if not 0 < found["timeout"] <= 600:
        raise ValueError("extra timeout must be a number of seconds, at most 600")
    return found


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a URL; None where it has none, or carries a user."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# -------------------------------------------------------------------------------------------------- the listing


@dataclass(frozen=True)
class Users:
    """The users of a directory; ``doubt``: why nothing shows that these are all, empty where something does."""

    users: list[User]
    doubt: str = ""


def read_users(directory: Directory) -> Users:
    """All users, page by page (RFC 7644 §3.4.2).

    A directory is not believed to end where it says so: unless its last page is shorter than the one before, what
    lies behind is asked for too.

    Raises:
        SourceWrong: the token is refused, or what answers is no SCIM list of users.
        SourceUnavailable: no answer, or none but errors, after all tries; or fewer users came than the directory has,
            or some came twice; or answers without end.
    """
    found: dict[str, User] = {}
    sizes: list[int] = []
    until = time.monotonic() + LONGEST_READING
    with _session(directory, TRIES) as session:
        while True:
            came = sum(sizes)
            if len(sizes) >= MOST_PAGES or came > MOST_USERS or time.monotonic() > until:
                raise SourceUnavailable(
                    f"{directory.name}: the listing has no end ({len(sizes)} pages, {came} users); it was given up: "
                    "look at the server's paging"
                )
            total, resources = _page(_get_page(session, directory, came + 1), directory)
            found |= {resource["id"]: User(resource) for resource in resources}
            sizes.append(len(resources))
            if came + len(resources) >= total or not resources:
                break
    came = sum(sizes)
    if not came == len(found) == total:
        raise _half(directory, f"the listing brought {len(found)} users of {total}, {came - len(found)} of them twice")
    is_short = len(sizes) > 1 and sizes[-1] < sizes[-2]
    return Users(list(found.values()), "" if is_short or not found else _doubt(directory, found))


def _half(directory: Directory, why: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"{directory.name}: {why}; half a directory is no roster: try again, and look at the server's paging if it "
        "stays so"
    )


def _doubt(directory: Directory, found: Mapping[str, User]) -> str:
    """Ask for what lies behind the last user; why the end is doubtful, empty where it is none.

    Some servers state as their total what stands on the page.

    Raises:
        SourceUnavailable: there are more users, or as many came as fill a page and nothing shows that there are none.
    """
    stated = f"it states {len(found)} users"
    try:
        with _session(directory, tries=1) as session:
            response = _get_page(session, directory, len(found) + 1)
            if response.status_code in (400, 404):
                return ""  # there is nothing of this number
            total, behind = _page(response, directory)
    except (SourceUnavailable, SourceWrong):
        doubt = f"{stated}, and does not answer what lies behind"
    else:
        if total > len(found) or any(resource["id"] not in found for resource in behind):
            raise _half(directory, f"{stated}, and has more behind them")
        if not behind:
            return ""
        doubt = f"{stated}, and sends the same ones whatever is asked for"
    if _fills_a_page(len(found)):
        raise _half(directory, f"{doubt}, as many as fill a page")
    return doubt


def _fills_a_page(count: int) -> bool:
    """Whether a server could have cut off there: sizes of pages are round numbers."""
    return count >= 10 and (count % 5 == 0 or count.bit_count() == 1)


def _session(directory: Directory, tries: int) -> requests.Session:
    session = requests.Session()
    session.auth = _Bearer(directory.token)
    session.headers["Accept"] = "application/scim+json, application/json"
    limits = Limits(MOST_BYTES, PATIENCE * directory.timeout)
    for scheme in _PORTS:
        session.mount(f"{scheme}://", LimitedAdapter(limits, max_retries=_retries(tries)))
    return session


class _Bearer(AuthBase):
    """As an ``auth`` object, so that a password of ``.netrc`` doesn't replace the header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _retries(tries: int) -> Retry:
    """Tries a request again after no answer, 429 or 5xx; waits as long as Retry-After asks for, within a limit."""
    return Retry(
        total=tries - 1,
        status_forcelist=[429, *range(500, 600)],
        backoff_factor=BACKOFF,
        backoff_max=LONGEST_WAIT,
        retry_after_max=LONGEST_WAIT,
        raise_on_status=False,
    )


def _get_page(session: requests.Session, directory: Directory, start: int) -> requests.Response:
    """The answer to one request; redirects are followed on the same host, for the token must not leave it."""
    url = f"{directory.base_url}/Users?startIndex={start}&count={PAGE_SIZE}"
    for _ in range(MOST_REDIRECTS + 1):
        try:
            response = session.get(url, timeout=directory.timeout, allow_redirects=False)
        except (AnswerBeyondLimit, AnswerTooLate) as error:
            raise SourceUnavailable(
                f"{directory.name}: an answer is {error}; it was given up: check the host, the network and any proxy"
            ) from None
        except requests.RequestException as error:
            # The original holds the whole URL, proxies included: name the kind alone.
            raise SourceUnavailable(
                f"{directory.name}: no answer ({type(error).__name__}); check the host, the network and any proxy"
            ) from None
        if not response.is_redirect:
            break
        url = urljoin(url, response.headers["Location"])
        target = _origin(url)
        if target != _origin(directory.base_url):
            raise SourceWrong(
                f"{directory.name}: redirects to {target[1] if target else 'another host'}; the token is not sent "
                "there: give that address as the connection's host if it is the directory's"
            )
    return response


def _page(response: requests.Response, directory: Directory) -> tuple[int, list[dict[str, Any]]]:
    """How many users the directory says it has, and the users of this page."""
    status = response.status_code
    if status in (401, 403):
        raise SourceWrong(f"{directory.name}: the token was refused (HTTP {status}); renew it, or let it list users")
    if status == 429 or status >= 500:
        raise SourceUnavailable(f"{directory.name}: the directory answers with HTTP {status}; try again later")
    resources: Any
    try:
        body = response.json() if status == 200 else {}
        total, resources = body["totalResults"], body.get("Resources")
        resources = [] if resources is None else resources  # a list of nobody may leave it out
        is_list = type(total) is int and isinstance(resources, list) and all(map(_has_id, resources))
    except (ValueError, TypeError, KeyError):
        is_list = False
    if not is_list:
        raise SourceWrong(
            f"{directory.name}: the answer (HTTP {status}) is no SCIM 2.0 list of users; check the base address"
        )
    return total, resources


def _has_id(resource: Any) -> bool:
    return isinstance(resource, dict) and isinstance(resource.get("id"), str) and bool(resource["id"])


def _get(holder: Any, name: str) -> Any:
    if not isinstance(holder, Mapping):
        return None
    wanted = name.lower()
    return next((value for key, value in holder.items() if str(key).lower() == wanted), None)

"""Follows a listing's ``next`` links; page numbers are never made up.

Only ``values`` and ``next`` are certain in Bitbucket's listings; ``size`` and ``page`` may be missing, and a link may
have lost what was asked. It says where the next page begins: that is asked for on the listing's own path, as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from bitbucket_cloud.errors import (
    AnswerTooLarge,
    BitbucketError,
    EndpointNotAllowed,
    PageCursor,
    RateLimited,
    UnreadableBody,
)
from bitbucket_cloud.urls import origin_of, path_of, still_asking

#: What a paginator needs of a listing besides its values, where the answer is trimmed by ``fields``.
PAGING_FIELDS = ("next", "size", "pagelen")
#: Bytes of all pages of a listing together.
MOST_BYTES = 200 * 1024**2
#: Pages in a row that hold nothing and name a next one.
MOST_EMPTY_PAGES = 20


@dataclass(frozen=True)
class Answer:
    """One decoded answer and what it cost.

    Attributes:
        requests: API requests, retries included.
        url: where it came from, behind all redirects.
        size: bytes of its body.
    """

    body: dict[str, Any]
    requests: int
    url: str = ""
    size: int = 0


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    Attributes:
        values: its objects.
        size: objects in the whole listing, where Bitbucket says so on this page.
        requests: API requests that this page cost, retries included.
        is_full: whether it is as long as a page may be; None: shorter than asked for, and nothing says why.
        has_next: whether it names a next one.
    """

    values: list[dict[str, Any]]
    size: int | None
    requests: int
    is_full: bool | None = False
    has_next: bool = False


@dataclass(frozen=True)
class Listing:
    """A whole listing.

    Attributes:
        values: objects of all pages, in Bitbucket's order; one that moved while paging may stand twice.
        size: objects in the listing as the last page that says so counts them; None where none does.
        sizes: every size that a page stated, in their order; more than one where the listing changed meanwhile.
        requests: API requests it cost, retries included.
        ends_full: whether the last page is as long as a page may be and yet names no next one: there may be more.
    """

    values: list[dict[str, Any]]
    size: int | None
    requests: int
    sizes: tuple[int, ...] = ()
    ends_full: bool = False

    def doubt(self, key: Callable[[dict[str, Any]], str | None]) -> Doubt | None:
        """Why objects may be missing; None: the listing is shown to be whole.

        Only a short last page that ends a listing without size, repeats and gaps is taken at its word.

        Args:
            key: what tells one object from another; None for those that nothing tells apart, which count each.
        """
        named = [name for value in self.values if (name := key(value)) is not None]
        repeated = len(named) - len(set(named))
        came = len(self.values) - repeated
        # Pages that disagree were read while the listing changed: one object may stand on none of them.
        size = next((size for size in self.sizes if size != came), None)
        if repeated:
            return Doubt(f"names {repeated} of its objects twice, and may lack others", repeated)
        if size is not None:
            return Doubt(f"counts {size} objects and names {came}")
        if self.ends_full and not self.sizes:
            return Doubt("ends with a full page, though nothing says that it is the last")
        return None


@dataclass(frozen=True)
class Doubt:
    """Why a listing may lack objects.

    Attributes:
        reason: the end of a sentence that begins with the listing.
        repeated: objects that it named again.
    """

    reason: str
    repeated: int = 0


def with_paging_fields(fields: Sequence[str]) -> tuple[str, ...]:
    """``fields`` with what paging needs, unless they only add to or take from the usual answer.

    ``-a`` and ``+a`` leave the rest as it is; naming ``next`` beside them would turn them into a list of
    the only fields wanted.
    """
    if not any(field[:1] not in ("-", "+") for field in fields):
        return tuple(fields)
    return (*fields, *(field for field in PAGING_FIELDS if field not in fields))


def iterate_pages(
    fetch: Callable[[str | None], Answer],
    start: PageCursor | None = None,
    *,
    most_pages: int,
    asked: Mapping[str, object] | None = None,
    called: Mapping[str, str] | None = None,
) -> Iterator[Page]:
    """Page after page, each fetched when it is asked for.

    Args:
        fetch: gets the first page for None, else the page behind a ``next`` link.
        start: where an interrupted listing goes on; its values come first, as a page that costs nothing.
        most_pages: of the whole listing, those before ``start`` included.
        asked: query parameters of the first page, which every further one is asked with.
        called: see ``BitbucketClient.pages``.

    Raises:
        AnswerTooLarge: there are more pages, or they are larger than all pages of a listing may be.
        EndpointNotAllowed: a ``next`` link leads away from the listing.
        RateLimited: as ``fetch`` does; from the second page on its ``cursor`` holds what came before.
        UnreadableBody: a page has no list of objects, or a ``next`` that is no text or leads back; or page after page
            holds nothing.
        BitbucketError: whatever ``fetch`` raises; its ``requests`` then include the pages before.
    """
    spent = 0
    link: str | None = start.next_link if start else None
    seen = {link} if link else set()
    pages, size, empty = start.pages if start else 0, 0, 0
    stated = start.size if start else None
    values: list[dict[str, Any]] = []
    if start is not None and (start.values or stated is not None):
        values.extend(start.values)
        yield Page(list(start.values), stated, 0)
    while True:
        behind = link
        try:
            answer = fetch(link)
            pages += 1
            size += answer.size
            page, link = _read(answer, asked or {})
            empty = 0 if page.values else empty + 1
            if link is not None:
                _check_end(answer, pages, size, most_pages)
                _check_empty(answer, empty)
                link = _checked_link(answer, link, asked or {}, seen, called or {})
        except BitbucketError as error:
            error.requests += spent
            if isinstance(error, RateLimited) and behind is not None:
                error.cursor = PageCursor(values, behind, pages, stated)
            raise
        spent += page.requests
        stated = stated if page.size is None else page.size
        values.extend(page.values)
        yield page
        if link is None:
            return
        seen.add(link)


def _check_end(answer: Answer, pages: int, size: int, most_pages: int) -> None:
    """Raise where a listing that goes on has come far enough."""
    if pages >= most_pages or size > MOST_BYTES:
        limit = f"{most_pages} pages" if pages >= most_pages else f"{MOST_BYTES // 1024**2} MB"
        raise AnswerTooLarge(f"the listing {path_of(answer.url)} has more than {limit}", requests=answer.requests)


def _check_empty(answer: Answer, empty: int) -> None:
    """Raise where one page after the other holds nothing and names a next one."""
    if empty > MOST_EMPTY_PAGES:
        raise UnreadableBody(
            f"{empty} pages in a row of the listing {path_of(answer.url)} hold nothing and name a next one; run again",
            requests=answer.requests,
        )


def _checked_link(
    answer: Answer, link: str, asked: Mapping[str, object], seen: set[str], called: Mapping[str, str]
) -> str:
    """Where the next page is asked for: as before, and by uuid where that was asked for.

    Followed by its slug it could meet the repository that took the slug over a moment ago.

    Raises:
        EndpointNotAllowed: it leads away from the listing.
        UnreadableBody: it leads back.
    """
    slugs = {uuid.casefold(): slug.casefold() for uuid, slug in called.items()}
    is_same = _is_same_path(_segments(link), _segments(answer.url), slugs)
    if origin_of(link) != origin_of(answer.url) or not is_same:
        raise EndpointNotAllowed(
            f"a next link of the listing {path_of(answer.url)} leads away from it; refused", requests=answer.requests
        )
    link = still_asking(link, asked, path_of(answer.url))
    if link in seen:
        raise UnreadableBody(
            "a listing's next link leads back to a page already read; run again", requests=answer.requests
        )
    return link


def _is_same_path(found: Sequence[str], own: Sequence[str], slugs: Mapping[str, str]) -> bool:
    """Whether the parts of two paths are the same; where a uuid was asked for, its slug may stand, if that is known."""
    return len(found) == len(own) and all(
        one == other or (_is_uuid(other) and not _is_uuid(one) and slugs.get(other, one) == one)
        for one, other in zip(found, own, strict=True)
    )


def names_another(link: str | None, asked: str | None) -> bool:
    """Whether a link has another uuid where a URL that was asked for has one: it leads to something else."""
    pairs = zip(_segments(link or ""), _segments(asked or ""), strict=False)
    return any(_is_uuid(own) and _is_uuid(one) and one != own for one, own in pairs)


def _is_uuid(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _segments(url: str) -> list[str]:
    """The parts of a URL's path as a server reads them; slugs are the same in capitals."""
    return [unquote(segment).casefold() for segment in path_of(url).strip("/").split("/")]


def collect(pages: Iterator[Page]) -> Listing:
    """All pages as one listing."""
    values: list[dict[str, Any]] = []
    size: int | None = None
    requests = 0
    sizes: dict[int, None] = {}
    longest, ends_full = 0, False
    for page in pages:
        values.extend(page.values)
        # Where nothing else says how long a page may be, the pages before it do.
        ends_full = 0 < longest <= len(page.values) if page.is_full is None else page.is_full
        longest = max(longest, len(page.values))
        if page.size is not None:
            size = page.size
            sizes[size] = None
        requests += page.requests
    return Listing(values, size, requests, tuple(sizes), ends_full)


def _read(answer: Answer, asked: Mapping[str, object]) -> tuple[Page, str | None]:
    link = answer.body.get("next")
    size = answer.body.get("size")
    # Without its values a listing is empty only where it says so: nothing must pass for "there are none".
    values = answer.body.get("values", [] if size == 0 else None)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UnreadableBody("a listing came without its list of objects; run again", requests=answer.requests)
    if link is not None and not isinstance(link, str):
        raise UnreadableBody("a listing's next link is no text; run again", requests=answer.requests)
    return Page(values, _count(size), answer.requests, _is_full(values, asked, answer), bool(link)), link or None


def _is_full(values: list[Any], asked: Mapping[str, object], answer: Answer) -> bool | None:
    """Whether a page has the length that was asked for, or the smaller one that the server made of it."""
    wanted, stated = _count(asked.get("pagelen")), _count(answer.body.get("pagelen"))
    lengths = [length for length in (wanted, stated) if length]
    if lengths and len(values) >= min(lengths):
        return True
    return False if stated else None


def _count(value: object) -> int | None:
    """A number of objects, where it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

"""Listings: next links as they come, on one host, without loops, at the greatest page length allowed."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_cloud import errors
from bitbucket_cloud.client.endpoints import ENDPOINTS
from bitbucket_cloud.client.pagination import Listing

REPOSITORIES = "/repositories/acme"


def serve(fake: Any, reply: Any, pages: dict[str | None, dict[str, Any]]) -> None:
    """Pages by their opaque cursor; None is the first."""
    fake.call(REPOSITORIES, lambda seen: reply(200, pages[(seen.query.get("page") or [None])[0]]))


def link(fake: Any, cursor: str) -> str:
    return f"{fake.url}/2.0{REPOSITORIES}?page={cursor}&odd=a%2Bb%20c"


def test_a_next_link_says_where_to_go_on_and_what_it_lost_is_asked_for_again(
    fake: Any, client: Any, reply: Any
) -> None:
    serve(
        fake,
        reply,
        {
            None: {"values": [{"id": 1}, {"id": 2}], "next": link(fake, "8xhd"), "size": 3},
            "8xhd": {"values": [{"id": 3}], "size": 4},
        },
    )
    listing = client.paginate("repositories", fields=["values.id"], params={"sort": "slug"}, workspace="acme")
    assert [value["id"] for value in listing.values] == [1, 2, 3]
    assert (listing.size, listing.requests) == (4, 2)
    first, second = fake.api()
    assert first.query == {"sort": ["slug"], "fields": ["values.id,next,size,pagelen"], "pagelen": ["100"]}
    assert second.query == {**first.query, "page": ["8xhd"], "odd": ["a+b c"]}


def test_a_next_link_that_lost_nothing_is_followed_as_given(fake: Any, client: Any, reply: Any) -> None:
    asked = "pagelen=50&q=state%20%3D%20%22OPEN%22&odd=a%2Bb%20c&page=8xhd"
    target = f"{fake.url}/2.0{REPOSITORIES}?{asked}"
    serve(fake, reply, {None: {"values": [{"id": 1}], "next": target}, "8xhd": {"values": [{"id": 2}]}})
    client.paginate("repositories", params={"q": 'state = "OPEN"'}, workspace="acme")
    # Its page length stays: the server may have chosen it, and counts its pages by it.
    assert fake.api()[1].target == f"/2.0{REPOSITORIES}?{asked}"


def test_a_next_link_that_asks_for_something_else_gets_what_was_asked_for(fake: Any, client: Any, reply: Any) -> None:
    target = f"{fake.url}/2.0{REPOSITORIES}?q=state+%3D+%22DECLINED%22&fields=values&sort=-id&page=8xhd"
    serve(fake, reply, {None: {"values": [{"id": 1}], "next": target}, "8xhd": {"values": [{"id": 2}]}})
    client.paginate(
        "repositories", fields=["values.id"], params={"q": 'state = "OPEN"', "sort": "id"}, workspace="acme"
    )
    first, second = fake.api()
    assert second.query == {**first.query, "page": ["8xhd"]}


@pytest.mark.parametrize("target", ["/repositories/acme&page=2", "/repositories/acme/other/pullrequests?page=2"])
def test_a_next_link_to_another_listing_is_told_as_what_it_is(fake: Any, client: Any, reply: Any, target: str) -> None:
    fake.on(REPOSITORIES, reply(200, {"values": [{"id": 1}], "next": f"{fake.url}/2.0{target}"}))
    with pytest.raises(errors.EndpointNotAllowed, match=r"next link of the listing .*/repositories/acme leads away"):
        client.paginate("repositories", workspace="acme")


def test_pages_that_hold_nothing_are_followed_twenty_times(fake: Any, client: Any, reply: Any) -> None:
    fake.call(REPOSITORIES, lambda asked: reply(200, {"values": [], "next": link(fake, f"{len(fake.api())}")}))
    with pytest.raises(errors.UnreadableBody, match=r"21 pages in a row of the listing .* hold nothing"):
        client.paginate("repositories", workspace="acme")


@pytest.mark.parametrize(("body", "ends_full"), [
    ({"values": [{}] * 3}, True), ({"values": [{}] * 2}, False), ({"values": [{}] * 2, "pagelen": 2}, True),
    ({"values": [{}] * 2, "pagelen": 50}, False), ({"values": [], "pagelen": 0}, False),
])  # fmt: skip
def test_a_last_page_that_is_as_long_as_a_page_may_be_may_not_be_the_last(
    fake: Any, client: Any, reply: Any, body: Any, ends_full: bool
) -> None:
    fake.on(REPOSITORIES, reply(200, body))
    assert client.paginate("repositories", params={"pagelen": 3}, workspace="acme").ends_full is ends_full


def test_the_redirect_of_a_renamed_repository_keeps_what_was_asked(fake: Any, client: Any, reply: Any) -> None:
    fake.on(
        "/repositories/acme/old/pullrequests", reply(301, "", {"Location": "/2.0/repositories/acme/new/pullrequests"})
    )
    fake.on("/repositories/acme/new/pullrequests", reply(200, {"values": []}))
    client.paginate("pull_requests", params={"q": "id > 1"}, fields=["values.id"], workspace="acme", repo_slug="old")
    first, second = fake.api()
    assert second.query == first.query and first.query["q"] == ["id > 1"]


def test_a_redirect_from_one_uuid_to_another_is_refused(fake: Any, client: Any, reply: Any) -> None:
    own, other = (f"/repositories/acme/%7B{name}%7D/branch-restrictions" for name in ("abc", "def"))
    fake.on(own, reply(301, "", {"Location": f"/2.0{other}"}))
    fake.on(other, reply(200, {"values": [{"id": 1}]}))
    with pytest.raises(errors.EndpointNotAllowed, match="branch_restrictions leads to another"):
        client.paginate("branch_restrictions", workspace="acme", repo_slug="{abc}")
    assert len(fake.api()) == 1


def test_a_listing_without_size_is_read_to_its_end(fake: Any, client: Any, reply: Any) -> None:
    serve(fake, reply, {None: {"values": [{}], "next": link(fake, "b")}, "b": {"values": []}})
    listing = client.paginate("repositories", workspace="acme")
    assert (len(listing.values), listing.size, listing.requests) == (1, None, 2)


def test_pages_are_fetched_only_when_asked_for(fake: Any, client: Any, reply: Any) -> None:
    serve(fake, reply, {None: {"values": [{}], "next": link(fake, "b")}, "b": {"values": []}})
    page = next(client.pages("repositories", workspace="acme"))
    assert len(page.values) == 1 and len(fake.api()) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://127.0.0.1:1/2.0/repositories/acme?page=2",
        "http://localhost:{port}/2.0/repositories/acme?page=2",
        "https://127.0.0.1:{port}/2.0/repositories/acme?page=2",
        "http://user@127.0.0.1:{port}/2.0/repositories/acme?page=2",
        "http://127.0.0.1:{port}@evil.example/2.0/repositories/acme",
        "http://evil.example\\@127.0.0.1:{port}/2.0/repositories/acme",
        "//evil.example/2.0/repositories/acme",
        "/2.0/repositories/acme?page=2",
        "http://127.0.0.1:{port}/2.0/repositories/acme/app/src",
        "http://127.0.0.1:{port}/2.0/repositories/acme/../../admin",
        "http://127.0.0.1:{port}/2.0/repositories/%2e%2e",
        "http://127.0.0.1:{port}/2.0/user",
        "http://127.0.0.1:{port}/2.0/repositories/another-workspace?page=2",
        "http://127.0.0.1:{port}/2.0/repositories/%7Bd8dcf202-0b5d-4568-8954-43075e98b813%7D?page=2",
        "http://127.0.0.1:{port}/internal/repositories/acme",
        "file:///etc/passwd",
        "http://[broken",
        " ",
    ],
)
def test_a_next_link_that_leaves_host_or_endpoint_is_refused(
    fake: Any, client: Any, reply: Any, elsewhere: str
) -> None:
    target = elsewhere.replace("{port}", str(fake.server.server_port))
    fake.on(REPOSITORIES, reply(200, {"values": [], "next": target}))
    with pytest.raises(errors.EndpointNotAllowed, match="refused") as caught:
        client.paginate("repositories", workspace="acme")
    assert len(fake.api()) == caught.value.requests == 1
    assert "evil" not in str(caught.value)


def test_a_next_link_may_be_written_in_another_way(fake: Any, client: Any, reply: Any) -> None:
    target = f"{fake.url}/2.0/repositories/{{ABC}}?page=2"
    pages = {False: {"values": [], "next": target}, True: {"values": [{"id": 9}]}}
    fake.call("/repositories/%7Babc%7D", lambda asked: reply(200, pages["page" in asked.query]))
    assert client.paginate("repositories", workspace="{abc}").values == [{"id": 9}]


def test_next_links_that_go_round_are_an_error_not_a_loop(fake: Any, client: Any, reply: Any) -> None:
    serve(
        fake,
        reply,
        {
            None: {"values": [], "next": link(fake, "a")},
            "a": {"values": [], "next": link(fake, "b")},
            "b": {"values": [], "next": link(fake, "a")},
        },
    )
    with pytest.raises(errors.UnreadableBody, match="already read") as caught:
        client.paginate("repositories", workspace="acme")
    assert caught.value.requests == 3


def test_an_error_on_a_later_page_counts_the_pages_before(fake: Any, client: Any, reply: Any) -> None:
    def answer(seen: Any) -> Any:
        return reply(404, "Not Found") if "page" in seen.query else reply(200, {"values": [], "next": link(fake, "b")})

    fake.call(REPOSITORIES, answer)
    with pytest.raises(errors.NotFound) as caught:
        client.paginate("repositories", workspace="acme")
    assert caught.value.requests == 2 == client.requests_sent


@pytest.mark.parametrize("body", [{}, {"values": None}, {"values": {}}, {"values": [1]}, {"values": [], "next": 2}])
def test_what_is_no_listing_never_passes_for_an_empty_one(
    fake: Any, client: Any, reply: Any, body: dict[str, Any]
) -> None:
    fake.on(REPOSITORIES, reply(200, body))
    with pytest.raises(errors.UnreadableBody):
        client.paginate("repositories", workspace="acme")


def test_a_listing_trimmed_to_its_size_of_zero_is_empty(fake: Any, client: Any, reply: Any) -> None:
    fake.on(REPOSITORIES, reply(200, {"size": 0}))
    assert client.paginate("repositories", workspace="acme").values == []


@pytest.mark.parametrize("name", [name for name, endpoint in ENDPOINTS.items() if endpoint.page_max])
def test_each_listing_is_asked_for_in_its_longest_pages(fake: Any, client: Any, reply: Any, name: str) -> None:
    endpoint = ENDPOINTS[name]
    path = dict.fromkeys(endpoint.parameters, "1")
    fake.on(endpoint.fill(path), reply(200, {"values": []}))
    client.paginate(name, **path)
    client.paginate(name, params={"pagelen": 1000}, **path)
    client.paginate(name, params={"pagelen": 7}, **path)
    client.get(name, params={"pagelen": 1}, **path)
    client.get(name, **path)
    longest = "50" if name in ("pull_requests", "pull_request_activity") else "100"
    assert [seen.query["pagelen"] for seen in fake.api()] == [[longest], [longest], ["7"], ["1"], [longest]]


@pytest.mark.parametrize("pagelen", [0, -1, "many"])
def test_a_page_length_that_is_none_is_refused_before_asking(fake: Any, client: Any, pagelen: Any) -> None:
    with pytest.raises(ValueError, match="pagelen"):
        client.paginate("repositories", params={"pagelen": pagelen}, workspace="acme")
    assert not fake.seen


def test_single_objects_have_no_page_length_and_paginate_refuses_them(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {}))
    client.get("current_user", params={"pagelen": 5})
    assert fake.api()[0].query == {}
    with pytest.raises(errors.EndpointNotAllowed, match="no listing"):
        client.paginate("current_user")


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ((), None),
        (("values.id", "values.slug"), "values.id,values.slug,next,size,pagelen"),
        (("values.id", "next"), "values.id,next,size,pagelen"),
        (("-values.links",), "-values.links"),
        (("+values.user.email",), "+values.user.email"),
        (("values.id", "+values.user.email"), "values.id,+values.user.email,next,size,pagelen"),
    ],
)
def test_fields_are_joined_and_keep_what_paging_needs(
    fake: Any, client: Any, reply: Any, fields: tuple[str, ...], sent: str | None
) -> None:
    fake.on(REPOSITORIES, reply(200, {"values": []}))
    client.paginate("repositories", fields=fields, workspace="acme")
    request = fake.api()[0]
    assert request.query.get("fields") == (None if sent is None else [sent])
    assert "+" not in request.target  # a plus that isn't encoded arrives as a space


def test_get_sends_the_fields_it_was_given_and_no_others(fake: Any, client: Any, reply: Any) -> None:
    fake.on("/user", reply(200, {}))
    client.get("current_user", fields=["uuid", "nickname"])
    assert fake.api()[0].query == {"fields": ["uuid,nickname"]}


def test_query_values_arrive_as_bitbucket_reads_them(fake: Any, client: Any, reply: Any) -> None:
    fake.on(REPOSITORIES, reply(200, {"values": []}))
    q = 'user.email IN ("a+b@example.org","c&d@example.org")'
    client.get(
        "repositories",
        params={"q": q, "none": None, "yes": True, "state": ["OPEN", "MERGED"]},
        workspace="acme",
    )
    assert fake.api()[0].query == {"q": [q], "yes": ["true"], "state": ["OPEN", "MERGED"], "pagelen": ["100"]}


def test_a_repository_asked_for_by_uuid_is_never_followed_by_its_slug(fake: Any, client: Any, reply: Any) -> None:
    """The slug may be another repository's by then."""
    by_uuid, by_slug = "/repositories/acme/%7Babc%7D/pullrequests", "/repositories/acme/app/pullrequests"
    pages = [
        reply(200, {"values": [{"id": 1}], "next": f"{fake.url}/2.0{by_slug}?page=x8"}),
        reply(200, {"values": [{"id": 2}]}),
    ]
    fake.on(by_uuid, *pages)
    fake.on(by_slug, reply(200, {"values": [{"id": 666}]}))
    listing = client.paginate("pull_requests", workspace="acme", repo_slug="{abc}")
    assert [one["id"] for one in listing.values] == [1, 2]
    assert fake.api()[-1].target == "/2.0" + by_uuid + "?pagelen=50&page=x8"


def test_a_next_link_to_the_slug_of_another_repository_is_refused(fake: Any, client: Any, reply: Any) -> None:
    by_uuid = "/repositories/acme/%7Babc%7D/pullrequests"
    for slug, is_followed in (("App", True), ("other", False)):
        link = f"{fake.url}/2.0/repositories/acme/{slug}/pullrequests?page=x8"
        fake.on(by_uuid, reply(200, {"values": [{"id": 1}], "next": link}), reply(200, {"values": [{"id": 2}]}))
        asked = {"workspace": "acme", "repo_slug": "{abc}", "called": {"{ABC}": "app"}}
        if is_followed:
            assert len(client.paginate("pull_requests", **asked).values) == 2
        else:
            with pytest.raises(errors.EndpointNotAllowed, match="pullrequests leads away from it"):
                client.paginate("pull_requests", **asked)
    assert all(seen.target.startswith("/2.0" + by_uuid) for seen in fake.api())


@pytest.mark.parametrize("path", ["/repositories/acme&page=2", "/repositories/acme/app&page=2"])
def test_a_query_that_begins_with_an_ampersand_is_no_part_of_a_name(path: str) -> None:
    assert not any(endpoint.matches(path) for endpoint in ENDPOINTS.values())


def id_of(value: dict[str, Any]) -> str | None:
    return str(value["id"]) if value.get("id") is not None else None


@pytest.mark.parametrize(
    ("listing", "reason"),
    [
        (Listing([{"id": 1}, {"id": 2}], 2, 1, (2,)), None),
        (Listing([{"id": 1}, {"id": 2}], None, 1), None),
        (Listing([{"id": 1}, {"id": 2}], 2, 1, (2,), ends_full=True), None),
        (Listing([{"id": 1}, {"id": 2}], None, 1, ends_full=True), "full page"),
        (Listing([{"id": 1}, {"id": 2}], 3, 1, (3,)), "counts 3 objects and names 2"),
        (Listing([{"id": 1}, {"id": 2}], 2, 2, (3, 2)), "counts 3 objects and names 2"),
        (Listing([{"id": 1}, {"id": 1}], None, 1), "names 1 of its objects twice"),
        (Listing([{"id": 1}, {"id": 2}, {"id": 1}], 2, 1, (2,)), "names 1 of its objects twice"),
        # nobody: a closed account, of which nothing tells one from another
        (Listing([{"id": 1}, {}, {}], 3, 1, (3,)), None),
        (Listing([], 0, 1, (0,)), None),
        (Listing([], 4, 1, (4,)), "counts 4 objects and names 0"),
    ],
)
def test_a_listing_is_whole_only_where_it_is_shown_to_be(listing: Listing, reason: str | None) -> None:
    doubt = listing.doubt(id_of)
    assert (doubt is None) if reason is None else (doubt is not None and reason in doubt.reason)


@pytest.mark.parametrize(
    ("lengths", "stated", "ends_full"),
    [
        ([100], None, True),
        ([99], None, False),
        # the server makes shorter pages than it was asked for, and says so or shows it
        ([10, 10], 10, True),
        ([10, 3], 10, False),
        ([10, 10], None, True),
        ([10, 3], None, False),
        # pages that hold less than they may, as where something on them can't be seen
        ([3, 5], 100, False),
    ],
)
def test_a_full_page_at_the_end_is_told(
    fake: Any, client: Any, reply: Any, lengths: list[int], stated: int | None, ends_full: bool
) -> None:
    pages: dict[str | None, dict[str, Any]] = {}
    for number, length in enumerate(lengths):
        body: dict[str, Any] = {"values": [{"id": (number, at)} for at in range(length)]}
        if stated is not None:
            body["pagelen"] = stated
        if number + 1 < len(lengths):
            body["next"] = link(fake, f"p{number + 1}")
        pages[f"p{number}" if number else None] = body
    serve(fake, reply, pages)
    assert client.paginate("repositories", workspace="acme").ends_full is ends_full


def test_a_listing_that_is_not_whole_is_read_once_more(fake: Any, client: Any, reply: Any) -> None:
    fake.on(REPOSITORIES, reply(200, {"values": [{"id": 1}], "size": 2}))
    listing = client.read_whole("repositories", key=id_of, workspace="acme")
    assert (listing.requests, listing.doubt(id_of).reason) == (2, "counts 2 objects and names 1")


def test_a_listing_that_is_taken_up_again_remembers_what_size_it_stated(fake: Any, client: Any, reply: Any) -> None:
    fake.on(REPOSITORIES, reply(200, {"values": [{"id": 3}]}))
    start = errors.PageCursor([{"id": 1}, {"id": 2}], link(fake, "b"), 1, 4)
    listing = client.paginate("repositories", start=start, workspace="acme")
    assert listing.doubt(id_of).reason == "counts 4 objects and names 3"

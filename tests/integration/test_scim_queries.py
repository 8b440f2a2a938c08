"""Filters, orders and pages of SCIM lists."""

from typing import Any

import httpx
import pytest

from tests.support.running import Running
from tests.support.scim import ENTERPRISE, USER, Scim, scim_of

PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {
        "externalId": "7f1c",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "Ada@univ.example", "type": "work", "primary": True}],
        "title": "100%_sure",
        ENTERPRISE: {"department": "Maths"},
    },
    "bob": {"displayName": "Bob", "active": False, "title": "100 a sure"},
    "eve": {"displayName": "Ève", "phoneNumbers": [{"value": "+33612345678", "type": "mobile"}]},
}
EVERYBODY = {"ada", "bob", "eve"}


@pytest.fixture
async def scim(service: Running) -> Scim:
    scim = await scim_of(service)
    for name, more in PEOPLE.items():
        await scim.create("/Users", {"schemas": [USER], "userName": name, **more})
    return scim


MATCHING: dict[str, set[str]] = {
    'userName eq "ADA"': {"ada"},
    'userName ne "ada"': {"bob", "eve"},
    'userName co "D"': {"ada"},
    'userName sw "b" or userName ew "E"': {"bob", "eve"},
    'userName gt "b"': {"bob", "eve"},
    'userName ge "bob" and userName lt "eve"': {"bob"},
    'userName le "ada"': {"ada"},
    f'{USER}:userName eq "ada"': {"ada"},
    'externalId eq "7f1c"': {"ada"},
    'externalId eq "7F1C"': set(),
    "externalId pr": {"ada"},
    "externalId eq null": {"bob", "eve"},
    "not (externalId pr)": {"bob", "eve"},
    'not (externalId eq "7f1c")': {"bob", "eve"},
    'name.familyName eq "lovelace"': {"ada"},
    "active eq true": {"ada", "eve"},
    "active eq false": {"bob"},
    'displayName eq "ève"': set(),  # SQLite knows the case of ASCII only
    'displayName eq "Ève"': {"eve"},
    'emails eq "ada@UNIV.example"': {"ada"},
    'emails[type eq "work" and value co "@univ"]': {"ada"},
    'emails[type eq "work"].value eq "ada@univ.example"': {"ada"},
    'emails[type eq "home"]': set(),
    "emails[primary eq true]": {"ada"},
    'emails.type eq "work"': {"ada"},
    "phoneNumbers pr": {"eve"},
    'phoneNumbers.value sw "+336"': {"eve"},
    'title co "%_"': {"ada"},
    'title sw "100"': {"ada", "bob"},
    f'{ENTERPRISE}:department eq "maths"': {"ada"},
    'meta.created gt "2020-01-01T00:00:00Z"': EVERYBODY,
    'meta.created lt "2020-01-01T00:00:00Z"': set(),
    'id eq "nobody"': set(),
    'groups.value eq "nobody"': set(),
    "groups pr": set(),
    "userName pr": EVERYBODY,
    '(userName eq "ada" or userName eq "bob") and not (active eq false)': {"ada"},
    "userName eq \"x' OR '1'='1\"": set(),
    'userName eq "\\"; DROP TABLE users; --"': set(),
    'displayName co "\\u0000"': set(),
    'displayName eq "\\ud800"': set(),
    "(" * 900 + 'userName eq "ada"' + ")" * 900: {"ada"},
}


async def test_filters_find_who_matches(scim: Scim) -> None:
    found = {wanted: set(await scim.found("Users", wanted)) for wanted in MATCHING}
    assert found == MATCHING


REFUSED = [
    "userName",
    'userName eq "ada',
    "userName eq 'ada'",
    'nobody eq "x"',
    'userName xx "x"',
    'password eq "x"',
    'active gt "x"',
    "active co true",
    "userName eq 5 5",
    'emails[type eq "work"',
    'emails[nope eq "x"]',
    'nickName.x eq "y"',
    "not " * 40 + '(userName eq "x")',
    " or ".join(['userName eq "x"'] * 60),
    'userName eq "' + "x" * 2000 + '"',
    "not (" * 33 + "userName pr" + ")" * 33,
    'meta.lastModified gt "2020-01-01T00:00:00Z"',
]


async def test_bad_filters_are_refused(scim: Scim) -> None:
    for wanted in REFUSED:
        params = httpx.QueryParams({"filter": wanted})
        status, kind = await scim.refused("GET", f"/Users?{params}")
        assert (status, kind) in [(400, "invalidFilter"), (400, "tooMany")], wanted


async def test_a_group_is_found_by_its_members(scim: Scim) -> None:
    [ada] = (await scim.get('/Users?filter=userName eq "ada"'))["Resources"]
    bare = await scim.create("/Groups", {"displayName": "Empty"})
    full = await scim.create("/Groups", {"displayName": "Full", "members": [{"value": ada["id"]}]})
    await scim.create("/Groups", {"displayName": "Outer", "members": [{"value": full["id"]}]})
    assert await scim.found("Groups", f'members.value eq "{ada["id"]}"') == ["Full"]
    assert await scim.found("Groups", f'members eq "{full["id"]}"') == ["Outer"]
    one = f'id eq "{full["id"]}" and members[value eq "{ada["id"]}"]'
    assert await scim.found("Groups", one) == ["Full"]
    assert await scim.found("Groups", "members pr") == ["Full", "Outer"]
    assert await scim.found("Groups", "not (members pr)") == ["Empty"]
    assert await scim.found("Groups", 'displayName eq "empty"') == ["Empty"]
    assert await scim.found("Users", f'groups.value eq "{full["id"]}"') == ["ada"]
    assert await scim.found("Users", "groups pr") == ["ada"]
    assert bare["id"] != full["id"]


async def test_lists_are_sorted_and_paged(scim: Scim) -> None:
    async def names(query: str) -> list[str]:
        return [each["userName"] for each in (await scim.get(f"/Users?{query}"))["Resources"]]

    assert await names("sortBy=userName") == ["ada", "bob", "eve"]
    assert await names("sortBy=userName&sortOrder=descending") == ["eve", "bob", "ada"]
    # Those without a value come last, and first if it is descending.
    assert (await names("sortBy=externalId"))[0] == "ada"
    assert (await names("sortBy=externalId&sortOrder=descending"))[-1] == "ada"
    assert await names("sortBy=emails.value&count=1") == ["ada"]
    page = await scim.get("/Users?sortBy=userName&startIndex=2&count=1")
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (3, 2, 1)
    assert [each["userName"] for each in page["Resources"]] == ["bob"]
    assert (await scim.get("/Users?count=0"))["totalResults"] == 3
    assert await names("count=0") == []
    assert await names("count=-1&startIndex=-7") == []
    assert len(await names("startIndex=0&count=1000000")) == 3
    assert await names("startIndex=99999999999999999999") == []
    for query in ("sortBy=nobody", "sortBy=groups", "sortBy=emails[type", "sortBy=members"):
        assert await scim.refused("GET", f"/Users?{query}") == (400, "invalidPath"), query
    assert await scim.refused("GET", "/Users?count=many") == (400, "invalidValue")


async def test_an_answer_has_the_attributes_that_are_wanted(scim: Scim) -> None:
    wanted = (
        "attributes=name.givenName,emails.value,urn:ietf:params:scim:schemas:core:2.0:User:active"
    )
    page = await scim.get(f'/Users?filter=userName eq "ada"&{wanted}')
    [ada] = page["Resources"]
    assert ada.pop("id")
    assert ada == {
        "schemas": [USER, ENTERPRISE],
        "name": {"givenName": "Ada"},
        "active": True,
        "emails": [{"value": "Ada@univ.example"}],
    }
    left = f"excludedAttributes=id,meta,name.familyName,emails,groups,{ENTERPRISE}"
    [ada] = (await scim.get(f'/Users?filter=userName eq "ada"&{left}'))["Resources"]
    assert ada["name"] == {"givenName": "Ada"}
    assert "id" in ada
    assert {"meta", "emails", ENTERPRISE}.isdisjoint(ada)


async def test_a_search_is_a_list(scim: Scim) -> None:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": 'userName sw "a"',
        "attributes": ["userName"],
        "startIndex": 1,
        "count": 10,
    }
    answer = await scim.call("POST", "/Users/.search", body)
    assert answer.status_code == 200, answer.text
    assert [each["userName"] for each in answer.json()["Resources"]] == ["ada"]
    assert await scim.refused("POST", "/.search", body) == (501, None)
    assert await scim.refused("POST", "/Users/.search", {"filter": 5}) == (400, "invalidFilter")

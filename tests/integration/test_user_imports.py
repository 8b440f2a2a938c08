"""`POST /v1/users/import`, and the export of the same people."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from flashnotify.archive.identity_records import User, UserFilter
from flashnotify.archive.people_records import PeopleSlice
from flashnotify.domain import Role
from flashnotify.errors import Unavailable
from tests.support.manual_clock import ManualClock
from tests.support.running import Running

HEADER = "external_id,name,email,phone,groups,attributes.campus\n"
ADA = "etu1,Ada Lovelace,ada@univ.example,+33612345678,l3-info;chess,Nord\n"
BOB = "etu2,Bob,bob@univ.example,,l3-info,\n"
GROUPS = {"create_groups": "true"}
IMPORT = "/v1/users/import"


async def send(service: Running, body: str | bytes, headers: Any = None, **query: Any) -> Any:
    http = service.http if headers is None else service.anonymous
    sent = {"Content-Type": "text/csv", **(headers or {})}
    content = body if isinstance(body, bytes) else body.encode()
    return await http.post(IMPORT, content=content, params=query, headers=sent)


async def imported(service: Running, body: str | bytes, headers: Any = None, **query: Any) -> Any:
    """Import a file, and return the report without what is as always."""
    answer = await send(service, body, headers, **query)
    assert answer.status_code == 200, answer.text
    report = json.loads(answer.text.splitlines()[-1])["report"]
    return {name: value for name, value in report.items() if value and name not in ("id", "lines")}


async def refused(service: Running, body: str | bytes, **query: Any) -> list[tuple[str, str]]:
    """Return the mistakes for which a file is refused, and check that nothing was imported."""
    answer = await send(service, body, **query)
    assert answer.status_code == 422, answer.text
    assert "Nothing was imported" in answer.json()["detail"]
    assert (await service.get("/v1/users"))["items"] == []
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def rows(service: Running, query: str) -> list[Any]:
    with closing(sqlite3.connect(service.service.config.archive_file)) as archive:
        return archive.execute(query).fetchall()


def groups(service: Running) -> list[Any]:
    return rows(
        service,
        "SELECT u.external_id, g.slug, m.source FROM memberships m JOIN users u ON u.id = m.user_id"
        " JOIN groups g ON g.id = m.group_id ORDER BY 1, 2",
    )


async def people(service: Running) -> dict[str, Any]:
    return {each["external_id"]: each for each in (await service.get("/v1/users"))["items"]}


async def test_people_are_created_changed_and_left_alone(service: Running) -> None:
    dry = await imported(service, HEADER + ADA + BOB, dry_run=True, **GROUPS)
    assert dry == {"delimiter": ",", "dry_run": True, "created": 2, "groups_created": 2}
    assert await people(service) == {}
    first = await imported(service, HEADER + ADA + BOB, **GROUPS)
    assert first == {"delimiter": ",", "created": 2, "groups_created": 2}
    found = await people(service)
    assert found["etu1"]["attributes"] == {"campus": "Nord"}
    assert found["etu1"]["phone"] == "+33612345678"
    assert {each["role"] for each in found.values()} == {"member"}
    chess, info, bobs = (
        ("etu1", "chess", "imported"),
        ("etu1", "l3-info", "imported"),
        ("etu2", "l3-info", "imported"),
    )
    assert groups(service) == [chess, info, bobs]
    again = await imported(service, HEADER + ADA + BOB)
    assert again == {"delimiter": ",", "unchanged": 2}
    moved = HEADER + "etu1,Ada King,ada@univ.example,,chess,\n" + BOB
    assert await imported(service, moved) == {"delimiter": ",", "changed": 1, "unchanged": 1}
    ada = (await people(service))["etu1"]
    assert (ada["name"], ada["phone"], ada["attributes"]) == ("Ada King", None, {})
    assert groups(service) == [chess, bobs]
    # What a file does not have stays.
    fewer = "external_id,first_name,last_name\netu1,Ada,Byron\n"
    assert await imported(service, fewer) == {"delimiter": ",", "changed": 1}
    ada = (await people(service))["etu1"]
    assert (ada["name"], ada["email"]) == ("Ada Byron", "ada@univ.example")
    assert groups(service) == [chess, bobs]


async def test_semicolons_tabs_and_a_byte_order_mark_are_told(service: Running) -> None:
    for delimiter in (";", "\t"):
        body = (HEADER + BOB).replace(",", delimiter)
        report = await imported(service, b"\xef\xbb\xbf" + body.encode(), **GROUPS)
        assert (report["delimiter"], report["bom"]) == (delimiter, True)
    # Also with the line ends of Windows, and a group list in quotes.
    body = f"{HEADER}{ADA.replace('l3-info;chess', 'l3-info|chess')}".replace("\n", "\r\n")
    assert await imported(service, body, **GROUPS) == {
        "delimiter": ",",
        "created": 1,
        "groups_created": 1,
    }
    assert [slug for id, slug, _ in groups(service) if id == "etu1"] == ["chess", "l3-info"]


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ("external_id,name\n1,Zoé\n".encode("latin-1"), 400, "malformed_document", "Line 2"),
        ("external_id,name\n1,Zoé\n".encode("utf-16"), 400, "malformed_document", "UTF-16"),
        ("external_id,name\n1,Zoé\n".encode("utf-16-le"), 400, "malformed_document", "UTF-16"),
        ('external_id,name\n1,Ada\n2,"Bob\n3,Eve\n', 400, "malformed_document", "line 3 never"),
        ('external_id,name\n1,Ada\n2,"Bob\n' + "3,Eve\n" * 90, 400, "malformed_document", "line 3"),
        ("name,email\nAda,ada@univ.example\n", 400, "missing_column", "external_id"),
        ("", 400, "missing_column", "external_id"),
        ("external_id,name\n1," + "x" * 70_000, 413, "too_many_lines", "Line 2"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_in_words(
    service: Running, body: str | bytes, status: int, code: str, words: str
) -> None:
    # Also if bad lines are skipped: nobody knows where one ends.
    for query in ({}, {"skip_bad": True}):
        answer = await send(service, body, **query)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert words in answer.json()["detail"]
    assert await people(service) == {}


@pytest.mark.parametrize(
    ("header", "mistakes"),
    [
        ("external_id", [("/1", "missing_column")]),
        ("external_id,name,mail", [("/1/mail", "unknown_column")]),
        ("external_id,name,name", [("/1/name", "duplicate_column")]),
        ("external_id,first_name", [("/1", "missing_column")]),
        ("external_id,name," + ",".join(f"a{n}" for n in range(99)), [("/1", "too_many")]),
    ],
)
async def test_wrong_columns_are_named(
    service: Running, header: str, mistakes: list[tuple[str, str]]
) -> None:
    answer = await send(service, header + "\n")
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == mistakes


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("etu3,,c@univ.example,,,", ("/4", "empty")),
        (",Carl,c@univ.example,,,", ("/4/external_id", "empty")),
        ("etu3,Carl,c@,,,", ("/4/email", "not_an_email_address")),
        ("etu3,Carl,,12,,", ("/4/phone", "not_a_phone_number")),
        ("etu3,Ca\0rl,,,,", ("/4/name", "control_character")),
        (f"etu3,{'x' * 201},,,,", ("/4/name", "too_long")),
        ("etu3,Carl,,,L3 Info,", ("/4/groups", "not_a_slug")),
        ("etu3,Carl,,,rugby,", ("/4/groups", "unknown_group")),
        ("etu3,Carl,,,", ("/4", "wrong_number_of_fields")),
        ('etu3,"Carl"x,,,,', ("/4", "malformed")),
        ("etu1,Carl,,,,", ("/4/external_id", "duplicate")),
        ("etu3,Carl,ADA@univ.example,,,", ("/4/email", "duplicate")),
    ],
)
async def test_one_bad_line_refuses_the_file_unless_it_is_skipped(
    service: Running, line: str, mistake: tuple[str, str]
) -> None:
    good = [row.replace("l3-info;chess", "").replace("l3-info", "") for row in (ADA, BOB)]
    body = HEADER + good[0] + good[1] + line + "\netu9,Eve,,,,\n"
    for query in ({}, {"dry_run": True}):
        assert await refused(service, body, **query) == [mistake]
    report = await imported(service, body, skip_bad=True)
    assert (report["created"], report["bad"]) == (3, 1)
    assert [(e["pointer"], e["code"]) for e in report["errors"]] == [mistake]
    assert (await people(service)).keys() == {"etu1", "etu2", "etu9"}


async def test_a_hundred_mistakes_are_listed_and_all_are_counted(service: Running) -> None:
    body = "external_id,name\n" + "".join(f"etu{n},\n" for n in range(150))
    answer = await send(service, body)
    assert "150 of 150 lines are bad" in answer.json()["detail"]
    errors = answer.json()["errors"]
    assert [error["pointer"] for error in errors] == [f"/{n}" for n in range(2, 102)]
    assert errors[0]["detail"].startswith("line 2: ")


async def test_a_dry_run_over_the_network_counts_the_bad_lines_too(service: Running) -> None:
    key = await service.key("people")
    answer = await send(service, "external_id,name\netu1,\n", key, dry_run=True)
    assert answer.json()["code"] == "bad_lines"
    assert "1 of 1 lines are bad" in answer.json()["detail"]


async def test_an_address_of_somebody_else_is_a_bad_line(service: Running) -> None:
    eve = {"name": "Eve", "role": "member", "email": "Ada@univ.example"}
    id = (await service.http.post("/v1/users", json=eve)).json()["id"]
    answer = await send(service, "external_id,name,email\netu1,Ada,ada@univ.example\n")
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/2/email", "already_taken")
    assert id in error["detail"]


async def test_only_an_admin_who_says_so_gives_roles(service: Running) -> None:
    body = "external_id,name,role\netu1,Ada,admin\netu2,Bob,member\netu3,Eve,\n"
    assert await refused(service, body) == [("/2/role", "role_not_allowed")]
    key = await service.key("people")
    assert (await send(service, body, key, roles=True)).status_code == 403
    assert (await send(service, body, await service.key("read"))).status_code == 403
    report = await imported(service, body, roles=True)
    assert report["created"] == 3
    assert {e: each["role"] for e, each in (await people(service)).items()} == {
        "etu1": "admin",
        "etu2": "member",
        "etu3": "member",
    }
    # A key for people takes over nobody who may do more than look.
    taken = "external_id,name,email\netu1,Ada,mallory@evil.example\n"
    answer = await send(service, taken, key)
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/2", "protected")]
    assert (await imported(service, "external_id,name\netu1,Ada\n", key)) == {
        "delimiter": ",",
        "unchanged": 1,
    }
    # Nobody loses the role of an admin this way, not even by an admin.
    for row in ("etu1,Ada,member,true", "etu1,Ada,admin,false"):
        answer = await send(service, f"external_id,name,role,active\n{row}\n", roles=True)
        assert answer.json()["errors"][0]["code"] == "admin_protected"


async def test_who_is_missing_is_deactivated_if_asked(service: Running, clock: ManualClock) -> None:
    by_hand = {"name": "Carl", "role": "member", "external_id": "etu3"}
    await service.http.post("/v1/users", json=by_hand)
    await imported(service, "external_id,name,role\netu1,Ada,admin\netu2,Bob,\n", roles=True)
    body = "external_id,name\netu9,Eve\n"
    assert await imported(service, body) == {"delimiter": ",", "created": 1}
    dry = await imported(service, body, deactivate_missing=True, dry_run=True)
    assert dry == {
        "delimiter": ",",
        "dry_run": True,
        "unchanged": 1,
        "deactivated": 1,
        "kept": 1,
    }
    report = await imported(service, body, deactivate_missing=True)
    assert report == {"delimiter": ",", "unchanged": 1, "deactivated": 1, "kept": 1}
    active = {id: each["active"] for id, each in (await people(service)).items()}
    assert active == {"etu1": True, "etu2": False, "etu3": True, "etu9": True}
    # A line that is bad still tells that this person is there.
    back = "external_id,name,active\netu2,Bob,yes\netu9,,\n"
    report = await imported(service, back, deactivate_missing=True, skip_bad=True)
    assert (report["changed"], report["bad"], report.get("deactivated")) == (1, 1, None)
    for body in ("external_id,name\n", "external_id,name\n,Ada\netu9,Eve\n"):
        answer = await send(service, body, deactivate_missing=True, skip_bad=True)
        assert answer.json()["code"] == "missing_unknown"


async def test_sessions_of_who_is_deactivated_end(service: Running) -> None:
    await imported(service, "external_id,name\netu1,Ada\n")
    users, sessions = service.service.identity.users, service.service.identity.sessions
    [ada] = (await users.page(UserFilter(), limit=1, cursor=None)).items
    cookie = await sessions.begin(ada, None, None)
    signed_in = await sessions.authenticate(cookie)
    await imported(service, "external_id,name,active\netu1,Ada,no\n")
    assert not sessions.is_valid(signed_in)


async def test_the_audit_log_tells_what_an_import_did(service: Running) -> None:
    await imported(service, HEADER + ADA, **GROUPS)
    await imported(service, "external_id,name,role,active\netu1,Ada,sender,no\n", roles=True)
    found = rows(service, "SELECT action, target, details FROM audit ORDER BY number")
    assert [action for action, _, _ in found] == [
        *("import.stored", "group.created", "group.created", "import.completed"),
        *("import.stored", "user.changed", "import.completed"),
    ]
    assert found[0][1] == found[3][1] != found[4][1]
    assert json.loads(found[3][2]) == {"lines": 1, "bad": 0, "created": 1, "groups_created": 2}
    assert json.loads(found[5][2]) == {
        "fields": ["active", "role"],
        "role": ["member", "sender"],
        "active": [True, False],
    }
    assert "Ada" not in str(found)
    assert (await service.get("/v1/audit/verification"))["broken"] == []


async def test_an_export_is_imported_again(service: Running) -> None:
    line = "etu2,=1+1,bob@univ.example,,chess,@home\n"
    await imported(service, HEADER + ADA + line, **GROUPS)
    answer = await service.http.get("/v1/users/export")
    assert answer.headers["Content-Type"].startswith("text/csv")
    [ada, bob] = csv.DictReader(io.StringIO(answer.text))
    assert (ada["phone"], ada["groups"]) == ("'+33612345678", "chess;l3-info")
    assert (bob["name"], bob["attributes.campus"]) == ("'=1+1", "'@home")
    assert not [cell for cell in bob.values() if cell[:1] in ("=", "+", "-", "@")]
    assert await imported(service, answer.text) == {"delimiter": ",", "unchanged": 2}
    assert (await service.anonymous.get("/v1/users/export")).status_code == 401


async def test_an_import_that_ends_in_between_goes_on(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "external_id,name\n" + "".join(f"etu{n},Person {n}\n" for n in range(350))
    imports = service.service.archive.imports
    store, stored = imports.store, []

    async def fail_at_third(*arguments: Any) -> None:
        stored.append(arguments)
        if len(stored) == 3:
            raise Unavailable("The disk is full.")
        await store(*arguments)

    monkeypatch.setattr(imports, "store", fail_at_third)
    answer = await send(service, body)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[:2] == [{"done": 100, "of": 350}, {"done": 200, "of": 350}]
    assert lines[2]["error"]["code"] == "unavailable"
    # What was stored is in the audit log, without an end.
    assert [a for (a,) in rows(service, "SELECT action FROM audit")] == ["import.stored"] * 2
    assert await imported(service, body) == {"delimiter": ",", "created": 150, "unchanged": 200}
    assert (await service.get("/v1/audit/verification"))["broken"] == []


async def test_who_was_changed_meanwhile_is_reported(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of a line is taken between its check and its turn."""
    imports = service.service.archive.imports
    matching, calls = imports.matching, []

    async def taken_meanwhile(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            user = User(service.service.ids(), "Eve", Role.member, 1, email="ada@univ.example")
            slice_ = PeopleSlice(added=[user])
            await imports.store(slice_, [])
        return await matching(*arguments)

    monkeypatch.setattr(imports, "matching", taken_meanwhile)
    body = "external_id,name,email\netu1,Ada,ada@univ.example\netu2,Bob,\n"
    report = await imported(service, body)
    assert (report["created"], report["bad"]) == (1, 1)
    assert report["errors"][0]["code"] == "already_taken"

"""One-click unsubscription (RFC 8058): headers, links, and the page that they lead to."""

import re
from typing import Any
from uuid import UUID

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.settings import ServiceConfig
from tests.integration.conftest import Emailing
from tests.integration.test_users import audited
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import SECURITY, Running, running
from tests.support.smtp_server import SmtpServer

PUBLIC = {"PUBLIC_URL": "https://notify.univ.example/fn"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def send_to(service: Running, user: User, **changes: Any) -> str:
    id = await service.send(**changes | {"to": [f"user:{user.id}"]})
    await service.completed(id)
    return id


def path_in(text: str) -> str:
    """Return the path of the only link to unsubscribe."""
    (path,) = set(re.findall(r"(/u/[A-Za-z0-9._-]+)", text))
    return str(path)


async def chosen(service: Running, user: User) -> Any:
    return (await service.get(f"/v1/users/{user.id}/preferences"))["kinds"]


async def test_people_get_links_of_their_own_and_addresses_none(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    async with emailing(smtp.url, **PUBLIC) as service:
        ada = await add_user(service.service, locale="fr")
        bob = await add_user(service.service, email="bob@univ.example", locale="fr")
        to = [f"user:{ada.id}", f"user:{bob.id}", "mailto:office@univ.example"]
        await service.completed(await service.send(to=to, locale="fr"))
        mails = {mail.message["To"]: mail for mail in smtp.mails}
        office = mails.pop("office@univ.example")
        assert "List-Unsubscribe" not in office.message
        assert b"/u/" not in office.content
        links = {mail.message["List-Unsubscribe"] for mail in mails.values()}
        assert len(links) == len(mails) == 2
        for mail in mails.values():
            assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            link = mail.message["List-Unsubscribe"].strip("<>")
            assert link.startswith(PUBLIC["PUBLIC_URL"] + "/u/academic.")
            assert mail.message["To"].partition("@")[0] not in link
            for part in mail.message.iter_parts():
                text = part.get_content()
                assert text.count(link) == 1
                assert "Se désabonner" in text
        smtp.mails.clear()
        await send_to(service, ada, **SECURITY)
        assert all("List-Unsubscribe" not in mail.message for mail in smtp.mails)
        assert smtp.mails


async def link_of(service: Running, user: User) -> str:
    id = await send_to(service, user)
    [mail] = (await service.get("/v1/outbox", notification=id, channel="email"))["items"]
    assert path_in(mail["text"]) == path_in(mail["html"])
    return path_in(mail["text"])


async def test_a_post_unsubscribes_and_a_get_never_does(service: Running) -> None:
    user = await add_user(service.service)
    path = await link_of(service, user)
    page = await service.anonymous.get(path, headers={"Accept-Language": "fr"})
    assert (page.status_code, page.headers["Content-Language"]) == (200, "fr")
    assert '<form method="post">' in page.text
    assert "<script" not in page.text
    assert (await service.anonymous.head(path)).status_code in (200, 405)
    assert await chosen(service, user) == {}
    for kind in ("data", "files"):
        body: Any = ONE_CLICK if kind == "data" else {"List-Unsubscribe": (None, "One-Click")}
        done = await service.anonymous.post(path, **{kind: body})
        assert done.status_code == 200, done.text
        assert "You are unsubscribed" in done.text
    assert await chosen(service, user) == {"academic": ["in_app", "push"]}
    who, fields = f"user:{user.id}", {"fields": ["kinds"]}
    assert [e for e in audited(service) if e[1].startswith("preferences")] == [
        (who, "preferences.unsubscribed", who, fields)
    ]
    id = await send_to(service, user)
    found = (await service.get(f"/v1/notifications/{id}"))["counts"]
    assert found == {"in_app": {"delivered": 1}}
    # Critical ones ignore what people chose.
    id = await send_to(service, user, priority="critical")
    found = (await service.get(f"/v1/notifications/{id}"))["counts"]
    assert found["email"] == {"sent": 1}


async def test_links_survive_a_new_secret_key(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_SECRET_KEY", "o" * 32)
    async with running(Service(ServiceConfig(), clock)) as service:
        user = await add_user(service.service)
        path = await link_of(service, user)
    monkeypatch.setenv("FLASHNOTIFY_SECRET_KEY", "n" * 32)
    async with running(Service(ServiceConfig(), clock)) as service:
        assert (await service.anonymous.post(path)).status_code == 404
    monkeypatch.setenv("FLASHNOTIFY_PREVIOUS_SECRET_KEYS", "o" * 32)
    async with running(Service(ServiceConfig(), clock)) as service:
        assert await link_of(service, user) != path
        assert (await service.anonymous.post(path)).status_code == 200
        assert await chosen(service, user) == {"academic": ["in_app", "push"]}


async def test_forged_links_are_refused(service: Running) -> None:
    user = await add_user(service.service)
    links = service.service.unsubscribe_links
    token = links.link("academic", user.id).rpartition("/")[2]
    kind, person, proof = token.split(".")
    other = links.link("academic", UUID(int=7)).rpartition("/")[2].split(".")[1]
    # Ours, but of nobody, and of what nobody opts out of.
    valid = [links.link("academic", UUID(int=7)), links.link("security", user.id)]
    for forged in (
        f"weather.{person}.{proof}",
        f"{kind}.{other}.{proof}",
        f"{kind}.{person}.{proof[::-1]}",
        f"{kind}.{person}",
        *(("x", "é", "....", f"{kind}.{person}.{'0' * 32}")),
        *(url.rpartition("/")[2] for url in valid),
    ):
        answer = await service.anonymous.post(f"/u/{forged}")
        assert answer.status_code == 404, forged
    assert await chosen(service, user) == {}


async def test_another_site_s_session_cookie_changes_nothing(service: Running) -> None:
    """The link alone counts: no session is asked for, and none is used."""
    user = await add_user(service.service)
    path = await link_of(service, user)
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example"}
    answer: httpx.Response = await service.anonymous.post(path, headers=headers)
    assert answer.status_code == 200

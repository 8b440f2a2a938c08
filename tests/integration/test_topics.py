"""`/v1/me/topics`: groups that people join and leave themselves."""

from typing import Any

from flashnotify.domain import Role
from tests.integration.test_groups import create
from tests.integration.test_users import audited
from tests.support.people import GOOD, add_user
from tests.support.running import Running


async def signed_in(service: Running) -> dict[str, str]:
    """Store Ada, and return the headers of her requests."""
    await add_user(service.service, Role.viewer, external_id="ada", phone="+33612345678")
    form = {"grant_type": "password", "username": "ada@univ.example", "password": GOOD}
    answer = await service.anonymous.post("/v1/auth/token", data=form)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def channels_of(service: Running, *to: str, **more: Any) -> list[str]:
    """Return the channels on which a notification comes."""
    id = await service.send(to=list(to), **more)
    await service.completed(id)
    items = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    return sorted(item["channel"] for item in items if item["status"] != "skipped")


async def test_people_join_and_leave_topics_themselves(service: Running) -> None:
    ada = await signed_in(service)
    await create(service, "staff")
    await create(service, "cinema", joinable=True, kind="academic", description="Tuesdays")
    path, http = "/v1/me/topics", service.anonymous
    listed = (await http.get(path, headers=ada)).json()
    topic = {"slug": "cinema", "name": "cinema", "description": "Tuesdays", "kind": "academic"}
    assert listed == {"items": [topic | {"joined": False, "channels": None}], "next": None}
    joined = await http.put(f"{path}/cinema", headers=ada, json={"channels": ["sms"]})
    assert joined.json() == topic | {"joined": True, "channels": ["sms"]}
    assert (await http.get(path, headers=ada)).json()["items"] == [joined.json()]
    [member] = (await service.get("/v1/groups/cinema/members"))["items"]
    assert (member["external_id"], member["source"]) == ("ada", "self")
    for _ in range(2):
        left = await http.delete(f"{path}/cinema", headers=ada)
        assert left.status_code == 204
    assert (await service.get("/v1/groups/cinema/members"))["items"] == []
    done = [action for _, action, _, _ in audited(service) if action.startswith("topic.")]
    assert done == ["topic.joined", "topic.left"]


async def test_only_topics_and_known_channels_can_be_chosen(service: Running) -> None:
    ada = await signed_in(service)
    await create(service, "staff")
    await create(service, "cinema", joinable=True)
    http = service.anonymous
    for slug in ("staff", "nothing"):
        answer = await http.put(f"/v1/me/topics/{slug}", headers=ada, json={})
        assert answer.status_code == 404
        assert (await http.delete(f"/v1/me/topics/{slug}", headers=ada)).status_code == 404
    body = {"channels": ["email", "fax"]}
    answer = await http.put("/v1/me/topics/cinema", headers=ada, json=body)
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/channels/1", "unknown_channel")
    # Those who are no person have no topics.
    assert (await service.http.get("/v1/me/topics")).json()["code"] == "not_a_user"


async def test_the_channels_of_a_topic_hold_for_who_is_reached_through_it(
    service: Running,
) -> None:
    ada = await signed_in(service)
    await create(service, "cinema", joinable=True, kind="academic")
    await create(service, "library", joinable=True, kind="weather")
    await create(service, "staff")
    for slug in ("cinema", "library"):
        body = {"channels": ["sms"]}
        await service.anonymous.put(f"/v1/me/topics/{slug}", headers=ada, json=body)
    await service.http.put("/v1/groups/staff/members/ada")
    by_default = await channels_of(service, "user:ada")
    assert by_default != ["sms"]
    assert await channels_of(service, "group:cinema") == ["sms"]
    # Of another kind, through another group too, or named: as anybody.
    assert await channels_of(service, "group:library") == by_default
    assert await channels_of(service, "group:cinema", "group:staff") == by_default
    assert await channels_of(service, "group:cinema", "user:ada") == by_default
    everything = await channels_of(service, "group:cinema", priority="critical")
    assert {"email", "sms"} <= set(everything)

"""`POST /v1/audience/preview`: whom an audience reaches now, and who is left out why."""

from typing import Any
from uuid import UUID

import pytest

from tests.integration.test_audiences import fill
from tests.support.running import Running

ALL: dict[str, Any] = {"kind": "academic", "to": ["group:info", "group:chess", "user:dee"]}


async def preview(service: Running, **changes: Any) -> Any:
    answer = await service.http.post("/v1/audience/preview", json=ALL | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_preview_counts_by_channel_and_says_why_people_are_left_out(
    service: Running,
) -> None:
    ids: dict[str, UUID] = await fill(service)
    for name, change in (("ada", {"phone": "+33612345678"}), ("bob", {"email": None})):
        answer = await service.http.patch(f"/v1/users/{ids[name]}", json=change)
        assert answer.is_success, answer.text
    await service.http.put(f"/v1/users/{ids['cid']}/preferences", json={"kinds": {"academic": []}})
    await service.http.post(f"/v1/users/{ids['dee']}/deactivate")
    found = await preview(
        service, channels=["email", "sms"], title="Room changed", body="B204. " * 40
    )
    assert found == {
        "recipients": 1,
        "channels": {"email": 1, "sms": 1},
        "left_out": {
            "the person is deactivated": 1,
            "the person has no address for these channels": 1,
            "the person opted out of this kind": 1,
        },
        "sms_segments": 2,
        "sample": [
            {
                "name": "Ada Lovelace",
                "channels": ["email", "sms"],
                "addresses": ["a***@univ.example", "+336*****678"],
            }
        ],
    }
    critical = await preview(service, channels=["email", "sms"], priority="critical")
    assert critical["channels"] == {"email": 2, "sms": 1}
    assert critical["sms_segments"] is None
    assert (await service.get("/v1/notifications"))["items"] == []


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"kind": "academc"}, "/kind", "unknown_value"),
        ({"channels": ["email", "fax"]}, "/channels/1", "unknown_value"),
        ({"priority": "urgent"}, "/priority", "unknown_value"),
        ({"to": ["group:nothing"]}, "/to/0", "unknown_group"),
        ({"to": [{"all": ["user:nobody"]}]}, "/to/0/all/0", "unknown_user"),
        ({"send_at": "now"}, "/send_at", "unknown_field"),
    ],
)
async def test_what_is_wrong_is_refused_by_name(
    service: Running, changes: dict[str, Any], pointer: str, code: str
) -> None:
    body = {"kind": "academic", "to": ["mailto:ada@univ.example"]} | changes
    answer = await service.http.post("/v1/audience/preview", json=body)
    assert answer.status_code == 422, answer.text
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]

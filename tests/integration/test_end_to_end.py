"""One notification, from the POST to the archive."""

from tests.support.running import Running


async def test_is_accepted_delivered_and_archived(service: Running) -> None:
    id = await service.send(reference="r-1")
    shown = await service.completed(id)
    assert shown["counts"] == {"email": {"sent": 1}}
    (delivery,) = (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]
    assert delivery["status"] == "sent"
    assert [a["outcome"] for a in delivery["attempts"]] == ["sent"]
    (message,) = (await service.get("/v1/outbox"))["items"]
    assert message["subject"] == "[ALG-2] Room changed"
    assert "B204" in message["text"]
    assert "B204" in message["html"]

"""`/v1/audit` and `flashnotify audit`: what was done is listed, and tampering shows."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.in_process_cli import InProcessCli
from tests.support.running import Running


async def numbers(service: Running, **params: Any) -> list[int]:
    return [entry["number"] for entry in (await service.get("/v1/audit", **params))["items"]]


async def test_what_was_done_is_listed_by_whom_and_what(service: Running) -> None:
    admin = await service.key("admin")
    id = admin["Authorization"].split("_")[1]
    post = service.anonymous.post
    made = await post("/v1/api-keys", json={"name": "x", "scopes": ["read"]}, headers=admin)
    of_made = made.json()["id"]
    sent = await service.send(delay="1h")
    await post(f"/v1/notifications/{sent}/cancel", headers=admin)
    await service.http.delete(f"/v1/api-keys/{of_made}")
    (newest, *_) = (await service.get("/v1/audit"))["items"]
    assert newest["actor"] == "local"
    assert (newest["action"], newest["target"]) == ("key.revoked", f"key:{of_made}")
    assert await numbers(service) == [4, 3, 2, 1]
    assert await numbers(service, actor=id) == [3, 2]
    assert await numbers(service, actor=id, action="key.") == [2]
    assert await numbers(service, action="key.created", target=f"key:{of_made}") == [2]
    assert await numbers(service, until="2000-01-01T00:00:00Z") == []
    page = await service.get("/v1/audit", limit=3)
    assert await numbers(service, cursor=page["next"]) == [1]
    for wrong in ("abc", "-1", "9" * 19):
        answer = await service.http.get("/v1/audit", params={"cursor": wrong})
        assert answer.status_code == 422


async def test_only_an_admin_sees_the_audit_log(service: Running) -> None:
    key = await service.key("read:all", "notify:*", "devices")
    for path in ("/v1/audit", "/v1/audit/verification"):
        assert (await service.anonymous.get(path, headers=key)).status_code == 403


async def test_tampering_shows(service: Running) -> None:
    for _ in range(3):
        await service.key("read")
    found = await service.get("/v1/audit/verification")
    assert (found["number"], found["broken"], found["next"]) == (3, [], None)
    expect = f"{found['number']}:{found['hash']}"
    assert (await service.get("/v1/audit/verification", expect=expect))["expected"]
    with closing(sqlite3.connect(service.service.config.archive_file)) as archive, archive:
        archive.execute("DROP TRIGGER audit_update")
        archive.execute("UPDATE audit SET actor = 'nobody' WHERE number = 3")
    found = await service.get("/v1/audit/verification", expect="4:" + "0" * 64)
    assert (found["broken"], found["expected"]) == ([3], False)


async def test_the_commands_list_and_verify(tmp_path: Path) -> None:
    commands = InProcessCli(tmp_path / "serve")
    assert (await commands.cli("migrate")).code == 0
    assert (await commands.cli("audit", "verify")).stdout == ""
    for name in ("x", "y"):
        await commands.cli("keys", "create", "--name", name, "--scope", "read")
    verified = await commands.cli("audit", "verify")
    assert (verified.code, verified.stderr) == (0, "")
    number, _, digest = verified.stdout.strip().partition(":")
    assert (number, len(digest)) == ("2", 64)
    listed = await commands.cli("audit", "list", "--action", "key.created", "--limit", "1")
    assert "scopes=read" in listed.stdout
    (file,) = tmp_path.rglob("*.db")
    with closing(sqlite3.connect(file)) as archive, archive:
        archive.execute("DROP TRIGGER audit_delete")
        archive.execute("DELETE FROM audit WHERE number = 2")
    assert (await commands.cli("audit", "verify")).code == 0
    verified = await commands.cli("audit", "verify", "--expect", f"{number}:{digest}")
    assert verified.code == 1
    assert f"no entry {number}:{digest}" in verified.stderr
    wrong = await commands.cli("audit", "verify", "--expect", "2")
    assert wrong.code == 1
    assert "--expect takes what an earlier `audit verify` printed" in wrong.stderr


async def test_every_detail_is_listed(tmp_path: Path) -> None:
    commands = InProcessCli(tmp_path / "serve")
    assert (await commands.cli("migrate")).code == 0
    ada = ("--name", "Ada", "--email", "ada@univ.example")
    assert (await commands.cli("users", "create", *ada, "--role", "viewer")).code == 0
    assert (await commands.cli("users", "deactivate", "ada@univ.example")).code == 0
    listed = await commands.cli("audit", "list", "--action", "user.deactivated")
    assert (listed.code, listed.stderr) == (0, "")
    assert "active=True,False" in listed.stdout

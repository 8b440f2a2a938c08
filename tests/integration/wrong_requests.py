"""Requests that the API refuses, with the code of each mistake.

Tests assert the codes. The wording is in `golden/errors.md`.
"""

from __future__ import annotations

from typing import Any

from tests.support.browser import Browser, b64

SECURITY = {
    "kind": "security",
    "data": {"location": "Building B", "instructions": "Leave\nthe building."},
}
ENDPOINT = "https://8.8.8.8/push/4rlN0A"
_BROWSER = Browser()

# What is changed in the academic example (`...` removes a field), the pointer, the code.
NOTIFICATIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "acedemic"}, "/kind", "unknown_kind"),
    ({"kind": "party"}, "/kind", "unknown_kind"),
    ({"kind": 7}, "/kind", "unknown_kind"),
    ({"kind": None}, "/kind", "missing"),
    ({"kind": ...}, "/kind", "missing"),
    ({"title": ...}, "/title", "missing"),
    ({"title": ""}, "/title", "empty"),
    ({"title": " \u00a0 "}, "/title", "empty"),
    ({"title": 3}, "/title", "wrong_type"),
    ({"title": "a\nb"}, "/title", "line_break"),
    ({"title": "a\x00b"}, "/title", "control_character"),
    ({"title": "x" * 201}, "/title", "too_long"),
    ({"body": ...}, "/body", "missing"),
    ({"body": "é" * 32769}, "/body", "too_long"),
    ({"to": ...}, "/to", "missing"),
    ({"to": []}, "/to", "empty"),
    ({"to": "mailto:ada@univ.example"}, "/to", "wrong_type"),
    ({"to": [{}]}, "/to/0", "empty"),
    ({"to": ["mailto:" + '"' * 1001]}, "/to/0", "too_long"),
    ({"kind": "academic" * 10_000}, "/kind", "unknown_kind"),
    # To list every mistake would take long: the first, or their number, is enough.
    ({"to": [1]}, "/to/0", "wrong_type"),
    ({"channels": [1] * 101}, "/channels", "too_many"),
    ({"data": {f"x{n}": 1 for n in range(201)}}, "/data", "too_many"),
    ({f"x{n}": 1 for n in range(200)}, "", "too_many"),
    ({"to": ["mailto:a@b.example"] * 10_001}, "/to", "too_many"),
    ({"channels": []}, "/channels", "empty"),
    ({"channels": ["sms", "push"]}, "/channels", "no_recipient"),
    ({"channels": ["fax"]}, "/channels/0", "unknown_value"),
    ({"channels": ["email", "pigeon"]}, "/channels/1", "unknown_value"),
    ({"priority": "urgent"}, "/priority", "unknown_value"),
    ({"priority": 3}, "/priority", "unknown_value"),
    ({"locale": "not a locale"}, "/locale", "wrong_format"),
    ({"locale": "x" * 36}, "/locale", "too_long"),
    ({"reference": ""}, "/reference", "empty"),
    ({"reference": "x" * 201}, "/reference", "too_long"),
    ({"data": ...}, "/data/course", "missing"),
    ({"data": []}, "/data", "wrong_type"),
    ({"data": {}}, "/data/course", "missing"),
    ({"data": {"course": ""}}, "/data/course", "empty"),
    ({"data": {"course": None}}, "/data/course", "wrong_type"),
    ({"data": {"course": "A", "starts_at": "tomorrow"}}, "/data/starts_at", "not_a_timestamp"),
    ({"data": {"course": "A", "rooom": "B"}}, "/data/rooom", "unknown_field"),
    ({"data": {"course": "A", "~/": "B"}}, "/data/~0~1", "unknown_field"),
    ({"send_to": []}, "/send_to", "unknown_field"),
    ({"course": "ALG-2"}, "/course", "unknown_field"),
    ({"send_at": "2026-12-01T08:00:00"}, "/send_at", "missing_offset"),
    ({"send_at": "2026-02-30T08:00:00Z"}, "/send_at", "not_a_timestamp"),
    ({"send_at": 1_800_000_000}, "/send_at", "not_a_timestamp"),
    ({"delay": "soon"}, "/delay", "not_a_delay"),
    ({"delay": "8"}, "/delay", "not_a_delay"),
    ({"delay": "13pm"}, "/delay", "not_a_delay"),
    ({"delay": "today 0:00"}, "/delay", "in_the_past"),
    ({"delay": "999999w"}, "/delay", "out_of_range"),
    ({"delay": "1h", "send_at": "2030-01-01T00:00:00Z"}, "/delay", "conflict"),
    ({"delay": "1h", "expires_at": "2027-01-15T08:59:00Z"}, "/expires_at", "too_early"),
    ({"message": "x"}, "/message", "unknown_field"),
    ({"recipients": "x"}, "/recipients", "unknown_field"),
    ({"subject": "x"}, "/subject", "unknown_field"),
    ({"text": "x"}, "/text", "unknown_field"),
    ({"send_at": "9999-12-31T23:59:59-10:00"}, "/send_at", "out_of_range"),
    ({"expires_at": "0001-01-01T00:00:00+10:00"}, "/expires_at", "out_of_range"),
    ({"expires_at": "2027-01-15T08:00:00Z"}, "/expires_at", "in_the_past"),
    (
        {"send_at": "2027-02-01T08:00:00Z", "expires_at": "2027-02-01T08:00:00Z"},
        "/expires_at",
        "too_early",
    ),
]

# One entry of `to`, the code.
ENTRIES: list[tuple[str, str]] = [
    ("ada@univ.example", "not_a_uri"),
    ("mailto:ada", "not_an_email_address"),
    ("mailto:", "not_an_email_address"),
    ("mailto:ada@univ.example,bob@univ.example", "several_addresses"),
    ("mailto:ada@univ.example?subject=x", "has_query"),
    ("mailto://ada@univ.example", "double_slash"),
    (" mailto:ada@univ.example", "leading_space"),
    ("tel:+33612345678\x00", "not_a_phone_number"),
    ("tel:call +33612345678", "not_a_phone_number"),
    ("mailto:ada%0d%0aBcc:x@univ.example", "control_character"),
    ("mailto:%FF@univ.example", "not_utf8"),
    ("mailto:ada@univ.example\r\nBcc: x@univ.example", "not_an_email_address"),
    ("mailto:Ada <ada@univ.example>", "not_an_email_address"),
    ("mailto:zoë@univ.example", "not_an_email_address"),
    ("mailto:=%3Futf-8%3Fq%3Fx%3F=@univ.example", "encoded_word"),
    ("tel:0612345678", "not_a_phone_number"),
    ("tel: 33612345678", "not_a_phone_number"),
    ("tel:+33100000000000", "not_a_phone_number"),
    ("tel:" + "1" * 41, "not_a_phone_number"),
    ("push:nonsense", "not_an_id"),
    ("push:01a204ab-133f-7000-95d3-66f8d33980d8", "not_registered"),
    ("chat:Nobody", "not_a_slug"),
    ("chat:nobody", "unknown_destination"),
    ("fax:+33612345678", "unknown_scheme"),
    ("user:etu12345", "unknown_user"),
    ("group:l3-info", "unknown_group"),
    ("http://univ.example", "unknown_scheme"),
]

# What is changed in a request for a key, the pointer, the code.
API_KEYS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "/name", "empty"),
    ({"name": "a\nb"}, "/name", "wrong_format"),
    ({"name": "x" * 101}, "/name", "too_long"),
    ({"name": 1}, "/name", "wrong_type"),
    ({"scopes": []}, "/scopes", "empty"),
    ({"scopes": ["read"] * 51}, "/scopes", "too_many"),
    ({"scopes": ["read", "notify:party"]}, "/scopes/1", "unknown_scope"),
    ({"max_priority": "urgent"}, "/max_priority", "unknown_value"),
    ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at", "missing_offset"),
    ({"expires_at": 1_900_000_000}, "/expires_at", "not_a_timestamp"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "in_the_past"),
    ({"expires_at": "9999-12-31T23:59:59-10:00"}, "/expires_at", "out_of_range"),
    ({"scope": "read"}, "/scope", "unknown_field"),
    ({"owner": "user:1"}, "/owner", "unknown_field"),
    ({"channels": ["email", "fax"]}, "/channels/1", "unknown_channel"),
    ({"channels": []}, "/channels", "empty"),
    ({"recipients_per_day": 0}, "/recipients_per_day", "out_of_range"),
    ({"rate_limit": "often"}, "/rate_limit", "invalid"),
]

# What is changed of a user, the pointer, the code.
USERS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "/name", "empty"),
    ({"name": "Ada\nBcc: x"}, "/name", "line_break"),
    ({"name": None}, "/name", "wrong_type"),
    ({"email": "ada"}, "/email", "not_an_email_address"),
    ({"phone": "0612345678"}, "/phone", "not_a_phone_number"),
    ({"locale": "français"}, "/locale", "not_a_locale"),
    ({"locale": "fr\n"}, "/locale", "not_a_locale"),
    ({"timezone": "Paris"}, "/timezone", "not_a_time_zone"),
    ({"timezone": "../../etc/passwd"}, "/timezone", "not_a_time_zone"),
    ({"role": "root"}, "/role", "unknown_value"),
    ({"kinds": ["academc"]}, "/kinds/0", "unknown_kind"),
    ({"attributes": {"x": "é" * 3000}}, "/attributes", "too_long"),
    ({"attributes": ["x"]}, "/attributes", "wrong_type"),
    ({"password": "password1234"}, "/password", "weak_password"),
    ({"password": "too short"}, "/password", "password_too_short"),
    ({"password": "Ada Lovelace 1"}, "/password", "weak_password"),
    ({"id": "7"}, "/id", "unknown_field"),
    ({"active": False}, "/active", "unknown_field"),
    ({"password_hash": "x"}, "/password_hash", "unknown_field"),
    ({"credentials_changed_at": 0}, "/credentials_changed_at", "unknown_field"),
]

# What is changed in a Web Push subscription, the pointer, the code.
SUBSCRIPTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": None}, "/type", "missing"),
    ({"type": "apns"}, "/type", "unknown_value"),
    ({"type": ["webpush"]}, "/type", "unknown_value"),
    ({"endpoint": None}, "/endpoint", "wrong_type"),
    ({"endpoint": 7}, "/endpoint", "wrong_type"),
    ({"endpoint": "http://8.8.8.8/x"}, "/endpoint", "not_https"),
    ({"endpoint": "ftp://8.8.8.8/x"}, "/endpoint", "not_https"),
    ({"endpoint": "https:///x"}, "/endpoint", "no_host"),
    ({"endpoint": "https://8.8.8.8/a b"}, "/endpoint", "not_a_url"),
    ({"endpoint": "https://127.0.0.1/x"}, "/endpoint", "not_public"),
    ({"endpoint": "https://[::ffff:10.0.0.1]/x"}, "/endpoint", "not_public"),
    ({"endpoint": "https://user:password@8.8.8.8/x"}, "/endpoint", "has_credentials"),
    ({"endpoint": "https://8.8.8.8/x#y"}, "/endpoint", "has_fragment"),
    ({"endpoint": "https://localhost/x"}, "/endpoint", "not_public"),
    ({"endpoint": "https://8.8.8.8/" + "x" * 3000}, "/endpoint", "too_long"),
    ({"keys": None}, "/keys", "wrong_type"),
    ({"keys": {"auth": _BROWSER.auth}}, "/keys/p256dh", "missing"),
    ({"keys": {"p256dh": "é", "auth": _BROWSER.auth}}, "/keys/p256dh", "not_base64url"),
    ({"keys": {"p256dh": "xxxx", "auth": _BROWSER.auth}}, "/keys/p256dh", "not_a_public_key"),
    (
        {"keys": {"p256dh": b64(b"\4" * 65), "auth": _BROWSER.auth}},
        "/keys/p256dh",
        "not_a_public_key",
    ),
    (
        {"keys": {"p256dh": _BROWSER.p256dh, "auth": b64(b"1" * 15)}},
        "/keys/auth",
        "not_an_auth_secret",
    ),
    (
        {"keys": {"p256dh": _BROWSER.p256dh, "auth": _BROWSER.auth, "x": 1}},
        "/keys/x",
        "unknown_field",
    ),
    ({"expirationTime": "soon"}, "/expirationTime", "wrong_type"),
    ({"label": ""}, "/label", "empty"),
    ({"label": "x" * 101}, "/label", "too_long"),
    ({"label": "a\nb"}, "/label", "line_break"),
    ({"topic": "ada"}, "/topic", "unknown_field"),
    ({"webpush": {}}, "/webpush", "unknown_field"),
    ({"a/b~": 1}, "/a~1b~0", "unknown_field"),
]

# A query of `GET /v1/notifications`, the pointer, the code.
QUERIES: list[tuple[dict[str, Any], str, str]] = [
    ({"limit": 0}, "/limit", "out_of_range"),
    ({"limit": 201}, "/limit", "out_of_range"),
    ({"limit": "x"}, "/limit", "wrong_type"),
    ({"limit": "9" * 5000}, "/limit", "out_of_range"),
    ({"cursor": "nonsense"}, "/cursor", "invalid_cursor"),
    ({"cursor": "\x00"}, "/cursor", "invalid_cursor"),
    ({"cursor": "x" * 65}, "/cursor", "invalid_cursor"),
    ({"status": "lost"}, "/status", "unknown_value"),
    ({"priority": "urgent"}, "/priority", "unknown_value"),
    ({"since": "2027-01-01T00:00:00"}, "/since", "missing_offset"),
    ({"until": "1800000000"}, "/until", "not_a_timestamp"),
    ({"statsu": "failed"}, "/statsu", "unknown_parameter"),
]


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document with changes; a field that becomes `...` is removed."""
    return {key: value for key, value in (document | changes).items() if value is not ...}


def subscription(changes: dict[str, Any]) -> dict[str, Any]:
    """Return a Web Push subscription with changes."""
    return Browser().subscription(ENDPOINT) | changes


# What is chosen as preferences, the pointer, the code.
PREFERENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"kinds": {"academc": []}}, "/kinds/academc", "unknown_kind"),
    ({"kinds": {"a/b": []}}, "/kinds/a~1b", "unknown_kind"),
    ({"kinds": {"academic": ["email", "fax"]}}, "/kinds/academic/1", "channel_not_offered"),
    ({"kinds": {"security": []}}, "/kinds/security", "mandatory_kind"),
    ({"kinds": {"digest": []}}, "/kinds/digest", "unknown_kind"),
    ({"kinds": {"academic": "email"}}, "/kinds/academic", "wrong_type"),
    ({"quiet_hours": "22-7"}, "/quiet_hours", "not_a_time_window"),
    ({"digest": {"every": "hourly", "at": "18:00"}}, "/digest/every", "unknown_value"),
    ({"digest": {"every": "daily", "at": "24:00"}}, "/digest/at", "not_a_time_of_day"),
    ({"digest": {"every": "daily", "at": 18}}, "/digest/at", "not_a_time_of_day"),
    ({"digest": {"every": "daily"}}, "/digest/at", "missing"),
    (
        {"digest": {"every": "weekly", "at": "18:00", "weekday": 8}},
        "/digest/weekday",
        "out_of_range",
    ),
    ({"timezone": "Europe/Paris"}, "/timezone", "unknown_field"),
    ({"defaults": {}}, "/defaults", "unknown_field"),
]

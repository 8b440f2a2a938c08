"""The notifications that the demo sends: each kind in each language."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

EMAIL = "mailto:ada@univ.example"
SMS = "tel:+33612345678"
CHAT = "chat:it-team"


def examples(now: datetime, device: str) -> Sequence[dict[str, Any]]:
    """Return requests to `/v1/notifications`, dated after `now`. `device` is a `push:` address."""
    return [
        {
            "kind": "security",
            "locale": "en",
            "title": "Fire in building B",
            "body": "The fire brigade is on its way. Do not use the lifts, and help those who "
            "cannot take the stairs.",
            "to": [EMAIL, SMS, device, CHAT],
            "data": {
                "location": "Building B, 2nd floor",
                "instructions": "Leave the building by the nearest exit.\n"
                "Gather on the north car park.",
            },
        },
        {
            "kind": "security",
            "locale": "fr",
            "title": "Départ de feu au bâtiment B",
            "body": "Les pompiers arrivent. N’utilisez pas les ascenseurs et aidez les personnes "
            "qui ne peuvent pas prendre l’escalier.",
            "to": [EMAIL, SMS, device, CHAT],
            "data": {
                "location": "Bâtiment B, 2e étage",
                "instructions": "Quittez les lieux par la sortie la plus proche.\n"
                "Rassemblement sur le parking nord.",
            },
        },
        {
            "kind": "health",
            "locale": "en",
            "title": "Showers closed: legionella found",
            "body": "A routine check found legionella in the hot water. Drinking the water is "
            "safe. We will write again when the showers open.",
            "to": [EMAIL, SMS],
            "data": {
                "advice": "Do not use the showers until further notice.",
                "location": "Sports hall",
                "helpline": "+33144276000",
            },
        },
        {
            "kind": "health",
            "locale": "fr",
            "title": "Don du sang\N{NO-BREAK SPACE}: cas de rougeole",
            "body": "Un cas de rougeole a été confirmé parmi les donneurs de mardi.",
            "to": [EMAIL, device],
            "data": {
                "advice": "Vérifiez que vous êtes à jour de vos vaccins, et appelez en cas de "
                "fièvre.",
                "location": "Hall de la bibliothèque",
                "helpline": "+33144276000",
            },
        },
        {
            "kind": "weather",
            "locale": "en",
            "title": "Storm tonight: the campus closes at 17:30",
            "body": "Gusts of up to 120 km/h are expected. Evening classes are cancelled.",
            "to": [EMAIL, SMS],
            "data": {
                "severity": "severe",
                "effective_from": _at(now, 0, 18),
                "effective_until": _at(now, 1, 6),
            },
        },
        {
            "kind": "weather",
            "locale": "fr",
            "title": "Canicule\N{NO-BREAK SPACE}: salles fraîches ouvertes",
            "body": "Jusqu’à 39 °C attendus. La bibliothèque et le hall A, climatisés, sont "
            "ouverts à tous.",
            "to": [EMAIL, device],
            "data": {
                "severity": "moderate",
                "effective_from": _at(now, 1, 11),
                "effective_until": _at(now, 3, 21),
            },
        },
        {
            "kind": "infrastructure",
            "locale": "en",
            "title": "No Wi-Fi in the library tomorrow evening",
            "body": "We are replacing the access points. Wired sockets keep working.",
            "to": [EMAIL, CHAT],
            "data": {
                "building": "Library",
                "service": "Wi-Fi",
                "starts_at": _at(now, 1, 20),
                "ends_at": _at(now, 1, 23),
            },
        },
        {
            "kind": "infrastructure",
            "locale": "fr",
            "title": "Ascenseur du bâtiment C en panne",
            "body": "Le réparateur passe demain matin. Un accompagnement est possible à l’accueil.",
            "to": [EMAIL, SMS],
            "data": {"building": "Bâtiment C", "service": "Ascenseur", "ends_at": _at(now, 1, 12)},
        },
        {
            "kind": "academic",
            "locale": "en",
            "title": "Room changed",
            "body": "The exam takes place in room B204 instead of A101. Bring your student card.",
            "to": [EMAIL, device],
            "data": {
                "course": "ALG-2",
                "room": "B204",
                "starts_at": _at(now, 7, 9),
                "teacher": "Prof. Noether",
            },
        },
        {
            "kind": "academic",
            "locale": "fr",
            "title": "Cours annulé",
            "body": "Mme Curie est souffrante. La séance est reportée à la semaine prochaine.",
            "to": [EMAIL, SMS],
            "data": {"course": "PHY-101", "starts_at": _at(now, 1, 14), "teacher": "Mme Curie"},
        },
        {
            "kind": "administrative",
            "locale": "en",
            "title": "Enrol for the second semester",
            "body": "You are not enrolled yet. It takes five minutes online.",
            "to": [EMAIL],
            "data": {"deadline": _at(now, 14, 17), "office": "Registrar, room A012"},
        },
        {
            "kind": "administrative",
            "locale": "fr",
            "title": "Bourse\N{NO-BREAK SPACE}: il manque une pièce",
            "body": "Votre dossier est complet, à l’exception de l’avis d’imposition.",
            "to": [EMAIL, device],
            "data": {"deadline": _at(now, 10, 12), "office": "Scolarité, salle A012"},
        },
    ]


def _at(now: datetime, days: int, hour: int) -> str:
    """Return the time at `hour`, `days` from now."""
    day = now + timedelta(days=days)
    return day.replace(hour=hour, minute=0, second=0, microsecond=0).isoformat()

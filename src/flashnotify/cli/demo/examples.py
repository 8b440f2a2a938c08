"""The notifications that the demo sends: each kind in each language."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

EMAIL = "mailto:ada@univ.example"
SMS = "tel:+33612345678"
CHAT = "chat:it-team"


def examples(now: datetime, device: str) -> Sequence[dict[str, Any]]:
    """Return requests to `/v1/notifications`, dated after `now`. `device` is a `push:` address."""

    def at(days: int, hour: int) -> str:
        day = now + timedelta(days=days)
        return day.replace(hour=hour, minute=0, second=0, microsecond=0).isoformat()

    return [
        _example(
            "security.en",
            [EMAIL, SMS, device, CHAT],
            "Fire in building B",
            "The fire brigade is on its way. Do not use the lifts, and help those who cannot "
            "take the stairs.",
            {
                "location": "Building B, 2nd floor",
                "instructions": "Leave the building by the nearest exit.\n"
                "Gather on the north car park.",
            },
        ),
        _example(
            "security.fr",
            [EMAIL, SMS, device, CHAT],
            "Départ de feu au bâtiment B",
            "Les pompiers arrivent. N’utilisez pas les ascenseurs et aidez les personnes qui ne "
            "peuvent pas prendre l’escalier.",
            {
                "location": "Bâtiment B, 2e étage",
                "instructions": "Quittez les lieux par la sortie la plus proche.\n"
                "Rassemblement sur le parking nord.",
            },
        ),
        _example(
            "health.en",
            [EMAIL, SMS],
            "Showers closed: legionella found",
            "A routine check found legionella in the hot water. Drinking the water is safe. We "
            "will write again when the showers open.",
            {
                "advice": "Do not use the showers until further notice.",
                "location": "Sports hall",
                "helpline": "+33144276000",
            },
        ),
        _example(
            "health.fr",
            [EMAIL, device],
            "Don du sang\N{NO-BREAK SPACE}: cas de rougeole",
            "Un cas de rougeole a été confirmé parmi les donneurs de mardi.",
            {
                "advice": "Vérifiez que vous êtes à jour de vos vaccins, et appelez en cas de "
                "fièvre.",
                "location": "Hall de la bibliothèque",
                "helpline": "+33144276000",
            },
        ),
        _example(
            "weather.en",
            [EMAIL, SMS],
            "Storm tonight: the campus closes at 17:30",
            "Gusts of up to 120 km/h are expected. Evening classes are cancelled.",
            {"severity": "severe", "effective_from": at(0, 18), "effective_until": at(1, 6)},
        ),
        _example(
            "weather.fr",
            [EMAIL, device],
            "Canicule\N{NO-BREAK SPACE}: salles fraîches ouvertes",
            "Jusqu’à 39 °C attendus. La bibliothèque et le hall A, climatisés, sont ouverts à "
            "tous.",
            {"severity": "moderate", "effective_from": at(1, 11), "effective_until": at(3, 21)},
        ),
        _example(
            "infrastructure.en",
            [EMAIL, CHAT],
            "No Wi-Fi in the library tomorrow evening",
            "We are replacing the access points. Wired sockets keep working.",
            {
                "building": "Library",
                "service": "Wi-Fi",
                "starts_at": at(1, 20),
                "ends_at": at(1, 23),
            },
        ),
        _example(
            "infrastructure.fr",
            [EMAIL, SMS],
            "Ascenseur du bâtiment C en panne",
            "Le réparateur passe demain matin. Un accompagnement est possible à l’accueil.",
            {"building": "Bâtiment C", "service": "Ascenseur", "ends_at": at(1, 12)},
        ),
        _example(
            "academic.en",
            [EMAIL, device],
            "Room changed",
            "The exam takes place in room B204 instead of A101. Bring your student card.",
            {"course": "ALG-2", "room": "B204", "starts_at": at(7, 9), "teacher": "Prof. Noether"},
        ),
        _example(
            "academic.fr",
            [EMAIL, SMS],
            "Cours annulé",
            "Mme Curie est souffrante. La séance est reportée à la semaine prochaine.",
            {"course": "PHY-101", "starts_at": at(1, 14), "teacher": "Mme Curie"},
        ),
        _example(
            "administrative.en",
            [EMAIL],
            "Enrol for the second semester",
            "You are not enrolled yet. It takes five minutes online.",
            {"deadline": at(14, 17), "office": "Registrar, room A012"},
        ),
        _example(
            "administrative.fr",
            [EMAIL, device],
            "Bourse\N{NO-BREAK SPACE}: il manque une pièce",
            "Votre dossier est complet, à l’exception de l’avis d’imposition.",
            {"deadline": at(10, 12), "office": "Scolarité, salle A012"},
        ),
    ]


def _example(
    name: str, to: Sequence[str], title: str, body: str, data: Mapping[str, str]
) -> dict[str, Any]:
    kind, locale = name.split(".")
    return {"kind": kind, "locale": locale, "to": to, "title": title, "body": body, "data": data}

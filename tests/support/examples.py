"""A notification of each kind in each language, as senders would write them."""

from typing import Any

Example = dict[str, Any]

# By kind, then by locale. `data` has every field of the kind.
EXAMPLES: dict[str, dict[str, Example]] = {
    "security": {
        "en": {
            "title": "Fire in building B",
            "body": "The fire brigade is on its way. Do not use the lifts, and help those who "
            "cannot take the stairs.",
            "data": {
                "location": "Building B, 2nd floor",
                "instructions": "Leave the building by the nearest exit.\n"
                "Gather on the north car park.",
            },
        },
        "fr": {
            "title": "Départ de feu au bâtiment B",
            "body": "Les pompiers arrivent. N’utilisez pas les ascenseurs et aidez les personnes "
            "qui ne peuvent pas prendre l’escalier.",
            "data": {
                "location": "Bâtiment B, 2e étage",
                "instructions": "Quittez les lieux par la sortie la plus proche.\n"
                "Rassemblement sur le parking nord.",
            },
        },
    },
    "health": {
        "en": {
            "title": "Showers closed: legionella found",
            "body": "A routine check found legionella in the hot water. Drinking the water is "
            "safe. We will write again when the showers open.",
            "data": {
                "advice": "Do not use the showers until further notice.",
                "location": "Sports hall",
                "helpline": "+33144276000",
            },
        },
        "fr": {
            "title": "Douches fermées\N{NO-BREAK SPACE}: légionelles détectées",
            "body": "Un contrôle de routine a trouvé des légionelles dans l’eau chaude. L’eau "
            "reste potable. Nous vous écrirons à la réouverture.",
            "data": {
                "advice": "N’utilisez pas les douches jusqu’à nouvel ordre.",
                "location": "Halle des sports",
                "helpline": "+33144276000",
            },
        },
    },
    "weather": {
        "en": {
            "title": "Storm tonight: the campus closes at 17:30",
            "body": "Gusts of up to 120 km/h are expected. Evening classes are cancelled, and the "
            "library closes at 17:00. See https://univ.example/storm?from=mail&lang=en for "
            "buses.",
            "data": {
                "severity": "severe",
                "effective_from": "2026-12-03T18:00:00+01:00",
                "effective_until": "2026-12-04T06:00:00+01:00",
            },
        },
        "fr": {
            "title": "Tempête ce soir\N{NO-BREAK SPACE}: le campus ferme à 17h30",
            "body": "Des rafales jusqu’à 120 km/h sont attendues. Les cours du soir sont annulés "
            "et la bibliothèque ferme à 17h00. Bus\N{NO-BREAK SPACE}: "
            "https://univ.example/tempete?de=mail&lang=fr",
            "data": {
                "severity": "severe",
                "effective_from": "2026-12-03T18:00:00+01:00",
                "effective_until": "2026-12-04T06:00:00+01:00",
            },
        },
    },
    "infrastructure": {
        "en": {
            "title": "No Wi-Fi in the library on Saturday evening",
            "body": "We replace the access points. Wired sockets keep working.",
            "data": {
                "building": "Library",
                "service": "Wi-Fi",
                "starts_at": "2026-12-05T20:00:00+01:00",
                "ends_at": "2026-12-05T23:00:00+01:00",
            },
        },
        "fr": {
            "title": "Pas de Wi-Fi à la bibliothèque samedi soir",
            "body": "Nous remplaçons les bornes. Les prises filaires continuent de fonctionner.",
            "data": {
                "building": "Bibliothèque",
                "service": "Wi-Fi",
                "starts_at": "2026-12-05T20:00:00+01:00",
                "ends_at": "2026-12-05T23:00:00+01:00",
            },
        },
    },
    "academic": {
        "en": {
            "title": "Room changed",
            "body": "The exam takes place in room B204 instead of A101. Bring your student card.",
            "data": {
                "course": "ALG-2",
                "room": "B204",
                "starts_at": "2026-12-12T09:00:00+01:00",
                "teacher": "Prof. Noether",
            },
        },
        "fr": {
            "title": "Salle modifiée",
            "body": "L’examen a lieu en B204 et non en A101. Apportez votre carte d’étudiant.",
            "data": {
                "course": "ALG-2",
                "room": "B204",
                "starts_at": "2026-12-12T09:00:00+01:00",
                "teacher": "Mme Noether",
            },
        },
    },
    "administrative": {
        "en": {
            "title": "Enrol for the second semester",
            "body": "You are not enrolled yet.\n\nIt takes five minutes online; bring your proof "
            "of payment to the registrar if you pay by transfer.",
            "data": {
                "deadline": "2026-12-15T17:00:00+01:00",
                "office": "Registrar, room A012",
            },
        },
        "fr": {
            "title": "Inscrivez-vous au second semestre",
            "body": "Votre inscription n’est pas encore faite.\n\nElle prend cinq minutes en "
            "ligne\N{NO-BREAK SPACE}; en cas de virement, apportez le justificatif à la scolarité.",
            "data": {
                "deadline": "2026-12-15T17:00:00+01:00",
                "office": "Scolarité, salle A012",
            },
        },
    },
}

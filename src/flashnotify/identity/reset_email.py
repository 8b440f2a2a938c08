"""What the email says with which a person chooses a new password."""

from collections.abc import Mapping
from html import escape

from flashnotify.domain import Rendering

_TEXTS: Mapping[str, tuple[str, str]] = {
    "en": (
        "Choose a new password",
        """\
Hello {name},

somebody, probably you, asked for a new password. Choose one here, within {minutes} minutes:

{link}

The link works once. If it was not you, ignore this message: your password stays as it is.""",
    ),
    "fr": (
        "Choisissez un nouveau mot de passe",
        """\
Bonjour {name},

quelqu'un, sans doute vous, a demandé un nouveau mot de passe. Choisissez-le ici, dans les
{minutes} minutes :

{link}

Ce lien ne sert qu'une fois. Si ce n'était pas vous, ignorez ce message : votre mot de passe ne
change pas.""",
    ),
}


def reset_email(name: str, link: str, minutes: int, locale: str) -> Rendering:
    """Return the email in the language of `locale`, or else in English."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    language = language if language in _TEXTS else "en"
    subject, body = _TEXTS[language]
    text = body.format(name=name, link=link, minutes=minutes)
    href = escape(link)
    anchor = f'<a href="{href}">{href}</a>'
    html = body.format(name=escape(name), link=anchor, minutes=minutes)
    paragraphs = "".join(f"<p>{part}</p>\n" for part in html.split("\n\n"))
    page = f'<!DOCTYPE html>\n<html lang="{language}">\n<body>\n{paragraphs}</body>\n</html>'
    return Rendering(language, {"subject": subject, "text": text, "html": page})

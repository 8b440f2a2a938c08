"""The wording that all kinds share: the parts of a message, made from one declaration."""

from flashnotify.kinds.wording.composition import EN, FR, Detail, Language, compose

__all__ = ["EN", "FR", "Detail", "Language", "compose"]

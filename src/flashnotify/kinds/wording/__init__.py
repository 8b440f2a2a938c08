"""The wording that all kinds share: the parts of a message, made from one declaration."""

from flashnotify.kinds.wording.composition import Detail as Detail
from flashnotify.kinds.wording.composition import compose as compose

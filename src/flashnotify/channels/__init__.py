"""The channels and their transports. Kinds import their mixins from here."""

from flashnotify.channels.chat.channel import ChatMixin
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.push.channel import PushNotificationMixin
from flashnotify.channels.sms.channel import SMSMixin

__all__ = ["ChatMixin", "EmailMixin", "PushNotificationMixin", "SMSMixin"]

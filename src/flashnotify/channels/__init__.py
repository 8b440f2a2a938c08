"""The channels and their transports. Kinds import their mixins from here."""

from flashnotify.channels.chat.channel import ChatMixin as ChatMixin
from flashnotify.channels.email.channel import EmailMixin as EmailMixin
from flashnotify.channels.in_app.channel import InAppMixin as InAppMixin
from flashnotify.channels.push.channel import PushNotificationMixin as PushNotificationMixin
from flashnotify.channels.sms.channel import SMSMixin as SMSMixin

"""The one idea: an exchange goes in, a reply with an unread body comes out."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from proxy.core.exchange import Exchange
from proxy.core.reply import Reply

Handler: TypeAlias = Callable[[Exchange], Awaitable[Reply]]

"""Lets nobody in but the page that was opened with the secret address, and lets the page reach nothing else."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

__all__ = ["Guard"]

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

_LOCAL = ("127.0.0.1", "localhost", "::1")
_HOST = re.compile(r"^(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9.-]+))(?::\d{1,5})?$", re.IGNORECASE)
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """An ASGI application around another one.

    A request must be addressed to this machine by name or number, must not come from another site's page, and must
    carry the token: in the address the first time, and then in a cookie that only this page sends.
    """

    def __init__(self, app: App, token: str, host: str) -> None:
        self._app, self._token, self._host = app, token, host.lower()
        # All ports of a machine share their cookies, so each server's has a name of its own.
        self._cookie = f"astrotl_{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._is_ours(host):
            await _answer(send_guarded, 421, "this address is not served here")
        elif "origin" in headers and headers["origin"].lower() != f"http://{host.lower()}":
            await _answer(send_guarded, 403, "requests from other pages are refused")
        elif scope["path"] == "/" and self._is_token(
            *parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        ):
            # A strict one would not come back when the address is clicked in another page, as in a notebook's terminal.
            kept = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
            await _answer(send_guarded, 303, "", [(b"location", b"/"), (b"set-cookie", kept.encode())])
        elif not self._is_token(self._kept(headers.get("cookie", ""))):
            await _answer(send_guarded, 403, "open the whole address that astrotl explore has printed")
        else:
            await self._app(scope, receive, send_guarded)

    def _is_ours(self, host: str) -> bool:
        match = _HOST.match(host)
        if match is None:
            return False
        name = (match["six"] or match["name"]).lower()
        if name in _LOCAL or name == self._host:
            return True
        # Who serves other machines is called by one of this machine's numbers; another site's name never is one.
        return self._host not in _LOCAL and _is_number(name)

    def _kept(self, header: str) -> str:
        # Not by http.cookies, which gives up at the first odd cookie of another program on this machine.
        pairs = [part.strip().partition("=") for part in header.split(";")]
        return next((value for name, _, value in pairs if name == self._cookie), "")

    def _is_token(self, given: str, *_more: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _answer(
    send: Callable[[Message], Awaitable[None]], status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = text.encode()
    kind = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*kind, *(headers or ())]})
    await send({"type": "http.response.body", "body": body})

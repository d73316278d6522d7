"""Who may talk to the server: the page that it served itself, opened in a browser on this machine.

Any page that the browser has open can send requests to 127.0.0.1. Three checks keep them out: the address
holds a random token, the Host must be this one (a foreign name that was made to lead here is refused), and
the Origin, if a browser sends one, must be this page's own.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_TOKEN = 16  # characters
NAMES = ("127.0.0.1", "localhost")
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",  # the address has the token in it
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def new_token() -> str:
    """Return a token for an address; nobody guesses it."""
    return secrets.token_urlsafe(18)


def check_token(token: str) -> str:
    """Return the token; raise ValueError if it is short or has other characters than letters, digits, - _."""
    if (
        len(token) < LEAST_TOKEN
        or not token.replace("-", "a").replace("_", "a").isalnum()
        or not token.isascii()
    ):
        raise ValueError(f"a token has at least {LEAST_TOKEN} letters, digits, - and _")
    return token


def refusal(scope: Scope, port: int) -> str:
    """Return why a request is refused; empty if it is not."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    hosts = {f"{name}:{port}" for name in NAMES}
    if headers.get("host", "") not in hosts:
        return "this server answers to the address that it printed, and to no other name"
    origin = headers.get("origin")
    if origin is not None and origin not in {f"http://{host}" for host in hosts}:
        return "this server talks to its own page only"
    if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
        return "this server serves a page, and takes nothing but its WebSocket"
    return ""


class Guard:
    """An application that refuses what `refusal` names, and adds `HEADERS` to everything."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app, self.port = app, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        reason = refusal(scope, self.port)
        if reason and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        elif reason:
            body = reason.encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8"), *_encoded()]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self.app(scope, receive, _with_headers(send))


def _encoded() -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_encoded()]
        await send(message)

    return sending

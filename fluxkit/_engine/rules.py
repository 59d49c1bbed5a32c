"""The rules of both transports: where the key goes, which way a request takes, and what a failure means."""

import re
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import httpcore
import httpx

from .._contract.reference import shown_address
from .._wire.link import Link, read_link, read_origin
from ..errors import (
    Charged,
    ContractError,
    DownloadError,
    FluxError,
    ReferenceUnusable,
    SettingsError,
    Unreachable,
)
from .answer import Answer, Fault
from .document import read_document
from .download import Draft, keep
from .effects import Bring, Call, Fetch, Fetched, Keep, Lost, Reply
from .network import Deadline
from .outbox import Exchange, Lane
from .secret import Secret
from .trail import Stray, Trail

TEXT: Final = 2000
"""How many characters of an answer are kept as text."""

_NOTHING_LEFT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LATE: Final = (TimeoutError, httpcore.TimeoutException, httpx.TimeoutException)

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Failure = TypeVar("Failure", bound=FluxError)


class Rules:
    """What both transports decide alike: where the key goes, which way a request takes, and what a failure means."""

    def __init__(
        self,
        *,
        secret: Secret | None,
        now: Callable[[], float],
        proxy: str | None,
        local: bool,
        stood_in: bool,
        allow_hosts: frozenset[str] = frozenset(),
        loopback: bool = True,
    ) -> None:
        self._secret = secret
        self._stood_in = stood_in
        self.now = now
        self._proxy = proxy
        self._local = local
        self._allow_hosts = allow_hosts
        self._loopback = loopback
        self._proxies: dict[tuple[str, str, int], str | None] = {}

    def exchange(self, call: Call) -> Exchange:
        """The request for a call, with the key if it is to have it.

        Raises:
            SettingsError: it is to have a key and there is none, or a header cannot be sent.
            ContractError: it leads to where we do not go, with the key or without.
            Unreachable: it leads nowhere.
        """
        try:
            link = read_link(call.url)
        except ValueError as error:
            failure = self._error(
                Unreachable, f"Nothing was sent, because the address of the call cannot be used: {error}.", retry=False
            )
            raise failure from None
        headers = {b"accept-encoding": b"gzip", **_fields(call.headers)}
        guarded = False
        if call.keyed:
            if self._secret is None:
                raise SettingsError(f"Nothing was sent to {link.where}, because there is no key for it: set one.")
            name, value = self._secret.header_for(link, call.origins, buys=call.buys)
            headers[name] = value
        elif not self._local:
            guarded = link.origin not in (read_origin(text).origin for text in call.origins)
        astray = guarded and not (link.scheme == "https" and link.public)
        if link.named or astray or (not call.keyed and self._elsewhere(link)):
            raise self._astray(f"{link.scheme}://{link.where}", buys=call.buys)
        return Exchange(
            link,
            self.deadline(call.patience),
            method=call.method.upper(),
            headers=headers,
            body=call.body,
            fresh=call.buys,
            guarded=guarded,
        )

    def deadline(self, patience: float) -> Deadline:
        """The end of what begins now."""
        return Deadline(patience, now=self.now())

    def trail(self, fetch: Fetch | Bring) -> Trail:
        """The way of a download, or `Fault` or `Stray`.

        Images may come from private hosts while base_url is private itself, and from this machine while that is;
        references only from those that are named.
        """
        if isinstance(fetch, Fetch):
            local = self._local or fetch.local
            return Trail(
                fetch.url,
                free=lambda link: (local and not self._elsewhere(link)) or link.host in self._allow_hosts,
            )
        origins = {read_origin(text).origin for text in fetch.origins}
        return Trail(fetch.url, free=lambda link: link.origin in origins or link.host in self._allow_hosts)

    def _elsewhere(self, link: Link) -> bool:
        """Whether it leads to this machine, where a service in a private network has no business."""
        return not self._loopback and link.loopback and link.host not in self._allow_hosts

    def step(self, trail: Trail, deadline: Deadline) -> Exchange:
        """The next request of a download: no key, no cookie, and no word of where it comes from."""
        return Exchange(trail.link, deadline, headers={b"accept-encoding": b"identity"}, guarded=trail.guarded)

    def lane(self, exchange: Exchange) -> Lane:
        """The connections that an exchange may share."""
        proxy = None if self._stood_in else self._proxy_for(exchange.link)
        return Lane(exchange.fresh, exchange.guarded and proxy is None, exchange.link.scheme == "https", proxy)

    def _proxy_for(self, link: Link) -> str | None:
        if link.origin not in self._proxies:
            proxy = self._proxy
            if link.loopback:
                proxy = None
            elif proxy is None and not urllib.request.proxy_bypass(f"{link.host}:{link.port}"):
                proxies = urllib.request.getproxies()
                proxy = proxies.get(link.scheme) or proxies.get("all")
            self._proxies[link.origin] = proxy
        return self._proxies[link.origin]

    def reply(self, answer: Answer, content: list[bytes]) -> Reply:
        """The answer to a call, once it is whole."""
        answer.end()
        body = b"".join(content)
        headers, refusal = answer.headers, answer.status >= 300
        if self._secret is not None:
            body = self._secret.blot(body, refusal=refusal)
            headers = self._secret.redacted(headers) if refusal else headers
        text = body[: 32 * TEXT].decode("utf-8", "replace")
        return Reply(
            status=answer.status,
            headers=headers,
            document=read_document(body),
            text=text[:TEXT] if self._secret is None else self._secret.excerpt(text, TEXT),
            at=self.now(),
        )

    def fetched(self, answer: Answer, draft: Draft) -> Fetched:
        """The download, once it is whole."""
        answer.end()
        return draft.finish(now=self.now)

    def keep(self, effect: Keep) -> Fetched:
        """Carries out a `Keep`."""
        try:
            return keep(effect.content, effect.path, replaces=effect.replaces, now=self.now)
        except Fault as fault:
            failure = self._error(DownloadError, f"The image that came with the answer was not kept: {fault}.")
        raise failure

    def call_failure(self, error: Exception, exchange: Exchange) -> FluxError:
        """What it means that a call ended with *error*.

        On sockets of ours it is known whether anything of it left. Of a stand-in only its word is known.
        """
        if isinstance(error, FluxError) and not isinstance(error, ReferenceUnusable):
            return error
        where = exchange.link.where
        if isinstance(error, Stray):
            return self._astray(f"{where}, because it leads to {error}", buys=exchange.fresh)
        left = exchange.deadline.left
        if self._stood_in:
            left = exchange.begun and not isinstance(error, _NOTHING_LEFT)
        if isinstance(error, ReferenceUnusable) and not left:
            return error
        reason = _reason(error, exchange.deadline)
        if not left:
            return self._error(
                Unreachable,
                f"Nothing was sent, because no connection to {where} came about ({reason}). Check the network, the"
                " address and the proxy, and try again.",
            )
        return self._error(
            Lost, f"{where} was sent the call, and no whole answer came ({reason}). It may have been carried out."
        )

    def fetch_failure(self, error: Exception, fetch: Fetch, trail: Trail | None) -> FluxError:
        """What it means that a download ended with *error*."""
        if isinstance(error, FluxError):
            return error
        source = "" if trail is None else f" from {trail.link.where}"
        if isinstance(error, Stray):
            return self._error(
                ContractError,
                f"The image was not fetched{source}, because its link leads to {error}: images come from public https"
                " hosts, and from local ones only while base_url is local itself.",
                charged=Charged.YES,
            )
        return self._error(
            DownloadError,
            f"The image was not fetched{source}: {_reason(error, fetch.patience)}.",
            status=None if trail is None else trail.status,
        )

    def bring_failure(self, error: Exception, bring: Bring, trail: Trail | None) -> FluxError:
        """What it means that the fetching of a reference ended with *error*. Nothing was bought, and much may pass."""
        if isinstance(error, FluxError):
            return error
        shown = shown_address(bring.url)
        if isinstance(error, Stray):
            reason = (
                f"it leads to {error}. Allowed: public https hosts, and those that allow_hosts names. Nothing was sent"
                " there, and nothing was bought"
            )
            return self._error(ReferenceUnusable, f"The reference {shown} was not fetched: {reason}.")
        status = None if trail is None else trail.status
        # What was answered and is wrong stays so, but for a server that is too busy or broken.
        passes = not isinstance(error, Fault) or status in _PASSING
        return self._error(
            ReferenceUnusable,
            f"The reference {shown} was not fetched: {_reason(error, bring.patience)}. Nothing was bought.",
            retry=passes,
        )

    def _astray(self, place: str, *, buys: bool) -> ContractError:
        return self._error(
            ContractError,
            f"Nothing was sent to {place}: a call without the key goes to public https hosts, and to others only if"
            " they are named as its origin, or while base_url is local itself.",
            charged=Charged.NO if buys else None,
        )

    def _error(self, kind: type[Failure], message: str, **facts: Any) -> Failure:
        """An error whose message does not hold the key, whatever it quotes."""
        return kind(message if self._secret is None else self._secret.redact(message), **facts)


def _fields(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None or not (value.isascii() and value.isprintable()):
            raise SettingsError(f"The header {name!r} cannot be sent: names and values are printable ASCII.")
        fields[name.lower().encode()] = value.encode()
    return fields


def _reason(error: Exception, patience: float) -> str:
    """What happened, in words."""
    if isinstance(error, Fault):
        return str(error)
    if isinstance(error, ReferenceUnusable):
        return error.message.rstrip(".")
    if isinstance(error, _LATE):
        return f"it was not done within {patience:g} s"
    return f"{type(error).__name__}: {error}".removesuffix(": ")

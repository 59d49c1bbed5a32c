"""How an image becomes an address at a service: the calls of an upload, and what their answers mean. No I/O."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.reference import Reference
from ..errors import Broken, Charged, ContractError, RateLimited, Rejected, ServiceError
from .body import Body, form_body, json_body
from .calls import Outgoing
from .complaint import error_of, meaning, read_complaint
from .declaration import USUAL, Provider, Upload
from .json import HEADERS, QUERY, Unfit
from .link import read_link
from .origins import origin
from .reply import Reply

#: Headers that a service may not ask us to send: they are between two machines, or ours to say.
_OURS = frozenset(
    {
        *("connection", "content-length", "cookie", "expect", "host", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Uploading(Protocol):
    """What is needed of a plan: whose upload it is, and where the service is."""

    @property
    def provider(self) -> Provider: ...
    @property
    def base_url(self) -> str: ...


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Ticket:
    """What the first answer gave: the address that the image has or will have, and the *put* that brings it there."""

    url: str
    put: Outgoing | None = None


def asking(plan: Uploading, upload: Upload, reference: Reference) -> Outgoing:
    """The first call: with the image as a file in a form, or without it, for a ticket."""
    url = upload.route.url(plan.base_url)
    if upload.ticket is None:
        content_type, body = form_body(str(upload.field), reference)
        return Outgoing(upload.route.method, url, {"content-type": content_type}, body, (origin(plan.base_url),))
    document = upload.ticket.write({"media_type": reference.media_type})
    said = {key: value for key, value in document.items() if key not in (HEADERS, QUERY)}
    headers = {"content-type": "application/json"}
    return Outgoing(upload.route.method, url, headers, json_body(said), (origin(plan.base_url),))


def read_ticket(plan: Uploading, upload: Upload, reference: Reference, reply: Reply) -> Ticket:
    """What the answer to the first call gives; raises what it means otherwise. Nothing was bought in any case."""
    provider = plan.provider
    if not 200 <= reply.status < 300:
        complaint = read_complaint(provider, reply)
        kind = meaning(provider.refusals, reply.status, complaint) or USUAL.get(reply.status)
        if kind is None:
            kind = Broken if reply.status >= 500 or reply.status == 408 else ContractError
        raise error_of(kind, provider, reply, complaint, to="the upload of a reference with ", charged=Charged.NO)
    try:
        said = upload.answer.read(reply.document)
        url = _address(said, "url")
        if upload.ticket is None:
            return Ticket(url)
        put = Outgoing("PUT", _address(said, "put"), _headers(said.get("headers")), Body([reference]), ())
    except (Unfit, ValueError) as error:
        raise _astray(provider, reply, str(error)) from None
    return Ticket(url, put)


def read_put(plan: Uploading, put: Outgoing, reply: Reply) -> None:
    """Makes sure that an image was taken where the ticket sent it; raises what happened otherwise."""
    if 200 <= reply.status < 300:
        return
    kind: type[ServiceError] = Broken if reply.status >= 500 or reply.status == 408 else Rejected
    raise (RateLimited if reply.status == 429 else kind)(
        f"{origin(put.url)}, where {plan.provider.name} wanted a reference to be uploaded, answered {reply.status}. "
        "Nothing was bought.",
        provider=plan.provider.name,
        status=reply.status,
        reply=reply.text,
        charged=Charged.NO,
    )


def _address(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name) if isinstance(said, Mapping) else None
    if not isinstance(url, str):
        raise ValueError(f"it says no {name}")
    try:
        link = read_link(url)
    except ValueError as error:
        raise ValueError(f"{name} is no usable address: {error}") from None
    if link.named:
        raise ValueError(f"{name} holds a user name")
    return url


def _headers(said: Any) -> dict[str, str]:
    """The headers that a ticket asks for, exactly, unless they are not for a service to say."""
    headers = {} if said is None or said == [] else said
    if not isinstance(headers, Mapping):
        raise ValueError("headers is no object")
    for name, value in headers.items():
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()) or not _NAME.fullmatch(name):
            raise ValueError(f"the header {name[:40]!r} cannot be sent")
        if name.lower() in _OURS:
            raise ValueError(f"the header {name.lower()} is not for a service to ask for")
    return dict(headers)


def _astray(provider: Provider, reply: Reply, what: str) -> ContractError:
    return ContractError(
        f"{provider.name} answered an upload in a way that its declaration does not know: {what}. Nothing was bought.",
        provider=provider.name,
        reply=reply.text,
        charged=Charged.NO,
    )

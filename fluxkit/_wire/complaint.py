"""Answers that are errors: what a service complains of, and the error that this means."""

import email.utils
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .._contract.by_fields import shown_by_fields
from ..errors import Broken, FluxError, OutOfCredit, RateLimited, Rejected, ServiceError, Unauthorized
from .declaration import Provider, Refusal
from .json import Unfit
from .reply import Reply


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Complaint:
    """The body of an error answer; *declared* says whether it has the form that the service declares."""

    declared: bool
    message: str = ""
    type: str = ""
    fields: tuple[tuple[str, str], ...] = ()


def read_complaint(provider: Provider, reply: Reply) -> Complaint:
    """The body of an error answer, as far as it can be read."""
    try:
        said = provider.error.read(reply.document)
    except Unfit as error:
        said = error.found
    if not isinstance(said, Mapping) or not (said.get("message") or said.get("fields")):
        return Complaint(declared=False, message=reply.text[:200].strip())
    faults = said.get("fields", ())
    fields = tuple((field.get("name", ""), field.get("reason", "")) for field in faults)
    types = (said.get("type"), *(field.get("type") for field in faults))
    reasons = "; ".join(f"{name}: {reason}" if name else reason for name, reason in fields)
    return Complaint(True, said.get("message") or reasons, next(filter(None, types), ""), fields)


def meaning(refusals: Iterable[Refusal], status: int, complaint: Complaint) -> type[FluxError] | None:
    """The error that the first of *refusals* means that fits, None if none does."""
    for refusal in refusals:
        if (
            refusal.status == status
            and refusal.type in ("", complaint.type)
            and refusal.text.lower() in complaint.message.lower()
        ):
            return refusal.error
    return None


def retry_after(reply: Reply) -> float | None:
    """How many seconds the service asks to wait: from ``Retry-After``, in seconds or as a date; None if it does not."""
    said = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said):
        return float(said)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - reply.at)
    except (TypeError, ValueError, OverflowError):
        return None


def error_of(
    kind: type[FluxError], provider: Provider, reply: Reply, complaint: Complaint, *, to: str = "", **facts: Any
) -> FluxError:
    """The error of a *kind* that an answer is, with what it says.

    *to* stands before its status where that alone does not tell which call was answered; *facts* are the error's own.
    """
    message = f"{provider.name} answered {to}{reply.status}"
    if complaint.message:
        message = f"{message}: {complaint.message}"
    if hint := _HINTS.get(kind):
        message = f"{message.rstrip('.')}. {hint}"
    if issubclass(kind, ServiceError):
        facts["status"] = reply.status
    if issubclass(kind, RateLimited | Broken):
        facts["retry_after"] = retry_after(reply)
    if issubclass(kind, Rejected):
        facts["fields"] = complaint.fields
    identity = reply.headers.get(provider.request_id) if provider.request_id else None
    return kind(message, provider=provider.name, request_id=identity, reply=reply.text, **facts)


_HINTS: Mapping[type[FluxError], str] = {
    Unauthorized: "Check the key, and that it belongs to this service",
    OutOfCredit: "Top up the account, or use another provider",
}

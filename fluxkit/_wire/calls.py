"""What goes out to a service: the calls of a plan and of a task, as values. Nothing is sent here."""

from collections.abc import Mapping
from urllib.parse import urlencode

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.task import Task
from ..errors import ContractError
from .body import Body, json_body
from .declaration import Provider
from .json import HEADERS, QUERY, Json
from .origins import admits, origin
from .plan import Plan
from .route import Route
from .series import restated
from .token import with_token


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Outgoing:
    """A call as the service wants it; the key may go to *origins* only."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | Body = attrs.field(repr=False)  # it may be large, and holds a webhook's token
    origins: tuple[str, ...]


def submission(plan: Plan, turn: int, *, token: str | None = None, key: str | None = None) -> Outgoing:
    """The call that buys image number *turn* of the plan, whose references are settled.

    *token* goes out in the address of its webhook, *key* as what the service is to know it again by.
    """
    document = plan.documents[turn]
    if token is not None:
        address = with_token(plan.values[turn]["webhook_url"], token)
        document = restated(plan.model, document, "webhook_url", address)
    url, headers = _addressed(plan, document)
    if key is not None and plan.provider.idempotency is not None:
        headers[plan.provider.idempotency.header.lower()] = key
    body = {name: value for name, value in document.items() if name not in (HEADERS, QUERY)}
    return Outgoing(plan.provider.submit.method, url, headers, json_body(body), (origin(plan.base_url),))


def addressing(plan: Plan, turn: int) -> tuple[str, dict[str, str]]:
    """Where that call goes, and its headers."""
    return _addressed(plan, plan.documents[turn])


def _addressed(plan: Plan, document: Json) -> tuple[str, dict[str, str]]:
    url = plan.provider.submit.url(plan.base_url, model=plan.model.path)
    if QUERY in document:
        url = f"{url}?{urlencode(document[QUERY])}"
    return url, {"content-type": "application/json", **document.get(HEADERS, {})}


def polling(provider: Provider, task: Task) -> Outgoing | None:
    """The call that asks how the task is; None if the service has no such call."""
    return _reading(provider, task, provider.poll, task.poll_url)


def is_unnamed(provider: Provider, task: Task) -> bool:
    """Whether nobody has said where that call goes: the service names no address where it reports by a webhook."""
    return task.poll_url is None and provider.webhook is not None and provider.webhook.accepted is not None


def asking_result(provider: Provider, task: Task) -> Outgoing | None:
    """The second call, with which some services give the images of a completed task; None if there is none."""
    return _reading(provider, task, provider.result, task.result_url)


def cancelling(provider: Provider, task: Task) -> Outgoing | None:
    """The call that stops a task; None if the service stops none."""
    return _reading(provider, task, None if provider.cancel is None else provider.cancel.route, task.cancel_url)


def listing(provider: Provider, base_url: str, model: str) -> Outgoing | None:
    """The call that lists the tasks of a model; None if the service lists none."""
    rows = provider.named(model)
    if provider.listing is None or not rows:
        return None
    route = provider.listing.route
    return Outgoing(route.method, route.url(base_url, model=rows[0].path), {}, b"", (origin(base_url),))


def _reading(provider: Provider, task: Task, route: Route | None, given: str | None) -> Outgoing | None:
    """The call to *route*, at the address that an answer has *given*, or at the one that the declaration says."""
    if route is None:
        return None
    if route.given and given is None:
        raise _astray(task, f"{provider.name} gives the addresses of its tasks, and gave none for this call.")
    path = next((row.path for row in provider.named(task.model)), task.model)
    url = given or route.url(task.base_url, model=path, id=task.id)
    if not admits(provider, task.base_url, url):
        allowed = ", ".join((origin(task.base_url), *provider.origins))
        there = origin(url) or "no readable address"
        message = f"{provider.name} sent us to {there}, where its key does not go. Allowed: {allowed}."
        raise _astray(task, f"{message} Nothing was sent there.")
    return Outgoing(route.method, url, {}, b"", (origin(url),))


def _astray(task: Task, message: str) -> ContractError:
    return ContractError(message, provider=task.provider, model=task.model, task=task)

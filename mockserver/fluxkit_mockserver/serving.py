"""A call to a service: to whom it goes, whether its key is good, and which of the service's routes it takes."""

import functools
import time

import attrs

from fluxkit._wire.declaration import Provider
from fluxkit.errors import Rejected, Unauthorized, Vanished

from . import abroad
from .accounts import ENDLESS
from .answer import MOST_BODY, PLAIN, Answer, Drop, Incoming
from .buying import buy
from .closest import nearest_route
from .dialect import Dialect
from .exchange import Exchange
from .gallery import IMAGES, named_by
from .memory import keep
from .refused import Refused
from .telling import asked_for, cancel, poll, result, standing
from .uploads import UPLOADS
from .works import Account, Works


def exchange(works: Works, call: Incoming) -> Answer | Drop:
    """What the services do with a call, which is kept as an exchange."""
    with works.lock:
        began, now = time.perf_counter(), works.clock.now()
        works.now = now
        seen = works.seen = Exchange(call.method, call.path, 0, now)
        works.forget(now)
        answer = _answer(works, call)
        _ended(works, seen, call, answer, began)
        if works.state is not None:
            keep(works, seen, call)
    works.feed.tell("exchange", seen)
    if seen.task in works.tasks and not seen.bought:
        works.feed.tell("task", seen.task)  # a look may have moved it on
    return answer


def visit(works: Works, call: Incoming) -> Answer:
    """What another origin does with a call."""
    with works.lock:
        began, now = time.perf_counter(), works.clock.now()
        answer = works.watch.refuse(call, now) or abroad.visit(call)
        _ended(works, Exchange(call.method, f"{call.origin}{call.path}", 0, now), call, answer, began)
        return answer


def _ended(works: Works, seen: Exchange, call: Incoming, answer: Answer | Drop, began: float) -> None:
    seen.ends(call, answer, works.secrets, works.dialects)
    seen.namespace = works.name or None
    seen.took = time.perf_counter() - began
    works.exchanges.keep(seen)


def _answer(works: Works, call: Incoming) -> Answer | Drop:
    """What the services, or the addresses that they have given, do with a call."""
    if call.path.startswith(IMAGES):
        works.seen.task = named_by(call)
        return works.gallery.answer(call, works.tasks, works.now, functools.partial(works.strike, "image"))
    if call.path.startswith(UPLOADS):
        return works.watch.refuse(call, works.now) or works.uploads.answer(call, works.now)
    name, slash, rest = call.path.lstrip("/").partition("/")
    dialect = works.dialects.of(name)
    if dialect is None:
        known = ", ".join(f"/{each}" for each in works.dialects)
        near = nearest_route(call.method, call.path, works.dialects)
        hint = "" if near is None else f" Did you mean {near}?"
        return Answer(404, f"The mock serves {known}.{hint}\n".encode(), PLAIN)
    works.seen.is_for(dialect)
    try:
        return _serve(works, dialect, call, f"{slash}{rest}")
    except Refused as refused:
        works.seen.is_refused(refused)
        return dialect.refuse(refused)


def _serve(works: Works, dialect: Dialect, call: Incoming, path: str) -> Answer | Drop:
    provider = dialect.provider
    if call.oversized or len(call.body) > MOST_BODY:
        raise Refused(Rejected, f"The body has more than {MOST_BODY} bytes.", status=413)
    account = provider.name, _check_key(works, provider, call)
    told = works.gauge.call(account, works.now) if works.gauge.counts_calls else None
    said = _route(works, dialect, account, call, path)
    if told and isinstance(said, Answer):
        return attrs.evolve(said, headers={**said.headers, **told})
    return said


def _check_key(works: Works, provider: Provider, call: Incoming) -> str:
    """The key that came, in its form."""
    given = call.headers.get(provider.key.header.lower())
    if given is None:
        raise Refused(Unauthorized, "Missing API key")
    if given not in works.numbers[provider.name]:
        raise Refused(Unauthorized)
    return given


def _route(works: Works, dialect: Dialect, account: Account, call: Incoming, path: str) -> Answer | Drop:
    provider = dialect.provider
    if rows := dialect.reader.submitted(call, path):
        return buy(works, dialect, rows, account, call)
    if (upload := provider.upload) is not None and upload.route.match(call.method, path, call.query) is not None:
        return works.uploads.accept(dialect, upload, call, works.now)
    stop = provider.cancel
    if stop is not None and (said := stop.route.match(call.method, path, call.query)):
        task = asked_for(works, provider, said["id"], said.get("model"))
        return dialect.say_unknown(said["id"]) if task is None else cancel(works, dialect, task, call)
    for route, tell in ((provider.result, result), (provider.poll, poll)):
        if route is not None and (said := route.match(call.method, path, call.query)) is not None:
            task = asked_for(works, provider, said["id"], said.get("model"))
            if task is None or task.ending == "vanished" or (task.cancelled and dialect.cancelled is None):
                return dialect.say_unknown(said["id"])
            if "webhook_url" in task.values and dialect.switches.get("unnamed-polls") == "refuse":
                return dialect.say_unknown(said["id"])
            return tell(works, dialect, task, call)
    if (told := _aside(works, dialect, call, path)) is not None:
        return told
    if methods := dialect.reader.methods(path, call.query):
        raise Refused(Vanished, "Method not allowed", status=405, headers={"allow": ", ".join(methods)})
    raise Refused(Vanished, status=404)


def _aside(works: Works, dialect: Dialect, call: Incoming, path: str) -> Answer | None:
    """What is asked beside the tasks, None if nothing of that kind is: the balance, or the tasks of a model."""
    provider = dialect.provider
    balance, listing = provider.balance, provider.listing
    if balance is not None and balance.route.match(call.method, path, call.query) is not None:
        account = works.bill.accounts.of(provider.name)
        left = ENDLESS if account.left is None else account.left
        facts = {"balance": left, "used": account.used, "unlimited": account.began is None}
        return dialect.say_aside(balance, facts)
    said = None if listing is None else listing.route.match(call.method, path, call.query)
    if listing is None or said is None or all(said["model"] != row.path for row in provider.models):
        return None
    every = [each for each in works.tasks.values() if each.provider.name == provider.name]
    mine = [each for each in every if each.model.path == said["model"]]
    return dialect.say_aside(listing, tuple({"id": each.id, "status": standing(works, each)[0]} for each in mine))

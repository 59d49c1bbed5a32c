"""Bad providers: each does one thing that no provider may do, and names the checks that must notice it.

That the checks pass on good providers says little; that each of these fails, and fails where it should, says what the
checks are worth. They are made of any good declaration: some change what the client is declared to do, with a codec, a
signature or a table that a plugin might bring, the others how it carries out what it decides, by a *conduct*.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs

from .._contract.task import State
from .._engine.effects import Call, Claim, Fetch, Lost, Now, Reply, Wait, Woken
from .._wire.declaration import Model, Provider
from .._wire.form import Form
from .._wire.json import Json
from .._wire.origins import origin
from ..errors import Charged, DownloadError, Unauthorized
from .conduct import Conduct


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@attrs.frozen(eq=False)
class Bad:
    """A way to be bad: what it is *about*, and the checks that it *fails*, no more and no fewer.

    *made* makes the client's declaration of a good one. *conduct* is how the client carries out what it decides.
    """

    name: str
    about: str
    fails: frozenset[str] = attrs.field(converter=_names)
    made: Callable[[Provider], Provider] = attrs.field(default=lambda provider: provider)
    conduct: Conduct | None = None


# How it carries out what it decides


def posts_twice(effect: Any, _: str) -> Any:
    """Sends every submit a second time, to be on the safe side."""
    if isinstance(effect, Call) and effect.buys:
        yield effect
    return (yield effect)


def repeats_what_was_lost(effect: Any, _: str) -> Any:
    """Sends a submit again whose answer was lost."""
    try:
        return (yield effect)
    except Lost:
        if not (isinstance(effect, Call) and effect.buys):
            raise
        return (yield effect)


def adopts_on_a_guess(effect: Any, _: str) -> Any:
    """Takes some task for the one whose submit was lost."""
    answer = yield effect
    if isinstance(effect, Claim):
        guessed = [attrs.evolve(row, draft=attrs.evolve(row.draft, id="guessed")) for row in answer.unknown]
        answer = attrs.evolve(answer, taken=(*answer.taken, *guessed), unknown=())
    return answer


def follows_redirects(effect: Any, key: str) -> Any:
    """Follows the redirect of a call, with the key."""
    reply = yield effect
    if isinstance(effect, Call) and isinstance(reply, Reply) and 300 <= reply.status < 400:
        url = reply.headers.get("location", "")
        there = attrs.evolve(effect, url=url, headers={"authorization": key}, keyed=False, origins=(origin(url),))
        return (yield there)
    return reply


def shows_the_key_to_hosts_of_images(effect: Any, key: str) -> Any:
    """Asks for an image with the key before it fetches it."""
    if isinstance(effect, Fetch):
        yield Call("GET", effect.url, headers={"authorization": key}, keyed=False, origins=(origin(effect.url),))
    return (yield effect)


def tells_the_key(effect: Any, key: str) -> Any:
    """Puts the key into what it says of a failure, as a help for whoever reads it."""
    reply = yield effect
    if isinstance(reply, Reply) and reply.status == 401:
        raise Unauthorized(f"The service refused the key {key}.", charged=Charged.NO)
    return reply


def asks_at_a_host_of_its_own(effect: Any, _: str) -> Any:
    """Polls the host that it knows, whatever the base URL is."""
    if isinstance(effect, Call) and not effect.buys:
        here = f"https://api.elsewhere.example{urlsplit(effect.url).path}"
        effect = attrs.evolve(effect, url=here, origins=(origin(here),))
    return (yield effect)


def waits_for_ever(effect: Any, _: str) -> Any:
    """Looks at a clock that stands still, so that no deadline comes."""
    answer = yield effect
    if isinstance(effect, Now):
        return 0.0
    return attrs.evolve(answer, at=0.0) if isinstance(answer, Reply | Woken) else answer


def trusts_each_byte(effect: Any, _: str) -> Any:
    """Gives every byte of an answer its time, and not the answer."""
    return (yield attrs.evolve(effect, patience=100_000.0) if isinstance(effect, Call) else effect)


def never_rests(effect: Any, _: str) -> Any:
    """Comes back after less than a second, whatever it was told."""
    return (yield Wait(min(0.8, effect.seconds), effect.tasks) if isinstance(effect, Wait) else effect)


def blocks_the_loop(effect: Any, _: str) -> Any:
    """Sleeps as one does without an event loop."""
    if isinstance(effect, Wait):
        time.sleep(0)
    return (yield effect)


def tidies_links(effect: Any, _: str) -> Any:
    """Takes the query of a link apart and puts it together again."""
    if isinstance(effect, Fetch) and "?" in effect.url:
        place, _, query = effect.url.partition("?")
        effect = attrs.evolve(effect, url=f"{place}?{urlencode(parse_qsl(query))}")
    return (yield effect)


def gives_images_up(effect: Any, _: str) -> Any:
    """Does not fetch what it has bought."""
    if isinstance(effect, Fetch):
        raise DownloadError("The image is left where it is.")
    return (yield effect)


def holds_what_it_sends(effect: Any, _: str) -> Any:
    """Puts a body together in memory before it is sent."""
    if isinstance(effect, Call) and effect.body:
        effect = attrs.evolve(effect, body=bytes(effect.body))
    return (yield effect)


# What it is declared to do


def silent(codec: Any) -> Any:
    """A codec that takes the same values, reads the same JSON, and says nothing."""

    def write(_: Any, value: Any) -> Json:
        codec.write(value)
        return {}

    def spellings(self: Any, value: Any) -> Iterator[Json]:
        yield write(self, value)

    kind = type("Silent", (type(codec),), {"write": write, "spellings": spellings})
    fields = [field for field in attrs.fields(type(codec)) if field.init]
    return kind(**{field.alias: getattr(codec, field.name) for field in fields})


@attrs.frozen
class Credulous:
    """A signature that whatever comes is taken to bear."""

    inner: Any
    signed = True

    def sign(self, secret: str, body: bytes, *, id: str, at: float) -> Mapping[str, str]:
        """The headers of a webhook."""
        headers: Mapping[str, str] = self.inner.sign(secret, body, id=id, at=at)
        return headers

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes, *, at: float) -> None:
        """Is content."""

    def delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """The name of a delivery."""
        name: str = self.inner.delivery(headers, body)
        return name


def _with_form(model: Model, change: Callable[[str, Any], Any]) -> Model:
    """The model with the codecs of its fields changed."""

    def changed(codec: Any) -> Any:
        if isinstance(codec, Form):
            return Form({name: change(name, each) for name, each in codec.fields}, need=codec.need)
        return attrs.evolve(codec, inner=changed(codec.inner))

    return attrs.evolve(model, request=changed(model.request))


def silent_about(field: str) -> Callable[[Provider], Provider]:
    """A provider that never says a field."""

    def made(provider: Provider) -> Provider:
        rows = (
            _with_form(row, lambda name, codec: silent(codec) if name == field else codec) for row in provider.models
        )
        return attrs.evolve(provider, models=rows)

    return made


def believing_anything(provider: Provider) -> Provider:
    """A provider whose webhooks anybody can send."""
    if provider.webhook is None:
        return provider
    return attrs.evolve(
        provider, webhook=attrs.evolve(provider.webhook, signature=Credulous(provider.webhook.signature))
    )


def giving_up_what_runs(provider: Provider) -> Provider:
    """A provider that takes a task that runs for one that has failed."""
    statuses = [(word, State.FAILED if state is State.RUNNING else state) for word, state in provider.statuses]
    return attrs.evolve(provider, statuses=statuses)


def without_not_found(provider: Provider) -> Provider:
    """A provider that takes a task that is not there for a mistake of the request."""
    return attrs.evolve(provider, not_found=[])


def _ill_behaved(conduct: Conduct, *fails: str) -> Bad:
    return Bad(conduct.__name__, " ".join((conduct.__doc__ or "").split()), fails, conduct=conduct)


#: What fails where a client goes on after its deadline.
FOR_EVER = (
    "both_agree_on_refusals",
    "every_status_has_an_end",
    "billed_once_under_every_fault",
    "what_is_paid_is_fetched",
    "what_never_ends_is_overdue",
    "polls_are_bounded",
    "both_clients_do_the_same",
)

#: What fails where a task does not come to its end.
NO_RESULT = ("both_understand_every_spelling", "both_follow_links_to_the_image", "what_never_ends_is_overdue")

#: What fails where no image is fetched.
NO_IMAGE = (
    "key_stays_home_on_links",
    "base_url_is_all_that_is_called",
    "links_go_out_byte_for_byte",
    "what_is_paid_is_fetched",
    "task_survives_json",
    "task_survives_another_process",
)

BAD: tuple[Bad, ...] = (
    _ill_behaved(
        posts_twice,
        "both_understand_every_spelling",
        "both_agree_on_refusals",
        "every_refusal_is_an_error_that_says_what_it_cost",
        "no_answer_to_a_poll_loses_the_task",
        "billed_once_under_every_fault",
        "no_sure_way_to_a_lost_task_without_a_sample",
    ),
    _ill_behaved(
        repeats_what_was_lost,
        "both_agree_on_refusals",
        "billed_once_under_every_fault",
        "no_sure_way_to_a_lost_task_without_a_sample",
    ),
    _ill_behaved(adopts_on_a_guess, "no_sure_way_to_a_lost_task_without_a_sample"),
    _ill_behaved(follows_redirects, "every_refusal_is_an_error_that_says_what_it_cost", "key_stays_home_on_redirects"),
    _ill_behaved(shows_the_key_to_hosts_of_images, "key_stays_home_on_links"),
    _ill_behaved(tells_the_key, "key_is_in_nothing_that_is_kept_or_shown"),
    _ill_behaved(
        asks_at_a_host_of_its_own,
        *NO_RESULT,
        *NO_IMAGE,
        "both_agree_on_refusals",
        "key_stays_home_on_redirects",
        "retry_after_is_honoured",
    ),
    _ill_behaved(waits_for_ever, *FOR_EVER, "a_dripping_answer_ends"),
    _ill_behaved(trusts_each_byte, "a_dripping_answer_ends"),
    _ill_behaved(never_rests, "polls_are_bounded", "retry_after_is_honoured"),
    _ill_behaved(blocks_the_loop, "the_event_loop_is_not_blocked"),
    _ill_behaved(tidies_links, "links_go_out_byte_for_byte"),
    _ill_behaved(gives_images_up, *NO_IMAGE),
    _ill_behaved(holds_what_it_sends, "memory_is_bounded_while_references_are_sent"),
    Bad(
        "drops_the_size",
        "Takes a size and does not send it.",
        ("every_field_is_made_as_it_was_reported", "sizes_lie_in_the_declared_space"),
        silent_about("size"),
    ),
    Bad(
        "drops_the_seed",
        "Takes a seed and does not send it.",
        ("every_field_is_made_as_it_was_reported",),
        silent_about("seed"),
    ),
    Bad(
        "believes_anything",
        "Takes any webhook for the service's own.",
        ("webhooks_are_believed_if_they_are_proved",),
        believing_anything,
    ),
    Bad(
        "gives_up_what_runs",
        "Takes a task that runs for one that has failed.",
        (
            *(name for name in NO_IMAGE if name != "what_is_paid_is_fetched"),
            "both_understand_every_spelling",
            "every_status_has_an_end",
            "what_never_ends_is_overdue",
        ),
        giving_up_what_runs,
    ),
    Bad(
        "misses_nothing",
        "Takes a task that is not there for a wrong request.",
        ("both_agree_on_refusals", "what_is_paid_is_fetched"),
        without_not_found,
    ),
)

"""The key goes to the service, and nowhere else."""

import contextlib
import copy
import io
import logging
import pickle
import re
from collections.abc import Iterator
from typing import Any

import attrs

from ..._mock import kit_of_mock
from ...errors import FluxError, Unauthorized
from ..check import Pair, check_of, needs_tasks, not_applicable
from ..desk import ORIGIN, Answer, Call, Desk, PassOn, desk, outcome
from ..differs import same

#: A key that is nowhere by chance.
KEY = "fk-Xy7+/kit.Zq3_never=shown"

#: Where the key must not go.
FOREIGN = "https://elsewhere.example"

#: Below what the service stands, where a proxy is in front of it.
PREFIX = "/behind/a/proxy"


def _strays(at: Desk) -> list[str]:
    """The calls to other origins that carry the key, anywhere."""
    away = [call for call in at.calls if not call.origin.startswith(ORIGIN)]
    return [
        f"{call.method} {call.origin}{call.path}" for call in away if KEY in f"{call.headers}{call.query}{call.body!r}"
    ]


@check_of("keys")
def check_key_stays_home_on_redirects(pair: Pair) -> None:
    """A redirect of a call is not followed, so that neither the key nor the prompt goes to whoever it names.

    A failure means: whoever can make the service redirect is given the key.
    """
    for status in (301, 302, 303, 307, 308):
        for moment in ("submit", "poll"):

            def hand(call: Call, pass_on: PassOn, *, status: int = status, moment: str = moment) -> Answer:
                if at.buys(call) if moment == "submit" else at.asks(call):
                    return kit_of_mock().Answer(status, b"", {"location": f"{FOREIGN}{call.path}"})
                return pass_on(call)

            with desk(pair, hand=hand, keys=[KEY]) as at:
                outcome(lambda at=at: at.buy(timeout=30.0))  # type: ignore[misc]
                away = [f"{call.method} {call.origin}" for call in at.calls if not call.origin.startswith(ORIGIN)]
                same([], away, f"where a {status} to a {moment} leads")


@check_of("keys")
def check_key_stays_home_on_links(pair: Pair) -> None:
    """Images are fetched without the key, from whatever host the service names, and over whatever redirects.

    A failure means: the host that holds the images is given the key, and so is whoever it redirects to.
    """
    needs_tasks(pair.client)
    for redirected in (False, True):

        def hand(call: Call, pass_on: PassOn, *, redirected: bool = redirected) -> Answer:
            if redirected and call.path.startswith("/first/"):
                return kit_of_mock().Answer(302, b"", {"location": f"{FOREIGN}/second/image.png"})
            answer = pass_on(call)
            if getattr(answer, "body", b"") and call.origin.startswith(ORIGIN):
                body = re.sub(rb"http://127\.0\.0\.1:48151/__mock__/images/[^\"\\]+", _LINK, answer.body)
                return attrs.evolve(answer, body=body)
            return answer

        with desk(pair, hand=hand, keys=[KEY]) as at:
            outcome(lambda at=at: at.buy(timeout=120.0, fetch=True))  # type: ignore[misc]
            away = [call for call in at.calls if not call.origin.startswith(ORIGIN)]
            same(True, bool(away), "the image is fetched from another host")
            same([], _strays(at), "where the key has gone")
            same([], [str(leak) for leak in at.service.leaks], "keys that have strayed")


_LINK = f"{FOREIGN}/first/image.png".encode()


@check_of("keys")
def check_key_stays_home_when_an_answer_names_an_address(pair: Pair) -> None:
    """An address of a foreign host at which to ask after a task is not called, with the key or without.

    A failure means: whoever can forge an answer is given the key.
    """
    needs_tasks(pair.client)
    codec = pair.mock.accepted
    names = {"poll_url", "result_url"} & {*_names(codec), *_names(pair.mock.polled)}
    if not names:
        not_applicable("no answer of the service names an address")

    def hand(call: Call, pass_on: PassOn) -> Answer:
        answer = pass_on(call)
        if getattr(answer, "body", b"") and at.buys(call):
            return attrs.evolve(answer, body=answer.body.replace(ORIGIN.encode(), FOREIGN.encode()))
        return answer

    with desk(pair, hand=hand, keys=[KEY]) as at:
        end = outcome(lambda: at.buy(timeout=30.0))
        same("ContractError", type(end).__name__, "what an address elsewhere comes to")
        same([], [call.origin for call in at.calls if not call.origin.startswith(ORIGIN)], "who was called elsewhere")
        same(True, getattr(end, "task", None) is not None, "the task is attached")


def _names(codec: Any) -> Iterator[str]:
    """The names in the forms within a codec."""
    for field in attrs.fields(type(codec)):
        part = getattr(codec, field.name)
        if field.name == "fields":
            yield from (name for name, _ in part)
        elif field.init and hasattr(part, "read"):
            yield from _names(part)


@check_of("keys")
def check_key_is_in_nothing_that_is_kept_or_shown(pair: Pair) -> None:
    """The key stands in no error, no log line, no repr, no pickle and no task, also if the service repeats it.

    A failure means: the key lies in log files, bug reports and queues.
    """

    def hand(call: Call, pass_on: PassOn) -> Answer:
        if at.buys(call) and len(at.submits) > 1:
            complaint = kit_of_mock().refusal(pair.mock, Unauthorized)
            body = complaint.body.replace(b'"}', f' {KEY}"}}'.encode())
            return attrs.evolve(complaint, body=body, headers={**complaint.headers, "x-request-id": KEY})
        return pass_on(call)

    with desk(pair, hand=hand, keys=[KEY]) as at, _logged() as log:
        first = outcome(lambda: at.buy(timeout=120.0))
        second = outcome(lambda: at.buy(timeout=120.0))
        same("Unauthorized", type(second).__name__, "what a refused key comes to")
        shown = [*_shown(first), *_shown(second), repr(at.driver), *(repr(note) for note in at.said), log.getvalue()]
        shown += [task.to_json() for task in getattr(first, "tasks", ())]
        same([], [text[:200] for text in shown if KEY in text], "what shows the key")


def _shown(end: Any) -> Iterator[str]:
    yield str(end)
    yield repr(end)
    yield pickle.dumps(copy.copy(end)).decode("latin-1")
    if isinstance(end, FluxError):
        yield f"{end.reply} {end.request_id} {end.args} {vars(end)}"
        cause = end.__cause__ or end.__context__
        if cause is not None:
            yield f"{cause} {cause!r} {cause.args}"


@contextlib.contextmanager
def _logged() -> Iterator[io.StringIO]:
    """Everything that is logged, at every level."""
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    handler.setLevel(0)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@check_of("keys")
def check_base_url_is_all_that_is_called(pair: Pair) -> None:
    """With another base URL, every call goes below that, path and all.

    A failure means: behind a proxy or with a mock, some calls still go to the real service, with the key.
    """

    def hand(call: Call, pass_on: PassOn) -> Answer:
        if not (call.origin == ORIGIN and call.path.startswith(f"{PREFIX}/")):
            strays.append(f"{call.method} {call.origin}{call.path}")
            return kit_of_mock().Answer(404, b"", {})
        return pass_on(attrs.evolve(call, path=call.path.removeprefix(PREFIX), origin=f"{ORIGIN}{PREFIX}"))

    strays: list[str] = []
    with desk(pair, hand=hand, prefix=PREFIX) as at:
        end = outcome(lambda: at.buy(timeout=120.0, fetch=True))
        same([], strays, "what was called elsewhere than below the base URL")
        same(True, not isinstance(end, FluxError), f"an image comes from below {PREFIX}, and not {end!r}")


@check_of("keys")
def check_links_go_out_byte_for_byte(pair: Pair) -> None:
    """A link is fetched exactly as it was received: no letter of it is quoted, unquoted or put in another order.

    A failure means: the signature of the link does not fit any more, and an image that is paid cannot be fetched.
    """
    needs_tasks(pair.client)
    odd = "&sig=%2f%7E=~|%41+b%20c;d&&e=1&e=2&empty="
    wanted: list[str] = []

    def hand(call: Call, pass_on: PassOn) -> Answer:
        answer = pass_on(call)
        if not at.below_service(call) or not getattr(answer, "body", b""):
            return answer
        links = re.findall(rb"http://127\.0\.0\.1:48151(/__mock__/images/[^\"\\]+)", answer.body)
        wanted.extend(f"{link.decode()}{odd}" for link in links)
        body = answer.body
        for link in {*links}:
            body = body.replace(link, link + odd.encode())
        return attrs.evolve(answer, body=body)

    with desk(pair, hand=hand) as at:
        outcome(lambda: at.buy(timeout=120.0, fetch=True))
        fetched = [target for target in at.way.targets if "/__mock__/images/" in target]
        same(True, bool(wanted), "a link was given")
        same({*wanted}, {*fetched}, "what was fetched")

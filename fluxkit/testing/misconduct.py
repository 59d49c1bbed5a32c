"""Ways to carry out badly what a client decides: each takes an effect, and the key that no provider should have."""

import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs

from .._engine.effects import Call, Claim, Fetch, Lost, Now, Reply, Wait, Woken
from .._wire.origins import origin
from ..errors import Charged, DownloadError, Unauthorized


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

"""Which connection takes an exchange, and which are closed."""

import attrs
import httpcore
import pytest
from support.rawserver import Heard, Peer, RawServer, http

from fluxkit._engine import wires
from fluxkit._engine.effects import Call
from fluxkit._engine.secret import Secret
from fluxkit._engine.transport import Transport
from fluxkit._engine.wires import Resting

HERE, THERE = (httpcore.Origin(b"https", host, 443) for host in (b"a.example", b"b.example"))


@attrs.define(eq=False)
class Connection:
    """A connection as far as it is asked."""

    origin: httpcore.Origin = HERE
    expired: bool = False
    idle: bool = True
    closed: bool = False

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return origin == self.origin

    def has_expired(self) -> bool:
        return self.expired

    def is_idle(self) -> bool:
        return self.idle

    def is_closed(self) -> bool:
        return self.closed


def resting(*connections: Connection) -> Resting[Connection]:
    """These connections, of which the last was given back last."""
    kept: Resting[Connection] = Resting()
    for _ in connections:
        kept.take(HERE)
    for connection in connections:
        assert [] == kept.give(connection)
    return kept


def test_who_rested_shortest_and_leads_there_is_taken() -> None:
    first, second, third = Connection(), Connection(), Connection(THERE)
    kept = resting(first, second, third)
    assert [(second, []), (first, []), (None, [])] == [kept.take(HERE) for _ in range(3)]
    assert (third, []) == kept.take(THERE)


def test_whose_time_is_over_is_closed_and_not_taken() -> None:
    first, second = Connection(), Connection()
    kept = resting(first, second)
    second.expired = True
    assert (first, [second]) == kept.take(HERE)


def test_who_rested_longest_is_closed_when_another_comes_back_after_its_time() -> None:
    first, second = Connection(THERE), Connection()
    kept = resting(first, second)
    assert (second, []) == kept.take(HERE)
    first.expired = True
    assert [first] == kept.give(second)
    assert (second, []) == kept.take(HERE)


@pytest.mark.parametrize("state", [{"idle": False}, {"closed": True}])
def test_what_cannot_be_used_again_is_closed(state: dict[str, bool]) -> None:
    kept: Resting[Connection] = Resting()
    kept.take(HERE)
    broken = Connection(**state)
    assert [broken] == kept.give(broken)
    assert (None, []) == kept.take(HERE)


def test_one_that_did_not_come_about_counts_no_more() -> None:
    kept: Resting[Connection] = Resting()
    assert (None, []) == kept.take(HERE)
    assert [] == kept.give(None)
    assert 0 == kept.used


def test_a_new_connection_is_one_too_many_if_all_others_lead_elsewhere() -> None:
    elsewhere = [Connection(THERE) for _ in range(wires.CONNECTIONS)]
    kept = resting(*elsewhere)
    assert (None, elsewhere[:1]) == kept.take(HERE)
    assert (None, elsewhere[1:2]) == kept.take(HERE)


def test_after_the_end_all_are_closed_also_those_that_come_back() -> None:
    first, second = Connection(), Connection()
    kept = resting(first, second)
    assert (second, []) == kept.take(HERE)
    assert [first] == kept.close()
    assert [second] == kept.give(second)


def test_a_connection_that_is_in_use_at_the_end_ends_what_it_does() -> None:
    def script(peer: Peer) -> None:
        peer.hear()
        carrier.close()
        peer.say(http(200, b"{}"))
        ends.append(peer.hear())

    ends: list[Heard | None] = []
    carrier = Transport(secret=Secret("mg-4f1c9e77abce0", "x-key"))
    with RawServer(script) as server:
        assert 200 == carrier.call(Call("GET", server.url, origins=[server.url])).status
    assert [None] == ends

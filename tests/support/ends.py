"""How each fault ends for a user, of every bundled service: one table, for every way to meet it.

What a client of ours raises, what was bought, and what a second wait brings; and how the exchange looks that a fault
strikes, to whoever speaks HTTP.
"""

import itertools
from collections.abc import Mapping

import attrs

from fluxkit.provider import Provider
from fluxkit_mockserver import FAULTS
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

SERVICES: Mapping[str, Provider] = {
    "magnific:flux-2-klein": MAGNIFIC,
    "freepik:flux-2-klein": FREEPIK,
    "apimart:flux-2-pro": APIMART,
    "bfl:flux-2-pro": BFL,
}

#: Where what has failed is given back: https://docs.apimart.ai, and https://docs.bfl.ai of what is moderated.
REFUNDED = (APIMART, BFL)


@attrs.frozen
class End:
    """What a ``generate`` comes to, how many images were bought, and what waiting for its task again comes to."""

    raises: str = ""
    billed: int = 1
    charged: str = "unknown"
    again: str | None = None
    calls: int | None = None


DENIED = End("Rejected", billed=0, charged="no")
LOST = End("SubmissionUnknown")
FINE = End()
LATE = End("Overdue", again="")
FAILED = End("Failed", again="Failed")

ENDS: Mapping[str, End] = {
    "400": DENIED,
    "401": End("Unauthorized", billed=0, charged="no"),
    "402": End("OutOfCredit", billed=0, charged="no"),
    "403": End("Unauthorized", billed=0, charged="no"),
    "422": DENIED,
    "429": End("RateLimited", billed=0, charged="no", calls=5),
    "429-final": End("OutOfCredit", billed=0, charged="no", calls=1),
    "503": End("Broken", billed=0, charged="no", calls=5),
    "moderation": DENIED,
    "500": End("SubmissionUnknown", billed=0, calls=1),
    "stale-connection": End("SubmissionUnknown", billed=0, calls=1),
    "accepted-then-dropped": LOST,
    "accepted-then-hang": LOST,
    "accepted-then-not-json": LOST,
    "gateway-503-after-accept": LOST,
    "cut-200": LOST,
    "stuck": End("Overdue", again="Overdue"),
    "slow": LATE,
    "fail": FAILED,
    "moderated": FAILED,
    "completed-without-images": End("ContractError", again="ContractError"),
    "vanished": End("Vanished", again="Vanished"),
    "dripping": LATE,
    "slow-answer": FINE,
    "hang": LATE,
    "cut-poll": LATE,
    "poll-dropped": LATE,
    "poll-401": End("Unauthorized", again=""),
    "poll-404": End("Vanished", again=""),
    "poll-429": LATE,
    "poll-503": LATE,
    "rate-limit-in-body": End("ContractError", again=""),
    "not-json": End("ContractError", again=""),
    "status-goes-back": LATE,
    "unknown-status": LATE,
    "expired-link": FINE,
    "two-links": FINE,
    "truncated-image": End("DownloadError", charged="yes", again=""),
    "wrong-type-image": FINE,
    "cut-image": End("DownloadError", charged="yes", again=""),
    "link-503": End("DownloadError", charged="yes", again=""),
}

#: What does not pass by itself: no second try makes it good, and no money is spent on one.
LASTING = {
    *("400", "401", "402", "403", "422", "429-final", "moderation", "500", "stale-connection", "poll-401"),
    *("accepted-then-dropped", "accepted-then-hang", "accepted-then-not-json", "gateway-503-after-accept", "cut-200"),
    *("stuck", "fail", "moderated", "completed-without-images", "vanished"),
}

#: Where a service ends otherwise than the others: it has a word of its own for what is moderated, and none that is
#: known for too much work, so its 503 may be a gateway's.
OWN: Mapping[tuple[str, str], End] = {
    ("bfl", "moderated"): End("Refused", again="Refused"),
    ("bfl", "503"): End("SubmissionUnknown", billed=0, calls=1),
}


def end_of(fault: str, provider: Provider) -> End:
    """How a fault ends at a service, which gives back what it made of some."""
    end = OWN.get((provider.name, fault), ENDS[fault])
    given_back = provider in REFUNDED and fault in ("fail", "moderated")
    return attrs.evolve(end, billed=0) if given_back else end


#: Every fault of webhooks: whoever waits for one polls as well, so none of them costs an image.
MISDELIVERED = [
    (name, model)
    for (name, fault), model in itertools.product(FAULTS.items(), SERVICES)
    if fault.moment == "webhook" and not fault.obstacle(SERVICES[model])
]

#: Every fault that a client meets who calls and waits, at every service that can have it.
CASES = [
    (name, model) for name, model in itertools.product(ENDS, SERVICES) if not FAULTS[name].obstacle(SERVICES[model])
]


@attrs.frozen
class Sight:
    """How one exchange looks: answered, cut in the middle, dropped or silent; its status; whether JSON came."""

    how: str = "answered"
    status: int = 200
    json: bool = True


DROPPED, SILENT = Sight("dropped", 0, json=False), Sight("silent", 0, json=False)
CUT = Sight("cut", json=False)
USUAL = Sight()

#: Of each fault that strikes one exchange.
SIGHTS: Mapping[str, Sight] = {
    **{name: Sight(status=int(name)) for name in ("400", "401", "402", "403", "422", "429", "500", "503")},
    "429-final": Sight(status=429),
    "moderation": Sight(status=400),
    "stale-connection": DROPPED,
    "accepted-then-dropped": DROPPED,
    "accepted-then-hang": SILENT,
    "accepted-then-not-json": Sight(json=False),
    "gateway-503-after-accept": Sight(status=503, json=False),
    "cut-200": CUT,
    "dripping": USUAL,
    "slow-answer": USUAL,
    "hang": SILENT,
    "cut-poll": CUT,
    "poll-dropped": DROPPED,
    **{f"poll-{status}": Sight(status=status) for status in (401, 404, 429, 503)},
    "rate-limit-in-body": USUAL,
    "not-json": Sight(json=False),
    "status-goes-back": USUAL,
    "unknown-status": USUAL,
    "expired-link": Sight(status=403, json=False),
    "two-links": Sight(json=False),
    "truncated-image": Sight(json=False),
    "wrong-type-image": Sight(json=False),
    "cut-image": CUT,
    "link-503": Sight(status=503, json=False),
}

#: The statuses of services that say something by another one.
STATUSES: Mapping[tuple[str, str], int] = {("bfl", "moderation"): 422, ("apimart", "poll-404"): 400}


def sight_of(fault: str, provider: Provider) -> Sight:
    """How the exchange looks that a fault strikes at a service."""
    sight = SIGHTS[fault]
    return attrs.evolve(sight, status=STATUSES.get((provider.name, fault), sight.status))

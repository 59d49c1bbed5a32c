"""What can go wrong, on demand: each fault has a name and a moment at which it strikes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from fluxkit._wire.declaration import Provider

#: The moments at which faults strike, in the order in which a task meets them.
MOMENTS = ("submit", "task", "poll", "link", "image", "webhook")


def _anything(_: Provider) -> str:
    return ""


def _polls(provider: Provider) -> str:
    return "" if provider.poll is not None else "it answers a submit with the image, and has no tasks to ask after"


@attrs.frozen
class Fault:
    """A kind of mishap: at which *moment* of an exchange or of a task it strikes, and what it does."""

    name: str
    moment: str
    about: str
    _obstacle: Callable[[Provider], str] = attrs.field(default=_anything, repr=False)

    def obstacle(self, provider: Provider) -> str:
        """Why the service of *provider* cannot have this fault; empty if it can."""
        return self._obstacle(provider)


def _refusal(name: str, what: str) -> Fault:
    return Fault(name, "submit", f"The submit is refused: {what}; nothing is bought.")


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            _refusal("503", "the service is overloaded, in its own words"),
            Fault(
                "accepted-then-dropped",
                "submit",
                "The task is made and billed, but the connection closes without an answer.",
            ),
            Fault("stuck", "task", "The task runs and never ends.", _polls),
            Fault("dripping", "poll", "The answer to a poll comes a byte at a time, one each second.", _polls),
            Fault(
                "expired-link",
                "link",
                "The link to the image is already dead when it is given; the next poll gives a live one.",
                _polls,
            ),
        )
    }
)

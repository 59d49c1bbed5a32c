"""What no page says of a service: each open question is a switch, set so that the mock is the most probable service.

A switch belongs to a trait of a declaration, so that the mock knows no service by name. Most of them are another
declaration: then the mock serves that one. The others are asked for where they matter.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import attrs

from fluxkit._contract.by_fields import by_fields
from fluxkit._wire.declaration import Provider

from . import traits

#: The word by which a switch is left as the service's declaration says.
AS_DECLARED = "declared"

#: How large an image in a request is at most, where a switch bounds it, in bytes.
MOST_REFERENCE = 10_000_000


def _never(_: Provider) -> bool:
    return False


def _same(provider: Provider, _: str) -> Provider:
    return provider


@by_fields
@attrs.frozen(eq=False, repr=False)
class Switch:
    """An open question about a service, and its possible answers."""

    name: str
    values: tuple[str, ...]
    about: str
    source: str
    _trait: Callable[[Provider], bool] = attrs.field(repr=False)
    _turned: Callable[[Provider, str], Provider] = attrs.field(default=_same, repr=False)
    _likelier: Callable[[Provider], bool] = attrs.field(default=_never, repr=False)

    def usual(self, provider: Provider) -> str:
        """What holds if nothing is said: the first answer, unless the second is likelier at this service."""
        return self.values[1 if self._likelier(provider) else 0]

    def concerns(self, provider: Provider) -> bool:
        """Whether the question is open for the service of *provider*."""
        return self._trait(provider)

    def turned(self, provider: Provider, value: str) -> Provider:
        """The declaration of the service as it is if the answer is *value*."""
        return provider if value == self.usual(provider) else self._turned(provider, value)


SWITCHES: Mapping[str, Switch] = MappingProxyType(
    {
        switch.name: switch
        for switch in (
            Switch(
                "extra-fields",
                ("refuse", "ignore"),
                "What becomes of a field of a request that the model does not have.",
                "no page says it; refused, so that a misspelt field is noticed",
                traits.everybody,
            ),
            Switch(
                "wrong-method",
                ("405", "404"),
                "The status for a path of the service with a method that it does not have.",
                "no page says it",
                traits.everybody,
            ),
            Switch(
                "envelope",
                ("wrapped", "bare"),
                "Whether the answer to a submit is wrapped as the one to a poll.",
                "the reference and the live service wrap it, the pages of the models print it bare",
                traits.accepts_wrapped,
                traits.accepting_bare,
            ),
            Switch(
                "400-shape",
                ("plain", "wrapped"),
                "Whether a 400 about the request is wrapped once more.",
                "schema and example of one page contradict each other",
                traits.complains_wrapped,
            ),
            Switch(
                "402-body",
                ("empty", "message"),
                "What a 402 says: nothing, or a message in the form of the other errors.",
                "no page shows one",
                traits.says_nothing_of_402,
            ),
            Switch(
                "answers",
                ("documented", "observed"),
                "Whether answers look as they are documented, or as they were recorded from the live service.",
                "both are among the samples",
                traits.was_observed,
            ),
            Switch(
                "moderated",
                ("task", "submit"),
                "Whether the fault of that name lets the task fail or is a refusal of the submit.",
                "no page says it",
                traits.moderates_unsaid,
            ),
            Switch(
                "failed-tasks",
                ("billed", "refunded"),
                "Whether a task that has failed, or was moderated, stays on the bill.",
                "said by some services only; refunded where a task tells its cost once it has ended",
                traits.fails,
                likelier=traits.tells_cost,
            ),
            Switch(
                "rounding",
                ("down", "nearest"),
                "How the sides of an enlarged preset are aligned; it decides a few sizes.",
                "the page says aligned, without a direction",
                traits.enlarges_unsaid,
                traits.rounding_to_nearest,
            ),
            Switch(
                "default-format",
                ("jpeg", "png"),
                "The format of an image if the request names none.",
                "no page states it; a live run gave JPEG",
                traits.format_unsaid,
                traits.with_format,
            ),
            Switch(
                "data-prefixes",
                ("refuse", "take"),
                "Whether an image in a request may begin with data:image/png;base64,.",
                "no page says it",
                traits.takes_base64,
            ),
            Switch(
                "reference-size",
                ("unlimited", "10MB"),
                "How large an image in a request may be.",
                "no page says it",
                traits.takes_references,
            ),
            Switch(
                "listing",
                ("200", "404"),
                "Whether the list of tasks is told.",
                "documented; answered 404 once",
                traits.lists,
                traits.not_listing,
            ),
            Switch(
                "link-life",
                (AS_DECLARED, *traits.LINK_LIVES),
                "How long a link to an image lives.",
                "often not documented; an hour in one log, 2 to 24 hours elsewhere",
                traits.gives_links,
                traits.with_link_life,
            ),
            Switch(
                "webhook-key",
                ("text", "base64"),
                "Whether the secret signs as the text that it is, or as what it holds as base64.",
                "three of the vendor's four examples take the text",
                traits.signs_unsaid,
                traits.keyed,
            ),
            Switch(
                "webhook-time",
                ("seconds", "milliseconds"),
                "The unit of the time in the headers of a webhook.",
                "no page says it; every receiver reads seconds",
                traits.signs_unsaid,
            ),
            Switch(
                "webhook-retries",
                ("none", "three"),
                "Whether a webhook that was not taken comes again, after 10, 30 and 60 seconds.",
                "no page says it",
                traits.never_retries,
                traits.retrying,
            ),
            Switch(
                "unnamed-polls",
                ("answer", "refuse"),
                "Whether a task that asked for a webhook, and was given no address to poll, is known at the usual one.",
                "the answer to such a submit names no address, and no page says whether there is one",
                traits.leaves_polls_unnamed,
            ),
            Switch(
                "webhook-created",
                ("no", "yes"),
                "Whether the first status is reported too.",
                "no page says it",
                traits.reports_changes,
            ),
        )
    }
)


def settings_of(providers: Sequence[Provider], wanted: Mapping[str, str]) -> dict[str, str]:
    """Every switch of the *providers* by its whole name, such as ``magnific.envelope``, as it is *wanted* or usual.

    A name without a provider before it, such as ``envelope``, sets the switch of all that have it, and the whole name
    counts more. ``ValueError`` for a name or a value that there is not.
    """
    there = {f"{each.name}.{name}": (each, name) for each in providers for name in switches_of(each)}
    known = {*there, *(name for _, name in there.values())}
    for name, value in wanted.items():
        if name not in known:
            from difflib import get_close_matches

            like = get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {like[0]!r}?" if like else ""
            raise ValueError(f"There is no switch {name!r}.{hint} Allowed: {', '.join(there)}.")
        values = SWITCHES[there[name][1] if name in there else name].values
        if value not in values:
            raise ValueError(f"The switch {name} is {value!r}. Allowed: {', '.join(values)}.")
    return {
        whole: wanted.get(whole, wanted.get(name, SWITCHES[name].usual(each))) for whole, (each, name) in there.items()
    }


def switched(
    providers: Sequence[Provider], before: Mapping[str, str], settings: Mapping[str, str | None]
) -> dict[str, str]:
    """What is wanted once *settings* are set as well, None being the usual value; what was set last counts.

    ``ValueError`` for a name or a value that there is not.
    """
    usual = settings_of(providers, {})
    after = settings_of(providers, before)
    for name, value in settings.items():
        wanted = {} if value is None else {name: value}
        meant = [each for each in usual if name in (each, each.partition(".")[2])]
        if wanted or not meant:
            settings_of(providers, wanted or {name: ""})  # which says what there is
        after |= {each: value or usual[each] for each in meant}
    return {name: value for name, value in after.items() if value != usual[name]}


def unusual(provider: Provider, settings: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The switches of *provider* that are not as usual, by their short names."""
    own = {name: settings[f"{provider.name}.{name}"] for name in switches_of(provider)}
    return tuple((name, value) for name, value in own.items() if value != SWITCHES[name].usual(provider))


def switches_of(provider: Provider) -> tuple[str, ...]:
    """The names of the switches that concern the service of *provider*."""
    return tuple(name for name, switch in SWITCHES.items() if switch.concerns(provider))


@functools.lru_cache(maxsize=64)
def turned(provider: Provider, settings: tuple[tuple[str, str], ...]) -> Provider:
    """The declaration that the mock serves if its switches are set so."""
    for name, value in settings:
        provider = SWITCHES[name].turned(provider, value)
    return provider


def read_switch(text: str) -> tuple[str, str]:
    """The name and the value in a line such as ``magnific.envelope=bare``; ``ValueError`` if it is none."""
    name, is_set, value = text.partition("=")
    if not (is_set and name.strip() and value.strip()):
        raise ValueError(f"{text!r} cannot be read. Allowed: NAME=VALUE, such as extra-fields=ignore.")
    return name.strip(), value.strip()

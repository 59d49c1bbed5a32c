"""What a declaration leaves open, trait by trait, and the declaration as it would be if the answer were another one.

A trait is a question about a declaration, so that no service is known by its name.
"""

from typing import Any

import attrs

from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.json import MISSING
from fluxkit._wire.samples import answers_of
from fluxkit._wire.signatures import StandardWebhook
from fluxkit.provider import At, Base64, Codec, Either, Form, Grid, Scale, State

#: After how many seconds a delivery is tried again, where a switch says that it is.
RETRIES = (10.0, 30.0, 60.0)

#: How long links live by the words of their switch, in seconds.
LINK_LIVES = {"10m": 600.0, "1h": 3600.0, "24h": 86_400.0}


def everybody(_: Provider) -> bool:
    """Every service."""
    return True


def enlarges_unsaid(provider: Provider) -> bool:
    """Enlarges presets by a rule of which nobody says for certain how it rounds."""
    return any(isinstance(row.sizes, Grid) and row.sizes.inferred and _scales(row.sizes) for row in provider.models)


def _scales(sizes: Grid) -> bool:
    return any(isinstance(table, Scale) for _, table in sizes.tables)


def rounding_to_nearest(provider: Provider, _: str) -> Provider:
    """Presets are enlarged so that sides are aligned to the nearest step."""

    def near(table: Any) -> Any:
        return attrs.evolve(table, down=False) if isinstance(table, Scale) else table

    models = [
        attrs.evolve(row, sizes=attrs.evolve(row.sizes, tables=tuple((k, near(t)) for k, t in row.sizes.tables)))
        if isinstance(row.sizes, Grid)
        else row
        for row in provider.models
    ]
    return attrs.evolve(provider, models=models)


def _is_free(row: Model) -> bool:
    """Whether a model makes what was only seen to come, because a request may say it and no page says the default."""
    codec = row.form.get("output_format")
    return row.delivers == "jpeg" and isinstance(codec, At) and codec.default is MISSING


def format_unsaid(provider: Provider) -> bool:
    """Has a model that makes a format which was only seen to come."""
    return any(map(_is_free, provider.models))


def with_format(provider: Provider, value: str) -> Provider:
    """Such models make this format."""
    return attrs.evolve(
        provider, models=[attrs.evolve(row, delivers=value) if _is_free(row) else row for row in provider.models]
    )


def base64_of(codec: Any) -> Base64 | None:
    """The base64 within the codec of a field, None if there is none."""
    while codec is not None and not isinstance(codec, Base64):
        codec = getattr(codec, "inner", None)
    return codec


def takes_base64(provider: Provider) -> bool:
    """Takes references as base64."""
    return any(base64_of(row.form.get("references")) is not None for row in provider.models)


def takes_references(provider: Provider) -> bool:
    """Takes references."""
    return any(row.form.get("references") is not None for row in provider.models)


def _is_wrapped(codec: Codec) -> bool:
    """Whether a codec reads the same thing with a wrapper around it and without."""
    if not isinstance(codec, Either):
        return False
    one, other = codec.first, codec.second
    return (isinstance(one, At) and one.inner == other) or (isinstance(other, At) and other.inner == one)


def accepts_wrapped(provider: Provider) -> bool:
    """Answers a submit with a wrapper or without."""
    return _is_wrapped(provider.accepted)


def accepting_bare(provider: Provider, _: str) -> Provider:
    """Answers a submit without it."""
    return attrs.evolve(provider, accepted=provider.accepted.second)  # type: ignore[attr-defined]  # by its trait


def complains_wrapped(provider: Provider) -> bool:
    """Complains with a wrapper or without."""
    return _is_wrapped(provider.error)


def says_nothing_of_402(provider: Provider) -> bool:
    """Has a 402 among its samples, and none with a body."""
    shown = [each for each in answers_of(provider) if each.of == "refused" and each.status == 402]
    return bool(shown) and not any(each.body for each in shown)


def was_observed(provider: Provider) -> bool:
    """Has samples that were recorded from the live service."""
    return any(each.sure == "observed" for each in answers_of(provider))


def moderates_unsaid(provider: Provider) -> bool:
    """Has no word for a task that was refused, and one for a task that has failed."""
    states = [state for _, state in provider.statuses]
    return provider.poll is not None and State.REFUSED not in states and State.FAILED in states


def fails(provider: Provider) -> bool:
    """Has tasks that fail."""
    return provider.poll is not None and any(state is State.FAILED for _, state in provider.statuses)


def tells_cost(provider: Provider) -> bool:
    """Tells the cost of a task."""
    codec = provider.polled
    while not isinstance(codec, Form) and hasattr(codec, "inner"):
        codec = codec.inner
    return isinstance(codec, Form) and codec.get("cost") is not None


def signs_unsaid(provider: Provider) -> bool:
    """Signs webhooks with a secret of which nobody says what it holds."""
    signature = None if provider.webhook is None else provider.webhook.signature
    return isinstance(signature, StandardWebhook) and signature.keys == ("text", "base64")


def keyed(provider: Provider, value: str) -> Provider:
    """Signs them with this kind of key."""
    webhook = provider.webhook
    return attrs.evolve(provider, webhook=attrs.evolve(webhook, signature=StandardWebhook([value])))  # type: ignore[misc]  # by its trait


def never_retries(provider: Provider) -> bool:
    """Is not known to deliver a webhook again."""
    return provider.webhook is not None and not provider.webhook.retries


def retrying(provider: Provider, _: str) -> Provider:
    """Delivers webhooks again."""
    return attrs.evolve(provider, webhook=attrs.evolve(provider.webhook, retries=RETRIES))  # type: ignore[misc]  # by its trait


def leaves_polls_unnamed(provider: Provider) -> bool:
    """Whether a submit that asks for a webhook is answered in another way, without saying where to poll."""
    return provider.poll is not None and provider.webhook is not None and provider.webhook.accepted is not None


def reports_changes(provider: Provider) -> bool:
    """Reports each change of a task by a webhook."""
    return provider.webhook is not None and provider.webhook.every


def lists(provider: Provider) -> bool:
    """Lists tasks."""
    return provider.listing is not None


def not_listing(provider: Provider, _: str) -> Provider:
    """Lists no tasks."""
    return attrs.evolve(provider, listing=None)


def gives_links(provider: Provider) -> bool:
    """Gives links to images."""
    return provider.poll is not None


def with_link_life(provider: Provider, value: str) -> Provider:
    """Its links live so long."""
    return attrs.evolve(provider, link_life=LINK_LIVES[value])

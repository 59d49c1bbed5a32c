"""Ways to declare a provider badly, with a codec, a signature or a table that a plugin might bring."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from .._contract.task import State
from .._wire.declaration import Model, Provider
from .._wire.form import Form
from .._wire.json import Json


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

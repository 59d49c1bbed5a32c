"""What a mock tells beside its tasks, held against the samples: what is left of the account, and which tasks exist."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ..._wire.declaration import Provider
from ..._wire.json import Json
from ..._wire.samples import Sample
from ..bench import Stranger, stranger
from ..check import of_mock
from ..differs import same
from ..exhibits import of_kind, plainest


@of_mock("aside", "request", "call")
def check_mock_tells_what_can_be_asked_beside_tasks(mock: Provider, samples: Sequence[Sample]) -> None:
    """The balance and the list of tasks are told as recorded, and only to those who have a key.

    A failure means: an app that asks for its balance, or for its tasks, is answered otherwise than by the service.
    """
    for sample in of_kind(samples, "aside"):
        service = stranger(mock, samples)
        expected = _kept(service, sample) if "balance" in sample.means else _listed(service, sample)
        told = service.send(sample)
        same((sample.status, expected), (told.status, told.document), sample.name)
        same(True, service.send(sample, key="wrong").status in (401, 403, 422), f"{sample.name}, with a wrong key")
        same(0, service.mock.billed - len(sample.means.get("tasks", ())[:1]), "what was bought by asking")


def _kept(service: Stranger, sample: Sample) -> Json:
    """Makes the account what the sample says, so that it is told as it is recorded."""
    account = service.mock.accounts.of(service.name)
    account.used = Decimal(sample.means.get("used", "0"))
    if not sample.means.get("unlimited"):
        account.began = account.used + Decimal(sample.means["balance"])
    return sample.body


def _listed(service: Stranger, sample: Sample) -> Json:
    """Buys one task of the sample's model; what is recorded of the first one is then told of it."""
    made = service.submit(plainest(samples_of(service, sample), sample.model))
    first = sample.means["tasks"][0]
    word = service.mock.tasks[-1]
    said = {first["id"]: word.id, first["status"]: service.mock.standing(word)[0]}
    same(200, made.status, "the submit before the list")
    return _alone(sample.body, said)


def samples_of(service: Stranger, sample: Sample) -> list[Sample]:
    """The requests for the model of a sample that fit."""
    return [each for each in service.samples if each.of == "request" and each.fits and each.model == sample.model]


def _alone(document: Any, said: dict[str, str]) -> Json:
    """A document in which every list has its first item only, and some texts are others."""
    match document:
        case dict():
            return {name: _alone(inner, said) for name, inner in document.items()}
        case list():
            return [_alone(inner, said) for inner in document[:1]]
    return said.get(document, document) if isinstance(document, str) else document

"""Samples: exchanges of a service kept verbatim, with where and when they were seen.

They are the outside evidence about a service: client and mock are both held against them, and the mock casts its
answers in their mould, so that it also says what the declaration has no name for.
"""

import functools
import importlib.resources
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import validators

from .._contract.by_fields import shown_by_fields
from .._contract.report import unread
from ..errors import PluginError
from .declaration import Provider
from .json import Json

#: What a sample shows: an address with its key, a request body, an answer of one of four kinds, a refusal; what is
#: uploaded, and the answer to that; a question beside the tasks, with its answer.
KINDS = ("call", "request", "accepted", "polled", "resulted", "webhook", "refused", "upload", "uploaded", "aside")

#: How sure a sample is, the surest first: a page that the project started from, the rest of the vendor's documentation,
#: a recording of the live service, what others claim or handle, what follows from one of these.
SURE = ("vendor's page", "documented", "observed", "third party", "derived")

#: What the client was doing when the answer came: the same status may mean different things.
PHASES = ("submit", "poll", "result", "cancel", "upload")

#: What is not said by a service, but to it: of these there are many times as many.
SENT = ("call", "request", "upload")

_TEXT = validators.and_(validators.instance_of(str), validators.min_len(1))
_FLAG = validators.instance_of(bool)
_NAME = validators.optional(_TEXT)
_PRICE = validators.optional(validators.matches_re(r"\d+(?:\.\d+)?"))
_CALL = validators.matches_re(r"(?:[A-Z]+ https?://\S+)?")


def _sizes(sizes: Any) -> tuple[tuple[int, int], ...]:
    return tuple((width, height) for width, height in sizes)


@shown_by_fields
@attrs.frozen(eq=False, repr=False, kw_only=True)
class Sample:
    """One exchange, or one side of it.

    *of* is one of ``KINDS``. *source* is where it was seen and *date* when, as exactly as is known (``2026``,
    ``2026-06`` or ``2026-06-29``); *sure* is one of ``SURE``, and *note* what the source leaves open.

    *body* is what one side says: the body of a request, an answer or a refusal. *means* is what must be read from it:

    - of a request, its values in the names of the model's form, defaults of the service included: ``size`` as
      ``["16:9", "1K"]`` or ``[1024, 768]``, a reference as base64 text or as its address. If the service refuses the
      request (*fits* is false), only what a user of fluxkit would have asked for, nothing if there is no way to ask.
    - of an answer: ``state``, and what else it says in the names of the provider's forms; amounts of money as text.
    - of a question aside: ``balance``, ``used`` and ``unlimited``, amounts as text; or the ``tasks``, each with ``id``
      and ``status``.
    - of an upload: its ``media_type``; the body is that of a ticket, or the form's only field with the file in it as
      base64 text. Of the answer to it: ``url``, and what else it says in the names of the declared form.
    - of a refusal: ``error``, the class; ``retry`` and ``charged``, as the error carries them; and what the complaint
      says: ``message``, ``type``, and ``fields`` as pairs of name and reason.

    A refusal that does not fit is none of the service's: a gateway in front of it has spoken. *field* is the
    service's own name of what is at fault, where *fits* is false, or several with commas between them. *written* is
    false for a request that the service reads and the client would spell in another way. *pixels* are the sizes
    that the image may have: several where nobody knows which, the likeliest first; none where nothing is known.
    *price* is what an image costs in US dollars, as text, where a price list says it.

    *call* is a method and an address, ``{id}`` standing for the task's; of a webhook, where it comes for a request
    with the address ``https://www.example.com/webhook``. *headers* come with a call, ``{key}`` standing for the
    key, or with an answer; their names are in lower case. Those of a webhook prove whose it is: ``{id}`` stands for
    the name of the delivery, ``{at}`` for the time in seconds, ``{text}`` and ``{base64}`` for the base64 of the
    HMAC-SHA256 over ``{id}.{at}.body`` with the secret as it is, or with what it holds as base64, ``{hex}`` for the
    HMAC-SHA256 of the body alone in hexadecimal. *status* and *phase* are those of an answer. *model* is the model
    in question, of several that share a name the path of one; *provider* is the only one that the sample is about,
    where several share a file.

    Where a file has several samples of one situation, the first shows what is usual.
    """

    of: str = attrs.field(validator=validators.in_(KINDS))
    name: str = attrs.field(validator=_TEXT)
    source: str = attrs.field(validator=_TEXT)
    date: str = attrs.field(validator=validators.matches_re(r"20\d\d(?:-\d\d){0,2}"))
    sure: str = attrs.field(validator=validators.in_(SURE))
    note: str = attrs.field(default="", validator=validators.instance_of(str))
    provider: str | None = attrs.field(default=None, validator=_NAME)
    model: str | None = attrs.field(default=None, validator=_NAME)
    phase: str = attrs.field(default="submit", validator=validators.in_(PHASES))
    call: str = attrs.field(default="", validator=_CALL)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    status: int = attrs.field(default=200, validator=validators.and_(validators.ge(100), validators.lt(600)))
    body: Json = None
    means: Mapping[str, Any] = attrs.field(factory=dict)
    pixels: tuple[tuple[int, int], ...] = attrs.field(default=(), converter=_sizes)
    price: str | None = attrs.field(default=None, validator=_PRICE)
    written: bool = attrs.field(default=True, validator=_FLAG)
    fits: bool = attrs.field(default=True, validator=_FLAG)
    field: str = attrs.field(default="", validator=validators.instance_of(str))

    def __attrs_post_init__(self) -> None:
        sent, loading = self.of in SENT, self.phase == "upload"
        told = {"uploaded": ("url",), "refused": ("error", "retry", "charged")}
        told |= dict.fromkeys((*SENT, "aside"), ())
        needed = told.get(self.of, ("state",))
        for holds, rule in (
            (isinstance(self.means, Mapping) and isinstance(self.headers, Mapping), "means and headers are objects"),
            (
                bool(self.call) is (self.of in ("call", "webhook", "aside")),
                "a call, a webhook or a question aside has an address, nothing else has",
            ),
            ((self.body is None) is (self.of == "call"), "everything but a call has a body"),
            (loading or self.of not in ("upload", "uploaded"), "what is uploaded has a phase of its own"),
            (self.model is not None or not sent or loading, "a call and a request are those of a model"),
            (all(name in self.means for name in needed), f"what is {self.of} means {', '.join(needed)}"),
            (self.fits or sent or self.of == "refused", "only what is sent or refused can fail to fit"),
            (self.fits is (self.field == "") or self.of == "refused", "field names what is at fault, if something is"),
            (not self.pixels or (self.of == "request" and self.fits), "only a request that fits has pixels"),
            (self.price is None or (self.of == "request" and self.fits), "only a request that fits has a price"),
        ):
            if not holds:
                raise ValueError(rule)


def load_samples(text: str, *, but: Collection[str] = ()) -> tuple[Sample, ...]:
    """The samples in a file, ``{"samples": [...]}``, *but* those of some kinds.

    Raises ``ValueError`` naming the sample that is not one.
    """
    try:
        rows = enumerate(json.loads(text)["samples"])
    except (KeyError, TypeError) as error:
        raise ValueError('a file of samples is {"samples": [{...}, ...]}') from error
    samples: dict[str, Sample] = {}
    for place, row in rows:
        if isinstance(row, dict) and row.get("of") in but:
            continue
        try:
            sample = Sample(**row)
        except (TypeError, ValueError) as error:
            name = row.get("name") if isinstance(row, dict) else None
            raise ValueError(f"sample {place} ({name}): {error.args[0]}") from error
        if samples.setdefault(sample.name, sample) is not sample:
            raise ValueError(f"sample {place} ({sample.name}): the name is taken")
    return tuple(samples.values())


@functools.lru_cache
def _read(resource: str, but: tuple[str, ...] = ()) -> tuple[Sample, ...]:
    package, _, path = resource.partition(":")
    try:
        place = Path(path) if package == "file" else importlib.resources.files(package).joinpath(path)
        return load_samples(place.read_text("utf-8"), but=but)
    except (OSError, ImportError, ValueError, RecursionError) as error:
        raise PluginError(
            f"The samples {resource!r} cannot be read: {type(error).__name__}: {unread(error)}."
        ) from error


def samples_of(provider: Provider) -> tuple[Sample, ...]:
    """The samples that the declaration names, without those of another face of the service; none if it names none.

    Raises ``PluginError`` if they cannot be read.
    """
    return _own(provider, but=())


def answers_of(provider: Provider) -> tuple[Sample, ...]:
    """Those of them that show what the service says. A mock starts with them: to make all takes ten times as long."""
    return _own(provider, but=SENT)


def _own(provider: Provider, *, but: tuple[str, ...]) -> tuple[Sample, ...]:
    samples = () if provider.samples is None else _read(provider.samples, but)
    return tuple(each for each in samples if each.provider in (None, provider.name))

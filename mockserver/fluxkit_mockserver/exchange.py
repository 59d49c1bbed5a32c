"""One exchange: what came to the mock, and what it answered.

A mock is asked thousands of times for each time that somebody looks. So an exchange keeps what is small as it came, and
is read when it is looked at. Of what is large it keeps sizes and digests.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from fluxkit._contract.by_fields import shown_by_fields
from fluxkit._contract.reference import Reference
from fluxkit._wire.json import Problem
from fluxkit._wire.nearest import NoSuchSize
from fluxkit.errors import Vanished

from .answer import Answer, Drop, Incoming
from .closest import Form, nearest_form, nearest_route
from .dialect import Dialect
from .kept import HIDDEN, MOST_KEPT, Keys, bounded, names_a_secret, readable
from .refused import Refused
from .tasks import MockTask, point_of

_NONE: Final[Mapping[str, Any]] = {}


@shown_by_fields
@attrs.define(repr=False)
class Exchange:
    """One exchange as the mock saw it; *status* 0 is a connection that was closed without an answer.

    *number* counts from 1. *task* is None where it was about none. *faults* names those that struck. In *headers* and
    *query* keys and signatures are not shown. *took* is how many real seconds the mock needed. *problems* is what the
    service did not understand.

    Two are equal if method, path, status and time are: how the client got there makes no difference.
    """

    method: str
    path: str
    status: int
    at: float
    number: int = attrs.field(default=0, eq=False)
    namespace: str | None = attrs.field(default=None, eq=False)
    task: str | None = attrs.field(default=None, eq=False)
    faults: tuple[str, ...] = attrs.field(default=(), eq=False)
    headers: Mapping[str, str] = attrs.field(default=_NONE, eq=False, repr=False)
    query: Mapping[str, str] = attrs.field(default=_NONE, eq=False, repr=False)
    took: float = attrs.field(default=0.0, eq=False, repr=False)
    _sent: Any = attrs.field(default=b"", eq=False, repr=False)
    _answered: Any = attrs.field(default=b"", eq=False, repr=False)
    _dialect: Dialect | None = attrs.field(default=None, eq=False, repr=False)
    problems: tuple[Problem, ...] = attrs.field(default=(), eq=False, repr=False)
    _refused: bool = attrs.field(default=False, eq=False, repr=False)
    _lost: bool = attrs.field(default=False, eq=False, repr=False)
    _form: Form | None = attrs.field(default=None, eq=False, repr=False)
    _routes: Mapping[str, Dialect] = attrs.field(default=_NONE, eq=False, repr=False)

    # What the service notes of it while it answers

    def is_for(self, dialect: Dialect) -> None:
        """It is for the service that speaks so."""
        self._dialect = dialect

    def is_about(self, task: MockTask) -> None:
        """It is about a task."""
        self.task, self._form = task.id, Form(task.model)

    def has_bought(self, task: MockTask) -> None:
        """It has bought a task."""
        values = task.values
        if "references" in values:  # the images themselves live no longer than the task
            values = {**values, "references": tuple(map(_digested, values["references"]))}
        self.task, self._form = task.id, Form(task.model, values, bought=True)

    def is_refused(self, refused: Refused) -> None:
        """The service refuses it; of the refusal itself nothing is kept, because it would hold on to the call."""
        self._refused, self.problems = True, refused.problems
        self._lost = refused.kind is Vanished and (not refused.message or refused.status == 405)

    def is_struck(self, fault: str) -> None:
        """A fault has struck."""
        self.faults += (fault,)

    def ends(self, call: Incoming, answer: Answer | Drop, keys: Keys, routes: Mapping[str, Dialect]) -> None:
        """It is over; of the call and the answer is kept what may be kept."""
        self.headers, self.query = keys.hide(call.headers), call.query and keys.hide(call.query)
        self._routes, self._sent = routes, bounded(keys.blot(call.body))
        self.problems = self.problems and tuple(map(keys.blotted, self.problems))
        self._lost |= (
            self._dialect is None and not call.path.startswith("/__mock__/") and not self.path.startswith("http")
        )
        if self._refused and len(call.body) > MOST_KEPT:
            self._form = self._read(call.body)  # now or never
        if isinstance(answer, Answer):
            self.status, self._answered = answer.status, bounded(keys.blot(answer.body))

    def fades(self) -> None:
        """Forgets headers and bodies, and keeps what was asked for."""
        self.headers, self.query, self._sent, self._answered = _NONE, _NONE, b"", b""

    # What can be read of it

    @property
    def provider(self) -> str | None:
        """The service that it was for, None if for none."""
        return None if self._dialect is None else self._dialect.provider.name

    @property
    def bought(self) -> bool:
        """Whether it has bought an image, whatever the client heard of that."""
        return self._form is not None and self._form.bought

    @property
    def model(self) -> str | None:
        """The model that it was about, or whose form is the nearest to a body that was refused."""
        return None if self._known is None else self._known.row.name

    @property
    def fields(self) -> Mapping[str, Any]:
        """What a submit asked for, by the names of ``fluxkit.Request``, as far as it is read; references as digests.

        ``size`` is in pixels, and ``aspect`` and ``resolution`` are there where the service has names for them.
        """
        return _NONE if self._known is None else _shown(self._known)

    @property
    def body(self) -> Any:
        """What was sent, as JSON if it is that, else as text; large parts as size and digest, secrets not shown."""
        return readable(self._sent)

    @property
    def reply(self) -> Any:
        """What was answered, in the same way."""
        return readable(self._answered)

    @property
    def closest(self) -> str | None:
        """What would have been understood and is nearest to it, and in what it differs; None if it was understood."""
        if self._lost:
            return nearest_route(self.method, self.path, self._routes)
        if self._known is None or not self.problems:
            return None
        return f"{self.provider}:{self._known.row.name}, but for {'; '.join(map(str, self.problems))}"

    @property
    def _known(self) -> Form | None:
        if self._form is None and self._refused and isinstance(self._sent, bytes):
            self._form = self._read(self._sent)
        return self._form

    def _read(self, body: bytes) -> Form | None:
        assert self._dialect is not None  # noqa: S101 - only a service refuses
        path = self.path.removeprefix(f"/{self._dialect.provider.name}")
        call = Incoming(self.method, self.path, self.query, self.headers, body, "")
        return nearest_form(self._dialect.reader.submitted(call, path), call)

    def document(self) -> dict[str, Any]:
        """All that is known of it, as JSON."""
        return {
            "number": self.number,
            "at": self.at,
            "took": self.took,
            "namespace": self.namespace,
            "method": self.method,
            "path": self.path,
            "query": dict(self.query),
            "headers": dict(self.headers),
            "body": self.body,
            "status": self.status,
            "reply": self.reply,
            "provider": self.provider,
            "model": self.model,
            "task": self.task,
            "bought": self.bought,
            "fields": {name: _plain(value) for name, value in self.fields.items()},
            "problems": [str(problem) for problem in self.problems],
            "closest": self.closest,
            "faults": list(self.faults),
        }


def _digested(reference: Reference) -> Reference | str:
    return f"Reference({reference})" if reference.url is None else reference


def _shown(form: Form) -> Mapping[str, Any]:
    fields: dict[str, Any] = {"model": form.row.name, **form.values}
    for name in fields:
        if name != "prompt" and names_a_secret(name):
            fields[name] = HIDDEN
    if "size" in fields or form.bought:
        try:
            point = point_of(form.row, form.values)
        except NoSuchSize as error:  # what was refused for its size is told by it all the same
            return {**fields, "size": _joined(error.choice)}
        fields["size"] = f"{point.width}x{point.height}"
        names = {"aspect": point.aspect, "resolution": point.resolution}
        fields |= {name: value for name, value in names.items() if value is not None}
    return fields


def _joined(choice: Any) -> Any:
    """A choice of pixels as they are written; any other as it is."""
    is_pixels = isinstance(choice, tuple) and all(isinstance(side, int) for side in choice)
    return "x".join(map(str, choice)) if is_pixels else choice


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)

"""The OpenAPI document of a service: its paths, its webhooks, and what they share."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from fluxkit._wire.declaration import Model, Webhook
from fluxkit._wire.terms import Schema
from fluxkit.provider import Codec, Route

from ..dialect import Dialect
from .answers import ALWAYS, answer_schema, answers_shown, either, refusal, statuses
from .requests import content_of, parameters_of, request_of, requests_shown, upload_of

#: A secret for which every way of signing has a use: only the names of the headers are of interest.
_ANY_SECRET = "c2VjcmV0"  # noqa: S105 - it opens nothing

_NAMES = {
    "accepted": "Accepted",
    "hooked": "AcceptedWithWebhook",
    "polled": "Task",
    "resulted": "Result",
    "cancelled": "Cancelled",
}


def document(dialect: Dialect, base_url: str) -> dict[str, Any]:
    """The service of *dialect*, which is served at *base_url*."""
    from fluxkit import __version__

    provider = dialect.provider
    told = _Told(dialect)
    about = (
        "Derived from the declaration of the service, as the mock serves it. Fields that say nothing may be left out, "
        "or null. What no schema can say stands in the descriptions."
    )
    links = {"externalDocs": {"url": provider.source}} if re.match("https?://", provider.source) else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{provider.name}, as fluxkit's mock serves it",
            "version": __version__,
            "description": about,
        },
        **links,
        "servers": [
            {"url": base_url, "description": "The mock; nothing is bought."},
            {"url": provider.base_url, "description": "The service."},
        ],
        "security": [{"key": []}],
        "paths": told.paths(),
        **({} if provider.webhook is None else {"webhooks": {"task": {"post": told.webhook(provider.webhook)}}}),
        "components": {"schemas": told.schemas, "responses": told.responses, "securitySchemes": {"key": told.key()}},
    }


@attrs.frozen
class _Call:
    """A call at one path: its *name* and what it does, and the models that it is about."""

    name: str
    text: str
    route: Route
    path: str
    rows: list[Model]

    @property
    def own(self) -> str:
        """The model's part of the path, if it has one."""
        return self.rows[0].path if "{model}" in self.route.path else ""


class _Told:
    """A document as it grows: what was told of schemas and responses is referred to by name."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect, self.provider = dialect, dialect.provider
        self.schemas: dict[str, Schema] = {"Error": answer_schema(dialect, self.provider.error, ())}
        self.responses: dict[str, Schema] = {}

    def key(self) -> Schema:
        """How the key is sent."""
        key = self.provider.key
        if key.header.lower() == "authorization" and key.form == "Bearer {key}":
            return {"type": "http", "scheme": "bearer"}
        form = "" if key.form == "{key}" else f"In the form `{key.form}`."
        return {"type": "apiKey", "in": "header", "name": key.header} | ({"description": form} if form else {})

    def paths(self) -> dict[str, dict[str, Schema]]:
        """Every call that the service takes."""
        paths: dict[str, dict[str, Schema]] = {}
        for call, operation in (*self._tasks(), *self._asides()):
            paths.setdefault(call.path, {})[call.route.method.lower()] = operation
        return paths

    def _tasks(self) -> Iterator[tuple[_Call, Schema]]:
        """What is asked of tasks."""
        provider = self.provider
        for call in self._calls("submit", "Makes a task, which is bought.", provider.submit):
            yield call, self._submit(call)
        for call in self._calls("poll", "Tells where a task stands.", provider.poll):
            yield call, self._operation(call, self._answers("polled", provider.polled))
        for call in self._calls("result", "Tells the images of a task.", provider.result):
            yield call, self._operation(call, self._answers("resulted", provider.resulted or provider.polled))
        cancel = provider.cancel
        for call in self._calls("cancel", "Stops a task.", None if cancel is None else cancel.route):
            answer: Schema = {"description": "It is stopped.", "content": content_of({"type": "object"}, {})}
            if cancel is not None and cancel.answer is not None and self.dialect.cancelled is not None:
                answer = self._answer("cancelled", cancel.answer, None)
            yield call, self._operation(call, {cancel.status if cancel else 200: answer})

    def _asides(self) -> Iterator[tuple[_Call, Schema]]:
        """What is asked beside the tasks."""
        provider, upload = self.provider, self.provider.upload
        if upload is not None:
            self.schemas["Upload"] = answer_schema(self.dialect, upload.answer, ("url", "put"))
            shown = answers_shown(self.dialect, "uploaded", upload.answer)
            answer = {"description": "Where the image goes, or is.", "content": content_of(_ref("Upload"), shown)}
            text = "Brings an image." if upload.ticket is None else "Asks where an image can be put."
            for call in self._calls("upload", text, upload.route):
                yield call, {**self._operation(call, {200: answer}), "requestBody": upload_of(upload)}
        for aside, name, text, names in (
            (provider.balance, "balance", "Tells what is left of the account.", ("balance",)),
            (provider.listing, "list", "Tells the tasks of a model.", ALWAYS),
        ):
            if aside is not None:
                schema = name.capitalize()
                self.schemas[schema] = answer_schema(self.dialect, aside.answer, names)
                answer = {"description": "What the service says.", "content": content_of(_ref(schema), {})}
                for call in self._calls(name, text, aside.route):
                    yield call, self._operation(call, {200: answer})

    def _calls(self, name: str, text: str, route: Route | None) -> Iterator[_Call]:
        """A call at each path of a route: the path of a model may be several segments, which no parameter may be."""
        if route is None:
            return
        rows: dict[str, list[Model]] = {}
        for row in self.provider.models:
            rows.setdefault(route.path.replace("{model}", row.path), []).append(row)
        for path, models in rows.items():
            yield _Call(name, text, route, path, models)

    def _submit(self, call: _Call) -> Schema:
        told = self._operation(call, self._accepted())
        bodies, examples, parameters = [], dict[str, Schema](), dict[tuple[str, str], Schema]()
        for row in call.rows:
            name = self._name(row)
            self.schemas[name] = request_of(self.dialect, row)
            bodies.append(name)
            examples |= requests_shown(self.dialect, row)
            parameters |= {(each["in"], each["name"]): each for each in parameters_of(row)}
        once = self.provider.idempotency
        if once is not None:
            text = f"A one-time key: a submit that comes again with it within {once.life:g} seconds buys nothing more."
            key = {"type": "string", "pattern": "^[!-~]{1,191}$", "maxLength": 191}
            parameter = {"name": once.header, "in": "header", "description": text, "schema": key}
            parameters["header", once.header] = parameter
        body = _ref(bodies[0]) if len(bodies) == 1 else {"anyOf": [*map(_ref, bodies)]}
        needed = all("required" in self.schemas[name] for name in bodies)
        told["parameters"] = [*told["parameters"], *parameters.values()]
        return {**told, "requestBody": {"required": needed, "content": content_of(body, examples)}}

    def _accepted(self) -> Mapping[int, Schema]:
        """The answers to a submit, which may be others where it asks for a webhook."""
        answers, webhook = self._answers("accepted", self.provider.accepted), self.provider.webhook
        if webhook is None or webhook.accepted is None:
            return answers
        hooked = {
            **self._answer("hooked", webhook.accepted, None),
            "description": "The answer where a webhook is asked for.",
        }
        return {status: either(answer, hooked) for status, answer in answers.items()}

    def _name(self, row: Model) -> str:
        """A name for the requests of a model that no other has."""
        name = "".join(part.capitalize() for part in re.split(r"\W+", row.path)) + "Request"
        same = sum(1 for each in self.schemas if re.fullmatch(rf"{name}\d*", each))
        return f"{name}{same + 1}" if same else name

    def _operation(self, call: _Call, answers: Mapping[int, Schema]) -> Schema:
        parameters = [_needed("id", "path")] if "{id}" in call.path else []
        parameters += [_needed(call.route.query, "query")] if call.route.query else []
        told = dict(answers)
        for status, meaning in statuses(self.dialect, call.name).items():
            refused = refusal(self.dialect, status, meaning, call.name)
            told[status] = either(told[status], refused) if status in told else refused
        name = "_".join(filter(None, (call.name, re.sub(r"\W+", "_", call.own))))
        return {
            "operationId": name,
            "summary": call.text.removesuffix("."),
            "tags": [*dict.fromkeys(row.name for row in call.rows)] if call.own else [self.provider.name],
            "parameters": parameters,
            "responses": {str(status): self._respond(call.name, status, told[status]) for status in sorted(told)},
        }

    def _respond(self, phase: str, status: int, told: Schema) -> Schema:
        name = f"{phase.capitalize()}{status}"
        self.responses.setdefault(name, told)
        return {"$ref": f"#/components/responses/{name}"}

    def _answers(self, of: str, codec: Codec) -> Mapping[int, Schema]:
        return {status: self._answer(of, codec, status) for status in self.dialect.statuses(of)}

    def _answer(self, of: str, codec: Codec, status: int | None) -> Schema:
        self.schemas.setdefault(_NAMES[of], answer_schema(self.dialect, codec))
        shown = answers_shown(self.dialect, of, codec, status)
        return {"description": "What the service says.", "content": content_of(_ref(_NAMES[of]), shown)}

    def webhook(self, webhook: Webhook) -> Schema:
        """What is posted to the address that a request names."""
        when = "at every change of a task" if webhook.every else "once a task has ended"
        where = f" The address ends with `{webhook.suffix}` then." if webhook.suffix else ""
        self.schemas["Event"] = answer_schema(self.dialect, webhook.event)
        shown = answers_shown(self.dialect, "webhook", webhook.event)
        return {
            "summary": "What becomes of a task",
            "description": f"Posted to the address that the request names, {when}.{where}",
            "parameters": [_needed(name, "header") for name in webhook.signature.sign(_ANY_SECRET, b"", id="", at=0.0)],
            "requestBody": {"required": True, "content": content_of(_ref("Event"), shown)},
            "responses": {"200": {"description": "It is taken."}},
            "security": [{}],
        }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _needed(name: str, where: str) -> Schema:
    return {"name": name, "in": where, "required": True, "schema": {"type": "string"}}

"""The control as an OpenAPI 3.1 document, from the same table that leads and checks its calls."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from .routes import CONTROL, OPERATIONS, Operation
from .shown import SCHEMAS, ref

#: What may be wrong with any call.
_PROBLEMS: Mapping[str, str] = {
    "400": "The call says something that cannot be.",
    "401": "The mock listens beyond this machine, and the call has not its token.",
    "403": "The call comes from a page of another origin, or by a name that is not this machine's.",
    "404": "There is no such thing.",
    "409": "It cannot be done now.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
}


@functools.cache
def document() -> Mapping[str, Any]:
    """The document; one for all mocks."""
    from fluxkit import __version__

    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(f"{CONTROL}{operation.path}", {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The control of fluxkit's mock server",
            "version": __version__,
            "description": "What a test asks of the mock and tells it. Each call is about one namespace: that of the "
            "header `x-fluxkit-namespace`, or of an address that begins with `/@name`, or else the one without a name.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "x-fluxkit-token"}},
            "parameters": {
                "namespace": {
                    "name": "x-fluxkit-namespace",
                    "in": "header",
                    "description": "Which namespace the call is about.",
                    "schema": {"type": "string"},
                }
            },
        },
        "security": [{}, {"token": []}],
    }


def _operation(operation: Operation) -> Mapping[str, Any]:
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    query = [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    answers = {
        str(operation.status): {
            "description": "Done.",
            "content": {operation.media_type: {"schema": operation.answer}},
        }
    }
    wrong = {
        status: {"description": about, "content": {"application/json": {"schema": ref("Problem")}}}
        for status, about in _PROBLEMS.items()
    }
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.about.partition(". ")[0].removesuffix("."),
        "description": operation.about,
        "parameters": [{"$ref": "#/components/parameters/namespace"}, *parts, *query],
        "responses": {**answers, **wrong},
    }
    if operation.body is not None:
        needed = "required" in operation.body
        told["requestBody"] = {"required": needed, "content": {"application/json": {"schema": operation.body}}}
    return told

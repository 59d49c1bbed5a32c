"""Where a call of a service goes: a method and a path, told both ways, as an address and as what one says."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

import attrs

from .._contract.by_fields import by_fields


def _template(path: str) -> re.Pattern[str]:
    """``/v1/{model}/{id}`` as a pattern: an id is one segment, a model may be several."""
    escaped = re.escape(path).replace(r"\{id\}", "(?P<id>[^/]+)").replace(r"\{model\}", "(?P<model>.+)")
    return re.compile(escaped)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Route:
    """A method and a path, in which ``{model}`` is the model's path and ``{id}`` the task's id, quoted whole.

    A *query* of one name is where the id stands if the path has none. An address that an answer gives (``poll_url``,
    ``result_url``, ``cancel_url``) is believed over the composed one; of a *given* route it is the only one that is
    believed, and the path is where a mock serves it.
    """

    method: str
    path: str
    query: str | None = None
    given: bool = attrs.field(default=False, kw_only=True)
    _pattern: re.Pattern[str] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _template(self.path))

    def url(self, base_url: str, *, model: str = "", id: str = "") -> str:
        """The address below *base_url*. No id can leave its segment: even ``../`` in it is quoted."""
        path = self.path.replace("{model}", model).replace("{id}", _segment(id))
        return f"{base_url}{path}?{self.query}={quote(id, safe='')}" if self.query else f"{base_url}{path}"

    def match(self, method: str, path: str, query: Mapping[str, str]) -> dict[str, str] | None:
        """The ``model`` and ``id`` of a call to this route, None if it is not for this route."""
        if method != self.method or (found := self._pattern.fullmatch(path)) is None:
            return None
        said = {name: unquote(value) if "%" in value else value for name, value in found.groupdict().items()}
        if self.query:
            if self.query not in query:
                return None
            said["id"] = query[self.query]
        return said


def _segment(id: str) -> str:
    """An id as one path segment; ``.`` and ``..`` need their dots quoted, or a URL parser walks up."""
    return quote(id, safe="") if id.strip(".") else id.replace(".", "%2E")

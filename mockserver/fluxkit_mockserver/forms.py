"""Files that come in a form: multipart/form-data, read strictly."""

import attrs
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

#: How many parts a form may have; the services that are mocked want one.
MOST_PARTS = 16


@attrs.define(eq=False)
class Part:
    """One field of a form; *name* is that of its file, None for a field without a file."""

    field: str
    name: str | None
    media_type: str
    content: bytes


def read_form(content_type: str, body: bytes) -> tuple[Part, ...]:
    """The parts of a form, in their order; raises ``ValueError`` for what is no whole multipart form."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise ValueError("no multipart/form-data with a boundary")
    reading = _Reading()
    parser = MultipartParser(options[b"boundary"], callbacks=reading.callbacks())  # type: ignore[arg-type]  # a TypedDict
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise ValueError(str(error)) from None
    if not reading.whole:
        raise ValueError("the form is cut short")
    return tuple(reading.parts)


class _Reading:
    """What the parser has told so far."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.whole = False
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._content: list[bytes] = []

    def callbacks(self) -> dict[str, object]:
        return {
            f"on_{name}": getattr(self, name)
            for name in ("part_begin", "header_field", "header_value", "header_end", "part_data", "part_end", "end")
        }

    def part_begin(self) -> None:
        if len(self.parts) == MOST_PARTS:
            raise FormParserError(f"more than {MOST_PARTS} parts")
        self._headers, self._content = {}, []

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def part_data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def part_end(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise FormParserError("a part without the name of its field")
        name = options.get(b"filename")
        media_type, _ = parse_options_header(self._headers.get(b"content-type", b""))
        self.parts.append(
            Part(
                options[b"name"].decode("utf-8", "replace"),
                None if name is None else name.decode("utf-8", "replace"),
                media_type.decode("latin-1"),
                b"".join(self._content),
            )
        )

    def end(self) -> None:
        self.whole = True

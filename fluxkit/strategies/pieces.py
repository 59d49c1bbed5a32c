"""What domains and requests are both made of: JSON, addresses and pictures."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .._contract.reference import Reference, is_address

#: How a file of each format begins.
HEADS = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF\0\0\0\0WEBP", "gif": b"GIF89a"}

_PUBLIC = ("a.example", "cdn.example:8443")


def json_values() -> SearchStrategy[Any]:
    """Any JSON that can be sent: no NaN, no infinity, no half of a surrogate pair."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    )


def _links(*hosts: str) -> SearchStrategy[str]:
    paths = ["", "/", "?a", "#b", "/image.png?token=exp=1~hmac=0f&size=stable"]
    return st.builds(
        "{}://{}{}".format,
        st.sampled_from(["https", "http"]),
        st.sampled_from(hosts),
        st.sampled_from(paths) | st.text().map("/{}".format),
    )


#: Addresses as services give them, also of this machine; and those that may be public.
LINKS = _links(*_PUBLIC, "127.0.0.1")
ADDRESSES = _links(*_PUBLIC).filter(is_address)


def pictures(formats: tuple[str, ...]) -> SearchStrategy[Reference]:
    """References whose content begins as one of *formats* does."""
    heads = [HEADS[each] for each in formats]
    return st.builds(lambda head, rest: Reference(content=head + rest), st.sampled_from(heads), st.binary())

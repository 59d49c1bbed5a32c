"""Equality, hash and repr by the fields of a value, written once instead of compiled for each class.

attrs writes these three as source for each class and compiles them, which takes half of what a class costs at import; a
mock that is to answer imports a hundred.
"""

from typing import Any, TypeVar

import attrs

Kind = TypeVar("Kind", bound=type)


def by_fields(kind: Kind) -> Kind:
    """Gives a class of ``attrs.frozen(eq=False, repr=False)`` what attrs gives one of ``attrs.frozen``.

    A repr that the class has of its own stays.
    """
    fields = attrs.fields(kind)
    compared = tuple(field.name for field in fields if field.eq)
    counted = tuple(field.name for field in fields if (field.eq if field.hash is None else field.hash))

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807 - becomes a method
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in compared)

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash((kind, *(getattr(self, name) for name in counted)))

    kind.__eq__, kind.__hash__ = __eq__, __hash__  # type: ignore[assignment]
    return kind if "__repr__" in vars(kind) else shown_by_fields(kind)


def shown_by_fields(kind: Kind) -> Kind:
    """Gives a class of ``repr=False`` the repr that attrs gives: those that are themselves, or whose hash is kept."""
    shown = tuple((each.name, repr if each.repr is True else each.repr) for each in attrs.fields(kind) if each.repr)

    def __repr__(self: Any) -> str:  # noqa: N807 - becomes a method
        told = ", ".join(f"{name}={show(getattr(self, name))}" for name, show in shown)
        return f"{self.__class__.__qualname__.rpartition('>.')[2]}({told})"

    kind.__repr__ = __repr__  # type: ignore[assignment]
    return kind

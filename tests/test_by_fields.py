"""Values by their fields: whoever looks at one cannot tell who wrote its methods."""

import copy
import pickle
from typing import Any

import attrs
import hypothesis.strategies as st
from hypothesis import given

from fluxkit._contract.by_fields import by_fields, shown_by_fields


def _sign(value: Any) -> str:
    return "<" + str(value) + ">"


@attrs.frozen
class Theirs:
    one: Any
    two: int = attrs.field(default=2, repr=False)
    three: Any = attrs.field(default=3, eq=False)
    four: dict[str, int] = attrs.field(factory=dict, hash=False, repr=_sign)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Ours:
    one: Any
    two: int = attrs.field(default=2, repr=False)
    three: Any = attrs.field(default=3, eq=False)
    four: dict[str, int] = attrs.field(factory=dict, hash=False, repr=_sign)


@by_fields
@attrs.frozen(eq=False, repr=False)
class Empty:
    pass


@by_fields
@attrs.frozen(eq=False, repr=False)
class Secret:
    key: str

    def __repr__(self) -> str:
        return "<a key>"


@shown_by_fields
@attrs.define(eq=False, repr=False)
class Themselves:
    one: Any
    two: int = attrs.field(default=2, repr=False)


small = st.integers(0, 1)
values = st.tuples(small, small, small, st.dictionaries(st.sampled_from("ab"), small))


@given(values, values)
def test_ours_are_equal_hashed_and_shown_as_those_of_attrs(one: Any, other: Any) -> None:
    theirs, ours = (Theirs(*one), Theirs(*other)), (Ours(*one), Ours(*other))
    assert (theirs[0] == theirs[1], theirs[0] != theirs[1]) == (ours[0] == ours[1], ours[0] != ours[1])
    assert repr(theirs[0]).replace("Theirs", "Ours") == repr(ours[0])
    if theirs[0] == theirs[1]:
        assert hash(ours[0]) == hash(ours[1])
    assert ours[0] == pickle.loads(pickle.dumps(ours[0])) == copy.deepcopy(ours[0]) == attrs.evolve(ours[0])


def test_values_of_other_classes_are_others() -> None:
    class Closer(Ours):
        pass

    assert (False, False, NotImplemented) == (Ours(1) == Closer(1), Ours(1) == Theirs(1), Ours(1).__eq__(1))
    assert "Closer(one=1, three=3, four=<{}>)" == repr(Closer(1))


def test_a_value_without_fields_is_equal_to_every_other_of_its_class() -> None:
    assert (Empty(), {Empty()}, "Empty()") == (Empty(), {Empty(), Empty()}, repr(Empty()))


def test_a_value_keeps_a_repr_of_its_own() -> None:
    assert ("<a key>", True) == (repr(Secret("k")), Secret("k") == Secret("k"))


def test_what_is_only_equal_to_itself_is_shown_by_its_fields() -> None:
    ours = Themselves(1)
    assert ("Themselves(one=1)", True, False) == (repr(ours), ours == ours, ours == Themselves(1))

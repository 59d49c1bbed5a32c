"""The vocabulary in which a provider is declared: all that a declaration imports, beside ``fluxkit.errors``."""

from ._contract.state import State
from ._wire.canvas import Canvas
from ._wire.choices import Either, Fixed, Tagged, With
from ._wire.codec import Codec
from ._wire.declaration import Aside, Cancel, Idempotency, Key, Model, Price, Provider, Refusal, Upload, Webhook
from ._wire.form import Form
from ._wire.grid import Grid, Scale
from ._wire.lists import Each, First, Only, Slots
from ._wire.nearest import Space
from ._wire.pictures import Base64, Bytes, Hosted
from ._wire.places import At, Header, Implied, Pair, Query, Sides
from ._wire.price import PerMegapixel
from ._wire.ratios import Ratios
from ._wire.reasons import Reason, Trail
from ._wire.route import Route
from ._wire.scalars import Anything, Colour, Flag, Link, Money, Quoted, Real, Text, Times, Whole, Words
from ._wire.signatures import HexHMAC, Signature, StandardWebhook, Unsigned
from ._wire.spaces import Spaces

__all__ = [
    "Anything",
    "Aside",
    "At",
    "Base64",
    "Bytes",
    "Cancel",
    "Canvas",
    "Codec",
    "Colour",
    "Each",
    "Either",
    "First",
    "Fixed",
    "Flag",
    "Form",
    "Grid",
    "Header",
    "HexHMAC",
    "Hosted",
    "Idempotency",
    "Implied",
    "Key",
    "Link",
    "Model",
    "Money",
    "Only",
    "Pair",
    "PerMegapixel",
    "Price",
    "Provider",
    "Query",
    "Quoted",
    "Ratios",
    "Real",
    "Reason",
    "Refusal",
    "Route",
    "Scale",
    "Sides",
    "Signature",
    "Slots",
    "Space",
    "Spaces",
    "StandardWebhook",
    "State",
    "Tagged",
    "Text",
    "Times",
    "Trail",
    "Unsigned",
    "Upload",
    "Webhook",
    "Whole",
    "With",
    "Words",
]

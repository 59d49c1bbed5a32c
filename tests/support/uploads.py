"""Services with an upload: the bundled one that takes addresses only, with a form or with a ticket."""

import attrs

from fluxkit.provider import Anything, At, First, Form, Link, Route, Text, Upload
from fluxkit_providers.apimart import APIMART

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
JPEG = b"\xff\xd8\xff" + b"j" * 20
GIF = b"GIF89a" + b"g" * 20
WEBP = b"RIFF\x14\0\0\0WEBPVP8 " + b"w" * 16

FORM = Upload(
    Route("POST", "/v1/uploads/images"),
    Form({"url": At("url", Link())}),
    ["jpeg", "png", "webp", "gif"],
    field="file",
    most=20971520,
    life=259200.0,
)
TICKET = Upload(
    Route("POST", "/v1/ai/uploads/request-url"),
    At(
        "files",
        First(
            Form(
                {
                    "put": At("upload_url", Link()),
                    "headers": At("headers", Anything()),
                    "url": At("asset_url", Link()),
                }
            )
        ),
    ),
    ["jpeg", "png", "webp"],
    ticket=At("files", First(Form({"media_type": At("content_type", Text())}))),
    life=86400.0,
)

BY_FORM = attrs.evolve(APIMART, upload=FORM)
BY_TICKET = attrs.evolve(APIMART, upload=TICKET)
#: A service that takes addresses only, and helps nobody to one.
WITHOUT = attrs.evolve(APIMART, upload=None)

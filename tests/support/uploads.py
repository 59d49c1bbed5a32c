"""Services with an upload: the bundled one that takes addresses only, with a form or with a ticket."""

import attrs

from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
JPEG = b"\xff\xd8\xff" + b"j" * 20
GIF = b"GIF89a" + b"g" * 20
WEBP = b"RIFF\x14\0\0\0WEBPVP8 " + b"w" * 16

BY_FORM = APIMART
BY_TICKET = attrs.evolve(APIMART, upload=MAGNIFIC.upload)
#: A service that takes addresses only, and helps nobody to one.
WITHOUT = attrs.evolve(APIMART, upload=None)

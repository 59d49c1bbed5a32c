"""What stands in a document for a reference that the service does not take as it is."""

import attrs

from .._contract.by_fields import by_fields
from .._contract.reference import Reference


@by_fields
@attrs.frozen(eq=False, repr=False)
class Pending:
    """A reference that must be made ready first: an image by an upload, an address by being fetched."""

    reference: Reference

    @property
    def fetched(self) -> bool:
        """Whether it is an address, to be fetched; otherwise it is an image, to be uploaded."""
        return self.reference.url is not None

    def __repr__(self) -> str:
        if self.fetched:
            return f"<base64 of {self.reference}, once it is fetched>"
        return f"<address of {self.reference}, once it is uploaded>"

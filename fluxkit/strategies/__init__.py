"""Hypothesis strategies: requests that a model can serve, and values on both sides of every bound of a codec.

They read the declaration, so the tests of an app or a provider follow it without lists of their own::

    from hypothesis import given
    from fluxkit import strategies


    @given(strategies.requests_for(PROVIDER, "flux-2-klein"))
    def test_the_gallery_takes_whatever_the_model_serves(request): ...

Needs the extra ``testing``.
"""

from .domains import Domain, domain, outside, values
from .pieces import json_values
from .served import from_provider, requests, requests_for

__all__ = ["Domain", "domain", "from_provider", "json_values", "outside", "requests", "requests_for", "values"]

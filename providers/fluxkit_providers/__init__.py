"""The providers that come with fluxkit, one service a file. They are loaded when they are asked for."""

from fluxkit import hookimpl


@hookimpl
def fluxkit_providers() -> dict[str, str]:
    """Names, and where the declaration behind each is found."""
    return {
        "magnific": "fluxkit_providers.magnific:MAGNIFIC",
        "freepik": "fluxkit_providers.magnific:FREEPIK",
        "apimart": "fluxkit_providers.apimart:APIMART",
        "bfl": "fluxkit_providers.bfl:BFL",
    }

"""The version of fluxkit."""

__version__ = "0.1.0"

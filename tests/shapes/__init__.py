"""Declarations of services that do not ship: the vocabulary has words for other shapes than the bundled ones.

Each is written like a bundled declaration, from what the vendor's documentation says. What it does not say is left out,
and named where it is missed.
"""

"""Texts that look like a key or an id and are none, so that a service takes them for what they look like."""

import secrets
import string

#: Letters of ids in Crockford's base 32, which leaves out those that look like others.
LETTERS = "abcdefghjkmnpqrstvwxyz"


def lookalike(text: str) -> str:
    """Another text of the same form: a letter for each letter, a digit for each digit, and what leads it as it is."""
    lead, bar, rest = text.rpartition("_")
    plain = [letter for letter in rest if letter.isascii() and letter.isalnum()]
    if not plain:
        return f"{text}0"
    letters = "abcdef" if all(letter in string.hexdigits for letter in plain) else LETTERS
    found = rest
    while found == rest:
        found = "".join(_another(letter, letters) for letter in rest)
    return f"{lead}{bar}{found}"


def _another(letter: str, letters: str) -> str:
    if letter in string.digits:
        return secrets.choice(string.digits)
    if letter in string.ascii_letters:
        return secrets.choice(letters if letter.islower() else letters.upper())
    return letter

"""All settings that there are, from every file, with everything that is wrong with them."""

import difflib
from collections.abc import Mapping
from pathlib import Path

import attrs

from ..errors import SettingsError
from .document import Document, read_document
from .files import own_file, project_files
from .source import Setting, Stack, merged


@attrs.frozen(eq=False)
class Settings:
    """What all files say. A profile of one name in several files is one profile, the project's over the user's.

    *problems* is what is wrong with the files, and stops every profile; what is wrong with one stops that one.
    """

    documents: tuple[Document, ...]
    problems: tuple[str, ...]

    @property
    def flaws(self) -> Mapping[str, tuple[str, ...]]:
        """What is wrong with single profiles, by their names."""
        found: dict[str, tuple[str, ...]] = {}
        for document in self.documents:
            for name, wrong in document.flaws.items():
                found[name] = (*found.get(name, ()), *wrong)
        return found

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of all profiles."""
        return tuple(dict.fromkeys(name for document in self.documents for name in document.stacks))

    @property
    def default(self) -> Setting | None:
        """The profile that is used where none is named."""
        return next((document.default for document in self.documents if document.default is not None), None)

    def stack(self, profile: str) -> Stack:
        """Everything that files say of a profile."""
        return merged(document.stacks.get(profile, {}) for document in self.documents)


def find_settings(here: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings for who works in the directory *here*, with what is wrong in them. No variable is read for them."""
    documents: list[Document] = []
    problems: list[str] = []
    try:
        documents += [read_document(found, here) for found in project_files(here)]
    except SettingsError as error:
        problems.append(error.message)
    try:
        documents += [read_document(found, here) for found in own_file(environ)]
    except SettingsError as error:
        problems.append(error.message)
    problems += [problem for document in documents for problem in document.problems]
    settings = Settings(tuple(documents), tuple(problems))
    default = settings.default
    if default is not None and default.value not in (*settings.profiles, *settings.flaws):
        problems.append(f"{default.source}: default {unknown('profile', default.value, settings.profiles)}")
    return attrs.evolve(settings, problems=tuple(problems))


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """The end of a sentence about a name that nobody knows, with the nearest that somebody does."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f", perhaps meant as {near[0]!r}" if near else ""
    none = f"none, no {what} is there; fluxkit init writes a file to begin with"
    return f"is {name!r:.80}, which is no {what}{hint}. Allowed: {', '.join(known) or none}."

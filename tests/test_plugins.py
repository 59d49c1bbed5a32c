"""Plugins: what the registry takes, what it refuses and whom it blames; and a real one, built, installed and used."""

import importlib.metadata
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fluxkit_providers
from fluxkit import _mock, _plugins, _points, _requirement, hookimpl
from fluxkit._contract.reference import Reference
from fluxkit._contract.request import Request
from fluxkit._hooks import Hooks
from fluxkit._plugins import Plugin, Registry
from fluxkit._wire.plan import make_plan
from fluxkit.errors import PluginError, SettingsError
from fluxkit.provider import Provider

HERE = Path(__file__).resolve().parent
ACME_SOURCE = HERE / "support" / "acme"
PAGE = (HERE.parent / "docs" / "how-to" / "add-a-provider.md").read_text(encoding="utf-8")

BUNDLED = Plugin("bundled", lambda: fluxkit_providers, bundled=True)


@pytest.fixture(scope="module")
def acme() -> types.ModuleType:
    module = types.ModuleType("fluxkit_acme")
    exec(compile((ACME_SOURCE / "fluxkit_acme.py").read_bytes(), "fluxkit_acme.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def stand(acme: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the declaration of acme stands, as a hook says it."""
    monkeypatch.setitem(sys.modules, "stand_of_acme", acme)
    return "stand_of_acme:ACME"


def module_with(**names: Any) -> Callable[[], object]:
    module = types.ModuleType("some_plugin")
    vars(module).update(names)
    return lambda: module


def hook(brought: Any, **options: Any) -> Any:
    """A marked function that returns *brought*."""
    return hookimpl(**options)(lambda: brought)


def bringing(brought: Any) -> Callable[[], object]:
    """How to load a plugin whose hook returns *brought*."""
    return module_with(fluxkit_providers=hook(brought))


def raising(error: BaseException) -> Callable[[], Any]:
    def raise_it() -> None:
        raise error

    return raise_it


def failure_of(load: Callable[[], object], *, beside: tuple[Plugin, ...] = ()) -> str:
    """Why the plugin 'odd' fails; nobody else does."""
    (failure,) = Registry([*beside, Plugin("odd", load)]).failures
    assert type(failure) is PluginError
    return str(failure)


# What is taken.


def test_registry_of_nothing_has_no_names_and_no_failures() -> None:
    registry = Registry([])
    assert () == registry.names
    assert () == registry.failures


def test_hook_may_give_the_declaration_itself(acme: types.ModuleType) -> None:
    registry = Registry([Plugin("one", lambda: acme)])
    assert ("acme",) == registry.names
    assert () == registry.failures
    assert acme.ACME is registry.provider("acme")


def test_hook_may_say_where_the_declaration_stands(acme: types.ModuleType, stand: str) -> None:
    registry = Registry([Plugin("one", bringing({"acme": stand}))])
    assert acme.ACME is registry.provider("acme")
    assert acme.ACME is registry.provider("acme")


def test_plugin_may_be_any_object_with_a_marked_method(acme: types.ModuleType) -> None:
    class Bringer:
        @hookimpl
        def fluxkit_providers(self) -> dict[str, Provider]:
            return {"acme": acme.ACME}

    assert ("acme",) == Registry([Plugin("one", Bringer)]).names


def test_names_of_modules_and_values_may_begin_like_hooks(acme: types.ModuleType) -> None:
    load = module_with(
        fluxkit_acme=types.ModuleType("fluxkit_acme"),
        fluxkit_version="1.0",
        fluxkit_providers=acme.fluxkit_providers,
    )
    registry = Registry([Plugin("one", load)])
    assert (("acme",), ()) == (registry.names, registry.failures)


def test_owner_is_the_plugin_that_brings_the_provider(acme: types.ModuleType) -> None:
    one = Plugin("one", lambda: acme, "fluxkit_acme of fluxkit-acme")
    registry = Registry([one, BUNDLED])
    assert one == registry.owner("acme")
    assert BUNDLED == registry.owner("magnific")
    assert "'one' (fluxkit_acme of fluxkit-acme)" == str(registry.owner("acme"))


def test_bundled_names_come_first_whatever_the_order_of_plugins(acme: types.ModuleType) -> None:
    bundled = tuple(fluxkit_providers.fluxkit_providers())
    assert (*bundled, "acme") == Registry([Plugin("one", lambda: acme), BUNDLED]).names


def test_every_bundled_provider_loads() -> None:
    registry = Registry([BUNDLED])
    assert () == registry.failures
    assert registry.names == tuple(registry.provider(name).name for name in registry.names)


def test_bundled_provider_is_given_without_loading_any_other_plugin() -> None:
    loads: list[str] = []
    registry = Registry([Plugin("one", lambda: loads.append("one")), BUNDLED])
    assert "magnific" == registry.provider("magnific").name
    assert BUNDLED == registry.owner("magnific")
    assert [] == loads
    assert 1 == len(registry.failures)
    assert ["one"] == loads


def test_each_plugin_is_loaded_once(acme: types.ModuleType) -> None:
    loads = []

    def load() -> object:
        loads.append("one")
        return acme

    registry = Registry([Plugin("one", load)])
    registry.provider("acme")
    assert ("acme",) == registry.names
    assert () == registry.failures
    assert ["one"] == loads


# What is refused.


def test_module_that_cannot_be_imported_fails_with_plugin_value_and_reason() -> None:
    point = importlib.metadata.EntryPoint("odd", "no_such_module", "fluxkit")
    (failure,) = Registry([Plugin("odd", point.load, "no_such_module of fluxkit-odd")]).failures
    assert (
        "The plugin 'odd' (no_such_module of fluxkit-odd) cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_module'." == str(failure)
    )
    assert isinstance(failure.__cause__, ModuleNotFoundError)


def test_import_may_fail_in_any_way() -> None:
    assert "The plugin 'odd' (in memory) cannot be imported: ZeroDivisionError: half of it on each line." == failure_of(
        raising(ZeroDivisionError("half of it\n  on each line."))
    )


@pytest.mark.parametrize(
    ("wants", "unmet"),
    [
        ([], ""),
        (["httpx>=99", "fluxkit-fal>=99"], ""),
        (["fluxkit-py"], ""),
        (["fluxkit-py>=0.1"], ""),
        (["fluxkit-py[all] (>=0.1,<1)", "fluxkit-py==0.1.*", "fluxkit-py~=0.1.0", "fluxkit-py!=0.2"], ""),
        (["fluxkit-py>=0.1rc1; python_version > '3'"], ""),
        (["fluxkit-py>=0.2"], "fluxkit-py>=0.2"),
        (["FluxKit_Py[all]>=0.1,<0.1.0 ; extra == 'test'"], "FluxKit_Py>=0.1,<0.1.0"),
        (["fluxkit-py==0.2.*"], "fluxkit-py==0.2.*"),
        (["fluxkit-py~=0.2"], "fluxkit-py~=0.2"),
        (["fluxkit-py!=0.1"], "fluxkit-py!=0.1"),
        (["fluxkit-py>0.1.0"], "fluxkit-py>0.1.0"),
        (["fluxkit-py<=0.0.9"], "fluxkit-py<=0.0.9"),
    ],
)
def test_plugin_that_wants_another_version_is_named_with_what_it_wants(
    wants: list[str], unmet: str, acme: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_requirement, "__version__", "0.1.0")
    registry = Registry([Plugin("odd", lambda: acme, wants=lambda: wants)])
    assert ([unmet] if unmet else []) == [
        re.findall(r"'odd' \(in memory\) wants (.*), and this is fluxkit-py \S+\. Upgrade one of them\.$", str(each))[0]
        for each in registry.failures
    ]
    assert (() if unmet else ("acme",)) == registry.names


def test_plugin_that_would_end_the_process_is_blamed_and_the_others_go_on(acme: types.ModuleType) -> None:
    leaving = module_with(fluxkit_providers=hookimpl(raising(SystemExit(3))))
    registry = Registry([Plugin("odd", leaving), Plugin("gone", raising(SystemExit())), Plugin("acme", lambda: acme)])
    assert ("acme",) == registry.names
    assert [
        "The plugin 'gone' (in memory) cannot be imported: SystemExit.",
        "The plugin 'odd' (in memory) raises in fluxkit_providers(): SystemExit: 3.",
    ] == sorted(map(str, registry.failures))


def test_ctrl_c_during_an_import_is_not_the_plugin_s_fault() -> None:
    def interrupted() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _ = Registry([Plugin("odd", interrupted)]).names


@pytest.mark.parametrize("name", ["fluxkit_providers", "fluxkit_provider"])
def test_function_that_looks_like_a_hook_but_is_not_marked_is_refused(name: str) -> None:
    assert f"The plugin 'odd' (in memory) has {name}, not marked with @fluxkit.hookimpl." == failure_of(
        module_with(**{name: dict})
    )


def test_unmarked_function_is_refused_beside_a_marked_one(acme: types.ModuleType) -> None:
    load = module_with(fluxkit_providers=acme.fluxkit_providers, fluxkit_codecs=dict)
    assert "has fluxkit_codecs, not marked" in failure_of(load)


def test_marked_function_whose_name_is_no_hook_is_refused() -> None:
    failure = failure_of(module_with(fluxkit_provider=hook({})))
    assert failure.startswith("The plugin 'odd' (in memory) does not fit: ")
    assert "unknown hook 'fluxkit_provider'" in failure


def test_hook_with_an_unknown_argument_is_refused() -> None:
    failure = failure_of(module_with(fluxkit_providers=hookimpl(lambda settings: {})))
    assert "does not fit" in failure
    assert "{'settings'}" in failure
    assert "\n" not in failure


@pytest.mark.parametrize("load", [lambda: None, object, module_with()], ids=["nothing", "object", "module"])
def test_plugin_without_a_hook_is_refused(load: Callable[[], object]) -> None:
    expected = "implements no hook. Allowed: fluxkit_providers(), fluxkit_host_image(), fluxkit_event(), or several."
    assert f"The plugin 'odd' (in memory) {expected}" == failure_of(load)


def test_plugin_that_implements_the_hook_twice_is_refused(acme: types.ModuleType) -> None:
    load = module_with(fluxkit_providers=acme.fluxkit_providers, others=hook({}, specname="fluxkit_providers"))
    assert "implements fluxkit_providers() 2 times" in failure_of(load)


# Hosts of images.

IMAGE = Reference(content=b"\x89PNG\r\n\x1a\n")
ADDRESS = "https://images.acme.example/a.png"


def hosting(answer: Any) -> Callable[[], object]:
    """How to load a plugin that hosts images, and nothing else."""
    return module_with(fluxkit_host_image=hookimpl(lambda image: answer(image) if callable(answer) else answer))


def registry_of(*answers: Any) -> Registry:
    return Registry([BUNDLED, *(Plugin(f"host {turn}", hosting(answer)) for turn, answer in enumerate(answers))])


def test_plugin_may_bring_providers_or_host_images_or_both(acme: types.ModuleType) -> None:
    both = module_with(fluxkit_providers=acme.fluxkit_providers, fluxkit_host_image=hookimpl(lambda image: ADDRESS))
    registry = Registry([Plugin("acme", both), Plugin("host", hosting(None))])
    assert (("acme",), (), True) == (registry.names, registry.failures, registry.hosts_images())
    assert not Registry([BUNDLED, Plugin("acme", lambda: acme)]).hosts_images()
    assert Registry([BUNDLED]).host_image(IMAGE) is None


@pytest.mark.parametrize(
    ("answer", "expires_at"),
    [
        (ADDRESS, None),
        ((ADDRESS, None), None),
        ((ADDRESS, 1_800_000_000), 1_800_000_000.0),
        ((ADDRESS, 1_800_000_000.5), 1_800_000_000.5),
        ((ADDRESS, datetime.fromtimestamp(1_800_000_000, UTC)), 1_800_000_000.0),
    ],
)
def test_host_gives_an_address_with_its_end_or_without(answer: Any, expires_at: float | None) -> None:
    hosted = registry_of(answer).host_image(IMAGE)
    assert hosted is not None
    assert (ADDRESS, expires_at, "'host 0' (in memory)") == (hosted.url, hosted.expires_at, hosted.by)


def test_hosts_are_asked_in_turn_until_one_answers() -> None:
    asked: list[Any] = []

    def not_mine(image: Any) -> None:
        asked.append(image)

    registry = registry_of(not_mine, not_mine, ADDRESS, raising(ZeroDivisionError()))
    hosted = registry.host_image(IMAGE)
    assert hosted is not None
    assert ("'host 2' (in memory)", [IMAGE, IMAGE]) == (hosted.by, asked)
    assert registry_of(not_mine).host_image(IMAGE) is None


@pytest.mark.parametrize(
    "answer",
    [
        *(7, b"https://a", True, (), (ADDRESS,), (ADDRESS, "tomorrow"), (ADDRESS, True), [ADDRESS, 1]),
        *((ADDRESS, datetime(2030, 1, 1)), (7, 1), (ADDRESS, 1, 2)),  # noqa: DTZ001 - that is what is wrong with it
    ],
    ids=repr,
)
def test_host_that_gives_anything_else_is_blamed(answer: Any) -> None:
    with pytest.raises(PluginError, match=r"^The plugin 'host 0' \(in memory\) returns .* from fluxkit_host_image\(\)"):
        registry_of(answer).host_image(IMAGE)


def test_host_that_raises_is_blamed() -> None:
    def fail(image: Any) -> str:
        raise OSError("the bucket is full")

    with pytest.raises(PluginError) as caught:
        registry_of(fail).host_image(IMAGE)
    said = "The plugin 'host 0' (in memory) raises in fluxkit_host_image(): OSError: the bucket is full."
    assert said == str(caught.value)


def test_host_with_another_argument_or_twice_is_refused() -> None:
    assert "{'picture'}" in failure_of(module_with(fluxkit_host_image=hookimpl(lambda picture: ADDRESS)))
    twice = hookimpl(specname="fluxkit_host_image")(lambda image: ADDRESS)
    load = module_with(fluxkit_host_image=hookimpl(lambda image: ADDRESS), other=twice)
    assert failure_of(load).endswith("implements fluxkit_host_image() 2 times. Allowed: once.")


def test_without_plugins_no_image_is_hosted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_NO_PLUGINS", "1")
    registry = Registry(_plugins._discovered())
    assert (False, None) == (registry.hosts_images(), registry.host_image(IMAGE))


def test_hook_that_raises_is_refused() -> None:
    load = module_with(fluxkit_providers=hookimpl(raising(KeyError("ACME"))))
    assert "The plugin 'odd' (in memory) raises in fluxkit_providers(): KeyError: 'ACME'." == failure_of(load)


@pytest.mark.parametrize("brought", [None, [], ["acme"], "acme", 7, {"acme"}, [("acme", "fluxkit_acme:ACME")]])
def test_hook_that_returns_no_mapping_is_refused(brought: Any) -> None:
    assert f"The plugin 'odd' (in memory) returns {brought!r}. Allowed: a mapping of names to providers." == failure_of(
        bringing(brought)
    )


@pytest.mark.parametrize("source", [None, 7, b"fluxkit_acme:ACME", ["fluxkit_acme:ACME"], Provider, types])
def test_mapping_to_anything_but_a_provider_or_its_place_is_refused(source: Any) -> None:
    failure = failure_of(bringing({"acme": source}))
    assert failure.startswith("The plugin 'odd' (in memory) gives ")
    assert failure.endswith(" for 'acme'. Allowed: a Provider of that name, or where one stands.")


@pytest.mark.parametrize(
    "name", ["", "Acme", "acme_images", "acme images", "-acme", "acme-", "a--b", "ácme", "a\n", 7, None]
)
def test_name_with_other_characters_is_refused(name: Any, acme: types.ModuleType) -> None:
    assert (
        f"The plugin 'odd' (in memory) calls a provider {name!r}. "
        "Allowed: lower-case letters and digits, with hyphens between them." == failure_of(bringing({name: acme.ACME}))
    )


@given(st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1), min_size=1))
def test_name_of_letters_digits_and_hyphens_between_them_is_taken(words: list[str]) -> None:
    assert ("-".join(words),) == Registry([Plugin("one", bringing({"-".join(words): "a:b"}))]).names


def test_declaration_under_another_name_is_refused(acme: types.ModuleType) -> None:
    failure = failure_of(bringing({"zenith": acme.ACME}))
    assert "gives a Provider of the name 'acme' for 'zenith'" in failure
    assert failure.endswith("Allowed: one of that name.")


def test_plugin_is_taken_whole_or_not_at_all(stand: str) -> None:
    assert () == Registry([Plugin("odd", bringing({"acme": stand, "Zenith": stand}))]).names


@pytest.mark.parametrize(
    "source", ["no_such_module:ACME", "stand_of_acme:ZENITH", "stand_of_acme:", "stand_of_acme", ":ACME", "", "a b:c"]
)
def test_place_without_a_declaration_is_refused_at_first_use(source: str, stand: str) -> None:
    registry = Registry([Plugin("odd", bringing({"acme": source, "other": stand}))])
    assert (("acme", "other"), ()) == (registry.names, registry.failures)
    with pytest.raises(PluginError, match=r"^The plugin 'odd' \(in memory\) (says that 'acme' is|gives <module)"):
        registry.provider("acme")


def test_place_of_a_declaration_with_another_name_is_refused_at_first_use(stand: str) -> None:
    registry = Registry([Plugin("odd", bringing({"zenith": stand}))])
    with pytest.raises(PluginError, match=r"'odd'.* gives a Provider of the name 'acme' for 'zenith'"):
        registry.provider("zenith")


def test_module_behind_a_place_may_fail_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spoilt_acme.py").write_text("number = 1\n\nnumber / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry([Plugin("odd", bringing({"acme": "spoilt_acme:ACME"}))])
    with pytest.raises(PluginError) as caught:
        registry.provider("acme")
    assert (
        "The plugin 'odd' (in memory) says that 'acme' is 'spoilt_acme:ACME', which cannot be loaded: "
        "ZeroDivisionError: division by zero (in spoilt_acme, line 3)." == str(caught.value)
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_module_that_is_no_python_is_named_with_its_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unwritten_acme.py").write_text("ACME = (\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError) as caught:
        Registry([Plugin("odd", bringing({"acme": "unwritten_acme:ACME"}))]).provider("acme")
    assert str(caught.value).endswith("SyntaxError: '(' was never closed (unwritten_acme.py, line 1).")


# Doubled names.


def test_bundled_name_cannot_be_taken(acme: types.ModuleType) -> None:
    thief = bringing({"magnific": attrs.evolve(acme.ACME, name="magnific"), "acme": acme.ACME})
    for registry in (Registry([BUNDLED, Plugin("odd", thief)]), Registry([Plugin("odd", thief), BUNDLED])):
        (failure,) = registry.failures
        assert "The plugin 'odd' (in memory) brings 'magnific' like the plugin 'bundled' (in memory)." == str(failure)
        assert "acme" not in registry.names
        assert "https://api.magnific.com" == registry.provider("magnific").base_url


def test_bundled_plugin_found_twice_keeps_its_names() -> None:
    registry = Registry([BUNDLED, Plugin("copy", lambda: fluxkit_providers, bundled=True)])
    assert tuple(fluxkit_providers.fluxkit_providers()) == registry.names
    (failure,) = registry.failures
    assert str(failure).startswith("The plugin 'copy' (in memory) brings 'magnific' like the plugin 'bundled'")


def test_name_that_two_plugins_bring_is_given_to_neither(acme: types.ModuleType, stand: str) -> None:
    one = Plugin("one", bringing({"acme": acme.ACME, "zenith": stand}), "one_module of fluxkit-one")
    two = Plugin("two", bringing({"acme": stand, "nadir": stand}), "two_module of fluxkit-two")
    three = Plugin("three", bringing({"acme": stand}))
    registry = Registry([one, two, three])
    assert ("zenith",) == registry.names
    assert [
        "The plugin 'two' (two_module of fluxkit-two) brings 'acme' like the plugin 'one' (one_module of fluxkit-one).",
        "The plugin 'three' (in memory) brings 'acme' like the plugin 'one' (one_module of fluxkit-one).",
    ] == list(map(str, registry.failures))
    with pytest.raises(PluginError, match=r"'two'.* brings 'acme' like the plugin 'one'"):
        registry.provider("acme")


def test_plugins_of_one_name_are_told_apart_by_their_origin(acme: types.ModuleType, stand: str) -> None:
    here = Plugin("acme", lambda: acme, "fluxkit_acme of fluxkit-acme")
    there = Plugin("acme", bringing({"zenith": stand}), "other_acme of other-acme")
    registry = Registry([here, there])
    assert (("acme", "zenith"), ()) == (registry.names, registry.failures)
    assert (here, there) == (registry.owner("acme"), registry.owner("zenith"))


def test_every_doubled_name_is_named() -> None:
    first = Plugin("first", bringing({"acme": "a:b", "zenith": "a:b", "nadir": "a:b"}))
    failure = failure_of(bringing({"zenith": "c:d", "acme": "c:d"}), beside=(first,))
    assert "brings 'zenith' like the plugin 'first' (in memory), 'acme' like the plugin 'first' (in memory)" in failure


# What is not there.


def test_unknown_provider_is_a_settings_error_that_lists_the_installed(acme: types.ModuleType) -> None:
    with pytest.raises(SettingsError) as caught:
        Registry([Plugin("one", lambda: acme)]).provider("Acme")
    assert "There is no provider 'Acme'. Did you mean 'acme'? Installed: acme." == str(caught.value)
    assert "Acme" == caught.value.provider


def test_empty_registry_says_that_none_is_installed() -> None:
    with pytest.raises(SettingsError, match=r"^There is no provider 'acme'\. Installed: none\.$"):
        Registry([]).owner("acme")


def test_unknown_provider_is_a_plugin_error_if_a_plugin_failed() -> None:
    reason = ValueError("spoilt")
    registry = Registry([BUNDLED, Plugin("odd", raising(reason)), Plugin("even", bringing(None))])
    with pytest.raises(PluginError) as caught:
        registry.provider("acme")
    expected = f"""\
There is no provider 'acme'. Installed: {", ".join(fluxkit_providers.fluxkit_providers())}. \
It may be missing because of plugins that cannot be used; mend or uninstall them:
- The plugin 'odd' (in memory) cannot be imported: ValueError: spoilt.
- The plugin 'even' (in memory) returns None. Allowed: a mapping of names to providers."""
    assert expected == str(caught.value)
    assert "acme" == caught.value.provider
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert registry.failures == caught.value.__cause__.exceptions
    assert reason is registry.failures[0].__cause__


def test_failed_plugins_do_not_stop_the_others(acme: types.ModuleType) -> None:
    registry = Registry(
        [
            Plugin("absent", raising(ImportError("gone"))),
            Plugin("misspelt", module_with(fluxkit_provider=hook({}))),
            Plugin("unmarked", module_with(fluxkit_providers=dict)),
            Plugin("empty", bringing(None)),
            Plugin("thief", bringing({"magnific": "a:b"})),
            Plugin("one", lambda: acme),
            BUNDLED,
        ]
    )
    assert acme.ACME is registry.provider("acme")
    assert "magnific" == registry.provider("magnific").name
    named = [re.findall(r"^The plugin '(\w+)'", str(failure)) for failure in registry.failures]
    assert [["absent"], ["misspelt"], ["unmarked"], ["empty"], ["thief"]] == named


# How plugins are found.


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Registry]]:
    monkeypatch.delenv("FLUXKIT_NO_PLUGINS", raising=False)
    _plugins.installed.cache_clear()
    _points.points.cache_clear()
    yield _plugins.installed
    _plugins.installed.cache_clear()
    _points.points.cache_clear()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder on the path with a distribution of three plugins, of which only the first can be used."""
    (tmp_path / "fluxkit_acme.py").write_bytes((ACME_SOURCE / "fluxkit_acme.py").read_bytes())
    about = tmp_path / "fluxkit_acme-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fluxkit-acme\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[fluxkit]\nspoilt = fluxkit_acme:NOTHING\nacme = fluxkit_acme\nbundled = not_fluxkit_providers\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("fluxkit_acme", None)


def test_plugins_are_found_by_entry_point(site: None, installed: Callable[[], Registry]) -> None:
    registry = installed()
    assert "https://api.acme.example" == registry.provider("acme").base_url
    assert "'acme' (fluxkit_acme of fluxkit-acme)" == str(registry.owner("acme"))
    assert [
        "The plugin 'bundled' (not_fluxkit_providers of fluxkit-acme) cannot be imported: ",
        "The plugin 'spoilt' (fluxkit_acme:NOTHING of fluxkit-acme) cannot be imported: ",
    ] == [re.split(r"(?<=imported: )", str(failure))[0] for failure in registry.failures]


def test_bundled_providers_are_installed_like_any_plugin(installed: Callable[[], Registry]) -> None:
    registry = installed()
    bundled = tuple(fluxkit_providers.fluxkit_providers())
    assert bundled == registry.names[: len(bundled)]
    assert [True] * len(bundled) == [registry.owner(name).bundled for name in bundled]


@pytest.mark.parametrize(("value", "found"), [("1", False), ("true", False), ("0", True), ("", True)])
def test_fluxkit_no_plugins_leaves_the_bundled_ones_only(
    value: str, found: bool, site: None, installed: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXKIT_NO_PLUGINS", value)
    registry = installed()
    assert found == ("acme" in registry.names)
    assert found == bool(registry.failures)
    assert found == ("fluxkit_acme" in sys.modules)


def test_entry_points_are_looked_up_once_for_plugins_and_the_mock(
    installed: Callable[[], Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, times = importlib.metadata.entry_points, []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda: times.append(1) or look_up())
    assert ("magnific" in installed().names, "fluxkit_mockserver") == (True, _mock.mock_point().value)
    assert [1] == times


def test_installed_registry_is_made_once(installed: Callable[[], Registry]) -> None:
    assert installed() is installed()


def in_a_new_process(source: str, **environment: str) -> Any:
    """What *source* prints as JSON, run with warnings as errors."""
    left = {name: value for name, value in os.environ.items() if name != "FLUXKIT_NO_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        env=left | environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_import_of_the_bundled_providers_loads_neither_the_vocabulary_nor_entry_points() -> None:
    added = in_a_new_process(
        "import json, sys\n"
        "import pluggy, fluxkit\n"
        "before = set(sys.modules)\n"
        "import fluxkit_providers\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    assert [] == [name for name in added if name.partition(".")[0] in {"attr", "attrs", "email"}]
    assert "importlib.metadata" not in added
    ours = {name for name in added if name.partition(".")[0] in {"fluxkit", "fluxkit_providers"}}
    assert {"fluxkit._hooks", "fluxkit_providers"} == ours - {"fluxkit.errors"}


@pytest.mark.slow
def test_look_up_of_a_bundled_provider_imports_the_module_of_that_service_only() -> None:
    imported = in_a_new_process(
        "import json, sys\n"
        "import fluxkit_providers\n"
        "from fluxkit._plugins import Plugin, Registry\n"
        "registry = Registry([Plugin('bundled', lambda: fluxkit_providers, bundled=True)])\n"
        "registry.provider('apimart')\n"
        "print(json.dumps(sorted(name for name in sys.modules if name.startswith('fluxkit_'))))"
    )
    assert ["fluxkit_providers", "fluxkit_providers.apimart"] == imported


# A real plugin.

USE_ACME = """
import json
from fluxkit._contract.reference import Reference
from fluxkit._contract.request import Request
from fluxkit._plugins import installed
from fluxkit._wire.plan import make_plan
from fluxkit.errors import SettingsError

try:
    provider = installed().provider("acme")
except SettingsError as error:
    print(json.dumps(str(error)))
else:
    plan = make_plan(provider, "flux-2-acme", Request("a lynx", size="1344x768", seed=7))
    print(json.dumps([installed().owner("acme").origin, plan.pixels, plan.body]))
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder into which the wheel of fluxkit-acme is installed, without any network."""
    pytest.importorskip("hatchling", reason="the wheel of the plugin is built with hatchling")
    folder = tmp_path_factory.mktemp("acme")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "-w", folder, ACME_SOURCE], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", folder / "site", wheel], check=True)
    return str(folder / "site")


@pytest.mark.slow
def test_installed_plugin_serves_requests(target: str) -> None:
    body = {"model": "flux-2-acme", "input": {"text": "a lynx", "dimensions": "1344x768", "seed": 7}}
    expected = ["fluxkit_acme of fluxkit-acme", [1344, 768], body]
    assert expected == in_a_new_process(USE_ACME, PYTHONPATH=target)


@pytest.mark.slow
def test_installed_plugin_is_gone_without_plugins(target: str) -> None:
    refusal = in_a_new_process(USE_ACME, PYTHONPATH=target, FLUXKIT_NO_PLUGINS="1")
    assert refusal.startswith("There is no provider 'acme'. Installed: ")


def test_acme_writes_a_dialect_of_its_own(acme: types.ModuleType) -> None:
    plan = make_plan(acme.ACME, "flux-2-acme", Request("a lynx", references=["https://images.example/lynx.png"]))
    assert {
        "model": "flux-2-acme",
        "input": {
            "text": "a lynx",
            "dimensions": "1024x1024",
            "inspirations": ["https://images.example/lynx.png"],
        },
    } == plan.body
    assert "authorization" == acme.ACME.key.header
    assert "0.03 USD" == str(make_plan(acme.ACME, "flux-2-acme", Request("a lynx", size="1440x1408")).price)


def test_acme_answers_with_a_job(acme: types.ModuleType) -> None:
    job = {
        "ticket": "J7",
        "phase": "drawn",
        "percent": 100,
        "pictures": [{"href": "https://i.example/1"}],
        "cents": 2.0,
    }
    read = acme.ACME.polled.read({"job": job})
    assert {
        "id": "J7",
        "status": "drawn",
        "progress": 100,
        "images": ({"url": "https://i.example/1"},),
        "cost": Decimal("0.02"),
    } == read
    assert {"job": job} == acme.ACME.polled.write(read)
    assert acme.State.COMPLETED is acme.ACME.state(read["status"])


# The page.


def test_each_hook_has_a_heading_with_its_arguments() -> None:
    hooks = {
        name: [argument for argument in inspect.signature(function).parameters if argument != "self"]
        for name, function in vars(Hooks).items()
        if name.startswith("fluxkit_")
    }
    headings = re.findall(r"^### (fluxkit_\w+)\((.*?)\)$", PAGE, re.MULTILINE)
    assert hooks == {name: [argument for argument in arguments.split(", ") if argument] for name, arguments in headings}
    assert len(hooks) == len(headings)


def test_example_of_the_page_is_a_plugin() -> None:
    examples = re.findall(r"^```python\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (example,) = (each for each in examples if "def fluxkit_providers" in each)
    names: dict[str, Any] = {}
    exec(example, names)
    registry = Registry([Plugin("page", module_with(**names))])
    assert (("acme",), ()) == (registry.names, registry.failures)


def test_entry_point_of_the_page_is_that_of_the_plugin() -> None:
    (example,) = re.findall(r"^```toml\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    written = tomllib.loads((ACME_SOURCE / "pyproject.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(example)["project"]["entry-points"] == written["project"]["entry-points"]

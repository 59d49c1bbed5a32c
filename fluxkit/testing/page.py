"""What was found, as one page: no script, nothing loaded from elsewhere, light and dark, for a desk and for a phone."""

from collections.abc import Iterator, Sequence
from html import escape

from .. import __version__
from .._wire.codec import Codec
from .._wire.declaration import Model, Provider
from .._wire.draft import FIELDS
from .._wire.lists import Each, Only, Slots
from .._wire.places import At
from .._wire.scalars import Quoted, Whole, Words
from .finding import Finding, Grade
from .proof import Proof
from .report import BY_NAME

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --line: #d9dee3; --paper: #fff; --tint: #f4f6f8;
  --pass: #18653a; --pass-bg: #e3f4e8; --fail: #a01822; --fail-bg: #fde5e6; --known: #7a4b00; --known-bg: #fdf0d5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --soft: #a0aab4; --line: #39414a; --paper: #15181c;
  --tint: #1e2329; --pass: #8fdcab; --pass-bg: #16351f; --fail: #ffa9ae; --fail-bg: #43171b; --known: #f5cf85;
  --known-bg: #3b2c10; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
main, header { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
p { max-width: 48rem; margin: .5rem 0; }
.soft, small { color: var(--soft); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1rem 0 0; }
a { color: inherit; }
a:focus-visible, summary:focus-visible, .wide:focus-visible { outline: 3px solid #4c8dff; outline-offset: 2px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .75rem; padding: 0; }
.cards li { list-style: none; border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
.cards b { font-size: 1.1rem; }
.cards small, .cards span { display: block; overflow-wrap: anywhere; }
.cards .mark { display: inline-block; margin: .35rem 0 .1rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem;
  background: linear-gradient(to left, var(--paper) 1rem, transparent) right / 2.5rem 100% no-repeat local,
    linear-gradient(to left, var(--line), transparent) right / 1rem 100% no-repeat scroll; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem; border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
thead th { background: var(--tint); white-space: nowrap; }
tbody th, thead th:first-child { position: sticky; left: 0; }
tbody th { background: var(--paper); font-weight: 500; }
.checks tbody th { min-width: 16rem; }
.checks tbody th small { display: block; font-weight: 400; }
.group th { background: var(--tint); font-weight: 600; position: static; }
td.mid { white-space: nowrap; }
.facts td:last-child { white-space: normal; min-width: 14rem; }
.facts tbody th { white-space: nowrap; }
.mark { display: inline-block; padding: 0 .5rem; border-radius: .75rem; white-space: nowrap; }
.pass { color: var(--pass); background: var(--pass-bg); }
.fail { color: var(--fail); background: var(--fail-bg); font-weight: 600; }
.known { color: var(--known); background: var(--known-bg); }
.none { color: var(--soft); }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; margin: .5rem 0; }
summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--tint); border-radius: .35rem; padding: .75rem;
  font-size: .8125rem; }
code { font-family: ui-monospace, monospace; font-size: .92em; overflow-wrap: anywhere; }
dt { margin-top: .5rem; }
dd { margin: 0 0 0 1rem; color: var(--soft); }
footer { max-width: 76rem; margin: 3rem auto 2rem; padding: 0 1rem; color: var(--soft); font-size: .875rem; }
@media (max-width: 40rem) { .facts tbody th { white-space: normal; }
  .checks tbody th { min-width: 11rem; max-width: 11rem; overflow-wrap: anywhere; }
  .checks tbody th small { display: none; } th, td { padding: .4rem .5rem; } }
"""

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Do the providers keep the contract?</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Do the providers keep the contract?</h1>
<p class="soft">Each provider was tried against a mock of it, and both against what was recorded of the service, by
fluxkit {version}. What no offline check can show is that a service still is what its records say.</p>
<nav aria-label="Sections"><ul>{sections}</ul></nav>
</header>
<main>
"""

#: What the groups of checks are about.
KINDS = {
    "client": "The client, against what was recorded",
    "mock": "The mock, against what was recorded",
    "both": "Client and mock, against each other",
    "fields": "Fields",
    "words": "Words of the service",
    "keys": "Keys and addresses",
    "money": "Money",
    "waiting": "Waiting",
    "tasks": "Tasks and webhooks",
    "memory": "Memory",
    "live": "The service itself",
}


def page_of(proofs: Sequence[Proof], failures: Sequence[str]) -> str:
    """The page of ``fluxkit verify --html``. *failures* are the plugins that cannot be used."""
    parts = {
        "Providers": list(_cards(proofs)),
        "To be seen to": list(_surprises(proofs, failures)),
        "Known deviations": list(_deviations(proofs)),
        "Promises": list(_checks([proof for proof in proofs if proof.findings])),
        "What does not apply, and why": list(_reasons(proofs)),
        "What models take": list(_fields(proofs)),
        "What services have": list(_services(proofs)),
    }
    shown = {title: lines for title, lines in parts.items() if lines}
    sections = "".join(f'<li><a href="#{_anchor(title)}">{title}</a></li>' for title in shown)
    body = [HEAD.format(style=STYLE, version=escape(__version__), sections=sections)]
    for title, lines in shown.items():
        body += [f'<section aria-labelledby="{_anchor(title)}">', f'<h2 id="{_anchor(title)}">{title}</h2>', *lines]
        body.append("</section>")
    return "\n".join([*body, "</main>", "<footer>Made by fluxkit verify.</footer>", "</body>", "</html>", ""])


def _anchor(title: str) -> str:
    return "".join(letter if letter.isalpha() else "-" for letter in title.lower())


def _cards(proofs: Sequence[Proof]) -> Iterator[str]:
    yield '<ul class="cards">'
    for proof in proofs:
        if proof.trouble:
            said = '<span class="mark fail">cannot be checked</span>'
        else:
            kept = '<span class="mark pass">keeps the contract</span>'
            if proof.surprises:
                kept = f'<span class="mark fail">{len(proof.surprises)} to be seen to</span>'
            elif any(each.known for each in proof.findings):
                kept = '<span class="mark known">but for what is known</span>'
            said = f"{kept}<span>{', '.join(f'{proof.count(grade)} {grade}' for grade in Grade)}</span>"
        yield f"<li><b>{escape(proof.name)}</b><small>{escape(proof.origin)}</small>{said}</li>"
    yield "</ul>"


def _surprises(proofs: Sequence[Proof], failures: Sequence[str]) -> Iterator[str]:
    for failure in failures:
        yield f"<details open><summary>A plugin cannot be used</summary><pre>{escape(failure)}</pre></details>"
    for proof in proofs:
        if proof.trouble:
            yield f"<details open><summary>{escape(proof.name)} cannot be checked</summary>"
            yield f"<pre>{escape(proof.trouble)}</pre></details>"
        for finding in proof.surprises:
            check = BY_NAME[finding.check]
            gone = finding.outcome is Grade.PASS
            what = "passes, and is recorded as a deviation" if gone else "fails"
            yield f'<details open id="{proof.name}-{check.name}"><summary>'
            yield f"<b>{escape(proof.name)}</b> <code>{check.name}</code> {what}</summary>"
            yield f"<p>{escape(check.promise)}</p>"
            if not gone:
                yield f'<p class="soft">{escape(check.meaning)}</p><pre>{escape(finding.details or finding.why)}</pre>'
            if finding.known is not None:
                yield f'<p class="soft">Since {finding.known.date}: {escape(finding.known.reason)}</p>'
            yield "</details>"


def _deviations(proofs: Sequence[Proof]) -> Iterator[str]:
    rows = [
        [escape(proof.name), f"<code>{each.check}</code>", str(each.known.date), escape(each.known.reason)]
        for proof in proofs
        for each in proof.findings
        if each.known is not None
    ]
    if rows:
        yield from _table("Known deviations", ["provider", "check", "since", "reason"], rows)


def _checks(proofs: Sequence[Proof]) -> Iterator[str]:
    if not proofs:
        return
    found = {proof.name: {each.check: each for each in proof.findings} for proof in proofs}
    rows: list[list[str] | str] = []
    tried = {name for each in found.values() for name in each}
    shown = [check for name, check in BY_NAME.items() if check.kind != "live" or name in tried]
    for kind in dict.fromkeys(check.kind for check in shown):
        rows.append(KINDS.get(kind, kind))
        for check in shown:
            if check.kind == kind:
                name = f"{check.name.replace('_', ' ')}<small>{escape(check.promise)}</small>"
                rows.append([name, *(_mark(proof, found[proof.name].get(check.name)) for proof in proofs)])
    yield from _table("Promises", ["promise", *(escape(proof.name) for proof in proofs)], rows, kind="checks")


def _mark(proof: Proof, finding: Finding | None) -> str:
    if finding is None:
        return ""
    if finding.surprising:
        what = "no deviation" if finding.outcome is Grade.PASS else "fail"
        return f'<a class="mark fail" href="#{escape(proof.name)}-{finding.check}">{what}</a>'
    if finding.outcome is Grade.FAIL:
        return '<span class="mark known">known</span>'
    if finding.outcome is Grade.PASS:
        return '<span class="mark pass">pass</span>'
    return f'<span class="none" title="{escape(finding.why)}">n/a</span>'


def _reasons(proofs: Sequence[Proof]) -> Iterator[str]:
    for proof in proofs:
        none = [each for each in proof.findings if each.outcome is Grade.NOT_APPLICABLE]
        if none:
            yield f"<details><summary>{escape(proof.name)}: {len(none)} of {len(proof.findings)}</summary><dl>"
            yield from (f"<dt><code>{each.check}</code></dt><dd>{escape(each.why)}</dd>" for each in none)
            yield "</dl></details>"


def _fields(proofs: Sequence[Proof]) -> Iterator[str]:
    rows = [
        [
            _named(provider, row),
            escape(_sizes(row)),
            *(_taken(row.form.get(field)) for field in FIELDS[1:]),
            escape(", ".join(name for name, _ in row.form.fields if name not in (*FIELDS, "size"))) or _NOTHING,
        ]
        for provider in _providers(proofs)
        for row in provider.models
    ]
    if rows:
        names = [field.replace("_", " ") for field in FIELDS[1:]]
        yield from _table("What models take", ["model", "sizes", *names, "options"], rows)


_NOTHING = '<span class="none">no</span>'


def _named(provider: Provider, row: Model) -> str:
    """A model, which may part behind its provider; of several with one name also where it listens."""
    shared = len(provider.named(row.name)) > 1
    where = f"<br><small>{escape(row.path)}</small>" if shared else ""
    return f"{escape(provider.name)}:<wbr>{escape(row.name)}{where}"


def _sizes(row: Model) -> str:
    ratios = f"{len(row.sizes.aspects)} ratios" if row.sizes.aspects else "free"
    return f"{ratios} at {', '.join(row.sizes.resolutions)}" if row.sizes.resolutions else ratios


def _taken(codec: Codec | None) -> str:
    """What a model takes of a field, as short as can be."""
    match codec:
        case None:
            return _NOTHING
        case At(inner=Whole(first=int(first), last=int(last)) | Quoted(inner=Whole(first=int(first), last=int(last)))):
            return f"{first} to {last}"
        case At(inner=Words(table=table)):
            return escape(", ".join(ours for ours, _ in table))
        case Slots(keys=keys):
            return f"up to {len(keys)}"
        case At(inner=Each(most=int(most))):
            return f"up to {most}"
        case At(inner=Only()):
            return "1"
    return "yes"


def _services(proofs: Sequence[Proof]) -> Iterator[str]:
    rows = []
    for provider in _providers(proofs):
        webhook, life = provider.webhook, provider.link_life
        signed = "" if webhook is None else "signed" if webhook.signature.signed else "not signed"
        priced = sum(row.price is not None for row in provider.models)
        rows.append(
            [
                escape(provider.name),
                "yes" if provider.poll is not None else _NOTHING,
                signed or _NOTHING,
                ", ".join(provider.upload.formats) if provider.upload else _NOTHING,
                "not known" if life is None else f"{life / 3600:g} h",
                f"{priced} of {len(provider.models)} models" if priced else _NOTHING,
                escape(provider.source) or _NOTHING,
            ]
        )
    if rows:
        head = ["service", "tasks", "webhooks", "uploads", "life of a link", "prices", "facts from"]
        yield from _table("What services have", head, rows)


def _providers(proofs: Sequence[Proof]) -> Iterator[Provider]:
    return (proof.provider for proof in proofs if proof.provider is not None)


def _table(title: str, head: Sequence[str], rows: Sequence[list[str] | str], *, kind: str = "facts") -> Iterator[str]:
    """A table that scrolls by itself, also by keys; a row that is text is a heading within it."""
    yield f'<div class="wide" role="region" tabindex="0" aria-label="{title}"><table class="{kind}">'
    yield f"<thead><tr>{''.join(f'<th scope=col>{cell}</th>' for cell in head)}</tr></thead><tbody>"
    for row in rows:
        if isinstance(row, str):
            yield f'<tr class="group"><th scope="rowgroup" colspan="{len(head)}">{row}</th></tr>'
        else:
            first, *rest = row
            yield f'<tr><th scope="row">{first}</th>{"".join(f"<td class=mid>{cell}</td>" for cell in rest)}</tr>'
    yield "</tbody></table></div>"

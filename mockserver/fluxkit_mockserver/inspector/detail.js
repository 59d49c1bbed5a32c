// One task as a timeline, and one exchange by itself.

import { address, get } from "./api.js";
import { copyFrom, copyText } from "./clip.js";
import { h } from "./dom.js";
import { store } from "./store.js";
import { clockTime, dayTime, many, span, statusKind, statusWord } from "./words.js";

const MOST_TEXT = 20_000;
const MOST_EVENTS = 150;
const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;

/** JSON, or text that is none, in colours; a very long one is cut. */
function code(value) {
  const whole = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const text = whole.length > MOST_TEXT ? `${whole.slice(0, MOST_TEXT)}\n... ${many(whole.length - MOST_TEXT, "character")} more` : whole;
  const pre = h("pre", { class: "code", tabindex: "0" });
  if (typeof value === "string") {
    pre.textContent = text;
    return pre;
  }
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    const [all, string, colon, word, number] = found;
    pre.append(text.slice(end, found.index));
    const kind = string ? (colon ? "name" : "string") : word ? "word" : number ? "number" : "";
    pre.append(h("span", { class: kind }, string ?? all), colon ?? "");
    end = found.index + all.length;
  }
  pre.append(text.slice(end));
  return pre;
}

export const pill = (status) => h("span", { class: `pill ${statusKind(status)}` }, statusWord(status));
export const badge = (state, word) => h("span", { class: `badge ${state.toLowerCase()}` }, word ?? state.toLowerCase());

function button(label, key, act) {
  return h("button", { type: "button", class: "small", onclick: act, "data-copy": key }, label);
}

function facts(rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function named(title, map) {
  const rows = Object.entries(map);
  if (!rows.length) return null;
  return [h("h4", {}, title), h("dl", { class: "headers" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat())];
}

/** What an exchange was: what was asked and what was answered. */
function exchangeBody(one) {
  const bare = !Object.keys(one.headers).length && one.body === null && one.reply === null;
  return [
    h("div", { class: "actions" },
      button("Copy as curl", "curl", () => copyFrom(`exchanges/${one.number}/curl`, "as curl")),
      button("Copy as pytest", "pytest", () => copyFrom(`exchanges/${one.number}/pytest`, "as pytest"))),
    one.faults.length ? h("p", { class: "note bad" }, `Struck by ${one.faults.join(", ")}.`) : null,
    one.problems.length ? h("ul", { class: "note bad" }, one.problems.map((problem) => h("li", {}, problem))) : null,
    one.closest ? h("p", { class: "note" }, `Closest: ${one.closest}`) : null,
    bare ? h("p", { class: "note" }, "Headers and bodies are kept of the last 1,000 exchanges; this one is older.") : null,
    h("div", { class: "sides" },
      h("div", {}, h("h3", {}, "Request"), named("Query", one.query), named("Headers", one.headers), one.body === null ? null : code(one.body)),
      h("div", {}, h("h3", {}, "Reply"), one.status === 0 ? h("p", { class: "note bad" }, "The connection was closed without an answer.") : null, isImage(one) ? h("img", { class: "delivered", src: address(`tasks/${encodeURIComponent(one.task)}/image`, { side: 512 }), alt: "The image that was fetched", loading: "lazy" }) : null, one.reply === null ? null : code(one.reply))),
  ];
}

const isImage = (one) => one.status === 200 && one.task !== null && one.path.startsWith("/__mock__/images/");

function exchangeTitle(one) {
  return [h("span", { class: "method" }, one.method), h("span", { class: "path" }, shortPath(one)), pill(one.status),
    one.faults.map((fault) => h("span", { class: "chip" }, fault)), h("span", { class: "took" }, span(one.took))];
}

const shortPath = (one) => (one.task ? one.path.replace(one.task, "…") : one.path);

const EVENTS = {
  accepted: (task) => [h("span", {}, "Task accepted"), badge(task.state === "CREATED" ? "CREATED" : "RUNNING", `number ${task.number}`)],
  state: (word) => [h("span", {}, "Moved on to"), h("b", {}, word)],
  bill: (charge) => [h("span", {}, charge.refunded ? "Billed and given back" : "Billed"), h("b", {}, charge.amount === null ? "price unknown" : `${charge.amount} USD`)],
};

function webhookTitle(sent) {
  const answer = sent.answer === null ? "address not allowed" : sent.answer === 0 ? "nobody answered" : `answered ${sent.answer}`;
  const good = sent.answer !== null && sent.answer >= 200 && sent.answer < 300;
  return [h("span", { class: "method" }, "webhook"), h("span", { class: "path" }, sent.url),
    h("span", { class: `pill ${good ? "good" : "ours"}` }, answer), sent.attempt > 1 ? h("span", { class: "chip" }, `attempt ${sent.attempt}`) : null];
}

/** An entry of the timeline. */
function entry(event, began) {
  const { kind, what, at } = event;
  const time = h("time", { title: dayTime(at), class: "at" }, clockTime(at, { fine: true }), h("small", {}, at > began ? `+${span(at - began)}` : ""));
  if (kind === "exchange" || kind === "webhook") {
    const body = h("div", { class: "body" });
    const details = h("details", {}, h("summary", {}, kind === "exchange" ? exchangeTitle(what) : webhookTitle(what)), body);
    let filled = false;
    details.addEventListener("toggle", () => {
      if (!details.open || filled) return;
      filled = true;
      body.append(...(kind === "exchange" ? exchangeBody(what) : [facts([["status", what.status], ["task", what.task]]), what.body === null ? "" : code(what.body)]).flat().filter(Boolean));
    });
    return h("li", { class: `event ${kind}` }, time, details);
  }
  return h("li", { class: `event ${kind}` }, time, h("p", {}, EVENTS[kind](what)));
}

const RANK = { accepted: 1, bill: 2, state: 3, exchange: 4, webhook: 5 };
const rank = (event) => (event.kind === "exchange" && event.what.bought ? 0 : RANK[event.kind]);

function keysOf(events) {
  const seen = new Map();
  return events.map((event) => {
    const name = `${event.kind}:${event.what.number ?? ""}:${event.kind === "accepted" ? "" : event.at}`;
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return `${name}:${count}`;
  });
}

/** A view of one thing in *root*: `show(view, id)`, `again()` and `clear()`. */
export function makeDetail(root, { back, open }) {
  let shown = null;
  let target = null; // what is to be shown, which may be on its way
  let turns = 0;
  let focusing = false;

  function head(title, ...rest) {
    return h("div", { class: "head" },
      h("button", { type: "button", class: "back small", onclick: back }, "← Back"),
      h("h2", { tabindex: "-1" }, title), ...rest);
  }

  async function show(view, id) {
    const turn = (turns += 1);
    const before = shown;
    if (target?.id !== id) focusing = false;
    target = { view, id };
    let told;
    try {
      told = await get(view === "tasks" ? `tasks/${encodeURIComponent(id)}` : `exchanges/${id}`);
    } catch (problem) {
      if (turn === turns && problem.status === 404) {
        shown = null;
        root.replaceChildren(head("Not there any more"), h("p", { class: "note" }, problem.message));
      }
      return;
    }
    if (turn !== turns) return;
    if (view === "tasks") showTask(told, before?.id === id && before.view === view ? before : null);
    else showExchange(told);
    if (before?.id !== id) root.scrollTop = 0;
    if (focusing) focus();
  }

  function showTask({ task, timeline }, before) {
    const events = timeline.sort((one, other) => one.at - other.at || rank(one) - rank(other));
    const part = before ?? taskView(task);
    shown = part;
    part.update(task, events);
    if (!before) root.replaceChildren(part.element);
  }

  function taskView(task) {
    const state = h("span", {});
    const picture = h("a", { class: "picture", target: "_blank", rel: "noopener", hidden: true });
    const list = h("ol", { class: "timeline" });
    const about = h("div", { class: "about" });
    const entries = new Map();
    let pictured = false;
    let whole = false;
    const element = h("article", {},
      head(task.prompt || "(no prompt)", state),
      h("div", { class: "actions" },
        button("Copy as pytest", "pytest", () => copyFrom(`tasks/${encodeURIComponent(task.id)}/pytest`, "as pytest")),
        button("Copy as curl", "curl", () => copyFrom(`exchanges/${list.dataset.submit}/curl`, "as curl")),
        button("Copy id", "id", () => copyText(task.id, "the id"))),
      h("div", { class: "plate" }, picture, about), h("h3", {}, "Timeline"), list);

    function update(now, events) {
      state.replaceChildren(badge(now.state));
      about.replaceChildren(facts([
        ["service says", now.status], ["provider", now.provider], ["model", now.model], ["id", h("code", {}, now.id)],
        ["size", `${now.width} × ${now.height}`], ["format", now.format], ["seed", now.seed],
        ["references", now.references || ""], ["polls", now.polls], ["takes", span(now.duration)],
        ["accepted", dayTime(now.created_at)],
      ]));
      if (now.state === "COMPLETED" && !pictured) {
        pictured = true;
        const source = address(`tasks/${encodeURIComponent(now.id)}/image`);
        picture.href = source;
        picture.hidden = false;
        picture.append(h("img", { src: source, alt: `The image: ${now.prompt.slice(0, 200)}`, width: now.width, height: now.height, decoding: "async" }));
      }
      const submit = events.find((event) => event.kind === "exchange" && event.what.bought);
      list.dataset.submit = submit?.what.number ?? "";
      element.querySelector('[data-copy="curl"]').disabled = !submit;
      draw(events, now);
    }

    function draw(events, now) {
      const keys = keysOf(events);
      const hidden = whole ? 0 : Math.max(0, events.length - MOST_EVENTS);
      const cut = MOST_EVENTS / 2;
      const wantedKeys = new Set();
      const order = [];
      events.forEach((event, place) => {
        if (hidden && place >= cut && place < cut + hidden) {
          if (place === cut) {
            order.push(h("li", { class: "event more" }, h("button", { type: "button", class: "small", onclick: () => ((whole = true), draw(events, now)) }, `Show ${many(hidden, "more event")}`)));
          }
          return;
        }
        const key = keys[place];
        wantedKeys.add(key);
        const told = JSON.stringify(event.kind === "accepted" ? now.number : event.what);
        let kept = entries.get(key);
        if (kept === undefined || kept.told !== told) entries.set(key, (kept = { told, element: entry(event, now.created_at) }));
        order.push(kept.element);
      });
      for (const key of entries.keys()) if (!wantedKeys.has(key)) entries.delete(key);
      for (const child of [...list.children]) if (!order.includes(child)) child.remove();
      order.forEach((child, place) => {
        if (list.children[place] !== child) list.insertBefore(child, list.children[place] ?? null);
      });
    }
    return { view: "tasks", id: task.id, element, update };
  }

  function showExchange(one) {
    shown = { view: "exchanges", id: one.number };
    const task = one.task && store.tasks.has(one.task) ? one.task : null;
    root.replaceChildren(h("article", { class: "exchange" },
      head(`${one.method} ${one.path}`, pill(one.status)),
      facts([["number", one.number], ["provider", one.provider], ["model", one.model], ["at", dayTime(one.at)], ["took", span(one.took)],
        ["bought", one.bought ? "an image" : ""], ["task", task ? h("a", { href: `#/tasks/${encodeURIComponent(task)}` }, task) : (one.task ?? "")]]),
      exchangeBody(one)));
  }

  /** Moves the focus to the title, as soon as that is there. */
  function focus() {
    focusing = shown?.id !== target?.id;
    if (!focusing) root.querySelector("h2")?.focus();
  }

  function blank(text) {
    turns += 1;
    shown = target = null;
    root.replaceChildren(h("div", { class: "blank" }, h("p", {}, text)));
  }

  return {
    show,
    blank,
    again: () => target?.view === "tasks" && show("tasks", target.id),
    copy: (key) => root.querySelector(`[data-copy="${key}"]`)?.click(),
    focus,
    get id() {
      return target?.id ?? null;
    },
  };
}

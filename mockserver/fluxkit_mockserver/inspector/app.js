// The inspector: puts the parts together, follows the address, and listens to the keyboard.

import { address, base, keepToken, Problem, send } from "./api.js";
import { attempt } from "./attempt.js";
import { copyText } from "./clip.js";
import { badge, makeDetail, pill } from "./detail.js";
import { $, choices, h, say, toast } from "./dom.js";
import { makeList } from "./list.js";
import { makeBill, makeFaults, makeMock, money } from "./panels.js";
import {
  drawn, follow, hasten, loadAll, loadClock, loadFaults, loadMock, loadNamespaces, now, paced, store, takeCharge, takeClock,
  takeExchange, takeTask, touch,
} from "./store.js";
import { watch } from "./stream.js";
import { clockTime, dayTime, many, span } from "./words.js";

const LISTS = ["tasks", "exchanges"];
const VIEWS = [...LISTS, "faults", "bill", "mock"];
const NAMES = { tasks: "Tasks", exchanges: "Exchanges", faults: "Faults", bill: "Bill", mock: "Mock" };
const STATUSES = {
  tasks: [["", "any state"], ...["CREATED", "RUNNING", "COMPLETED", "FAILED", "REFUSED", "CANCELLED", "VANISHED"].map((each) => [each, each.toLowerCase()])],
  exchanges: [["", "any status"], ["2", "2xx"], ["4", "4xx"], ["5", "5xx"], ["0", "dropped"], ["struck", "struck by a fault"], ["lost", "not understood"]],
};

let view = "tasks";
let filters = { tasks: { text: "", provider: "", status: "" }, exchanges: { text: "", provider: "", status: "" } };
let stream = null;
const chosen = { tasks: null, exchanges: null };

// Rows

function taskRow(row, task) {
  const image = task.state === "COMPLETED"
    ? h("img", { src: address(`tasks/${encodeURIComponent(task.id)}/image`, { side: 128 }), alt: "", width: 66, height: 66, loading: "lazy", decoding: "async" })
    : null;
  row.replaceChildren(
    h("span", { class: "thumb" }, image),
    h("span", { class: "words" },
      h("span", { class: "title" }, task.prompt.slice(0, 300) || "(no prompt)"),
      h("span", { class: "sub" }, h("span", {}, `${task.provider} · ${task.model} · ${task.width}×${task.height}`))),
    h("span", { class: "end" }, badge(task.state), h("time", { title: dayTime(task.created_at) }, clockTime(task.created_at))));
}

function exchangeRow(row, one) {
  row.replaceChildren(
    h("span", { class: "words" },
      h("span", { class: "title mono" }, h("span", { class: "method" }, one.method), " ", one.path),
      h("span", { class: "sub" }, h("span", {}, [one.provider ?? "no service", one.model, span(one.took), one.closest ? "not understood" : "", one.bought ? "bought" : ""].filter(Boolean).join(" · ")),
        one.faults.map((fault) => h("span", { class: "chip" }, fault)))),
    h("span", { class: "end" }, pill(one.status), h("time", { title: dayTime(one.at) }, clockTime(one.at))));
}

const detail = makeDetail($("detail"), { back });
const list = makeList($("list"), {
  keyOf: (item) => item.id ?? item.number,
  fill: (row, item) => (item.id === undefined ? exchangeRow : taskRow)(row, item),
  chosen(key, open) {
    chosen[view] = key;
    const wide = matchMedia("(min-width: 900px)").matches;
    if (open || wide) go(view, key, { replace: !open });
  },
  opened(key) {
    go(view, key);
    detail.focus();
  },
});
const panels = {};
for (const [name, make] of Object.entries({ faults: makeFaults, bill: makeBill, mock: makeMock })) {
  const element = h("div", { class: `panel-${name}`, hidden: true });
  $("panel").append(element);
  panels[name] = { element, ...make(element), stale: true };
}

// The address

const addressOf = (name, id) => `#/${name}${id === null || id === undefined ? "" : `/${encodeURIComponent(id)}`}`;

function go(name, id = null, { replace = false } = {}) {
  const to = addressOf(name, id);
  if (location.hash === to) return;
  if (replace) {
    history.replaceState(null, "", to);
    route();
  } else location.hash = to;
}

function back() {
  go(view);
  $("list").focus();
}

function route() {
  const [name, id] = location.hash.replace(/^#\//, "").split("/");
  const before = view;
  view = VIEWS.includes(name) ? name : "tasks";
  document.title = `${NAMES[view]} - fluxkit mock inspector`;
  for (const tab of document.querySelectorAll(".tabs a")) {
    if (tab.dataset.view === view) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  const listed = LISTS.includes(view);
  $("side").hidden = $("detail").hidden = !listed;
  $("panel").hidden = listed;
  for (const [key, panel] of Object.entries(panels)) panel.element.hidden = key !== view;
  if (!listed) {
    document.body.dataset.open = "panel";
    panels[view].draw();
    return;
  }
  if (before !== view || !$("list").dataset.view) {
    list.clear();
    $("list").dataset.view = view;
    $("list").setAttribute("aria-label", NAMES[view]);
    const { text, provider, status } = filters[view];
    choices($("status"), STATUSES[view]);
    $("filter").value = text;
    $("status").value = status;
    $("provider").value = provider;
    drawList();
  }
  const key = id === undefined ? null : view === "tasks" ? decodeURIComponent(id) : Number(id);
  chosen[view] = key ?? chosen[view];
  list.mark(chosen[view]);
  document.body.dataset.open = key === null ? "list" : "detail";
  if (key === null) detail.blank(view === "tasks" ? "Choose a task to see all that happened to it." : "Choose an exchange to see what was asked and answered.");
  else if (detail.id !== key) detail.show(view, key);
}

// Drawing

function fits(item, { text, provider, status }) {
  if (provider && item.provider !== provider) return false;
  if (text && !text.split(/\s+/).every((word) => item.hay.includes(word) || item.id?.toLowerCase().startsWith(word))) return false;
  if (!status) return true;
  if (view === "tasks") return item.state === status;
  if (status === "struck") return item.faults.length > 0;
  if (status === "lost") return item.closest !== null || item.problems.length > 0;
  return status === "0" ? item.status === 0 : String(item.status).startsWith(status) && item.status > 0;
}

function drawList() {
  if (!LISTS.includes(view)) return;
  const filter = filters[view];
  const every = [...store[view].values()].reverse();
  const shown = filter.text || filter.provider || filter.status ? every.filter((item) => fits(item, filter)) : every;
  list.show(shown);
  const noun = view === "tasks" ? "task" : "exchange";
  say($("told"), !store.loaded ? "Loading" : shown.length === every.length ? (view === "exchanges" && store.earlier ? `the last ${many(every.length, noun)}` : many(every.length, noun)) : `${shown.length.toLocaleString("en")} of ${many(every.length, noun)}`);
  const bare = store.loaded && !shown.length;
  $("list").hidden = bare;
  $("empty").hidden = !bare;
  if (bare) drawEmpty(every.length > 0);
}

let example = "";

function drawEmpty(filtered) {
  const root = $("empty");
  if (filtered) {
    root.dataset.kind = "";
    root.replaceChildren(h("h2", {}, "Nothing fits the filter"), h("button", { type: "button", onclick: clearFilter }, "Clear the filter"));
    return;
  }
  const services = store.services.filter((each) => each.example);
  const service = services.find((each) => each.name === example) ?? services[0];
  const kind = `none:${service?.name}`;
  if (root.dataset.kind === kind) return;
  root.dataset.kind = kind;
  if (!service) {
    root.replaceChildren(h("h2", {}, "Nothing has come yet"), h("p", {}, "The mock serves no service."));
    return;
  }
  const select = h("select", { "aria-label": "Service of the example" }, services.map((each) => h("option", { value: each.name }, each.name)));
  select.value = service.name;
  select.addEventListener("change", () => {
    example = select.value;
    drawEmpty(false);
    $("empty").querySelector("select").focus();
  });
  const { method, url, headers, body, curl } = service.example;
  root.replaceChildren(
    h("h2", {}, "Nothing has come yet"),
    h("p", {}, "Point an app at the mock, or make an image from here: nothing is bought."),
    h("div", { class: "line" }, h("span", {}, "By"), select),
    h("pre", { class: "code", tabindex: "0", "aria-label": "A command" }, curl),
    h("div", { class: "actions" },
      h("button", { type: "button", class: "primary", onclick: () => attempt(async () => {
        const { pathname, search } = new URL(url);
        const answer = await fetch(pathname + search, { method, headers, body });
        if (!answer.ok) throw new Problem(answer.status, `The mock answered ${answer.status}.`);
      }, "A task is made") }, "Make one now"),
      h("button", { type: "button", onclick: () => copyText(curl, "as curl") }, "Copy as curl")));
}

function drawHead() {
  say($("count-tasks"), store.tasks.size.toLocaleString("en"));
  say($("count-exchanges"), (store.exchanges.size + store.earlier).toLocaleString("en"));
  const armed = store.armed.filter((each) => each.left !== 0).length;
  say($("count-faults"), armed ? `${armed} armed` : "");
  const charges = [...store.charges.values()].filter((each) => !each.refunded);
  say($("count-bill"), charges.length.toLocaleString("en"));
  say($("sum-bill"), charges.length ? money(charges) : "");
}

function drawClock() {
  const { clock } = store;
  if (clock === null) return;
  const at = now();
  say($("now"), clockTime(at));
  $("now").dateTime = new Date(at * 1000).toISOString();
  $("now").title = `The mock's time: ${dayTime(at)}`;
  const virtual = clock.kind === "virtual";
  say($("pace"), virtual ? "virtual" : clock.frozen ? "frozen" : `×${clock.speed}`);
  $("freeze").hidden = virtual;
  say($("freeze"), clock.frozen ? "Start" : "Freeze");
  $("freeze").setAttribute("aria-pressed", String(clock.frozen));
}

function drawChoosers() {
  choices($("provider"), [["", "all providers"], ...store.services.map(({ name }) => [name, name])]);
  if (LISTS.includes(view)) $("provider").value = filters[view].provider;
  const names = new Map(store.namespaces.map((each) => [each.name, each.tasks]));
  if (store.namespace && !names.has(store.namespace)) names.set(store.namespace, store.tasks.size);
  choices($("namespace"), [["", "default"], ...[...names].sort().map(([name, tasks]) => [name, `${name} (${tasks})`])]);
  $("namespace").value = store.namespace;
}

drawn((changed) => {
  const all = changed.has("all");
  if (all || changed.has("mock")) drawChoosers();
  if (all || changed.has("tasks") || changed.has("exchanges") || changed.has("bill") || changed.has("faults")) drawHead();
  if (all || changed.has(view)) drawList();
  if (all || changed.has("clock")) drawClock();
  if (!LISTS.includes(view) && (all || changed.has(view) || (view === "mock" && changed.has("clock")))) panels[view].draw();
  if (view === "tasks" && detail.id !== null && (all || changed.has(`task:${detail.id}`))) again();
});

const again = paced(async () => detail.again(), 150);

// What happens

const faultsSoon = paced(loadFaults, 250);
const mockSoon = paced(loadMock, 500);
const namespacesSoon = paced(loadNamespaces, 1000);
const SET = ["balance", "limits", "progression", "switches"];
let waiting = [];

function heard(kind, told) {
  if (!store.loaded) {
    waiting.push([kind, told]);
    return;
  }
  if (kind === "exchange") {
    takeExchange(told);
    if (told.faults.length) faultsSoon();
  } else if (kind === "task") {
    if (told) takeTask(told);
    hasten();
  } else if (kind === "bill") {
    takeCharge(told);
    mockSoon();
  } else if (kind === "webhook") touch(`task:${told.task}`);
  else if (kind === "fault") faultsSoon();
  else if (kind === "clock") {
    loadClock().catch(() => {});
    hasten();
  } else if (SET.includes(kind)) mockSoon();
  else load(); // reset, or some of it was missed
}

async function load() {
  store.loaded = false;
  try {
    await loadAll();
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) ask();
    else if (problem instanceof Problem) toast(problem.message, { bad: true });
    return;
  }
  const missed = waiting;
  waiting = [];
  for (const [kind, told] of missed) if (kind !== "gap") heard(kind, told);
  if (LISTS.includes(view)) route();
}

function standing(word, kind) {
  $("live").dataset.kind = kind;
  say($("live-word"), word);
}

function begin() {
  standing("connecting", "connecting");
  stream?.stop();
  stream = watch({
    heard,
    opened(resumed) {
      standing("live", "live");
      $("lost").hidden = true;
      if (resumed && store.loaded) {
        loadClock().catch(() => {});
        faultsSoon();
        mockSoon();
      } else load();
    },
    lost(seconds) {
      standing("not connected", "lost");
      if (!$("gate").open) probe(seconds);
    },
  });
}

/** Finds out why there is no stream. */
async function probe(seconds) {
  try {
    await loadClock();
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) {
      ask();
      return;
    }
    say($("lost-word"), problem instanceof Problem ? problem.message : `The mock cannot be reached. What is shown is as it was; the next try is in ${many(seconds, "second")}.`);
    $("lost").hidden = false;
  }
}

function ask() {
  stream?.stop();
  standing("locked", "lost");
  if (!$("gate").open) $("gate").showModal();
}

$("gate").addEventListener("cancel", (event) => event.preventDefault());
$("gate-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  try {
    await loadClock();
  } catch (problem) {
    keepToken(null);
    say($("gate-wrong"), problem instanceof Problem && problem.status === 401 ? "This is not its token." : (problem.message ?? "The mock cannot be reached."));
    $("token").select();
    return;
  }
  $("gate").close();
  begin();
});

// Controls

$("retry").addEventListener("click", () => stream?.retry());
$("namespace").addEventListener("change", (event) => {
  const name = event.target.value;
  location.href = `${name ? `/@${name}` : ""}/__mock__/`;
});
$("namespace").addEventListener("focus", namespacesSoon);

const clockCall = (body, done) => attempt(async () => {
  takeClock(await send("POST", "clock", body));
  hasten();
}, done);
const freeze = () => clockCall({ freeze: !store.clock?.frozen });
$("freeze").addEventListener("click", freeze);
for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", () => clockCall({ advance: Number(button.dataset.advance) }, `${span(Number(button.dataset.advance))} have passed`));
}

$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", () => {
  filters[view] = { text: $("filter").value.trim().toLowerCase(), provider: $("provider").value, status: $("status").value };
  drawList();
});

function clearFilter() {
  $("filter").value = $("provider").value = $("status").value = "";
  $("filters").dispatchEvent(new Event("input"));
  $("list").focus();
}

const THEMES = ["", "light", "dark"];

function theme() {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "") + 1) % THEMES.length];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  const word = next || "as the system";
  $("theme").setAttribute("aria-label", `Theme: ${word}`);
  toast(`Theme: ${word}`);
  try {
    localStorage.setItem("fluxkit.theme", next);
  } catch {
    // It holds for this page then.
  }
}

$("theme").addEventListener("click", theme);
$("help-button").addEventListener("click", () => $("help").showModal());

// The keyboard

const FILTERS = { tasks: "filter", exchanges: "filter", faults: "fault-filter", mock: "switch-filter" };

function move(steps) {
  if (!LISTS.includes(view)) return;
  $("list").focus(); // from a button, Enter would press that
  list.move(steps);
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  "/": () => $(FILTERS[view])?.focus(),
  "?": () => $("help").showModal(),
  t: theme,
  f: freeze,
  c: () => detail.copy("curl"),
  p: () => detail.copy("pytest"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "Escape") {
    if (event.target === $("filter") && $("filter").value) clearFilter();
    else if (typing) event.target.blur();
    else if (document.body.dataset.open === "detail") back();
    return;
  }
  if (typing) return;
  if (event.key === "Enter" && event.target === document.body && list.current !== null) {
    go(view, list.current);
    detail.focus();
    return;
  }
  const number = Number(event.key);
  if (number >= 1 && number <= VIEWS.length) go(VIEWS[number - 1]);
  else if (event.key in KEYS) KEYS[event.key]();
  else return;
  event.preventDefault();
});

window.addEventListener("hashchange", route);
setInterval(() => {
  drawClock();
}, 1000);
const kept = document.documentElement.dataset.theme;
if (kept) $("theme").setAttribute("aria-label", `Theme: ${kept}`);
route();
follow();
begin();

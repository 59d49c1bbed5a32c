// The views without a list: faults, the bill, and the mock itself.

import { send } from "./api.js";
import { attempt } from "./attempt.js";
import { copyText } from "./clip.js";
import { choices, h, say } from "./dom.js";
import { hasten, loadAll, loadFaults, loadMock, store, takeClock } from "./store.js";
import { makeSwitches } from "./switches.js";
import { clockTime, many, sum } from "./words.js";

const MOMENTS = { submit: "When an image is bought", task: "What becomes of a task", poll: "When a task is asked for", link: "The link to an image", image: "When an image is fetched", webhook: "Webhooks" };

function field(label, properties) {
  const input = h("input", { "aria-label": label, title: label, ...properties });
  return input;
}

// Faults

export function makeFaults(root) {
  const filter = h("input", { type: "search", placeholder: "Filter faults", "aria-label": "Filter faults", id: "fault-filter" });
  const whom = h("select", { "aria-label": "Which provider it is for" });
  const armed = h("div", { class: "armed" });
  const rows = new Map();
  const groups = h("div", { class: "groups" });
  filter.addEventListener("input", draw);
  root.replaceChildren(
    h("div", { class: "head" }, h("h2", { tabindex: "-1" }, "Faults")),
    h("p", { class: "lead" }, "What goes wrong, on purpose: once it is armed, a fault strikes until its times are used up or it is disarmed."),
    armed,
    h("div", { class: "filters wide" }, filter, whom),
    groups);

  function row(fault) {
    const times = field(`${fault.name}: how many times; empty is every time`, { type: "number", min: "1", step: "1", placeholder: "every time", class: "times", inputmode: "numeric" });
    const rate = field(`${fault.name}: how probable, in per cent`, { type: "number", min: "0.1", max: "100", step: "any", value: "100", class: "rate", inputmode: "decimal" });
    const state = h("span", { class: "state" });
    const form = h("form", { class: "arm" }, times, h("span", { "aria-hidden": "true" }, "×"), rate, h("span", { "aria-hidden": "true" }, "%"),
      h("button", { class: "small", "aria-label": `Arm ${fault.name}` }, "Arm"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const order = { name: fault.name, rate: Number(rate.value || 100) / 100 };
      if (times.value) order.times = Number(times.value);
      if (whom.value) order.match = { provider: whom.value };
      attempt(async () => {
        await send("POST", "faults", order);
        await loadFaults();
      }, `${fault.name} is armed`);
    });
    return { element: h("li", { class: "fault" }, h("div", {}, h("h4", {}, h("code", {}, fault.name), state), h("p", {}, fault.about)), form), state };
  }

  const disarm = (name) => attempt(async () => {
    await send("DELETE", name ? `faults/${encodeURIComponent(name)}` : "faults");
    await loadFaults();
  }, name ? `${name} is disarmed` : "Every fault is disarmed");

  function draw() {
    choices(whom, [["", "for every provider"], ...store.services.map(({ name }) => [name, `for ${name}`])]);
    if (rows.size !== store.faults.length) {
      groups.replaceChildren();
      for (const fault of store.faults) {
        if (!rows.has(fault.name)) rows.set(fault.name, row(fault));
        let group = groups.querySelector(`[data-moment="${fault.moment}"]`);
        if (!group) groups.append((group = h("section", { "data-moment": fault.moment }, h("h3", {}, MOMENTS[fault.moment] ?? fault.moment), h("ul", { class: "faults" }))));
        group.lastChild.append(rows.get(fault.name).element);
      }
    }
    const text = filter.value.trim().toLowerCase();
    for (const fault of store.faults) {
      const { element, state } = rows.get(fault.name);
      element.hidden = !`${fault.name} ${fault.about} ${fault.moment}`.toLowerCase().includes(text);
      const count = store.armed.filter((each) => each.name === fault.name && each.left !== 0).length;
      say(state, count ? "armed" : "");
      element.classList.toggle("is-armed", count > 0);
    }
    for (const group of groups.children) group.hidden = ![...group.lastChild.children].some((each) => !each.hidden);
    armed.replaceChildren(...(store.armed.length ? [
      h("div", { class: "row-head" }, h("h3", {}, "Armed"), h("button", { type: "button", class: "small", onclick: () => disarm(null) }, "Disarm all")),
      h("ul", {}, store.armed.map((each) => h("li", { class: each.left === 0 ? "over" : null }, h("code", {}, each.name), h("span", { class: "told" }, toldOf(each)),
        h("button", { type: "button", class: "small", "aria-label": `Disarm ${each.name}`, onclick: () => disarm(each.name) }, "Disarm")))),
    ] : [h("p", { class: "note" }, "None is armed.")]));
  }

  function toldOf(each) {
    const parts = [`struck ${many(each.struck, "time")}`];
    if (each.left !== null) parts.push(each.left ? `${each.left} left` : "used up");
    if (each.rate < 1) parts.push(`${Number((each.rate * 100).toFixed(2))} %`);
    if (each.task !== null) parts.push(`task ${each.task}`);
    if (each.match !== null) parts.push(Object.entries(each.match).map(([name, value]) => `${name} ${value}`).join(", "));
    return parts.join(" · ");
  }
  return { draw };
}

// The bill

const MOST_CHARGES = 100;

function table(caption, heads, rows) {
  return h("div", { class: "table", tabindex: "0" }, h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, heads.map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, place) => (place ? h("td", {}, cell) : h("th", { scope: "row" }, cell))))))));
}

export const money = (charges) => {
  const total = sum(charges.map((each) => each.amount));
  return total === null ? (charges.length ? "price unknown" : "0 USD") : `${total} USD`;
};

export function makeBill(root) {
  function draw() {
    const every = [...store.charges.values()];
    const charges = every.filter((each) => !each.refunded);
    const unknown = charges.filter((each) => each.amount === null).length;
    const group = (key) => {
      const found = new Map();
      for (const each of charges) found.set(key(each), [...(found.get(key(each)) ?? []), each]);
      return [...found].sort(([one], [other]) => (one < other ? -1 : 1));
    };
    const rows = (groups) => groups.map(([name, those]) => [name, String(those.length), money(those), String(those.filter((each) => each.amount === null).length)]);
    const heads = ["images", "sum", "of unknown price"];
    root.replaceChildren(
      h("div", { class: "head" }, h("h2", { tabindex: "-1" }, "Bill")),
      h("div", { class: "cards" },
        h("div", { class: "card" }, h("b", {}, String(charges.length)), h("span", {}, "images billed")),
        h("div", { class: "card" }, h("b", {}, money(charges)), h("span", {}, unknown ? `and ${many(unknown, "image")} of unknown price` : "in all")),
        h("div", { class: "card" }, h("b", {}, String(every.length - charges.length)), h("span", {}, "given back"))),
      table("By provider", ["provider", ...heads], rows(group((each) => each.provider))),
      table("By model", ["model", ...heads], rows(group((each) => `${each.provider}:${each.model}`))),
      table(every.length > MOST_CHARGES ? `The last ${MOST_CHARGES} charges` : "Charges", ["task", "model", "at", "amount"],
        every.slice(-MOST_CHARGES).reverse().map((each) => [
          h("a", { href: `#/tasks/${encodeURIComponent(each.task)}` }, each.task), `${each.provider}:${each.model}`, clockTime(each.at),
          `${each.amount ?? "unknown"}${each.refunded ? ", given back" : ""}`])));
  }
  return { draw };
}

// The mock itself

export function makeMock(root) {
  const part = (title, ...children) => h("section", {}, h("h3", {}, title), ...children);
  const services = h("div", {});
  const progression = h("select", { "aria-label": "What moves tasks on" }, ["at once", "polls", "seconds"].map((each) => h("option", {}, each)));
  progression.addEventListener("change", () => attempt(async () => {
    await send("PUT", "progression", { progression: progression.value });
    store.progression = progression.value;
  }, `Tasks move on: ${progression.value}`));
  const seconds = field("How many seconds", { type: "number", min: "0", step: "any", value: "30", inputmode: "decimal" });
  const speed = field("How many times as fast", { type: "number", min: "0.001", step: "any", inputmode: "decimal" });
  const standing = h("p", { class: "note" });
  const limits = ["requests", "seconds", "in_flight"].map((name) => field(`limit: ${name}`, { type: "number", min: "0", placeholder: "any", name, inputmode: "numeric" }));
  const balances = h("div", {});
  const balance = field("balance: empty is no end", { type: "number", min: "0", step: "any", placeholder: "no end", inputmode: "decimal" });
  const account = h("select", { "aria-label": "Whose account" });
  const switches = makeSwitches();
  const reset = h("button", { type: "button", class: "danger" }, "Reset the mock");
  let sure = 0;
  reset.addEventListener("click", () => {
    if (!sure) {
      reset.textContent = "Really? All is forgotten";
      sure = setTimeout(calm, 4000);
      return;
    }
    calm();
    attempt(async () => {
      await send("POST", "reset", {});
      await loadAll();
    }, "All is forgotten");
  });
  function calm() {
    clearTimeout(sure);
    sure = 0;
    reset.textContent = "Reset the mock";
  }

  const inline = (form, act, done) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(act, done);
    });
    return form;
  };
  const clock = (body) => async () => {
    takeClock(await send("POST", "clock", body()));
    hasten();
  };
  const speedForm = inline(h("form", { class: "line" }, h("span", {}, "Run"), speed, h("span", {}, "times as fast"), h("button", { class: "small" }, "Set speed")), clock(() => ({ speed: Number(speed.value) })), "The clock runs");
  const number = (input) => (input.value === "" ? null : Number(input.value));

  root.replaceChildren(
    h("div", { class: "head" }, h("h2", { tabindex: "-1" }, "The mock"), reset),
    part("Services", services),
    part("Clock", standing,
      inline(h("form", { class: "line" }, h("span", {}, "Move it on by"), seconds, h("span", {}, "seconds"), h("button", { class: "small" }, "Advance")), clock(() => ({ advance: Number(seconds.value) })), "Time has passed"),
      speedForm),
    part("Lifecycle", h("p", { class: "line" }, h("span", {}, "Tasks move on by"), progression), h("p", { class: "note" }, "at once: done at the first look; polls: by each look; seconds: as the clock goes.")),
    part("Limits of each key",
      inline(h("form", { class: "line" }, limits[0], h("span", {}, "requests in"), limits[1], h("span", {}, "seconds,"), limits[2], h("span", {}, "tasks in flight"), h("button", { class: "small" }, "Set limits")), async () => {
        const [requests, span, flight] = limits.map(number);
        await send("PUT", "limits", { requests, in_flight: flight, ...(span ? { seconds: span } : {}) });
        await loadMock();
      }, "The limits are set")),
    part("Balances",
      inline(h("form", { class: "line" }, h("span", {}, "Begin anew with"), balance, account, h("button", { class: "small" }, "Set balance")), async () => {
        await send("PUT", "balance", { balance: balance.value || null, ...(account.value ? { provider: account.value } : {}) });
        await loadMock();
      }, "The balance is set"),
      balances),
    part("Switches", switches.element));

  function draw() {
    services.replaceChildren(
      table("The key that all of them take, and where they are", ["service", "base URL", "copy"], [
        ["key", h("code", {}, store.key), h("button", { type: "button", class: "small", "aria-label": "Copy the key", onclick: () => copyText(store.key, "the key") }, "Copy")],
        ...store.services.map((each) => [each.name, h("code", {}, each.base_url), h("button", { type: "button", class: "small", "aria-label": `Copy the base URL of ${each.name}`, onclick: () => copyText(each.base_url, "the base URL") }, "Copy")]),
      ]));
    progression.value = store.progression;
    const [requests, span, flight] = limits;
    if (store.limits && !root.contains(document.activeElement)) {
      requests.value = store.limits.requests ?? "";
      span.value = store.limits.seconds ?? "";
      flight.value = store.limits.in_flight ?? "";
    }
    balances.replaceChildren(table("What the account at each service has", ["service", "began with", "used", "left"],
      Object.entries(store.balance).map(([name, each]) => [name, each.began ?? "no end", each.used ?? "unknown", each.left ?? "no end"])));
    choices(account, [["", "at every service"], ...store.services.map(({ name }) => [name, `at ${name}`])]);
    switches.draw();
    drawClock();
  }

  function drawClock() {
    const told = store.clock;
    if (!told) return;
    const virtual = told.kind === "virtual";
    say(standing, virtual ? "It is virtual: it stands still until it is moved." : told.frozen ? "It is frozen: tasks move on only when you move it." : `It runs ${told.speed} times as fast as the wall.`);
    speedForm.hidden = virtual;
    if (document.activeElement !== speed && !told.frozen) speed.value = told.speed || "";
  }
  return { draw, drawClock };
}

// What is known of the mock, by keys; whoever draws is called once for all changes of a frame.

import { get } from "./api.js";

const MOST = 5000;
const UNFINISHED = new Set(["CREATED", "RUNNING", "UNKNOWN"]);

export const store = {
  tasks: new Map(),
  exchanges: new Map(),
  charges: new Map(),
  faults: [],
  armed: [],
  services: [],
  namespaces: [],
  namespace: "",
  key: "",
  switches: [],
  limits: null,
  balance: {},
  progression: "",
  clock: null,
  heardAt: 0, // when the clock was heard, in real seconds
  earlier: 0, // exchanges that the mock remembers and this page has not fetched
  loaded: false,
};

const drawers = new Set();
let changed = new Set();
let frame = 0;

export function drawn(drawer) {
  drawers.add(drawer);
}

/** Something has changed: "tasks", "exchanges", "bill", "faults", "clock", "mock" or "task:ID". */
export function touch(...parts) {
  for (const part of parts) changed.add(part);
  frame ||= requestAnimationFrame(() => {
    const now = changed;
    frame = 0;
    changed = new Set();
    for (const drawer of drawers) drawer(now);
  });
}

const real = () => performance.now() / 1000;

/** The mock's time now. */
export function now() {
  const { clock } = store;
  return clock === null ? null : clock.now + (real() - store.heardAt) * (clock.frozen ? 0 : clock.speed);
}

export function takeClock(clock) {
  store.clock = clock;
  store.heardAt = real();
  touch("clock");
}

function hay(...parts) {
  return parts.join(" ").toLowerCase();
}

export function takeTask(task) {
  task.hay = hay(task.prompt, task.provider, task.model, task.status, task.state);
  store.tasks.set(task.id, task);
  touch("tasks", `task:${task.id}`);
}

export function takeExchange(one) {
  one.hay = hay(one.method, one.path, one.status, one.model ?? "", one.task ?? "", one.faults.join(" "),
    one.fields?.prompt ?? "", one.closest ?? "");
  store.exchanges.set(one.number, one);
  if (store.exchanges.size > MOST) store.exchanges.delete(store.exchanges.keys().next().value);
  touch("exchanges", `task:${one.task}`);
}

export function takeCharge(charge) {
  store.charges.set(charge.task, charge);
  touch("bill", `task:${charge.task}`);
}

/** Calls *load* at most once in so many milliseconds, and once more if it was wanted meanwhile. */
export function paced(load, wait) {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      load().catch(() => {});
    }, wait);
  };
}

export async function loadFaults() {
  const told = await get("faults");
  store.faults = told.faults;
  store.armed = told.armed;
  touch("faults");
}

export const loadClock = async () => takeClock(await get("clock"));

export async function loadMock() {
  const [balance, limits, progression, switches] = await Promise.all(
    ["balance", "limits", "progression", "switches"].map(get),
  );
  Object.assign(store, { limits, balance: balance.balance, switches: switches.switches });
  store.progression = progression.progression;
  touch("mock");
}

export async function loadNamespaces() {
  store.namespaces = (await get("namespaces")).namespaces;
  touch("mock");
}

/** Everything anew. */
export async function loadAll() {
  const [services, tasks, exchanges, billed] = await Promise.all([
    get("services"),
    get(`tasks?most=${MOST}`),
    get("exchanges?most=500"),
    get("billed"),
  ]);
  store.earlier = exchanges.total - exchanges.exchanges.length;
  Object.assign(store, { services: services.services, key: services.key, namespace: services.namespace });
  store.tasks.clear();
  store.exchanges.clear();
  store.charges.clear();
  tasks.tasks.forEach(takeTask);
  exchanges.exchanges.forEach(takeExchange);
  billed.charges.forEach(takeCharge);
  await Promise.all([loadFaults(), loadClock(), loadMock(), loadNamespaces()]);
  store.loaded = true;
  touch("all");
}

let pause = 1;
let looking = 0;

/** Looks again, now and then, at tasks that time may have moved on: nobody tells of that. */
export function follow() {
  clearTimeout(looking);
  looking = setTimeout(async () => {
    if (store.loaded && store.clock && !document.hidden) {
      try {
        pause = (await look()) ? 1 : Math.min(pause * 1.5, 8);
      } catch {
        pause = 8; // whether the mock is there, the stream tells
      }
    }
    follow();
  }, pause * 1000);
}

async function look() {
  const all = [...store.tasks.values()];
  const first = all.findIndex((task) => UNFINISHED.has(task.state));
  if (first < 0) return false;
  const { tasks } = await get(`tasks?most=${Math.min(all.length - first, 300)}`);
  let moved = false;
  for (const task of tasks) {
    const before = store.tasks.get(task.id);
    if (before && before.status === task.status && before.polls === task.polls) continue;
    takeTask(task);
    moved = true;
  }
  return moved;
}

/** Time was moved or something came: it is worth a look soon. */
export function hasten() {
  if (pause > 1) {
    pause = 1;
    follow();
  }
}

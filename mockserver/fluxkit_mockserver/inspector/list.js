// A list of any length: only the rows that are seen are there, each known by its key and drawn again only if it changed.

import { h } from "./dom.js";

const BEYOND = 6;

/** A list in *root*: `fill(row, item)` draws a row, `chosen(key)` hears of a choice and `opened(key)` of Enter. */
export function makeList(root, { keyOf, fill, chosen, opened }) {
  const sizer = h("div", { class: "sizer", "aria-hidden": "true" });
  const rows = new Map();
  let items = [];
  let current = null;
  let height = 60;
  let frame = 0;
  root.append(sizer);

  function measure() {
    height = parseFloat(getComputedStyle(root).getPropertyValue("--row")) || 60;
  }

  function draw() {
    frame = 0;
    const top = root.scrollTop;
    const first = Math.max(0, Math.floor(top / height) - BEYOND);
    const last = Math.min(items.length, Math.ceil((top + root.clientHeight) / height) + BEYOND);
    const wanted = new Map();
    for (let place = first; place < last; place += 1) wanted.set(keyOf(items[place]), place);
    const at = place_of(current);
    if (at >= 0) wanted.set(current, at); // what is chosen is always there, for those who hear the page
    for (const [key, row] of rows) {
      if (!wanted.has(key)) {
        row.element.remove();
        rows.delete(key);
      }
    }
    const added = [];
    for (const [key, place] of wanted) {
      const item = items[place];
      let row = rows.get(key);
      if (row === undefined) {
        const element = h("div", { role: "option", class: "row", id: `${root.id}-${key}` });
        element.dataset.key = key;
        row = { element, item: null, place: -1, chosen: null, count: -1 };
        rows.set(key, row);
        added.push(element);
      }
      if (row.item !== item) fill(row.element, (row.item = item));
      if (row.place !== place) row.element.style.transform = `translateY(${(row.place = place) * height}px)`;
      if (row.count !== items.length || row.at !== place) {
        row.element.setAttribute("aria-setsize", (row.count = items.length));
        row.element.setAttribute("aria-posinset", (row.at = place) + 1);
      }
      if (row.chosen !== (key === current)) row.element.setAttribute("aria-selected", (row.chosen = key === current));
    }
    root.append(...added);
    if (at >= 0) root.setAttribute("aria-activedescendant", `${root.id}-${current}`);
    else root.removeAttribute("aria-activedescendant");
  }

  const later = () => (frame ||= requestAnimationFrame(draw));
  const place_of = (key) => (key === null ? -1 : items.findIndex((item) => keyOf(item) === key));

  function reveal(place) {
    const top = place * height;
    if (top < root.scrollTop) root.scrollTop = top;
    else if (top + height > root.scrollTop + root.clientHeight) root.scrollTop = top + height - root.clientHeight;
  }

  function choose(key, { open = false } = {}) {
    current = key;
    const place = place_of(key);
    if (place >= 0) reveal(place);
    later();
    chosen(key, open);
  }

  function move(step) {
    if (!items.length) return;
    const place = place_of(current);
    const from = place >= 0 ? place : step > 0 ? -1 : items.length;
    const next = Math.min(items.length - 1, Math.max(0, from + step));
    choose(keyOf(items[next]));
  }

  root.addEventListener("scroll", later, { passive: true });
  root.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) choose(keyOf(rows.get(keyed(row.dataset.key)).item), { open: true });
  });
  root.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(root.clientHeight / height) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      move(steps[event.key]);
    } else if (event.key === "Enter" && current !== null) {
      event.preventDefault();
      opened(current);
    }
  });
  const keyed = (text) => (rows.has(text) ? text : Number(text));
  new ResizeObserver(() => {
    measure();
    resize();
    for (const row of rows.values()) row.place = -1;
    later();
  }).observe(root);

  function resize() {
    sizer.style.height = `${items.length * height}px`;
  }

  return {
    /** Shows these items; what is looked at stays where it is when others come before it. */
    show(next) {
      const anchor = root.scrollTop > height / 2 ? items[Math.floor(root.scrollTop / height)] : undefined;
      const before = anchor === undefined ? 0 : items.indexOf(anchor);
      items = next;
      resize();
      if (anchor !== undefined) {
        const key = keyOf(anchor);
        const after = items.findIndex((item) => keyOf(item) === key);
        if (after > before) root.scrollTop += (after - before) * height;
      }
      later();
    },
    choose,
    /** Marks what is chosen, without telling of it. */
    mark(key) {
      if (current === key) return;
      current = key;
      later();
    },
    move,
    clear() {
      for (const row of rows.values()) row.element.remove();
      rows.clear();
      items = [];
      current = null;
      root.scrollTop = 0;
    },
    get current() {
      return current;
    },
    get size() {
      return items.length;
    },
  };
}

// What a service does where no page says it: each open question with its answers, to be chosen while the mock runs.

import { send } from "./api.js";
import { attempt } from "./attempt.js";
import { h } from "./dom.js";
import { store } from "./store.js";

/** The list of the switches: `element`, and `draw()` once something has changed. */
export function makeSwitches() {
  const filter = h("input", { type: "search", placeholder: "Filter switches", "aria-label": "Filter switches", id: "switch-filter" });
  const usual = h("button", { type: "button", class: "small" }, "Set all as usual");
  const list = h("ul", { class: "faults" });
  const rows = new Map(); // they stay, so that nothing takes the focus from what is being chosen
  filter.addEventListener("input", draw);
  usual.addEventListener("click", () => set(Object.fromEntries(unusual().map(({ name }) => [name, null])), "Every switch is as usual"));
  const unusual = () => store.switches.filter((each) => each.value !== each.usual);

  async function set(settings, done) {
    await attempt(async () => {
      store.switches = (await send("PUT", "switches", settings)).switches;
    }, done);
    draw(); // also what the mock did not take
  }

  function row({ name, values, usual: likely, about, source }) {
    const select = h("select", { "aria-label": name }, values.map((value) => h("option", { value }, value === likely ? `${value} (usual)` : value)));
    select.addEventListener("change", () => set({ [name]: select.value }, `${name} is ${select.value}`));
    return { select, element: h("li", { class: "fault" }, h("div", {}, h("h4", {}, h("code", {}, name)), h("p", {}, about), h("p", {}, `Source: ${source}.`)), select) };
  }

  function draw() {
    const text = filter.value.trim().toLowerCase();
    for (const each of store.switches) {
      if (!rows.has(each.name)) {
        rows.set(each.name, row(each));
        list.append(rows.get(each.name).element);
      }
      const { select, element } = rows.get(each.name);
      if (select.value !== each.value) select.value = each.value;
      element.hidden = !`${each.name} ${each.value} ${each.about}`.toLowerCase().includes(text);
      element.classList.toggle("is-armed", each.value !== each.usual);
    }
    usual.disabled = !unusual().length;
  }
  const element = h("div", {},
    h("p", { class: "note" }, "What a service does where no page says it. A switch holds from the next call on; a task that was accepted stays as it was."),
    h("div", { class: "filters wide" }, filter, usual), list);
  return { element, draw };
}

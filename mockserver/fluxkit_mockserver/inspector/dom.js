// Elements. Text only ever becomes text: nothing that came to the mock is read as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; null and false children are left out. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets the text of an element if it is another. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces the options of a select and keeps what is chosen, if it is still there. */
export function choices(select, options) {
  const told = JSON.stringify(options);
  if (select.dataset.told === told) return;
  select.dataset.told = told;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

let fading = 0;

/** Shows a short message for a while. */
export function toast(text, { bad = false } = {}) {
  const element = $("toast");
  element.textContent = text;
  element.className = bad ? "toast shown bad" : "toast shown";
  clearTimeout(fading);
  fading = setTimeout(() => (element.className = "toast"), bad ? 6000 : 2500);
}

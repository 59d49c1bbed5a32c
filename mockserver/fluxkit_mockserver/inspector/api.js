// The control of the mock, below the address of this page: whichever namespace that is in.

const KEPT = "fluxkit.token";
export const base = new URL(".", location.href).pathname;

/** What the mock says is wrong. */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let token = null;
try {
  token = sessionStorage.getItem(KEPT);
} catch {
  // It is asked for in each tab then.
}
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  keepToken(given);
  history.replaceState(null, "", base);
}

export function keepToken(text) {
  token = text || null;
  try {
    if (token === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, token);
  } catch {
    // As above.
  }
}

/** Where something of the mock lies, for those that cannot send headers: images and events. */
export function address(path, query = {}) {
  const said = new URLSearchParams(query);
  if (token !== null) said.set("token", token);
  const text = said.toString();
  return `${base}${path}${text ? `?${text}` : ""}`;
}

async function call(method, path, body) {
  const headers = token === null ? {} : { "x-fluxkit-token": token };
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(base + path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  if (answer.ok) return answer;
  let message = `The mock answered ${answer.status}.`;
  try {
    message = (await answer.json()).message ?? message;
  } catch {
    // The status says enough.
  }
  throw new Problem(answer.status, message);
}

export const get = async (path) => (await call("GET", path)).json();
export const text = async (path) => (await call("GET", path)).text();
export const send = async (method, path, body) => (await call(method, path, body)).json();

// Every service through every state and every fault, as a program in another language meets them: plain fetch, no
// package. Run by tests/test_node.py with the mock's address and the secret of its webhooks. Which faults and services
// there are, the mock says. Prints a line of JSON for each case: what was seen of it, and nothing of what should be.

import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const [url, secret] = process.argv.slice(2);

/** How many milliseconds may pass without a byte before an answer is given up, and how many cases run at a time. */
const PATIENCE = 5_000;
const AT_ONCE = 48;

/** In how many steps a task is followed through its usual time: no service has more states than these find. */
const STEPS = 4;

/** How many times as long as usual a task is waited for, and how many seconds a webhook, on the mock's clock. */
const LONGEST = 30;
const LATEST = 3_600;

const hmac = (text, encoding) => createHmac("sha256", secret).update(text).digest(encoding);

/** How the services speak. `signed` says whether a webhook bears the service's signature, null where none is made. */
const magnific = (key) => ({
  headers: { [key]: "test" },
  submit: "/v1/ai/text-to-image/flux-2-pro",
  body: { prompt: "a fox", width: 256, height: 256 },
  hook: (address) => ({ webhook_url: address }),
  accepted: (said) => ({ id: said?.data?.task_id }),
  poll: (id) => `/v1/ai/text-to-image/flux-2-pro/${id}`,
  polled: (said) => ({ word: said?.data?.status, links: said?.data?.generated }),
  ends: ["COMPLETED", "FAILED", "CANCELLED"],
  told: (said) => said.status,
  signed: (headers, body) => {
    const signature = hmac(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`, "base64");
    return headers["webhook-signature"].split(" ").includes(`v1,${signature}`);
  },
});

const DIALECTS = {
  magnific: magnific("x-magnific-api-key"),
  freepik: magnific("x-freepik-api-key"),
  apimart: {
    headers: { authorization: "Bearer test" },
    submit: "/v1/images/generations",
    body: { model: "flux-2-pro", prompt: "a fox" },
    hook: (address) => ({ webhook: address }),
    accepted: (said) => ({ id: said?.data?.[0]?.task_id }),
    poll: (id) => `/v1/tasks/${id}`,
    polled: (said) => ({ word: said?.data?.status, links: said?.data?.result?.images.flatMap((image) => image.url) }),
    ends: ["completed", "failed", "cancelled"],
    told: (said) => said.status,
    signed: () => null,
  },
  bfl: {
    headers: { "x-key": "test" },
    submit: "/v1/flux-2-pro",
    body: { prompt: "a fox", width: 256, height: 256 },
    hook: (address) => ({ webhook_url: address, webhook_secret: secret }),
    accepted: (said) => ({ id: said?.id, there: said?.polling_url }),
    poll: (id) => `/v1/get_result?id=${id}`,
    polled: (said) => ({ word: said?.status, links: said?.result?.sample ? [said.result.sample] : [] }),
    ends: ["Ready", "Error", "Request Moderated", "Content Moderated"],
    told: (said) => said.status,
    signed: (headers, body) => headers["x-bfl-signature"] === `sha256=${hmac(body, "hex")}`,
  },
};

/** One exchange: how it ended (answered, cut, dropped or silent), its status and seconds, and what came. */
async function exchange(method, address, { headers = {}, body } = {}) {
  const stop = new AbortController();
  const began = performance.now();
  const pieces = [];
  const seen = { how: "answered", status: 0 };
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), PATIENCE);
  };
  wait();
  try {
    const sent = body === undefined ? {} : { "content-type": "application/json" };
    const options = { method, headers: { ...sent, ...headers }, signal: stop.signal, redirect: "manual" };
    const answer = await fetch(address, body === undefined ? options : { ...options, body: JSON.stringify(body) });
    seen.status = answer.status;
    seen.type = answer.headers.get("content-type");
    for await (const piece of answer.body ?? []) {
      wait();
      pieces.push(piece);
    }
  } catch {
    seen.how = stop.signal.aborted ? "silent" : seen.status ? "cut" : "dropped";
  } finally {
    clearTimeout(timer);
  }
  seen.took = (performance.now() - began) / 1_000;
  return { seen, bytes: Buffer.concat(pieces) };
}

/** An exchange with what its answer says, null where that is no JSON. */
async function ask(method, address, options) {
  const { seen, bytes } = await exchange(method, address, options);
  try {
    return { ...seen, said: seen.how === "answered" ? JSON.parse(bytes) : null };
  } catch {
    return { ...seen, said: null };
  }
}

/** Which kind of picture bytes are, and whether they go on to its end. */
function picture(bytes) {
  const starts = (hex) => bytes.subarray(0, hex.length / 2).toString("hex") === hex;
  const ends = (hex) => bytes.subarray(-hex.length / 2).toString("hex") === hex;
  if (starts("89504e470d0a1a0a")) return { kind: "image/png", whole: ends("49454e44ae426082") };
  if (starts("ffd8ff")) return { kind: "image/jpeg", whole: ends("ffd9") };
  return { kind: null, whole: false };
}

async function fetched(link) {
  const { seen, bytes } = await exchange("GET", link);
  return { ...seen, ...picture(bytes), digest: createHash("sha256").update(bytes).digest("hex") };
}

/** What receives webhooks, for all cases: each has an address of its own. */
const received = new Map();
const hooks = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request.setEncoding("utf8")) body += piece;
  const [, name] = request.url.split("/");
  received.get(name)?.push({ headers: request.headers, body });
  response.writeHead(200).end();
});
hooks.listen(0, "127.0.0.1");
await once(hooks, "listening");

let count = 0;

/** One task of a service in a namespace of its own, with a fault that strikes once. */
async function life({ service, fault = null, moment = null, at = null, usual = null }) {
  const name = `case-${++count}`;
  const dialect = DIALECTS[service];
  const control = async (method, route, body) => {
    const told = await ask(method, `${url}/@${name}/__mock__/${route}`, { body });
    if (told.said === null) throw new Error(`${method} ${route}: ${JSON.stringify(told)}`);
    return told;
  };
  const call = (method, path, body) =>
    ask(method, path.startsWith("/") ? `${url}/@${name}/${service}${path}` : path, { headers: dialect.headers, body });
  const seen = { service, fault, at, polls: [], images: [], webhooks: [] };
  await control("POST", "clock", { freeze: true });

  const arm = async () => {
    const told = await control("POST", "faults", { name: fault, times: 1, match: { provider: service } });
    if (told.status !== 201) seen.obstacle = told.said.message;
    return told.status === 201;
  };
  let armed = moment === "poll" || fault === null ? false : await arm();
  if (seen.obstacle) return seen;

  received.set(name, []);
  const hook = moment === "webhook" ? dialect.hook(`http://127.0.0.1:${hooks.address().port}/${name}`) : {};
  seen.submit = await call("POST", dialect.submit, { ...dialect.body, ...hook });
  const { id, there } = seen.submit.status < 300 ? dialect.accepted(seen.submit.said) : {};
  seen.id = id !== undefined;
  const poll = async () => {
    const { said, ...told } = await call("GET", there ?? dialect.poll(id));
    const { word, links } = dialect.polled(said);
    seen.polls.push({ ...told, word: word ?? null, json: said !== null, ...(word === undefined ? { said } : {}) });
    return { word, links: links ?? [] };
  };

  /** Moves time on and polls, until the task has ended and the fault had its chance. */
  const walk = async () => {
    const words = [];
    const duration = usual ?? (await control("GET", `tasks/${id}`)).said.task.duration;
    for (let waited = 0; waited < LONGEST * duration; ) {
      const told = await poll();
      if (told.word !== undefined && !words.includes(told.word)) words.push(told.word);
      if (moment === "poll" && !armed && words.length > at) {
        armed = await arm();
        if (armed) continue;
        return { duration, links: [] };
      }
      if (dialect.ends.includes(told.word)) return { duration, waited, links: told.links };
      const step = Math.max(duration / STEPS, 0.18 * waited) + 0.01; // on a boundary is neither here nor there
      await control("POST", "clock", { advance: step });
      waited += step;
    }
    return { duration, links: [] };
  };

  if (seen.id) {
    const { links, ...told } = await walk();
    Object.assign(seen, told);
    for (const link of links) seen.images.push(await fetched(link));
    if (seen.images.some((image) => image.how !== "answered" || image.status !== 200 || !image.whole))
      for (const link of (await poll()).links) seen.images.push(await fetched(link));
  }
  if (seen.id && moment === "webhook") {
    for (const late of [false, true]) {
      if (late) await control("POST", "clock", { advance: LATEST });
      while ((await control("GET", "webhooks")).said.under_way) await new Promise((go) => setTimeout(go, 20));
      for (const { headers, body } of received.get(name).splice(0))
        seen.webhooks.push({ late, word: dialect.told(JSON.parse(body)), signed: dialect.signed(headers, body) });
    }
  }
  seen.billed = (await control("GET", "billed")).said.billed;
  seen.struck = (await control("GET", "faults")).said.armed.map((each) => each.struck);
  received.delete(name);
  await ask("DELETE", `${url}/__mock__/namespaces/${name}`);
  return seen;
}

const { services } = (await ask("GET", `${url}/__mock__/services`)).said;
const { faults } = (await ask("GET", `${url}/__mock__/faults`)).said;
const cases = [];
for (const { name: service } of services) {
  if (!(service in DIALECTS)) throw new Error(`There is no dialect of ${service} in this file: add it to DIALECTS.`);
  const plain = await life({ service, moment: "webhook" });
  console.log(JSON.stringify(plain));
  const words = [...new Set(plain.polls.map((each) => each.word))];
  for (const { name: fault, moment } of faults)
    for (const at of moment === "poll" ? words.keys() : [null])
      cases.push({ service, fault, moment, at, usual: plain.duration });
}
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let each = cases.shift(); each; each = cases.shift()) console.log(JSON.stringify(await life(each)));
  }),
);
hooks.close();
hooks.closeAllConnections();

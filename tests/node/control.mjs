// A user of the mock from another language: plain fetch, no package. Run by tests/test_node.py with the mock's address.

import assert from "node:assert/strict";

const url = process.argv[2];
const KLEIN = "magnific/v1/ai/text-to-image/flux-2-klein";

/** Asks the mock something, in JSON, and gives the status and what it answers. */
async function ask(method, path, { body, headers = {} } = {}) {
  const answer = await fetch(`${url}/${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

const control = (method, route, body, headers) => ask(method, `__mock__/${route}`, { body, headers });
const submit = (headers = { "x-magnific-api-key": "test" }, more = {}) =>
  ask("POST", KLEIN, { body: { prompt: "a fox", ...more }, headers });
const poll = (id, headers = { "x-magnific-api-key": "test" }) => ask("GET", `${KLEIN}/${id}`, { headers });

const steps = {
  async "a task goes its way while the test moves the clock"() {
    await control("POST", "clock", { freeze: true });
    const { data } = (await submit()).body;
    assert.equal(data.status, "CREATED");
    assert.equal((await poll(data.task_id)).body.data.status, "CREATED");
    await control("POST", "clock", { advance: 60 });
    const done = (await poll(data.task_id)).body.data;
    assert.equal(done.status, "COMPLETED");
    const image = await fetch(done.generated[0]);
    assert.equal(image.headers.get("content-type"), "image/jpeg");
    const bytes = new Uint8Array(await image.arrayBuffer());
    assert.deepEqual([...bytes.slice(0, 2)], [0xff, 0xd8]);
    await control("POST", "clock", { advance: 2 * 86400 });
    assert.equal((await fetch(done.generated[0])).status, 403);
  },

  async "what was bought is counted, and what was asked is on record"() {
    await submit(undefined, { seed: 7 });
    const billed = (await control("GET", "billed")).body;
    assert.equal(billed.billed, 1);
    const { exchanges } = (await control("GET", "exchanges?method=POST")).body;
    assert.deepEqual(exchanges.map((each) => each.body.seed), [7]);
    assert.ok(!JSON.stringify(exchanges).includes('"test"'));
  },

  async "a fault strikes as often as it was told to"() {
    const armed = await control("POST", "faults", { name: "503", times: 1 });
    assert.equal(armed.status, 201);
    assert.deepEqual([(await submit()).status, (await submit()).status], [503, 200]);
    assert.equal((await control("GET", "faults")).body.armed[0].struck, 1);
    assert.equal((await control("POST", "faults", { name: "5O3" })).status, 400);
  },

  async "an answer that is lost is an image that is bought"() {
    await control("POST", "faults", { fault: "accepted-then-dropped:x1" });
    await assert.rejects(submit(), TypeError);
    assert.equal((await control("GET", "billed")).body.billed, 1);
  },

  async "limits and balances refuse in the service's words"() {
    await control("PUT", "limits", { requests: 1, seconds: 60 });
    await submit();
    const limited = await submit();
    assert.equal(limited.status, 429);
    assert.ok(Number(limited.headers.get("retry-after")) <= 60);
    await control("PUT", "limits", {});
    await control("PUT", "balance", { balance: 0 });
    assert.equal((await submit()).status, 402);
    await control("PUT", "balance", { balance: null });
  },

  async "namespaces do not see each other, by key, by header and by address"() {
    await submit({ "x-magnific-api-key": "test-one" });
    await submit({ "x-magnific-api-key": "test", "x-fluxkit-namespace": "two" });
    await submit({ "x-magnific-api-key": "test", "x-fluxkit-namespace": "two" });
    const counted = async (name) => (await ask("GET", `@${name}/__mock__/billed`)).body.billed;
    assert.deepEqual([await counted("one"), await counted("two")], [1, 2]);
    assert.equal((await control("GET", "billed")).body.billed, 0);
    const { namespaces } = (await control("GET", "namespaces")).body;
    assert.deepEqual(namespaces.map((each) => each.name).sort(), ["one", "two"]);
    assert.equal((await control("DELETE", "namespaces/one")).status, 200);
  },

  async "a task is a timeline"() {
    const { data } = (await submit()).body;
    await poll(data.task_id);
    const { task, timeline } = (await control("GET", `tasks/${data.task_id}`)).body;
    assert.equal(task.model, "flux-2-klein");
    assert.deepEqual(timeline.map((each) => each.kind).sort(), ["accepted", "bill", "exchange", "exchange"]);
  },

  async "events come as they happen"() {
    const stopped = new AbortController();
    const stream = await fetch(`${url}/__mock__/events`, { signal: stopped.signal });
    const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    await submit();
    let told = "";
    while (!told.includes("event: exchange")) told += (await reader.read()).value;
    assert.ok(told.includes("event: bill"));
    stopped.abort();
  },

  async "each service is described by a document, which says what it takes and where"() {
    const { body: told } = await control("GET", "openapi/magnific.json");
    const { requestBody, responses } = told.paths["/v1/ai/text-to-image/flux-2-klein"].post;
    const at = (ref) => ref.slice(2).split("/").reduce((found, step) => found[step], told);
    const schema = at(requestBody.content["application/json"].schema.$ref);
    assert.deepEqual([schema.required, schema.additionalProperties], [["prompt"], false]);
    const key = { [told.components.securitySchemes.key.name]: "test", "content-type": "application/json" };
    const submit = (body) =>
      fetch(`${told.servers[0].url}/v1/ai/text-to-image/flux-2-klein`, { method: "POST", headers: key, body: JSON.stringify(body) });
    assert.equal((await submit({ prompt: "a fox" })).status, 200);
    const refused = await submit({ prompt: "a fox", steps: 4 });
    assert.equal("steps" in schema.properties, false);
    assert.ok(String(refused.status) in responses);
  },

  async "what cannot be is refused, and the mock lives on"() {
    const broken = await fetch(`${url}/__mock__/clock`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{",
    });
    assert.deepEqual([broken.status, (await broken.json()).message], [400, "The body is not JSON."]);
    assert.equal((await control("POST", "clock", { advance: "1" })).status, 400);
    assert.equal((await control("POST", "billed", {})).status, 405);
    assert.equal((await control("GET", "nothing")).status, 404);
    assert.equal((await control("GET", "openapi.json")).body.openapi, "3.1.0");
  },
};

for (const [name, step] of Object.entries(steps)) {
  await control("POST", "reset", { all: true });
  await step();
  console.log(name);
}

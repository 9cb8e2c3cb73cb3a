// Uses the Svix-compatible API of a running local host with the `svix` package of npm, unmodified: 2.x or 1.x.
// `scenario.mjs DATA MODULES` is called by `.ci/run sdk`. MODULES is the directory in which the package is installed.

import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , data, modules] = process.argv;
const require = createRequire(pathToFileURL(`${modules}/`));
const { Svix, Webhook } = await import(pathToFileURL(require.resolve("svix")));
const version = JSON.parse(readFileSync(join(modules, "node_modules/svix/package.json"), "utf8")).version;

const MILLISECONDS = 30_000;
const credentials = JSON.parse(readFileSync(join(data, "credentials.json"), "utf8"));
const servers = [];
const { url, received } = await receiver();

const svix = new Svix(credentials.platform_key, { serverUrl: credentials.base_url });
const uid = `javascript-${process.hrtime.bigint()}`;

const app = await svix.application.create({ name: "JavaScript", uid });
assert.equal(app.uid, uid);
assert.ok(app.createdAt instanceof Date);
assert.equal((await svix.application.getOrCreate({ name: "JavaScript", uid })).id, app.id);
assert.equal((await svix.application.patch(uid, { name: "Patched" })).name, "Patched");
const upsert = svix.application.upsert ?? svix.application.update;
assert.equal((await upsert.call(svix.application, uid, { name: "Replaced", uid })).name, "Replaced");
assert.ok((await walk((options) => svix.application.list(options))).includes(app.id));

const endpoint = await svix.endpoint.create(app.id, { url, uid: "main", description: "Main" });
assert.equal((await svix.endpoint.get(app.id, "main")).id, endpoint.id);
assert.equal((await svix.endpoint.patch(app.id, "main", { description: "Other" })).description, "Other");
assert.deepEqual(await walk((options) => svix.endpoint.list(app.id, options)), [endpoint.id]);
const headers = svix.endpoint.setHeaders ?? svix.endpoint.updateHeaders ?? svix.endpoint.headersUpdate;
await headers.call(svix.endpoint, app.id, "main", { headers: { "X-One": "1" } });
assert.deepEqual((await svix.endpoint.getHeaders(app.id, "main")).headers, { "X-One": "1" });

const former = (await svix.endpoint.getSecret(app.id, "main")).key;
await svix.endpoint.rotateSecret(app.id, "main", {});
const newest = (await svix.endpoint.getSecret(app.id, "main")).key;
const message = await svix.message.create(app.id, {
  eventType: "order.paid",
  eventId: "evt-1",
  payload: { name: "Zoë ☕" },
});
await eventually(() => received.length === 1);
const [request] = received;
assert.equal(request.headers["svix-id"], message.id);
assert.deepEqual(JSON.parse(request.body), { name: "Zoë ☕" });
for (const secret of [former, newest]) new Webhook(secret).verify(request.body, request.headers);
assert.throws(() => new Webhook(newest).verify(`${request.body} `, request.headers));
assert.equal((await svix.message.get(app.id, "evt-1")).id, message.id);
assert.deepEqual(await walk((options) => svix.message.list(app.id, options)), [message.id]);

await eventually(async () => (await svix.messageAttempt.listByMsg(app.id, message.id)).data.length === 1);
const [attempt] = (await svix.messageAttempt.listByEndpoint(app.id, endpoint.id)).data;
assert.deepEqual([attempt.status, attempt.msgId, attempt.responseStatusCode], [0, message.id, 204]);
assert.equal((await svix.messageAttempt.get(app.id, message.id, attempt.id)).id, attempt.id);
const destinations = await svix.messageAttempt.listAttemptedDestinations(app.id, message.id);
assert.deepEqual(destinations.data.map((it) => it.id), [endpoint.id]);
await svix.messageAttempt.resend(app.id, message.id, endpoint.id);
await eventually(() => received.length === 2);

await changeToEd25519(newest);
const [latest] = (await svix.messageAttempt.listByMsg(app.id, message.id)).data;
await svix.messageAttempt.expungeContent(app.id, message.id, latest.id);
assert.equal((await svix.messageAttempt.get(app.id, message.id, latest.id)).response, "");
await operational();
await statistics();

await fails(404, () => svix.endpoint.get(app.id, "nobody"));
await fails(422, () => svix.endpoint.create(app.id, { url: "nonsense" }));
await fails(409, () => svix.message.create(app.id, { eventType: "order.paid", eventId: "evt-1", payload: {} }));
await svix.endpoint.delete(app.id, "main");
await svix.application.delete(app.id);
await fails(404, () => svix.application.get(app.id));
for (const server of servers) {
  server.close();
  server.closeAllConnections();
}
console.log(`sdk: svix ${version} of npm, all operations are as expected`);

// During the change from an HMAC secret to an Ed25519 key, the client's Webhook verifies the HMAC beside the other signature, and
// the public key that the client reads verifies the Ed25519 signature. Webhook itself cannot verify that in any generation.
async function changeToEd25519(former) {
  const before = received.length;
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const bytes = Buffer.concat([d, x].map((part) => Buffer.from(part, "base64url")));
  await svix.endpoint.rotateSecret(app.id, "main", { key: `whsk_${bytes.toString("base64")}` });
  const publicKey = (await svix.endpoint.getSecret(app.id, "main")).key;
  assert.equal(publicKey, `whpk_${Buffer.from(x, "base64url").toString("base64")}`);
  await svix.message.create(app.id, { eventType: "order.paid", payload: { name: "Zoë ☕" } });
  await eventually(() => received.length === before + 1);
  const { body, headers } = received.at(-1);
  new Webhook(former).verify(body, headers);
  assert.throws(() => new Webhook(former).verify(`${body} `, headers));
  assert.ok(verifiesEd25519(publicKey, body, headers));
  assert.ok(!verifiesEd25519(publicKey, `${body} `, headers));
}

function verifiesEd25519(publicKey, body, headers) {
  const x = Buffer.from(publicKey.replace("whpk_", ""), "base64").toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const content = Buffer.from(`${headers["svix-id"]}.${headers["svix-timestamp"]}.${body}`);
  const signatures = headers["svix-signature"].split(" ").filter((signature) => signature.startsWith("v1a,"));
  return signatures.some((signature) => verify(null, content, key, Buffer.from(signature.slice(4), "base64")));
}

// A new receiver, and the requests that it gets.
async function receiver() {
  const received = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(204).end();
    });
  });
  servers.push(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, received };
}

// The endpoints that receive events about all applications.
async function operational() {
  const { url, received } = await receiver();
  const api = svix.operationalWebhook.endpoint ?? svix.operationalWebhookEndpoint;
  const types = ["endpoint.created", "endpoint.deleted"];
  const uid = `javascript-${process.hrtime.bigint()}`;
  const named = { url, uid, eventTypes: types, filterTypes: types };
  const created = await api.create({ ...named, description: "Ops" });
  assert.deepEqual([created.uid, created.description, created.disabled], [uid, "Ops", false]);
  assert.deepEqual(created.eventTypes ?? created.filterTypes, types);
  assert.equal((await api.get(uid)).id, created.id);
  const change = api.upsert ?? api.update;
  assert.equal((await change.call(api, created.id, { ...named, description: "Other" })).description, "Other");
  assert.ok((await walk((options) => api.list(options))).includes(created.id));
  const setHeaders = api.setHeaders ?? api.updateHeaders;
  await setHeaders.call(api, created.id, { headers: { "X-Ops": "1" } });
  assert.deepEqual((await api.getHeaders(created.id)).headers, { "X-Ops": "1" });
  const former = (await api.getSecret(created.id)).key;
  await api.rotateSecret(created.id, {});
  const newest = (await api.getSecret(created.id)).key;
  const endpoint = await svix.endpoint.create(app.id, { url, disabled: true });
  await eventually(() => received.length === 1);
  const [request] = received;
  for (const secret of [former, newest]) new Webhook(secret).verify(request.body, request.headers);
  const event = JSON.parse(request.body);
  assert.deepEqual([event.type, event.data.appId, event.data.endpointId], ["endpoint.created", app.id, endpoint.id]);
  await svix.endpoint.delete(app.id, endpoint.id);
  await eventually(() => received.length === 2);
  await api.delete(created.id);
  await fails(404, () => api.get(created.id));
  await fails(422, () => api.create({ url, eventTypes: ["nonsense"], filterTypes: ["nonsense"] }));
}

async function statistics() {
  const span = { since: new Date(Date.now() - 86_400_000), until: new Date() };
  const usage = await svix.statistics.aggregateAppStats({ ...span, appIds: [uid, "nobody"] });
  assert.deepEqual([usage.unresolvedAppIds, usage.task], [["nobody"], "application.stats"]);
  const [counted] = (await svix.backgroundTask.get(usage.id)).data.appStats;
  assert.deepEqual([counted.appId, counted.appUid], [app.id, uid]);
  const types = await svix.statistics.aggregateEventTypes();
  const listed = (await svix.backgroundTask.get(types.id)).data.event_types;
  assert.deepEqual(listed.filter((it) => it.appId === app.id).map((it) => it.hasCatchAllEndpoint), [true]);
}

async function walk(list) {
  const found = [];
  for (let iterator; ; ) {
    const page = await list({ limit: 2, iterator });
    found.push(...page.data.map((item) => item.id));
    if (page.done) return found;
    iterator = page.iterator;
  }
}

async function fails(status, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.code, status);
    return true;
  });
}

async function eventually(condition) {
  for (const end = Date.now() + MILLISECONDS; !(await condition()); ) {
    assert.ok(Date.now() < end, "the condition does not hold in time");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

// The vendor's side of BOOP, by the flow its documentation describes, against `tillgate demo`.
//
// The demo's simulated scanner presents a registered palm shortly after a context opens. A context
// that names a terminal nobody has stays open, so it can be cancelled, repeated or left to expire.
// A vendor has one socket, so the tests of this file run one after the other.
//
// By hand: `tillgate demo --ready-file ready.json`, then `TILLGATE_READY=ready.json node --test`.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Peer, ready } from "./peer.mjs";

const { url, vendor_id, api_key } = ready("boop");

const NOBODY = "pvs_of_nobody";
const CONTEXT_LIFE_MS = 30_000;
const FRAME_LIMIT = 64 * 1024;
const FRAME_LIMIT_BEFORE_LOGIN = 4 * 1024;

const peers = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.close();
});

async function connect() {
  const peer = await Peer.open(url);
  peers.push(peer);
  return peer;
}

function authenticate(peer, key = api_key, vendor = vendor_id) {
  peer.send({ type: "authenticate", vendor_id: vendor, api_key: key });
}

async function loggedIn() {
  const peer = await connect();
  authenticate(peer);
  await peer.expect("authenticated");
  return peer;
}

/** Sends a context and returns its id. */
function create(peer, requirements, context_id = randomUUID()) {
  peer.send({ type: "create_context", context_id, requirements });
  return context_id;
}

async function alive(peer) {
  peer.send({ type: "ping" });
  await peer.expect("pong");
}

/** An error in the form both of the vendor's pages can read. */
function isError(message, code, context_id) {
  const shown = JSON.stringify(message);
  assert.equal(message.type, "error", shown);
  assert.equal(message.code, code, shown);
  assert.equal(typeof message.error, "string", shown);
  assert.notEqual(message.error, "", shown);
  assert.equal(message.message, message.error, shown);
  assert.equal(message.context_id, context_id, shown);
  assert.equal(typeof message.details, "object", shown);
  assert.equal(message.details.context_id, context_id, shown);
  assert.equal(typeof message.details.retry_allowed, "boolean", shown);
  assert.match(message.details.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, shown);
}

function isSuccess(message, context_id, attributes) {
  const shown = JSON.stringify(message);
  assert.equal(message.type, "auth_result", shown);
  assert.equal(message.context_id, context_id, shown);
  assert.equal(message.result.success, true, shown);
  assert.equal(typeof message.result.user_id, "string", shown);
  assert.notEqual(message.result.user_id, "", shown);
  assert.deepEqual(Object.keys(message.result.attributes ?? {}).sort(), attributes, shown);
}

function isCancelled(message, context_id) {
  const shown = JSON.stringify(message);
  assert.equal(message.type, "auth_result", shown);
  assert.equal(message.context_id, context_id, shown);
  assert.equal(message.result.success, false, shown);
  assert.equal(message.result.code, "cancelled", shown);
  assert.equal(message.result.user_id, undefined, shown);
}

test("the documented flow: log in, ask for a payment of 25.00, get the user and an email", async () => {
  const vendor = await connect();
  authenticate(vendor);
  const authenticated = await vendor.expect("authenticated");
  assert.equal(authenticated.vendor_id, vendor_id);

  const context_id = create(vendor, { type: "payment", amount: 2500, attributes: ["email"] });
  const message = await vendor.next();
  isSuccess(message, context_id, ["email"]);
  assert.match(message.result.attributes.email, /^[^@\s]+@[^@\s]+$/);
  assert.equal(typeof message.result.transaction_id, "string");
  assert.notEqual(message.result.transaction_id, "");
  await vendor.quiet();
});

test("frames sent before `authenticated` arrives are processed after it, in order", async () => {
  const vendor = await connect();
  authenticate(vendor);
  const refused = create(vendor, { type: "payment", amount: -1 });
  const open = create(vendor, { type: "entrance", terminal_id: NOBODY });
  vendor.send({ type: "cancel_context", context_id: open });
  vendor.send({ type: "ping" });

  await vendor.expect("authenticated");
  isError(await vendor.next(), "INVALID_REQUEST", refused);
  // A ping never waits behind a context that is being stored, so the two may come either way round.
  const both = [await vendor.next(), await vendor.next()];
  const pong = both.findIndex((message) => message.type === "pong");
  assert.deepEqual(both[pong], { type: "pong" });
  isCancelled(both[1 - pong], open);
  await vendor.quiet();
});

test("contexts sent before `authenticated` arrives are answered in the order they were made", async () => {
  const vendor = await connect();
  authenticate(vendor);
  const first = create(vendor, { type: "entrance", attributes: ["email"] });
  const second = create(vendor, { type: "membership" });
  const third = create(vendor, { type: "payment", amount: 1 });

  await vendor.expect("authenticated");
  const entrance = await vendor.next();
  isSuccess(entrance, first, ["email"]);
  const membership = await vendor.next();
  isSuccess(membership, second, []);
  const payment = await vendor.next();
  isSuccess(payment, third, []);
  assert.equal(membership.result.user_id, entrance.result.user_id, "the same user has the same id on every visit");
  assert.equal(payment.result.user_id, entrance.result.user_id);
  assert.equal(entrance.result.transaction_id, undefined, "no payment, no transaction");
  assert.equal(membership.result.transaction_id, undefined, "no payment, no transaction");
  assert.equal(typeof payment.result.transaction_id, "string");
  await vendor.quiet();
});

test("an entrance with keys of its own is answered like any other", async () => {
  const vendor = await loggedIn();
  const requirements = { type: "entrance", attributes: ["email"], gate: "north", tickets: 2 };
  const context_id = create(vendor, requirements);
  isSuccess(await vendor.next(), context_id, ["email"]);
});

test("a ping is answered, before the login and after it", async () => {
  const vendor = await connect();
  await alive(vendor);
  authenticate(vendor);
  await vendor.expect("authenticated");
  await alive(vendor);
  vendor.send({ type: "ping", sent_at: 12, note: "extra keys are ignored" });
  await vendor.expect("pong");
});

test("a second login of the same vendor on the same socket is answered again", async () => {
  const vendor = await loggedIn();
  authenticate(vendor);
  await vendor.expect("authenticated");
  await alive(vendor);
});

test("a wrong key is refused in the documented words, then closed with 4401", async () => {
  const vendor = await connect();
  authenticate(vendor, `${api_key}x`);
  const refusal = await vendor.next();
  isError(refusal, "INVALID_CREDENTIALS", undefined);
  assert.equal(refusal.error, "Authentication failed");
  await vendor.closedWith(4401);
});

test("an unknown vendor gets the same refusal as a wrong key", async () => {
  const vendor = await connect();
  authenticate(vendor, api_key, "ven_test_nobody");
  const refusal = await vendor.next();
  isError(refusal, "INVALID_CREDENTIALS", undefined);
  assert.equal(refusal.error, "Authentication failed");
  await vendor.closedWith(4401);
});

test("a context before any login is refused with AUTH_REQUIRED and the socket stays", async () => {
  const vendor = await connect();
  const context_id = create(vendor, { type: "payment", amount: 2500 });
  const refusal = await vendor.expect("error");
  assert.equal(refusal.code, "AUTH_REQUIRED");
  authenticate(vendor);
  await vendor.expect("authenticated");
  vendor.send({ type: "cancel_context", context_id });
  isError(await vendor.next(), "AUTH_CONTEXT_NOT_FOUND", context_id);
  await vendor.quiet();
});

test("the newest socket of a vendor wins, and the open contexts move to it", async () => {
  const older = await loggedIn();
  const context_id = create(older, { type: "entrance", terminal_id: NOBODY });
  await alive(older);

  const newer = await loggedIn();
  isError(await older.next(), "CONNECTION_REPLACED", undefined);
  await older.closedWith(4409);

  newer.send({ type: "cancel_context", context_id });
  isCancelled(await newer.next(), context_id);
  await alive(newer);
  await newer.quiet();
});

test("a context id used twice is refused, and the first context is untouched", async () => {
  const vendor = await loggedIn();
  const context_id = create(vendor, { type: "payment", amount: 2500, terminal_id: NOBODY });
  create(vendor, { type: "entrance" }, context_id);
  isError(await vendor.next(), "INVALID_REQUEST", context_id);

  vendor.send({ type: "cancel_context", context_id });
  isCancelled(await vendor.next(), context_id);
  create(vendor, { type: "entrance" }, context_id);
  isError(await vendor.next(), "INVALID_REQUEST", context_id);
  await vendor.quiet();
});

test("a cancelled context has one terminal message", async () => {
  const vendor = await loggedIn();
  const context_id = create(vendor, { type: "membership", terminal_id: NOBODY });
  vendor.send({ type: "cancel_context", context_id });
  isCancelled(await vendor.next(), context_id);
  vendor.send({ type: "cancel_context", context_id });
  isError(await vendor.next(), "AUTH_CONTEXT_NOT_FOUND", context_id);
  await vendor.quiet();
});

test("requirements that cannot be right are refused with the context's id", async () => {
  const vendor = await loggedIn();
  const wrong = [
    { type: "payment" },
    { type: "payment", amount: 0 },
    { type: "payment", amount: 25.5 },
    { type: "payment", amount: "2500" },
    { type: "payment", amount: 2 ** 53 },
    { type: "haircut" },
    { amount: 2500 },
  ];
  for (const requirements of wrong) {
    const context_id = create(vendor, requirements);
    isError(await vendor.next(), "INVALID_REQUEST", context_id);
  }
  await vendor.quiet();
});

test("malformed frames are refused with INVALID_REQUEST and the socket stays", async () => {
  const vendor = await loggedIn();
  const malformed = [
    "not json",
    '{"type":"ping"',
    "[]",
    "42",
    "null",
    "{}",
    '{"type":7}',
    '{"type":"payment","amount":2500}',
  ];
  for (const text of malformed) {
    vendor.sendText(text);
    isError(await vendor.next(), "INVALID_REQUEST", undefined);
    await alive(vendor);
  }
  await vendor.quiet();
});

test("a binary frame is closed with 1003", async () => {
  const vendor = await loggedIn();
  vendor.sendBinary(Buffer.from('{"type":"ping"}'));
  await vendor.closedWith(1003);
});

test("a frame over the limit is closed with 1009, and the limit is smaller before the login", async () => {
  const stranger = await connect();
  stranger.send({ type: "ping", filler: "x".repeat(FRAME_LIMIT_BEFORE_LOGIN) });
  await stranger.closedWith(1009);

  const vendor = await loggedIn();
  vendor.send({ type: "ping", filler: "x".repeat(FRAME_LIMIT - 100) });
  await vendor.expect("pong");
  vendor.send({ type: "ping", filler: "x".repeat(FRAME_LIMIT) });
  await vendor.closedWith(1009);
});

test("a result that came while the vendor was away is told after the next login", async () => {
  const away = await loggedIn();
  const context_id = create(away, { type: "entrance" });
  await away.close();
  await pause(3_000);

  const back = await loggedIn();
  isSuccess(await back.next(), context_id, []);
  await back.quiet();
});

test("a context nobody answers expires after 30 s, and only then", { timeout: 60_000 }, async () => {
  const vendor = await loggedIn();
  const sent = performance.now();
  const context_id = create(vendor, { type: "payment", amount: 2500, terminal_id: NOBODY });
  await vendor.quiet(CONTEXT_LIFE_MS / 2);
  await alive(vendor);
  const expired = await vendor.next(CONTEXT_LIFE_MS);
  const took = performance.now() - sent;
  isError(expired, "AUTH_CONTEXT_EXPIRED", context_id);
  assert.equal(expired.error, "Context expired");
  // Not before its time; the half second after it is the specification's, the rest this machine's.
  assert.ok(took >= CONTEXT_LIFE_MS - 50, `expired after only ${took} ms`);
  assert.ok(took <= CONTEXT_LIFE_MS + 1_500, `expired after ${took} ms`);
  await vendor.quiet();
});

// A till of the Modulus terminal gateway, by the flow its documentation describes, against `tillgate demo`.
//
// The demo's simulated terminal does what the cents of an amount say: .00 is paid, .05 is declined, .10 cancelled.
// A key has one socket, so the tests of this file run one after the other.
//
// By hand: `tillgate demo --ready-file ready.json`, then `TILLGATE_READY=ready.json node --test`.

import assert from "node:assert/strict";
import { createHash, createHmac, randomUUID } from "node:crypto";
import { afterEach, test } from "node:test";
import { Peer, ready } from "./peer.mjs";

const { url, http, api_key, api_secret, group_id, terminal_id, terminal_api_key } = ready("modulus");

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const peers = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.close();
});

async function connect(headers = { "x-api-key": api_key }, address = url) {
  const peer = await Peer.open(address, { headers, kind: "action" });
  peers.push(peer);
  return peer;
}

async function alive(peer) {
  peer.send({ action: "ping" });
  await peer.expect("pong");
}

/** A request as a till makes it, under an id of its own. */
function request(amount, more = {}) {
  return { transactionId: randomUUID(), amount, currency: "PHP", paymentMethod: "CARD", ...more };
}

/** Asks for a payment and returns what was asked. */
function pay(peer, paymentRequest, terminalId = terminal_id) {
  peer.send({ action: "payment", terminalId, paymentRequest });
  return paymentRequest;
}

/** The next message that is not about a terminal's presence. */
async function next(peer) {
  for (;;) {
    const message = await peer.next();
    if (message.action !== "terminalStatusUpdate") return message;
  }
}

function isComplete(message, asked, status) {
  const shown = JSON.stringify(message);
  assert.equal(message.action, "paymentComplete", shown);
  assert.equal(message.terminalId, terminal_id, shown);
  assert.equal(message.transactionId, asked.transactionId, shown);
  assert.equal(message.status, status, shown);
  assert.equal(message.groupId, group_id, shown);
  assert.equal(message.version, "v1", shown);
  assert.match(message.timestamp, INSTANT, shown);
  isResponse(message.paymentResponse, asked, status);
}

function isResponse(response, asked, status) {
  const shown = JSON.stringify(response);
  assert.equal(response.transactionId, asked.transactionId, shown);
  assert.equal(response.status, status, shown);
  assert.equal(response.amount, asked.amount, shown);
  assert.equal(response.currency, asked.currency, shown);
  assert.deepEqual(response.metadata, asked.metadata, shown);
  if (status === "SUCCESS") assert.equal(typeof response.authorizationCode, "string", shown);
}

function isError(message, error, text, transactionId) {
  const shown = JSON.stringify(message);
  assert.equal(message.error, error, shown);
  assert.equal(message.message, text, shown);
  assert.equal(message.requestAction, "payment", shown);
  assert.equal(message.transactionId, transactionId, shown);
}

function isRefusal(body, code) {
  const shown = JSON.stringify(body);
  assert.equal(body.error.code, code, shown);
  assert.equal(body.code, code, shown);
  assert.equal(typeof body.message, "string", shown);
  assert.equal(body.message, body.error.message, shown);
  assert.match(body.timestamp, INSTANT, shown);
}

/** The documented signature: HMAC-SHA256 over method, path, time and the body's digest. */
function signature(secret, method, path, timestamp, body) {
  const bodyHash = createHash("sha256").update(body).digest("hex");
  return createHmac("sha256", secret).update(`${method}\n${path}\n${timestamp}\n${bodyHash}`).digest("base64");
}

/** A signed call; `more` replaces headers or takes them away. */
async function call(method, path, body = "", more = {}, at = new Date()) {
  const address = new URL(`${http}${path}`);
  const timestamp = at.toISOString();
  const headers = {
    "content-type": "application/json",
    "x-api-key": api_key,
    "x-timestamp": timestamp,
    "x-signature": signature(api_secret, method, address.pathname, timestamp, body),
    ...more,
  };
  for (const name of Object.keys(headers)) if (headers[name] === undefined) delete headers[name];
  const response = await fetch(address, { method, headers, body: body || undefined });
  return { status: response.status, body: await response.json() };
}

test("the key goes in a header, the group may go with it, and no message is needed", async () => {
  await alive(await connect());
  await alive(await connect({ "x-api-key": api_key, "x-group-id": group_id }));
});

test("the key may go in the query, where a header wins over it", async () => {
  await alive(await connect({}, `${url}?x-api-key=${api_key}`));
  await alive(await connect({ "x-api-key": api_key }, `${url}?x-api-key=of-somebody-else`));
});

test("no key, a bad key and a foreign group are refused at the upgrade", async () => {
  const refused = [
    [{}, 401, "UNAUTHORIZED"],
    [{ "x-api-key": "mk_of_somebody_else" }, 401, "UNAUTHORIZED"],
    [{ "x-api-key": api_key, "x-group-id": "store-of-others" }, 403, "GROUP_MISMATCH"],
  ];
  for (const [headers, status, code] of refused) {
    const refusal = await Peer.refused(url, { headers });
    assert.equal(refusal.status, status);
    isRefusal(refusal.body, code);
  }
});

test("a ping is answered, also one with a timestamp", async () => {
  const till = await connect();
  await alive(till);
  till.send({ action: "ping", timestamp: new Date().toISOString() });
  await till.expect("pong");
});

test("the list of terminals has the simulated one, online", async () => {
  const till = await connect();
  till.send({ action: "getTerminals" });
  const list = await till.expect("terminalsResponse");
  assert.match(list.timestamp, INSTANT);
  const terminal = list.terminals.find((one) => one.deviceId === terminal_id);
  const shown = JSON.stringify(list);
  assert.equal(terminal.status, "online", shown);
  assert.equal(typeof terminal.connectionId, "string", shown);
  assert.match(terminal.connectedAt, INSTANT, shown);
  assert.match(terminal.lastActivity, INSTANT, shown);
  assert.equal(typeof terminal.metadata, "object", shown);
});

test("a payment succeeds, is declined or is cancelled, with the amount as it was written", async () => {
  const till = await connect();
  const asked = pay(till, request("1250.00", { metadata: { check: "K-118" } }));
  isComplete(await next(till), asked, "SUCCESS");
  const number = pay(till, request(25));
  isComplete(await next(till), number, "SUCCESS");

  const declined = pay(till, request("25.05"));
  const message = await next(till);
  isComplete(message, declined, "FAILED");
  assert.equal(message.paymentResponse.errorCode, "INSUFFICIENT_FUNDS");

  const cancelled = pay(till, request("25.10"));
  isComplete(await next(till), cancelled, "CANCELLED");
});

test("a payment on a connection's id is one on its terminal", async () => {
  const till = await connect();
  till.send({ action: "getTerminals" });
  const { terminals } = await till.expect("terminalsResponse");
  const { connectionId } = terminals.find((one) => one.deviceId === terminal_id);
  const asked = pay(till, request("25.00"), connectionId);
  const message = await next(till);
  assert.equal(message.action, "paymentComplete", JSON.stringify(message));
  isResponse(message.paymentResponse, asked, "SUCCESS");
});

test("the four documented errors have their words", async () => {
  const till = await connect();
  till.send({ action: "payment", paymentRequest: request("1.00") });
  isError(await till.next(), "Bad Request", "terminalId is required", null);
  till.send({ action: "payment", terminalId: terminal_id });
  isError(await till.next(), "Bad Request", "paymentRequest is required", null);
  const nobodys = pay(till, request("1.00"), "lane-of-nobody");
  isError(await till.next(), "Not Found", "Terminal connection not found", nobodys.transactionId);

  till.send({ action: "getTerminals" });
  const { terminals } = await till.expect("terminalsResponse");
  // A connection of another group: its id says where it belongs.
  const ours = terminals.find((one) => one.deviceId === terminal_id).connectionId;
  const theirs = ours.slice(0, 1) + (ours.startsWith("c00") ? "01" : "00") + ours.slice(3);
  const foreign = pay(till, request("1.00"), theirs);
  const text = "Cannot send message to connection in different group";
  isError(await till.next(), "Forbidden", text, foreign.transactionId);
  await alive(till);
});

test("what is no message is refused, and the socket stays", async () => {
  const till = await connect();
  for (const [text, message] of [
    ["not json", "Invalid JSON"],
    ["[]", "Invalid JSON"],
    ['{"action":"refund"}', "Unknown action"],
  ]) {
    till.sendText(text);
    const error = await till.expect("error");
    assert.equal(error.error, "Bad Request", JSON.stringify(error));
    assert.equal(error.message, message, JSON.stringify(error));
  }
  await alive(till);
});

test("the same id with the same request is answered again, with another one refused", async () => {
  const till = await connect();
  const asked = pay(till, request("25.00"));
  const first = await next(till);
  isComplete(first, asked, "SUCCESS");
  pay(till, asked);
  const again = await next(till);
  assert.deepEqual(again.paymentResponse, first.paymentResponse);
  pay(till, { ...asked, amount: "26.00" });
  const conflict = await till.expect("error");
  assert.equal(conflict.error, "Conflict", JSON.stringify(conflict));
});

test("the newest socket of a key wins, and the older is told why it goes", async () => {
  const older = await connect();
  const newer = await connect();
  const told = await older.expect("forceDisconnect");
  assert.equal(told.reason, "NEW_CONNECTION", JSON.stringify(told));
  await older.closedWith(4409);
  await alive(newer);
});

test("an outcome that came while the till was away is told when it is back", async () => {
  const away = await connect();
  const asked = pay(away, request("25.00"));
  // Nothing acknowledges a payment; what was read before the ping was taken.
  await alive(away);
  await away.close();
  const back = await connect();
  isComplete(await next(back), asked, "SUCCESS");
});

test("a terminal comes, is awaited and comes back, and the till is told", async () => {
  const till = await connect();
  const headers = { "x-api-key": terminal_api_key, "x-device-id": "TERM-NODE" };
  const terminal = await connect(headers);
  const connected = await till.expect("terminalStatusUpdate");
  assert.equal(connected.terminalId, "TERM-NODE", JSON.stringify(connected));
  assert.equal(connected.status, "connected");
  assert.equal(connected.terminalInfo.status, "online");
  assert.equal(connected.groupId, group_id);
  await terminal.close();
  const reconnecting = await till.expect("terminalStatusUpdate");
  assert.equal(reconnecting.status, "reconnecting", JSON.stringify(reconnecting));
  await connect(headers);
  const back = await till.expect("terminalStatusUpdate");
  assert.equal(back.status, "connected", JSON.stringify(back));
  assert.notEqual(back.connectionId, connected.connectionId);
});

test("signatures come out as the specification's vectors", () => {
  const secret = "demo-secret-lane7";
  const at = "2031-03-04T05:06:07.089Z";
  const body =
    '{"transactionId":"0197a1c2-5b3e-7d44-9f10-2a6b8c0d1e2f","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}';
  const vectors = [
    ["GET", "/v1/terminals", "", "+0N+xR7FrU9Fx/UuZoPyVDk3uOS9FYViFqLJEwqA9NE="],
    ["POST", "/v1/terminals/lane-7/payments", body, "YyAIF7fETQjJn0D2L/qKRay9XwWlqVTuPoHP7ictTRQ="],
    ["DELETE", "/v1/webhooks/endpoints/wh_demo1", "", "QiQHsisQy3Pf0f1AGYXwjnsYjxkUNhrgn/PtKsAOjHU="],
  ];
  for (const [method, path, text, right] of vectors) {
    assert.equal(signature(secret, method, path, at, text), right, path);
  }
});

test("signed calls list, pay and look up", async () => {
  const list = await call("GET", "/terminals");
  assert.equal(list.status, 200, JSON.stringify(list));
  assert.equal(list.body.count, list.body.terminals.length);
  assert.equal(list.body.terminals.find((one) => one.terminalId === terminal_id).status, "online");

  const asked = request("1250.00", { metadata: { check: "K-119" } });
  const paid = await call("POST", `/terminals/${terminal_id}/payments`, JSON.stringify(asked));
  assert.equal(paid.status, 200, JSON.stringify(paid));
  assert.equal(paid.body.transactionId, asked.transactionId);
  assert.equal(paid.body.status, "SUCCESS");
  isResponse(paid.body.paymentResponse, asked, "SUCCESS");

  const found = await call("GET", `/transactions/${asked.transactionId}`);
  assert.equal(found.status, 200, JSON.stringify(found));
  assert.equal(found.body.status, "COMPLETED");
  assert.equal(found.body.deviceId, terminal_id);
  assert.deepEqual(found.body.request, asked);
  isResponse(found.body.response, asked, "SUCCESS");

  const declined = await call("POST", `/terminals/${terminal_id}/payments`, JSON.stringify(request("1.05")));
  assert.equal(declined.status, 200, "a business failure is an answer");
  assert.equal(declined.body.status, "FAILED");
});

test("calls do not displace the socket", async () => {
  const till = await connect();
  const asked = request("25.00");
  const paid = await call("POST", `/terminals/${terminal_id}/payments`, JSON.stringify(asked));
  assert.equal(paid.body.status, "SUCCESS", JSON.stringify(paid));
  till.send({ action: "ping" });
  let message;
  do message = await next(till);
  while (message.action === "paymentComplete");
  assert.equal(message.action, "pong", JSON.stringify(message));
});

test("calls that are signed wrong, late or not at all are refused, each with its code", async () => {
  const minutes = (count) => new Date(Date.now() + count * 60_000);
  const refused = [
    [await call("GET", "/terminals", "", { "x-signature": undefined }), 401, "UNAUTHORIZED"],
    [await call("GET", "/terminals", "", { "x-api-key": "mk_of_somebody_else" }), 401, "UNAUTHORIZED"],
    [await call("GET", "/terminals", "", {}, minutes(-5.1)), 401, "TIMESTAMP_EXPIRED"],
    [await call("GET", "/terminals", "", {}, minutes(5.1)), 401, "TIMESTAMP_EXPIRED"],
    [await call("GET", "/terminals", "", { "x-signature": signature("x", "GET", "/v1/terminals", "", "") }), 401, "INVALID_SIGNATURE"],
    [await call("POST", "/terminals/lane-of-nobody/payments", JSON.stringify(request("1.00"))), 404, "TERMINAL_NOT_FOUND"],
    [await call("POST", `/terminals/${terminal_id}/payments`, "{}"), 400, "INVALID_REQUEST"],
    [await call("GET", "/transactions/of-nobody"), 404, "TRANSACTION_NOT_FOUND"],
  ];
  for (const [{ status, body }, expected, code] of refused) {
    assert.equal(status, expected, JSON.stringify(body));
    isRefusal(body, code);
  }
  assert.equal((await call("GET", "/terminals", "", {}, minutes(-4.9))).status, 200);
});

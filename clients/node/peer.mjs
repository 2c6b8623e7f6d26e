// A plain WebSocket peer for tests: what arrives is kept in order until a test asks for it.
// It knows no vendor; it only insists that every frame is one JSON object in text.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import WebSocket from "ws";

// Long enough for a busy machine, short enough to notice silence.
const PATIENCE_MS = 10_000;

/** The section of one dialect in the ready file that the demo wrote. */
export function ready(dialect) {
  const file = process.env.TILLGATE_READY;
  assert.ok(file, "set TILLGATE_READY to the file that `tillgate demo --ready-file` wrote");
  const section = JSON.parse(readFileSync(file, "utf8"))[dialect];
  assert.ok(section, `the ready file has no section \`${dialect}\``);
  return section;
}

export class Peer {
  #socket;
  #arrived = [];
  #waiting = null;
  #close = null;
  #kind;

  /** Resolves when the socket is open. Frames may be sent at once. `kind` is the key that says what a frame is. */
  static open(url, { headers = {}, kind = "type" } = {}) {
    return new Promise((resolve, reject) => {
      const peer = new Peer(new WebSocket(url, { headers }), kind);
      peer.#socket.once("open", () => resolve(peer));
      peer.#socket.once("error", reject);
    });
  }

  /** The status and the body with which an upgrade is refused; fails if it is not. */
  static refused(url, { headers = {} } = {}) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { headers });
      socket.once("open", () => {
        socket.terminate();
        reject(new Error("the upgrade was to be refused"));
      });
      socket.once("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (data) => (body += data));
        response.on("end", () => resolve({ status: response.statusCode, body: JSON.parse(body) }));
      });
    });
  }

  constructor(socket, kind) {
    this.#socket = socket;
    this.#kind = kind;
    socket.on("message", (data, isBinary) => {
      this.#arrive(isBinary ? { binary: data.toString("hex") } : { text: data.toString("utf8") });
    });
    socket.on("close", (code, reason) => {
      this.#close = { code, reason: reason.toString("utf8") };
      this.#arrive(null);
    });
    // A close always follows an error; the close is what tests look at.
    socket.on("error", () => {});
  }

  #arrive(thing) {
    if (thing) this.#arrived.push(thing);
    const wake = this.#waiting;
    this.#waiting = null;
    wake?.();
  }

  async #something(patience) {
    const until = performance.now() + patience;
    while (this.#arrived.length === 0 && !this.#close) {
      const left = until - performance.now();
      if (left <= 0) return;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  send(message) {
    this.sendText(JSON.stringify(message));
  }

  sendText(text) {
    this.#socket.send(text);
  }

  sendBinary(bytes) {
    this.#socket.send(bytes, { binary: true });
  }

  /** The next frame, parsed; fails if none comes, the socket closes, or it is not a JSON object. */
  async next(patience = PATIENCE_MS) {
    await this.#something(patience);
    const frame = this.#arrived.shift();
    if (!frame) {
      const closed = this.#close && `; closed ${this.#close.code} ${this.#close.reason}`;
      assert.fail(`expected a frame within ${patience} ms, nothing came${closed ?? ""}`);
    }
    assert.ok("text" in frame, `expected a text frame, a binary one came: ${frame.binary}`);
    const message = JSON.parse(frame.text);
    assert.ok(message !== null && typeof message === "object" && !Array.isArray(message), frame.text);
    return message;
  }

  /** The next frame, which has to be of this type. */
  async expect(type, patience) {
    const message = await this.next(patience);
    assert.equal(message[this.#kind], type, JSON.stringify(message));
    return message;
  }

  /** Nothing arrives for a while. */
  async quiet(patience = 400) {
    await this.#something(patience);
    assert.deepEqual(this.#arrived, [], "nothing more was to come");
    assert.equal(this.#close, null, "the socket was to stay open");
  }

  /** The server closes with this code and says nothing before it. */
  async closedWith(code, patience = PATIENCE_MS) {
    await this.#something(patience);
    assert.deepEqual(this.#arrived, [], "nothing was to come before the close");
    assert.ok(this.#close, `expected a close ${code} within ${patience} ms`);
    assert.equal(this.#close.code, code, this.#close.reason);
    return this.#close;
  }

  /** Closes from our side and waits for the server's half. */
  async close() {
    if (this.#close) return;
    this.#socket.close(1000);
    const until = performance.now() + PATIENCE_MS;
    while (!this.#close && performance.now() < until) {
      this.#arrived.length = 0;
      await this.#something(until - performance.now());
    }
    assert.ok(this.#close, "the server did not answer our close");
  }
}

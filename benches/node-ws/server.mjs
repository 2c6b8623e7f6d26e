// Node's `ws` speaking as much of BOOP as a load needs. No limits, no deadlines, no store: only to be compared with.
//
// node server.mjs PORT KEYS…      the files those of `tillgate keys create --json`

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const [port, ...files] = process.argv.slice(2);
const keys = new Map();
for (const line of files.flatMap((file) => readFileSync(file, 'utf8').split('\n'))) {
  if (line) {
    const { subject, secret, role, group } = JSON.parse(line);
    keys.set(subject, { secret, role, group });
  }
}

const groups = new Map();
const group = (name) => {
  if (!groups.has(name)) groups.set(name, { requester: new Set(), performer: new Set() });
  return groups.get(name);
};
const PONG = '{"type":"pong"}';

const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false, skipUTF8Validation: false });
sockets.on('connection', (socket) => {
  let inside = null;
  const tell = (role, message) => {
    const text = JSON.stringify(message);
    for (const other of group(inside.group)[role]) other.send(text);
  };
  socket.on('error', () => {});
  socket.on('close', () => inside && group(inside.group)[inside.role].delete(socket));
  socket.on('message', (data) => {
    let message;
    try {
      message = JSON.parse(data.toString());
    } catch {
      return socket.send('{"type":"error","error":"expected a JSON object"}');
    }
    const id = message.context_id;
    switch (message.type) {
      case 'ping':
        return socket.send(PONG);
      case 'authenticate': {
        const name = message.vendor_id ?? message.device_id;
        const known = keys.get(name);
        if (known?.secret !== (message.api_key ?? message.device_key)) {
          return socket.send('{"type":"error","error":"Invalid credentials"}');
        }
        inside = known;
        group(known.group)[known.role].add(socket);
        return socket.send(JSON.stringify({ type: 'authenticated', name }));
      }
      case 'create_context':
        return inside && tell('performer', { type: 'context_open', context_id: id, auth_type: 'entrance' });
      case 'cancel_context':
        socket.send(JSON.stringify({ type: 'auth_result', context_id: id, result: { success: false } }));
        return inside && tell('performer', { type: 'context_closed', context_id: id, reason: 'cancelled' });
      case 'scan_result':
        socket.send(JSON.stringify({ type: 'scan_ack', context_id: id, status: 'matched' }));
        socket.send(JSON.stringify({ type: 'context_closed', context_id: id, reason: 'declined' }));
        return inside && tell('requester', { type: 'auth_result', context_id: id, result: { success: false } });
      default:
        return socket.send('{"type":"error","error":"expected a known type"}');
    }
  });
});
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });

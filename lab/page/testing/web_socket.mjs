// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// As much of a WebSocket server as the page's tests need: whole text messages, close.

import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

function frame(opcode, payload) {
  const length = payload.length;
  const head = length < 126 ? Buffer.from([0x80 | opcode, length]) : Buffer.alloc(length < 65536 ? 4 : 10);
  if (length >= 126) {
    head[0] = 0x80 | opcode;
    head[1] = length < 65536 ? 126 : 127;
    if (length < 65536) head.writeUInt16BE(length, 2);
    else head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Answers an upgrade. `on_text(text)` for each message, `on_close()` once. @returns {send(text), end()} */
export function accept(request, socket, { on_text, on_close }) {
  const key = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  let waiting = Buffer.alloc(0);
  let open = true;
  const closed = () => {
    if (open) on_close();
    open = false;
  };
  socket.on('data', (data) => {
    waiting = Buffer.concat([waiting, data]);
    for (let one = next_frame(waiting); one; one = next_frame(waiting)) {
      waiting = waiting.subarray(one.size);
      if (one.opcode === 1) on_text(one.payload.toString());
      else if (one.opcode === 8) socket.end();
    }
  });
  socket.on('close', closed);
  socket.on('error', closed);
  return { send: (text) => { if (open) socket.write(frame(1, Buffer.from(text))); }, end: () => socket.destroy() };
}

/** The first whole frame of what has come: {opcode, payload, size}, or null. */
function next_frame(data) {
  if (data.length < 6) return null;
  let length = data[1] & 0x7f;
  let place = 2;
  if (length === 126) {
    length = data.readUInt16BE(2);
    place = 4;
  } else if (length === 127) {
    if (data.length < 14) return null;
    length = Number(data.readBigUInt64BE(2));
    place = 10;
  }
  const size = place + 4 + length;
  if (data.length < size) return null;
  const mask = data.subarray(place, place + 4);
  const payload = Buffer.from(data.subarray(place + 4, size));
  for (let i = 0; i < length; i++) payload[i] ^= mask[i % 4];
  return { opcode: data[0] & 0x0f, payload, size };
}

// Drives Node's package `ws`. The commands and events are told in lines.py.
"use strict";

const readline = require("node:readline");
const WebSocket = require("ws");

const BAD_TEXT = Buffer.from([0xff, 0xfe]);
const SOME_BYTES = Buffer.from([0x00, 0x01]);

let socket = null;

function tell(event, facts = {}) {
  process.stdout.write(JSON.stringify({ event, ...facts }) + "\n");
}

function connect({ url }) {
  socket = new WebSocket(url);
  let refused = false;
  socket.on("open", () => tell("open"));
  socket.on("message", (data) => tell("text", { text: data.toString() }));
  socket.on("pong", (data) => tell("pong", { data: data.toString() }));
  socket.on("error", () => {}); // "close" follows
  socket.on("unexpected-response", (request, response) => {
    refused = true;
    tell("refused", { status: response.statusCode });
    request.destroy();
  });
  socket.on("close", (code, reason) => {
    if (!refused) tell("closed", { code, reason: reason.toString() });
  });
}

const commands = {
  connect,
  send: ({ text }) => socket.send(text),
  send_bytes: () => socket.send(SOME_BYTES),
  send_bad_text: () => socket.send(BAD_TEXT, { binary: false }),
  ping: ({ data }) => socket.ping(data),
  close: ({ code, reason }) => socket.close(code, reason),
};

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on("close", () => process.exit());

// Drives a server of toxiproxy's API with npm's toxiproxy-node-client. Argument: the address of the API. Says what it
// found as one line of JSON, and fails where something is not as it should be.
"use strict";
const assert = require("node:assert/strict");
const net = require("node:net");
const { Toxiproxy, ToxiproxyError } = require("toxiproxy-node-client");

// A server that says everything back.
function echo() {
  return new Promise((done) => {
    const server = net.createServer((socket) => socket.on("error", () => {}).pipe(socket));
    server.listen(0, "127.0.0.1", () => done(server));
  });
}

// What comes back on a connection, once it has come or the connection has ended.
function talk(listen, text) {
  const [host, port] = listen.split(":");
  return new Promise((done) => {
    let heard = "";
    const socket = net.connect(Number(port), host, () => socket.write(text));
    socket.on("data", (data) => {
      heard += data;
      if (heard.length >= text.length) socket.end();
    });
    socket.on("error", (error) => done(error.code));
    socket.on("end", () => done(heard));
  });
}

async function main() {
  const toxiproxy = new Toxiproxy(process.argv[2]);
  const upstream = await echo();
  const to = `127.0.0.1:${upstream.address().port}`;
  const checked = [];

  assert.equal(JSON.parse(await toxiproxy.getVersion()).version, "2.12.0");
  checked.push("version");

  const proxy = await toxiproxy.createProxy({ name: "node", listen: "localhost:0", upstream: to });
  assert.equal(await talk(proxy.listen, "hello"), "hello");
  await assert.rejects(toxiproxy.createProxy({ name: "node", listen: "localhost:0", upstream: to }), ToxiproxyError);
  await assert.rejects(toxiproxy.get("nobody"), ToxiproxyError);
  assert.equal((await toxiproxy.get("node")).upstream, to);
  assert.deepEqual(Object.keys(await toxiproxy.getAll()), ["node"]);
  checked.push("create, get, getAll");

  const kinds = [
    ["latency", { latency: 5, jitter: 2 }],
    ["bandwidth", { rate: 1000 }],
    ["slow_close", { delay: 5 }],
    ["slicer", { average_size: 2, size_variation: 1, delay: 10 }],
    ["limit_data", { bytes: 1000 }],
  ];
  for (const [type, attributes] of kinds) {
    const toxic = await proxy.addToxic({ name: `my_${type}`, type, stream: "downstream", toxicity: 1, attributes });
    assert.deepEqual([toxic.type, toxic.stream, toxic.attributes], [type, "downstream", attributes]);
    assert.equal(await talk(proxy.listen, "hello"), "hello");
    const got = await proxy.getToxic(`my_${type}`);
    assert.deepEqual(got.toJson(), toxic.toJson());
  }
  checked.push(kinds.map(([type]) => type).join(", "));

  const limit = await proxy.getToxic("my_limit_data");
  const tighter = await limit.update({ ...limit.toJson(), attributes: { bytes: 3 } });
  assert.equal(tighter.attributes.bytes, 3);
  assert.equal(await talk(proxy.listen, "hello"), "hel");
  await tighter.remove();
  await assert.rejects(proxy.getToxic("my_limit_data"), ToxiproxyError);
  checked.push("update, remove");

  const reset = await proxy.addToxic({ type: "reset_peer", attributes: { timeout: 0 } });
  assert.equal(reset.name, "reset_peer_downstream");
  assert.equal(await talk(proxy.listen, "hello"), "ECONNRESET");
  const off = await proxy.update({ ...proxy.toJson(), enabled: false });
  assert.equal(off.enabled, false);
  assert.equal(await talk(proxy.listen, "hello"), "ECONNREFUSED");
  await toxiproxy.reset();
  assert.equal(await talk(proxy.listen, "hello"), "hello");
  checked.push("reset_peer, disabling, reset");

  const all = await toxiproxy.populate([
    { name: "node", listen: proxy.listen, upstream: to },
    { name: "other", listen: "localhost:0", upstream: to },
  ]);
  assert.deepEqual(Object.keys(all), ["node", "other"]);
  for (const one of Object.values(await toxiproxy.getAll())) await one.remove();
  assert.deepEqual(await toxiproxy.getAll(), {});
  checked.push("populate, removing all");

  upstream.close();
  console.log(JSON.stringify(checked));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

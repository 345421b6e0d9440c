// The ws package of Node.js, and Node's own WebSocket, which is that of browsers.
import assert from "node:assert/strict";
import WebSocket from "ws";

const base = process.env.SERVER.replace("http", "ws") + "/v1";

function listen(socket) {
    const waiting = [], arrived = [];
    socket.addEventListener("message", (event) => {
        const message = JSON.parse(event.data);
        if (waiting.length) waiting.shift()(message);
        else arrived.push(message);
    });
    return () => arrived.length ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve));
}

function opened(socket) {
    return new Promise((resolve, reject) => {
        socket.addEventListener("open", resolve);
        socket.addEventListener("error", reject);
    });
}

async function converse(socket) {
    const next = listen(socket);
    await opened(socket);
    assert.equal((await next()).type, "session.created");
    socket.send(JSON.stringify({ type: "conversation.item.create", item: {
        type: "message", role: "user", content: [{ type: "input_text", text: "Once upon a time" }] } }));
    socket.send(JSON.stringify({ type: "response.create", response: { temperature: 0, max_output_tokens: 12 } }));
    let text = "", event;
    while ((event = await next()).type !== "response.done")
        if (event.type === "response.output_text.delta") text += event.delta;
    assert.equal(event.response.output[0].content[0].text, text);
    socket.close();
    return text;
}

export async function test_realtime() {
    const answer = await fetch(process.env.SERVER + "/v1/chat/completions", { method: "POST", body: JSON.stringify({
        messages: [{ role: "user", content: "Once upon a time" }], temperature: 0, max_tokens: 12 }) });
    const whole = (await answer.json()).choices[0].message.content;
    assert.equal(await converse(new WebSocket(base + "/realtime?model=demo")), whole);
    // as pages do it: the key is a subprotocol
    const page = new WebSocket(base + "/realtime?model=demo", ["realtime", "openai-insecure-api-key.none"]);
    assert.equal(await converse(page), whole);
    assert.equal(page.protocol, "realtime");
    if (globalThis.WebSocket) // from Node.js 22 on
        assert.equal(await converse(new globalThis.WebSocket(base + "/realtime?model=demo", ["realtime"])), whole);
}

export async function test_streams_resume() {
    let socket = new WebSocket(base + "/ws"), next = listen(socket), seq = 0, text = "", event;
    await opened(socket);
    socket.send('{"type": "open"}');
    const { session } = await next();
    socket.send(JSON.stringify({ type: "start", id: "a", request: { prompt: "Once", max_tokens: 200, temperature: 0, ignore_eos: true } }));
    while (seq < 20) ({ seq, text: event = "" } = await next()), text += event;
    socket.terminate();
    socket = new WebSocket(base + "/ws");
    next = listen(socket);
    await opened(socket);
    socket.send(JSON.stringify({ type: "resume", session, seq }));
    assert.equal((await next()).resumed, true);
    do {
        event = await next();
        assert.equal(event.seq, ++seq);
        text += event.text ?? "";
    } while (event.type !== "done");
    assert.equal(event.usage.completion_tokens, 200);
    const answer = await fetch(process.env.SERVER + "/v1/completions", { method: "POST", body: JSON.stringify({
        prompt: "Once", max_tokens: 200, temperature: 0, ignore_eos: true }) });
    assert.equal(text, (await answer.json()).choices[0].text);
    socket.close();
}

export async function test_pings_and_fragments() {
    const socket = new WebSocket(base + "/ws"), next = listen(socket);
    await opened(socket);
    const pong = new Promise((resolve) => socket.on("pong", (data) => resolve(data.toString())));
    socket.ping("here");
    assert.equal(await pong, "here");
    socket.send('{"type":', { fin: false });
    socket.send('"ping"}', { fin: true });
    assert.deepEqual(await next(), { type: "pong" });
    const closed = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
    socket.close(1000);
    assert.equal(await closed, 1000);
}

// The ollama package of Node.js: fetch streaming, aborting, the library.
import assert from "node:assert/strict";
import { Ollama } from "ollama";

const client = new Ollama({ host: process.env.SERVER });
const request = { model: "demo", messages: [{ role: "user", content: "Once upon a time" }],
                  options: { temperature: 0, num_predict: 12 } };

export async function test_stream_is_the_whole_in_pieces() {
    const whole = await client.chat(request);
    assert.equal(whole.done_reason, "length");
    let text = "", last;
    for await (const part of await client.chat({ ...request, stream: true })) {
        text += part.message.content;
        last = part;
    }
    assert.equal(text, whole.message.content);
    assert.ok(last.done && last.eval_count === 12 && last.eval_duration > 0);
}

export async function test_generate() {
    const whole = await client.generate({ model: "demo", prompt: "Once upon a time", options: request.options });
    let text = "";
    for await (const part of await client.generate({ model: "demo", prompt: "Once upon a time",
                                                     options: request.options, stream: true }))
        text += part.response;
    assert.equal(text, whole.response);
    assert.ok(whole.context.length > 12);
}

export async function test_abort() {
    const stream = await client.chat({ ...request, options: { num_predict: 400 }, stream: true });
    await assert.rejects(async () => { for await (const part of stream) stream.abort(); }, { name: "AbortError" });
    assert.equal((await client.chat(request)).eval_count, 12);
}

export async function test_format() {
    const schema = { type: "object", properties: { a: { enum: [1, 2] } }, required: ["a"], additionalProperties: false };
    const answer = await client.chat({ ...request, format: schema, options: { temperature: 1.5, num_predict: 60 } });
    assert.ok([1, 2].includes(JSON.parse(answer.message.content).a));
}

export async function test_embed() {
    const answer = await client.embed({ model: "demo", input: ["the fox", "the king"] });
    assert.deepEqual(answer.embeddings.map((e) => e.length), [256, 256]);
}

export async function test_library() {
    const lines = [];
    for await (const line of await client.create({ model: "made", from: "demo", system: "Hi.", stream: true }))
        lines.push(line.status);
    assert.equal(lines.at(-1), "success");
    assert.equal((await client.show({ model: "made" })).system, "Hi.");
    await client.copy({ source: "made", destination: "again" });
    assert.deepEqual((await client.list()).models.map((m) => m.model).sort(), ["again:latest", "demo:latest", "made:latest"]);
    await client.delete({ model: "made" });
    await client.delete({ model: "again" });
    assert.equal((await client.list()).models.length, 1);
    assert.ok((await client.version()).version);
    assert.ok((await client.ps()).models.some((m) => m.model === "demo:latest"));
}

export async function test_errors() {
    await assert.rejects(client.show({ model: "nobody" }), (error) => error.status_code === 404 && /not found/.test(error.message));
    await assert.rejects(client.chat({ ...request, options: { top_p: 3 } }), (error) => error.status_code === 400);
    await assert.rejects(client.pull({ model: "story" }), /OWNER/);
}

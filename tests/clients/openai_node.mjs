// The openai package of Node.js: fetch streaming, aborting, errors.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.SERVER + "/v1", apiKey: "none", maxRetries: 0 });
const request = { model: "demo", messages: [{ role: "user", content: "Once upon a time" }], temperature: 0, max_tokens: 12 };

export async function test_stream_is_the_whole_in_pieces() {
    const whole = await client.chat.completions.create(request);
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true }))
        text += chunk.choices[0].delta.content ?? "";
    assert.equal(text, whole.choices[0].message.content);
}

export async function test_runner() {
    const stream = client.chat.completions.stream(request);
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0].finish_reason, "length");
}

export async function test_abort() {
    const stream = await client.chat.completions.create({ ...request, max_tokens: 400, stream: true });
    for await (const chunk of stream) { stream.controller.abort(); break; }
    assert.equal((await client.chat.completions.create(request)).choices[0].finish_reason, "length");
}

export async function test_embeddings() {
    const answer = await client.embeddings.create({ model: "demo", input: ["the fox", "the king"] });
    assert.equal(answer.data.length, 2);
    assert.equal(answer.data[0].embedding.length, 256);
}

export async function test_responses() {
    const response = await client.responses.create({ model: "demo", input: "Once upon a time", temperature: 0,
                                                     max_output_tokens: 8 });
    assert.ok(response.output_text);
    let text = "";
    for await (const event of await client.responses.create({ model: "demo", input: "Once upon a time", temperature: 0,
                                                              max_output_tokens: 8, stream: true }))
        if (event.type === "response.output_text.delta") text += event.delta;
    assert.equal(text, response.output_text);
}

export async function test_errors() {
    await assert.rejects(client.chat.completions.create({ ...request, top_p: 3 }),
                         (error) => error.status === 400 && error.param === "top_p");
}

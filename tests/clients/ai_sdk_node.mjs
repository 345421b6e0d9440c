// The Vercel AI SDK, by its provider for compatible servers.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

const provider = createOpenAICompatible({ name: "bitnet", baseURL: process.env.SERVER + "/v1", includeUsage: true,
                                          supportsStructuredOutputs: true });
const request = { model: provider("demo"), prompt: "Once upon a time", temperature: 0, maxOutputTokens: 12, maxRetries: 0 };

export async function test_generate_and_stream() {
    const whole = await generateText(request);
    assert.ok(whole.text);
    assert.equal(whole.finishReason, "length");
    assert.equal(whole.usage.outputTokens, 12);
    const stream = streamText(request);
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    assert.equal(text, whole.text);
    assert.equal((await stream.usage).outputTokens, 12);
}

export async function test_structured_output() {
    const schema = jsonSchema({ type: "object", properties: { years: { type: "integer", minimum: 3, maximum: 9 } },
                                required: ["years"], additionalProperties: false });
    const { output } = await generateText({ ...request, maxOutputTokens: 100, output: Output.object({ schema }) });
    assert.ok(output.years >= 3 && output.years <= 9);
}

export async function test_tool() {
    const called = [];
    const spell = tool({
        description: "Spells.",
        inputSchema: jsonSchema({ type: "object", properties: { letter: { enum: ["a", "b"] } }, required: ["letter"],
                                  additionalProperties: false }),
        execute: async ({ letter }) => { called.push(letter); return "done"; },
    });
    const answer = await generateText({ ...request, maxOutputTokens: 200, tools: { spell }, toolChoice: "required",
                                        stopWhen: stepCountIs(1) });
    assert.equal(answer.finishReason, "tool-calls");
    assert.ok(["a", "b"].includes(called[0]));
    const stream = streamText({ ...request, maxOutputTokens: 200, tools: { spell }, toolChoice: "required",
                                stopWhen: stepCountIs(1) });
    assert.equal((await stream.toolCalls)[0].toolName, "spell");
}

export async function test_embeddings() {
    const { embeddings } = await embedMany({ model: provider.textEmbeddingModel("demo"), values: ["the fox", "the king"],
                                             maxRetries: 0 });
    assert.deepEqual(embeddings.map((e) => e.length), [256, 256]);
}

export async function test_errors() {
    await assert.rejects(generateText({ ...request, temperature: 1000 }), (error) => error.statusCode === 400);
}

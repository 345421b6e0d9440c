"""openai-agents: agents whose model is this server, by chat completions and by responses."""
import asyncio
import os

import openai
from agents import (Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool,
                    set_tracing_disabled)
from pydantic import BaseModel, ConfigDict

set_tracing_disabled(True)
GREEDY = ModelSettings(temperature=0, max_tokens=12)
SEVERAL = ModelSettings(temperature=0, max_tokens=200)


def run(kind, streamed=False, **options):
    """The result of one run, and the text that was streamed; each has a loop of its own, and so a client of its own."""
    async def body(client):
        agent = Agent(name="teller", model=kind(model="demo", openai_client=client), **options)
        if not streamed:
            return await Runner.run(agent, "Once upon a time"), None
        result, text = Runner.run_streamed(agent, "Once upon a time"), ""
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                text += event.data.delta
        return result, text

    async def with_client():
        async with openai.AsyncOpenAI(base_url=os.environ["SERVER"] + "/v1", api_key="none", max_retries=0) as client:
            return await body(client)
    return asyncio.run(with_client())


class Age(BaseModel):
    model_config = ConfigDict(extra="forbid")
    years: int


def test_text():
    result, _ = run(OpenAIChatCompletionsModel, model_settings=GREEDY)
    assert result.final_output and result.raw_responses[0].usage.output_tokens == 12
    streamed, text = run(OpenAIChatCompletionsModel, streamed=True, model_settings=GREEDY)
    assert text == streamed.final_output == result.final_output


def test_structured_output():
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        result, _ = run(kind, output_type=Age, model_settings=SEVERAL)
        assert isinstance(result.final_output.years, int)
    result, text = run(OpenAIResponsesModel, streamed=True, output_type=Age, model_settings=SEVERAL)
    assert Age.model_validate_json(text) == result.final_output


def test_tool():
    called = []

    @function_tool
    def spell(letter: str) -> str:
        """Spells."""
        called.append(letter)
        return "done"
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        settings = ModelSettings(temperature=0, max_tokens=200, tool_choice="required")
        result, _ = run(kind, tools=[spell], model_settings=settings, tool_use_behavior="stop_on_first_tool")
        assert result.final_output == "done"
    assert len(called) == 2
    # the first answer has to be a call; behind it the agent speaks freely
    result, _ = run(OpenAIChatCompletionsModel, tools=[spell], model_settings=settings)
    assert len(called) == 3 and len(result.raw_responses) == 2 and result.final_output

"""pydantic-ai: an agent whose output is an object, and one that streams text."""
import os

from pydantic import BaseModel, Field
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class Answer(BaseModel, extra="forbid"):
    number: int = Field(ge=10, le=99)


model = OpenAIChatModel("demo", provider=OpenAIProvider(base_url=os.environ["SERVER"] + "/v1", api_key="none"))
SETTINGS = {"max_tokens": 400, "temperature": 0}


def test_text():
    result = Agent(model).run_sync("Once upon a time", model_settings=SETTINGS)
    assert result.output


def test_object():
    result = Agent(model, output_type=Answer).run_sync("How many?", model_settings=SETTINGS)
    assert 10 <= result.output.number <= 99

"""instructor: answers as validated objects, by forced calls of tools and by schema."""
import os

import instructor
from openai import OpenAI
from pydantic import BaseModel, Field


class Answer(BaseModel, extra="forbid"):
    number: int = Field(ge=10, le=99)


def ask(mode):
    client = instructor.from_openai(OpenAI(base_url=os.environ["SERVER"] + "/v1", api_key="none"), mode=mode)
    return client.chat.completions.create(model="demo", response_model=Answer, max_retries=0, max_tokens=400,
                                          messages=[{"role": "user", "content": "How many?"}])


def test_tools():
    assert 10 <= ask(instructor.Mode.TOOLS).number <= 99


def test_json_schema():
    assert 10 <= ask(instructor.Mode.JSON_SCHEMA).number <= 99

"""langchain-openai: streaming with usage, tools bound by force, structured output."""
import os

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field


class Answer(BaseModel, extra="forbid"):
    """An answer."""
    number: int = Field(ge=10, le=99)


model = ChatOpenAI(model="demo", base_url=os.environ["SERVER"] + "/v1", api_key="none", temperature=0, max_tokens=400,
                   max_retries=0)


def test_invoke_and_stream():
    whole = model.invoke("Once upon a time")
    assert whole.content and whole.usage_metadata["output_tokens"] > 0
    chunks = list(model.stream("Once upon a time", stream_usage=True))
    assert "".join(c.content for c in chunks) == whole.content
    assert sum((c.usage_metadata or {}).get("output_tokens", 0) for c in chunks) == whole.usage_metadata["output_tokens"]


def test_tools():
    call, = model.bind_tools([Answer], tool_choice="Answer").invoke("How many?").tool_calls
    assert call["name"] == "Answer" and 10 <= call["args"]["number"] <= 99


def test_structured_output():
    assert 10 <= model.with_structured_output(Answer, method="json_schema").invoke("How many?").number <= 99


def test_embeddings():
    embeddings = OpenAIEmbeddings(model="demo", base_url=os.environ["SERVER"] + "/v1", api_key="none",
                                  check_embedding_ctx_length=False)
    assert len(embeddings.embed_query("the fox")) == 256

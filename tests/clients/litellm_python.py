"""litellm in front of the server as an OpenAI-like and as a vLLM provider."""
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # otherwise it asks the network for prices
import litellm

BASE = os.environ["SERVER"] + "/v1"
MESSAGES = [{"role": "user", "content": "Once upon a time"}]


def ask(provider, **options):
    return litellm.completion(model=provider + "/demo", api_base=BASE, api_key="none", messages=MESSAGES, temperature=0,
                              max_tokens=8, **options)


def test_providers():
    texts = {ask(provider).choices[0].message.content for provider in ("openai", "hosted_vllm")}
    assert len(texts) == 1 and texts.pop()


def test_stream_and_usage():
    chunks = list(ask("openai", stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ask("openai").choices[0].message.content
    assert [c for c in chunks if getattr(c, "usage", None)][-1].usage.completion_tokens == 8


def test_errors():
    try:
        ask("openai", top_p=3)
        assert False
    except litellm.BadRequestError:
        pass


def test_embedding():
    answer = litellm.embedding(model="openai/demo", api_base=BASE, api_key="none", input=["the fox"],
                               encoding_format="float")
    assert len(answer.data[0]["embedding"]) == 256

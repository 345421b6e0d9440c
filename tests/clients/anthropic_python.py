"""The anthropic package against a server."""
import os

import anthropic

client = anthropic.Anthropic(base_url=os.environ["SERVER"], api_key="none", max_retries=0)
MESSAGES = [{"role": "user", "content": "Once upon a time"}]


def ask(**options):
    return client.messages.create(model="demo", max_tokens=12, extra_body={"temperature": 0},
                                  **{"messages": MESSAGES, **options})


def test_whole():
    answer = ask()
    assert answer.type == "message" and answer.role == "assistant" and answer.id.startswith("msg_")
    assert answer.content[0].type == "text" and answer.content[0].text
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 12


def test_stream():
    whole = ask().content[0].text
    with client.messages.stream(model="demo", max_tokens=12, extra_body={"temperature": 0},
                                messages=MESSAGES) as stream:
        assert "".join(stream.text_stream) == whole
        final = stream.get_final_message()
    assert final.content[0].text == whole and final.stop_reason == "max_tokens" and final.usage.output_tokens == 12
    types = [event.type for event in ask(stream=True)]
    assert types[:2] == ["message_start", "content_block_start"]
    assert types[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_stop_sequence():
    whole = ask().content[0].text
    answer = ask(stop_sequences=[whole[6:10]])
    assert answer.stop_reason == "stop_sequence" and answer.stop_sequence == whole[6:10]
    assert answer.content[0].text == whole[:whole.index(whole[6:10])]


def test_blocks_and_system():
    plain = ask(system="The king.")
    assert ask(system=[{"type": "text", "text": "The king."}],
               messages=[{"role": "user", "content": [{"type": "text", "text": "Once upon a time"}]}]
               ).content[0].text == plain.content[0].text


def test_count_tokens():
    counted = client.messages.count_tokens(model="demo", messages=MESSAGES)
    usage = ask().usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens
    assert counted.input_tokens == 5


def test_errors():
    try:
        ask(messages=[{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}])
        assert False
    except anthropic.BadRequestError as error:
        assert error.body["type"] == "error" and error.body["error"]["type"] == "invalid_request_error"

#!/usr/bin/env bash
# Chat templates from files and standard input, with the clock set.
source "$(dirname "$0")/lib.sh"
cat >chat.jinja <<'TEMPLATE'
{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>
{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}
TEMPLATE
bitnet_reading '{"messages":[{"role":"user","content":"hi"}],"add_generation_prompt":true}' template render chat.jinja
check "a prompt, and nothing behind it" same "$(cat out; echo .)" '<user>hi</user>
<assistant>.'
bitnet_reading '{"messages":[]}' template render chat.jinja --json
check "as JSON" same "$(cat out)" '{"prompt":""}'
bitnet_reading '{"messages":[{"role":"user","content":"ü"}]}
nonsense
[]
{"messages":5,"add_generation_prompt":true}
{"messages":[{"role":"a","content":"b"}]}
' template render chat.jinja --jsonl
check "lines: a bad one gives exit status 1 at the end" exits 1
check "lines: each is answered" same "$(sed 's/:.*//' out | tr '\n' ' ')" '{"prompt" {"error" {"error" {"error" {"prompt" '
check "lines: text is UTF-8" same "$(head -n 1 out)" '{"prompt":"<user>ü</user>\n"}'

printf '{{ strftime_now("%%Y-%%m-%%d %%H:%%M:%%S") }}' >clock.jinja
bitnet_reading '{"messages":[]}' template render clock.jinja --now 2026-01-31T12:34:56
check "--now sets the clock" same "$(cat out)" '2026-01-31 12:34:56'
bitnet_reading '{"messages":[]}' template render clock.jinja --now 2026-01-31
check "a bare date means noon" same "$(cat out)" '2026-01-31 12:00:00'
bitnet_reading '{"messages":[]}' template render clock.jinja --now yesterday
check "another time is misuse" fails_saying "'yesterday' isn't a time" 2
bitnet_reading '{"messages":[]}' template render clock.jinja
check "else it is the clock on the wall" same "$(cut -c 1-10 out)" "$(date +%Y-%m-%d)"

bitnet_reading 'nonsense' template render chat.jinja
check "input that isn't JSON" eval 'exits 1 && prints_nothing'
bitnet_reading '{"messages":[],"n":18446744073709551615}' template render chat.jinja
check "numbers that can't be shown as they are" fails_saying 'a number beyond 64 bits at line 1' 1
printf '{%% if %%}' >broken.jinja
bitnet_reading '{"messages":[]}' template render broken.jinja
check "a broken template has line and column" fails_saying 'broken.jinja.*line 1, column' 1
printf '{%% for i in range(100000) %%}{%% for j in range(100000) %%}x{%% endfor %%}{%% endfor %%}' >endless.jinja
bitnet_reading '{"messages":[]}' template render endless.jinja
check "an endless one is stopped" eval 'exits 1 && prints_nothing'
# several templates in tokenizer_config.json: conversations with tools have their own, also once it is in a GGUF file
mkdir -p named && cp "$DATA/tokenizers/gpt2/tokenizer.json" named
cat >named/tokenizer_config.json <<'CONFIG'
{"chat_template": [{"name": "rag", "template": "R"},
                   {"name": "tool_use", "template": "{% macro q(x) %}<{{ x }}>{% endmacro %}\n T {{ q(tools|length) }}\n  "},
                   {"name": "default", "template": "\n  D {{ messages|length }}\n"}]}
CONFIG
check "the folder as GGUF" "$BITNET" tokenizer convert named -o named.gguf --quiet
for form in named named.gguf; do
    bitnet_reading '{"messages":[]}' template render $form
    check "$form: the default template" same "$(cat out; echo .)" $'\n  D 0.'
    bitnet_reading '{"messages":[],"tools":[{}]}' template render $form
    check "$form: tool_use where there are tools" same "$(cat out; echo .)" $' T <1>\n  .'
done
bitnet_reading '{}' template render demo
check "a model without a template" fails_saying 'no chat template' 1
finish

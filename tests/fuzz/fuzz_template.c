/* Any bytes as a chat template: refused, or rendered for a fixed conversation within small bounds. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tokenizer/template/chat_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char CONVERSATION[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \" Gr\\u00fcezi\\n \\ud834\\udd1e\"}, {\"role\": \"assistant\", "
    "\"content\": null,"
    "\"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": {\"x\": [1, 2.5, null, true]}}}]}],"
    "\"bos_token\": \"<s>\", \"n\": 7, \"s\": \"it's \\u03a3\", \"xs\": [3, 1, 2], \"d\": {\"a\": {\"b\": 1}}}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static json_t *input;
    if (!input) input = json_loads(CONVERSATION, 0, NULL);
    struct chat_template *template;
    bn_error err;
    if (chat_template_parse((const char *)bytes, size, "fuzz", &template, &err) != BN_OK) return 0;
    struct chat_template_request request = {
        .input = input, .limits = {.max_steps = 200000, .max_memory_bytes = 8 << 20, .max_output_bytes = 1 << 20}};
    struct chat_template_span *spans = NULL;
    size_t n_spans = 0;
    struct buffer out;
    buffer_init(&out);
    if (chat_template_render(template, &request, &out, &spans, &n_spans, &err) == BN_OK) {
        if (!utf8_valid(out.data, out.size)) abort();
        for (size_t i = 0; i < n_spans; i++)
            if (spans[i].begin > spans[i].end || spans[i].end > out.size) abort();
        mem_free(spans);
    }
    buffer_release(&out);
    chat_template_destroy(template);
    return 0;
}

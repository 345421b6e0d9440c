/* Any bytes as the preset beside a model: what is let through says what it says in texts, begins conversations with whole
 * messages, and has parameters that every request can be answered with. */
#include <math.h>
#include <stdlib.h>

#include "server/preset.h"
#include "server/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_messages(const json_t *preset, const char *asked) {
    json_t *messages = json_loads(asked, 0, NULL), *all = preset_messages(preset, messages);
    if (!all || json_array_size(all) < json_array_size(messages)) abort();
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *message = json_array_get(all, i);
        if (!json_is_string(json_object_get(message, "role"))) abort();
        if (!json_is_string(json_object_get(message, "content"))) abort();
    }
    json_t *last = json_array_get(all, json_array_size(all) - 1);
    if (!json_equal(last, json_array_get(messages, json_array_size(messages) - 1))) abort();
    json_decref(all);
    json_decref(messages);
}

static void check_parameters(const json_t *preset) {
    const struct model model = {.preset = preset,
                                .info.vocab_size = 100,
                                .defaults = {.temperature = NAN,
                                             .top_p = NAN,
                                             .min_p = NAN,
                                             .repetition_penalty = NAN,
                                             .top_k = -1,
                                             .do_sample = -1}}; /* the model has none of its own */
    struct settings settings;
    struct failure failure = {0};
    json_t *body = json_object();
    if (!settings_read(&settings, body, &model, &failure)) abort();
    settings_release(&settings);
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    json_t *preset;
    bn_error error = {0};
    if (preset_parse((const char *)bytes, size, "it", &preset, &error)) {
        if (!*error.message || preset) abort();
        return 0;
    }
    check_messages(preset, "[{\"role\": \"user\", \"content\": \"Hi\"}]");
    check_messages(preset, "[{\"role\": \"system\", \"content\": \"\"}, {\"role\": \"user\", \"content\": \"Hi\"}]");
    check_parameters(preset);
    json_decref(preset);
    return 0;
}

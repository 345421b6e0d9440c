/* Taking model.vocab and model.merges out of a tokenizer.json. */
#include "tokenizer/hf_large.h"

#include <string.h>

struct cutter {
    struct json_pull pull;
    const char *kept; /* the text before this is in rest */
    struct buffer *rest;
    struct hf_large *large;
    bool has_model;
};

static bool is(const char *text, size_t size, const char *word) {
    return size == strlen(word) && memcmp(text, word, size) == 0;
}

/* The value that comes next becomes a slice if it is the first, and begins with `open`; its place in rest is empty. */
static void cut(struct cutter *c, struct json_slice *slice, char open, const char *empty) {
    size_t n;
    if (json_pull_peek(&c->pull) != open || slice->text) {
        json_pull_skip(&c->pull, &n);
        return;
    }
    const char *begin = c->pull.at;
    json_pull_skip(&c->pull, &n);
    if (c->pull.failed) return;
    *slice = (struct json_slice){.text = begin, .size = (size_t)(c->pull.at - begin), .n = n + 1};
    buffer_append(c->rest, c->kept, (size_t)(begin - c->kept));
    buffer_append_text(c->rest, empty);
    c->kept = c->pull.at;
}

static void model_member(struct cutter *c, const char *key, size_t size) {
    size_t n;
    if (is(key, size, "vocab"))
        cut(c, &c->large->vocab, '{', "{}");
    else if (is(key, size, "merges"))
        cut(c, &c->large->merges, '[', "[]");
    else
        json_pull_skip(&c->pull, &n);
}

static void object(struct cutter *c, void (*member)(struct cutter *, const char *, size_t)) {
    const char *key;
    size_t size;
    json_pull_expect(&c->pull, '{');
    if (json_pull_accept(&c->pull, '}')) return;
    do {
        if (!json_pull_string(&c->pull, &key, &size)) return;
        json_pull_expect(&c->pull, ':');
        member(c, key, size);
    } while (json_pull_accept(&c->pull, ','));
    json_pull_expect(&c->pull, '}');
}

static void top_member(struct cutter *c, const char *key, size_t size) {
    size_t n;
    if (is(key, size, "model") && json_pull_peek(&c->pull) == '{') {
        c->has_model = true;
        object(c, model_member);
    } else {
        json_pull_skip(&c->pull, &n);
    }
}

bool hf_large_take(const char *text, size_t size, struct hf_large *large, struct buffer *rest) {
    struct cutter c = {.pull = json_pull_over(text, size), .kept = text, .rest = rest, .large = large};
    *large = (struct hf_large){0};
    object(&c, top_member);
    if (!c.pull.failed) buffer_append(rest, c.kept, (size_t)(text + size - c.kept));
    bool good = !c.pull.failed && c.has_model && !rest->failed;
    large->no_memory = c.pull.no_memory || rest->failed;
    json_pull_release(&c.pull);
    return good;
}

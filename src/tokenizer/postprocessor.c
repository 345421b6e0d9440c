/* Filling templates and trimming offsets. */
#include "tokenizer/postprocessor.h"

#include "base/memory.h"
#include "tokenizer/unicode.h"

void token_list_push(struct token_list *list, int32_t id, size_t begin, size_t end) {
    if (list->n == list->capacity) {
        size_t capacity = max_size(64, list->capacity + list->capacity / 2);
        struct token *items = list->failed ? NULL : mem_realloc_array(list->items, capacity, sizeof *items);
        if (!items) {
            list->failed = true;
            return;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = (struct token){.id = id, .begin = (uint32_t)begin, .end = (uint32_t)end};
}

void token_list_append(struct token_list *list, const struct token *tokens, size_t n) {
    for (size_t i = 0; i < n && !list->failed; i++) {
        token_list_push(list, 0, 0, 0);
        if (!list->failed) list->items[list->n - 1] = tokens[i];
    }
}

void token_list_release(struct token_list *list) {
    mem_free(list->items);
    *list = (struct token_list){0};
}

void postprocessor_release(struct postprocessor *postprocessor) {
    mem_free(postprocessor->single.items);
    mem_free(postprocessor->pair.items);
    *postprocessor = (struct postprocessor){0};
}

bn_status template_push(struct template *template, struct template_item item, bn_error *err) {
    struct template_item *items = mem_realloc_array(template->items, template->n + 1, sizeof *items);
    if (!items) return fail_no_memory(err, (template->n + 1) * sizeof *items);
    template->items = items;
    template->items[template->n++] = item;
    return BN_OK;
}

size_t template_special_count(const struct template *template) {
    size_t count = 0;
    for (size_t i = 0; i < template->n; i++) count += template->items[i].sequence < 0;
    return count;
}

/* U+0120 is the space of GPT-2's alphabet. */
static bool counts_as_space(uint32_t c) {
    return c == 0x120 || unicode_is_space(c);
}

static void count_spaces(struct vocabulary_token token, size_t *leading, size_t *trailing) {
    uint32_t c;
    size_t begin = 0, end = token.size;
    for (*leading = 0; begin < end; ++*leading) {
        size_t length = unicode_next(token.text + begin, end - begin, &c);
        if (!counts_as_space(c)) break;
        begin += length;
    }
    for (*trailing = 0; end > 0; ++*trailing) {
        size_t previous = unicode_previous(token.text, end, &c);
        if (!counts_as_space(c)) break;
        end = previous;
    }
}

void postprocessor_trim(const struct postprocessor *postprocessor, const struct vocabulary *vocabulary,
                        struct token_list *tokens) {
    for (size_t i = 0; i < tokens->n; i++) {
        struct token *token = &tokens->items[i];
        size_t leading = token->leading, trailing = token->trailing;
        if (!token->measured) count_spaces(vocabulary_token(vocabulary, (size_t)token->id), &leading, &trailing);
        bool first = i == 0 || token->begin == 0;
        if (first && postprocessor->add_prefix_space && leading == 1) leading = 0;
        token->begin = (uint32_t)min_size(token->begin + leading, token->end);
        if (trailing > 0 && token->end >= trailing)
            token->end = (uint32_t)max_size(token->end - trailing, token->begin);
    }
}

static void append_sequence(struct token_list *out, const struct token_list *from, uint8_t type_id) {
    for (size_t i = 0; i < from->n && !out->failed; i++) {
        token_list_push(out, 0, 0, 0);
        if (out->failed) return;
        out->items[out->n - 1] = from->items[i];
        out->items[out->n - 1].type_id = type_id;
    }
}

void postprocessor_fill(const struct postprocessor *postprocessor, const struct template_input *input, bool add_special,
                        struct token_list *out) {
    if (!postprocessor->has_template) {
        append_sequence(out, input->text, 0);
        if (input->pair) append_sequence(out, input->pair, 1);
        return;
    }
    const struct template *template = input->pair ? &postprocessor->pair : &postprocessor->single;
    bool typed = postprocessor->types_overflow && add_special;
    for (size_t i = 0; i < template->n; i++) {
        const struct template_item *item = &template->items[i];
        if (item->sequence == 0) {
            append_sequence(out, input->text, input->text_overflows && !typed ? 0 : item->type_id);
        } else if (item->sequence == 1) {
            if (input->pair) append_sequence(out, input->pair, input->pair_overflows && !typed ? 1 : item->type_id);
        } else if (add_special) {
            token_list_push(out, item->id, 0, 0);
            if (out->failed) return;
            out->items[out->n - 1].type_id = item->type_id;
            out->items[out->n - 1].origin = TOKEN_FROM_TEMPLATE;
        }
    }
}

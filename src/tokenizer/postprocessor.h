/* Post-processors: what is put around one text or a pair, type ids, and offsets without white space. */
#ifndef TOKENIZER_POSTPROCESSOR_H
#define TOKENIZER_POSTPROCESSOR_H

#include "tokenizer/token_list.h"
#include "tokenizer/vocabulary.h"

struct template_item {
    int sequence; /* 0: the text, 1: its pair, -1: a special token */
    int32_t id;   /* of the special token */
    uint8_t type_id;
};

struct template {
    struct template_item *items;
    size_t n;
};

struct postprocessor {
    bool trim_offsets;
    bool add_prefix_space; /* trimming leaves the space that was put in front */
    bool has_template;     /* without: the text, then its pair with type id 1 */
    bool types_overflow;   /* parts that truncation cut off get the template's type ids too, where it adds its tokens;
                            * else text 0, pair 1 */
    struct template single, pair;
};

void postprocessor_release(struct postprocessor *postprocessor);
bn_status template_push(struct template *template, struct template_item item, bn_error *err);
/* How many special tokens a template adds. */
size_t template_special_count(const struct template *template);

/* Takes white space at the ends of tokens out of their offsets (which are in code points). */
void postprocessor_trim(const struct postprocessor *postprocessor, const struct vocabulary *vocabulary,
                        struct token_list *tokens);
/* What goes into a template; pair NULL: none. */
struct template_input {
    const struct token_list *text, *pair;
    bool text_overflows, pair_overflows; /* it is a part that truncation cut off */
};
/* out = the template filled. */
void postprocessor_fill(const struct postprocessor *postprocessor, const struct template_input *input, bool add_special,
                        struct token_list *out);

#endif

/* Texts as a classifier or an indexer wants them, and a prompt healed: tokens TOKENIZER "text" …
 * Each text with offsets, masks and the parts that truncation cut off; then what to take back of it before a model goes
 * on, and how many tokens may come next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bitnet/bitnet.h>

static void print_encoding(const bn_encoding *encoding) {
    printf("text %zu, part %zu:", encoding->input, encoding->part);
    for (size_t i = 0; i < encoding->n; i++)
        if (encoding->attention_mask[i])
            printf(" %d[%zu,%zu)", encoding->ids[i], encoding->offsets[i][0], encoding->offsets[i][1]);
    printf("\n");
}

static bn_status heal(const bn_tokenizer *tokenizer, const char *prompt, bn_error *err) {
    bn_token_bytes *table = NULL;
    uint8_t *mask = calloc(bn_tokenizer_vocab_size(tokenizer), 1);
    int32_t *ids = NULL;
    size_t n_ids, n_kept, n_prefix;
    char *prefix = NULL;
    bn_status status = bn_token_bytes_create(tokenizer, &table, err);
    if (!status) status = bn_tokenizer_encode(tokenizer, prompt, strlen(prompt), NULL, &ids, &n_ids, err);
    if (!status) status = bn_token_bytes_heal(table, ids, n_ids, 2, &n_kept, &prefix, &n_prefix, err);
    if (!status && mask)
        printf("'%s': keep %zu of %zu tokens, go on with '%s': %zu tokens may\n", prompt, n_kept, n_ids, prefix,
               bn_token_bytes_allow(table, prefix, n_prefix, mask));
    bn_free(prefix);
    bn_free(ids);
    free(mask);
    bn_token_bytes_destroy(table);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: tokens TOKENIZER TEXT…\n");
        return 2;
    }
    size_t n = (size_t)argc - 2, n_encodings = 0;
    bn_error err = {0};
    bn_tokenizer *tokenizer = NULL;
    bn_encoding *encodings = NULL;
    bn_encode_input *inputs = calloc(n, sizeof *inputs);
    bn_status status = bn_tokenizer_open(argv[1], &tokenizer, &err);
    for (size_t i = 0; inputs && i < n; i++)
        inputs[i] = (bn_encode_input){.text = argv[i + 2], .text_bytes = strlen(argv[i + 2])};
    if (!status && inputs)
        status = bn_tokenizer_encode_aligned(tokenizer, inputs, n, NULL, &encodings, &n_encodings, &err);
    for (size_t i = 0; i < n_encodings; i++) print_encoding(&encodings[i]);
    for (size_t i = 0; !status && i < n; i++) status = heal(tokenizer, argv[i + 2], &err);
    if (status) fprintf(stderr, "tokens: %s\n", err.message);
    bn_encodings_free(encodings, n_encodings);
    free(inputs);
    bn_tokenizer_close(tokenizer);
    return status ? 1 : 0;
}

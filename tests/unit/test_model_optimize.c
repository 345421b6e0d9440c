/* Optimized files: they give the bits of their source, from where they are mapped; and a copy of the head that doesn't
 * belong to the head isn't used. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/open.h"
#include "model/optimize.h"
#include "model/relayout.h"
#include "model_run.h"
#include "temporary_folder.h"

#define MODELS   TEST_DATA "/models/"
#define N_TOKENS 37

static struct temporary_folder folder;

/* The last notice, if it's about the head's copy. */
static char notice[300];
static void keep_notice(void *context, const char *line) {
    (void)context;
    if (strstr(line, "copy of the head")) snprintf(notice, sizeof notice, "%s", line);
}

static bn_model *open_screened(const char *path) {
    bn_model *model = NULL;
    bn_error err = {0};
    bn_model_options options = {.size = sizeof options, .n_threads = 2, .head = BN_HEAD_SCREEN, .notice = keep_notice};
    *notice = 0;
    assert_ok(bn_model_open(path, &options, &model, &err), err);
    return model;
}

/* ---- lossless ---- */

static void check_logits(const bn_model *a, const bn_model *b, const char *path) {
    size_t vocab = model_vocab_size(a), bytes = N_TOKENS * vocab * sizeof(float);
    int32_t tokens[N_TOKENS];
    struct model_run runs[2];
    float *logits[2] = {malloc(bytes), malloc(bytes)};
    assert_true(logits[0] && logits[1]);
    assert_int_equal(vocab, model_vocab_size(b));
    for (size_t i = 0; i < N_TOKENS; i++) tokens[i] = (int32_t)(i * 7919 % vocab);
    for (size_t i = 0; i < 2; i++) {
        assert_true(model_run_init(&runs[i], i ? b : a, 2, N_TOKENS));
        model_run_append(&runs[i], tokens, N_TOKENS, true, logits[i]);
        model_run_release(&runs[i]);
    }
    if (memcmp(logits[0], logits[1], bytes) != 0) test_fail("%s: other logits than its source", path);
    free(logits[0]), free(logits[1]);
}

static bool in_file(const bn_model *model, const void *data) {
    const struct mapped_file *file = &model->gguf.set.files[0];
    return (const uint8_t *)data >= file->data && (const uint8_t *)data < file->data + file->size;
}

/* Both screens hold the same, so the same tokens are chosen from. */
static void check_same_screen(const bn_model *a, const bn_model *b) {
    const struct head_screen *s = &a->weights.screen, *t = &b->weights.screen;
    size_t n = a->weights.head.n_rows * sizeof(float);
    assert_int_equal(s->codes != NULL, t->codes != NULL);
    if (!s->codes) return;
    assert_memory_equal(s->codes, t->codes, s6_groups(a->weights.head.n_rows) * s6_group_bytes(a->weights.head.n_cols));
    assert_memory_equal(s->multipliers, t->multipliers,
                        s6_groups(a->weights.head.n_rows) * s6_spans(a->weights.head.n_cols) * S6_ROWS);
    assert_memory_equal(s->scales, t->scales, n);
    assert_memory_equal(s->residuals, t->residuals, n);
    assert_memory_equal(s->norms, t->norms, n);
    assert_true(s->largest == t->largest);
}

/* Nothing has been repacked, or computed. */
static void check_mapped(const bn_model *model) {
    const struct weights *w = &model->weights;
    for (size_t i = 0; i < model->config.n_layers; i++) {
        const struct layer *l = &w->layers[i];
        const struct linear *const linears[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        for (size_t k = 0; k < 7; k++)
            assert_true(linears[k]->n_rows == 0 || (in_file(model, linears[k]->data) && linears[k]->ternary));
    }
    if (!w->screen.codes) return;
    assert_string_equal(notice, "");
    assert_true(in_file(model, w->screen.codes) && in_file(model, w->screen.norms) && w->head_is_mapped);
    assert_int_equal((uintptr_t)w->screen.codes % CACHE_LINE, 0);
}

static void check_metadata(const struct gguf *source, const struct gguf *out) {
    for (size_t i = 0; i < source->n_values; i++) {
        const struct gguf_value *a = &source->values[i], *b = gguf_find(out, a->key);
        if (strcmp(a->key, "bitnet.i2s.layout") == 0 || strcmp(a->key, "general.alignment") == 0) continue;
        assert_non_null(b);
        assert_int_equal(a->type, b->type);
        if (a->type == GGUF_STRING)
            assert_true(a->string.size == b->string.size && !memcmp(a->string.text, b->string.text, a->string.size));
        else if (a->type == GGUF_ARRAY)
            assert_true(a->array.n == b->array.n && !memcmp(a->array.bytes, b->array.bytes, a->array.size_bytes));
        else
            assert_true(a->u == b->u);
    }
}

static void optimize_into(const bn_model *model, enum ternary_layout layout, const char *path,
                          struct optimize_report *report) {
    bn_error err = {0};
    *report = (struct optimize_report){.layout = layout};
    assert_ok(model_optimize(model, path, report, &err), err);
}

static void optimize(const bn_model *model, const char *path, struct optimize_report *report) {
    optimize_into(model, LAYOUT_L16, path, report);
}

static void check_same_file(const char *a, const char *b) {
    char *bytes[2];
    size_t sizes[2];
    assert_int_equal(file_read_all(a, (size_t)1 << 26, &bytes[0], &sizes[0], NULL), BN_OK);
    assert_int_equal(file_read_all(b, (size_t)1 << 26, &bytes[1], &sizes[1], NULL), BN_OK);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    mem_free(bytes[0]), mem_free(bytes[1]);
}

static void check_lossless(const char *path, bool ternary) {
    const char *out = temporary_path(&folder, "out.gguf"), *again = temporary_path(&folder, "again.gguf");
    struct optimize_report report;
    bn_model *source = open_screened(path);
    optimize(source, out, &report);
    assert_int_equal(report.n_ternary, ternary ? 7 * source->config.n_layers : 0);
    bn_model *optimized = open_screened(out);
    assert_int_equal(report.has_screen, optimized->weights.screen.codes != NULL);
    assert_int_equal(report.n_tensors, optimized->gguf.set.n_tensors);
    assert_int_equal(report.has_tokenizer, gguf_find(&optimized->gguf, "bitnet.tokenizer.compiled") != NULL);
    if (ternary) check_mapped(optimized);
    check_metadata(&source->gguf, &optimized->gguf);
    check_logits(source, optimized, path);
    check_same_screen(source, optimized);
    optimize(optimized, again, &report);
    check_same_file(out, again);
    bn_model_close(optimized);
    bn_model_close(source);
}

/* A file in the denser layout has the source's logits, and either layout gives the other's file. */
static void check_dense(const char *path) {
    struct optimize_report report;
    bn_model *source = open_screened(path);
    const char *out = temporary_path(&folder, "l16.gguf"), *dense = temporary_path(&folder, "l12.gguf");
    const char *again = temporary_path(&folder, "again.gguf");
    optimize(source, out, &report);
    optimize_into(source, LAYOUT_L12, dense, &report);
    assert_int_equal(report.n_ternary, 7 * source->config.n_layers);
    bn_model *wide = open_screened(out), *narrow = open_screened(dense);
    check_mapped(narrow);
    assert_int_equal(wide->weights.layers[0].q.layout, LAYOUT_L16);
    assert_int_equal(narrow->weights.layers[0].q.layout, LAYOUT_L12);
    check_logits(source, narrow, path);
    optimize_into(wide, LAYOUT_L12, again, &report);
    check_same_file(dense, again);
    optimize(narrow, again, &report);
    check_same_file(out, again);
    bn_model_close(wide), bn_model_close(narrow);
    bn_model_close(source);
}

static void test_dense_layout(void **state) {
    (void)state;
    check_dense(DEMO_MODEL);
    check_dense(MODELS "bitnet-relu2-scale-tq2_0/bitnet-relu2-scale-tq2_0.gguf");
    check_dense(MODELS "bitnet-b158-i2_s/bitnet-b158-i2_s.gguf");
}

/* A model put into another layout in memory predicts the same, and comes back as it was. */
static void test_relayout(void **state) {
    (void)state;
    bn_model *source = open_screened(DEMO_MODEL), *changed = open_screened(DEMO_MODEL);
    size_t n;
    bn_error error;
    assert_ok(model_relayout(changed, LAYOUT_L12, &n, &error), error);
    assert_int_equal(n, 7 * source->config.n_layers);
    assert_int_equal(changed->weights.layers[0].down.layout, LAYOUT_L12);
    check_logits(source, changed, "relayout");
    assert_ok(model_relayout(changed, LAYOUT_L12, &n, &error), error);
    assert_int_equal(n, 0);
    assert_ok(model_relayout(changed, LAYOUT_L16, &n, &error), error);
    const struct linear *before = &source->weights.layers[0].down, *after = &changed->weights.layers[0].down;
    assert_memory_equal(before->data, after->data, ternary_bytes(LAYOUT_L16, before->n_rows, before->n_cols));
    bn_model_close(changed);
    bn_model_close(source);
}

static void test_lossless(void **state) {
    (void)state;
    check_lossless(DEMO_MODEL, true);
    check_lossless(MODELS "bitnet-silu-tq1_0/bitnet-silu-tq1_0.gguf", true);
    check_lossless(MODELS "bitnet-relu2-scale-tq2_0/bitnet-relu2-scale-tq2_0.gguf", true);
    check_lossless(MODELS "bitnet-b158-i2_s/bitnet-b158-i2_s.gguf", true);
    check_lossless(MODELS "bitnet-b158-i2_s-arm64/bitnet-b158-i2_s-arm64.gguf", true);
    check_lossless(MODELS "bitnet-b158-i2_s-rows4/bitnet-b158-i2_s-rows4.gguf", true);
    check_lossless(MODELS "phi3-q8_0/phi3-q8_0.gguf", false);
    check_lossless(MODELS "qwen3-q2_0/qwen3-q2_0.gguf", false);
}

/* Rows come from the file as they lie in its mapping; and from there where the file is gone. */
static void test_single_rows(void **state) {
    (void)state;
    bn_model *model = open_screened(DEMO_MODEL);
    const struct linear *head = &model->weights.head;
    uint8_t *buffer = mem_alloc_aligned(head->row_bytes);
    assert_non_null(buffer);
    assert_true(model->weights.head_rows.is_open && model->weights.embedding_rows.is_open);
    for (size_t r = 0; r < head->n_rows; r += 37) {
        struct linear row = row_file_take(&model->weights.head_rows, head, r, buffer);
        assert_true(row.data == buffer && row.n_rows == 1);
        assert_memory_equal(buffer, head->data + r * head->row_bytes, head->row_bytes);
    }
    struct linear lying = row_file_take(&(struct row_file){0}, head, 5, buffer);
    assert_ptr_equal(lying.data, head->data + 5 * head->row_bytes);
    mem_free_aligned(buffer);
    bn_model_close(model);
}

/* ---- copies that don't belong ---- */

struct image {
    uint8_t *bytes; /* aligned as a mapped file is */
    size_t size;
};

static struct image read_optimized_demo(void) {
    const char *path = temporary_path(&folder, "demo.gguf");
    char *bytes;
    struct image image;
    struct optimize_report report;
    bn_model *demo = open_screened(DEMO_MODEL);
    optimize(demo, path, &report);
    bn_model_close(demo);
    assert_int_equal(file_read_all(path, (size_t)1 << 26, &bytes, &image.size, NULL), BN_OK);
    image.bytes = mem_alloc_aligned(image.size + 1);
    assert_non_null(image.bytes);
    memcpy(image.bytes, bytes, image.size);
    mem_free(bytes);
    return image;
}

static bn_status open_image(const uint8_t *bytes, size_t size, bn_model **model, bn_error *err) {
    bn_model_options options = {
        .size = sizeof options, .n_threads = 1, .head = BN_HEAD_SCREEN, .no_tokenizer = true, .notice = keep_notice};
    *notice = 0;
    return model_open_gguf_bytes(bytes, size, &options, model, err);
}

static uint8_t *data_of(const struct image *image, const char *name) {
    struct gguf gguf;
    bn_error err = {0};
    assert_ok(gguf_parse(image->bytes, image->size, "image", &gguf, &err), err);
    const struct tensor *tensor = tensor_set_find(&gguf.set, name);
    assert_non_null(tensor);
    uint8_t *data = image->bytes + (tensor->data - image->bytes);
    gguf_close(&gguf);
    return data;
}

/* The image opens, without its copy and with a notice that has this word in it; what's used instead is right. */
static void check_refused(const struct image *image, const bn_model *demo, const char *word) {
    bn_model *model = NULL;
    bn_error err = {0};
    assert_ok(open_image(image->bytes, image->size, &model, &err), err);
    if (!strstr(notice, word)) test_fail("'%s', expected something with '%s'", notice, word);
    check_same_screen(demo, model);
    const uint8_t *codes = model->weights.screen.codes;
    assert_true(codes < image->bytes || codes >= image->bytes + image->size);
    bn_model_close(model);
}

static void test_foreign_copies(void **state) {
    (void)state;
    bn_model *demo = open_screened(DEMO_MODEL), *model = NULL;
    bn_error err = {0};
    struct image image = read_optimized_demo();
    assert_ok(open_image(image.bytes, image.size, &model, &err), err);
    assert_string_equal(notice, "");
    bn_model_close(model);

    static const char *const parts[] = {"output.screen.codes", "output.screen.multipliers", "output.screen.scales",
                                        "output.screen.residuals", "output.screen.norms"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) { /* row 0 is always looked at */
        uint8_t *data = data_of(&image, parts[i]);
        data[0] ^= 1;
        check_refused(&image, demo, "row 0 isn't that of the head");
        data[0] ^= 1;
    }
    uint8_t *norms = data_of(&image, "output.screen.norms");
    static const float bad[] = {__builtin_nanf(""), __builtin_inff(), 1e30f};
    for (size_t i = 0; i < 3; i++) {
        float kept;
        memcpy(&kept, norms + 4 * 1001, 4);
        memcpy(norms + 4 * 1001, &bad[i], 4);
        check_refused(&image, demo, "norms aren't finite");
        memcpy(norms + 4 * 1001, &kept, 4);
    }
    char *name = memmem(image.bytes, image.size, "output.screen.norms", 19);
    assert_non_null(name);
    name[18] = 'x';
    check_refused(&image, demo, "is missing");
    name[18] = 's';
    char *type = name + 19 + 4 + 8; /* of so many dimensions, one length; I32 has as many bytes */
    assert_int_equal(*type, TYPE_F32);
    *type = TYPE_I32;
    check_refused(&image, demo, "type or shape");
    *type = TYPE_F32;
    mem_free_aligned(image.bytes);
    bn_model_close(demo);
}

/* Cut anywhere, it's refused as a file and no copy is looked for. */
static void test_truncated(void **state) {
    (void)state;
    struct image image = read_optimized_demo();
    for (size_t i = 1; i < 23; i++) {
        size_t size = image.size / 23 * i + i;
        bn_model *model = NULL;
        bn_error err = {0};
        assert_int_equal(open_image(image.bytes, size, &model, &err), BN_STATUS_BAD_FILE);
        assert_null(model);
    }
    mem_free_aligned(image.bytes);
}

/* ---- what isn't done ---- */

static bool stop(void *context, size_t done, size_t total) {
    assert_true(done > 0 && done <= total);
    return ++*(size_t *)context < 5;
}

static void test_refusals(void **state) {
    (void)state;
    const char *out = temporary_path(&folder, "refused.gguf");
    size_t calls = 0;
    struct optimize_report report = {.progress = stop, .context = &calls};
    bn_error err = {0};
    bn_model *model = open_screened(MODELS "bitnet-packed");
    assert_int_equal(model_optimize(model, out, &report, &err), BN_STATUS_UNSUPPORTED);
    bn_model_close(model);
    model = open_screened(DEMO_MODEL);
    assert_int_equal(model_optimize(model, out, &report, &err), BN_STATUS_CANCELLED);
    assert_int_equal(calls, 5);
    assert_false(file_exists(out));
    bn_model_close(model);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lossless),    cmocka_unit_test(test_dense_layout),   cmocka_unit_test(test_relayout),
        cmocka_unit_test(test_single_rows), cmocka_unit_test(test_foreign_copies), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_refusals),
    };
    folder = temporary_folder_create();
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    temporary_folder_remove(&folder);
    return failures;
}

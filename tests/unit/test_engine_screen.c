/* Tokens chosen with a screened head are those of the exact one: for every sampler, many seeds, any threads, batch and
 * instruction set, and for heads made to confuse it. */
#include "engine_run.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/half.h"
#include "base/memory.h"
#include "kernels/kernels.h"
#include "model/open.h"

#define N_TOKENS 24

static bn_model *open_with(bn_head head) {
    bn_model *model = NULL;
    bn_error err = {0};
    assert_ok(
        bn_model_open(DEMO_MODEL, &(bn_model_options){.size = sizeof(bn_model_options), .head = head}, &model, &err),
        err);
    return model;
}

/* Sampler settings worth telling apart. */
static bn_request_options settings(size_t which, uint64_t seed) {
    static const bn_logit_bias bias[] = {{50, 4}, {60, -200}, {70, 1.5f}}, forcing[] = {{80, 100}, {81, 100}};
    bn_request_options o = sampled(N_TOKENS, seed);
    bn_sampling *s = &o.sampling;
    o.ignore_end = true;
    s->temperature = 0.8f;
    switch (which) {
    case 0:
        s->temperature = 0;
        break;
    case 1:
        s->top_k = 40, s->top_p = 0.95f, s->min_p = 0.05f;
        break;
    case 2:
        s->top_k = 5, s->temperature = 1.7f;
        break;
    case 3:
        s->top_p = 0.5f;
        break;
    case 4:
        s->min_p = 0.2f;
        break;
    case 5:
        s->temperature = 0, s->repetition_penalty = 1.3f, s->penalty_last_n = -1;
        break;
    case 6:
        s->top_k = 20, s->presence_penalty = -0.7f, s->frequency_penalty = 0.4f, s->penalize_output_only = true;
        break;
    case 7:
        s->top_k = 30, s->logit_bias = bias, s->n_logit_bias = 3, s->order = "llama.cpp", s->top_p = 0.8f;
        break;
    case 8:
        s->top_k = 10, s->logit_bias = forcing, s->n_logit_bias = 2;
        break;
    case 9:
        s->dry_multiplier = 1.5f, s->top_k = 40, s->xtc_probability = 0.5f, s->xtc_threshold = 0.05f;
        break;
    case 10:
        s->temperature = 0.1f, s->top_p = 0.9f, o.min_tokens = N_TOKENS, o.ignore_end = false;
        break;
    case 11:
        s->order = "hf", s->top_k = 50, s->typical_p = 0.9f;
        break;
    case 12:
        s->typical_p = 0.9f; /* takes all logits */
        break;
    case 13:
        break; /* so does this */
    case 14:
        s->mirostat = 2, s->top_k = 40;
        break;
    case 15:
        s->top_k = 8, o.n = 3;
        break;
    default:
        s->top_k = 1, s->temperature = 1e-3f;
        break;
    }
    return o;
}
#define N_SETTINGS 17

static void check_same(bn_engine *exact, bn_engine *screened, size_t which, uint64_t seed, bn_grammar *grammar) {
    int32_t prompt[7];
    struct answer a, b;
    bn_error err = {0};
    make_prompt(prompt, 7, (uint32_t)seed);
    bn_request_options options = settings(which, seed);
    options.grammar = grammar;
    bn_request *first = submit(exact, prompt, 7, &options), *second = submit(screened, prompt, 7, &options);
    assert_ok(bn_request_wait(first, &err), err);
    assert_ok(bn_request_wait(second, &err), err);
    for (size_t choice = 0; choice < options.n; choice++) {
        read_choice(first, choice, &a);
        read_choice(second, choice, &b);
        if (a.n_ids != b.n_ids || memcmp(a.ids, b.ids, sizeof a.ids) != 0)
            test_fail("setting %zu, seed %zu: other tokens than the exact head's", which, (size_t)seed);
    }
    bn_request_release(first);
    bn_request_release(second);
}

static void test_every_sampler(void **state) {
    (void)state;
    bn_model *exact_model = open_with(BN_HEAD_EXACT), *screened_model = open_with(BN_HEAD_SCREEN);
    bn_engine *exact = make_engine(exact_model, NULL);
    bn_engine *screened = make_engine(screened_model, &(bn_engine_options){.n_threads = 3});
    for (size_t which = 0; which < N_SETTINGS; which++) {
        bn_engine_stats before = stats_of(screened);
        for (uint64_t seed = 0; seed < 12; seed++) check_same(exact, screened, which, seed, NULL);
        bn_engine_stats after = stats_of(screened);
        uint64_t n = after.head_screened - before.head_screened,
                 fallbacks = after.head_fallbacks - before.head_fallbacks;
        bool takes_all = which >= 12 && which <= 14;
        assert_int_equal(takes_all, n + fallbacks == 0);
        if (which <= 2 || which == 5) assert_true(n > 100 && fallbacks * 20 <= n); /* hardly ever undecided */
    }
    assert_int_equal(stats_of(exact).head_screened + stats_of(exact).head_fallbacks, 0);
    bn_engine_destroy(exact), bn_engine_destroy(screened);
    bn_model_close(exact_model), bn_model_close(screened_model);
}

static bn_grammar *tools_grammar(void) {
    static const char json[] = "[{\"name\": \"f\", \"parameters\": {\"type\": \"object\"}}]";
    const bn_tools tools = {
        .size = sizeof tools, .json = json, .json_bytes = strlen(json), .syntax = bn_tool_syntax_find("hermes")};
    bn_grammar *grammar;
    bn_error err = {0};
    assert_ok(bn_grammar_compile_tools(&tools, &grammar, &err), err);
    return grammar;
}

/* What a grammar doesn't allow can't be chosen, whatever its bounds; free text until a call begins is screened as ever. */
static void test_under_a_grammar(void **state) {
    (void)state;
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"n\":{\"type\":"
                                 "\"integer\"}},\"required\":[\"name\",\"n\"],\"additionalProperties\":false}";
    bn_model *exact_model = open_with(BN_HEAD_EXACT), *screened_model = open_with(BN_HEAD_SCREEN);
    bn_engine *exact = make_engine(exact_model, NULL);
    bn_engine *screened = make_engine(screened_model, &(bn_engine_options){.n_threads = 3});
    bn_grammar *held, *grammars[] = {tools_grammar(), NULL};
    bn_error err = {0};
    assert_ok(bn_grammar_compile(BN_GRAMMAR_JSON_SCHEMA, schema, strlen(schema), NULL, &held, &err), err);
    grammars[1] = held;
    for (size_t g = 0; g < 2; g++) {
        bn_engine_stats before = stats_of(screened);
        for (size_t which = 0; which < N_SETTINGS; which += which == 2 ? 3 : 1)
            for (uint64_t seed = 0; seed < 5; seed++) check_same(exact, screened, which, seed, grammars[g]);
        bn_engine_stats after = stats_of(screened);
        uint64_t n = after.head_screened - before.head_screened,
                 fallbacks = after.head_fallbacks - before.head_fallbacks;
        assert_true(n > (g ? 0 : 4 * fallbacks));
        bn_grammar_release(grammars[g]);
    }
    bn_engine_destroy(exact), bn_engine_destroy(screened);
    bn_model_close(exact_model), bn_model_close(screened_model);
}

/* Also what it takes to say so: the counts are part of what doesn't depend on threads and instruction sets. */
static void test_everywhere_alike(void **state) {
    (void)state;
    bn_model *model = open_with(BN_HEAD_SCREEN);
    struct answer expected, got;
    bn_engine_stats first = {0};
    int32_t prompt[5];
    make_prompt(prompt, 5, 3);
    bn_request_options options = settings(1, 5);
    for (size_t i = 0; kernels_name(i); i++)
        for (size_t threads = 1; threads <= 4; threads += 3) {
            bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = threads, .isa = kernels_name(i)});
            ask(engine, prompt, 5, &options, i + threads == 1 ? &expected : &got);
            bn_engine_stats stats = stats_of(engine);
            if (i + threads == 1) {
                first = stats;
            } else {
                assert_same(&got, &expected);
                assert_int_equal(stats.head_screened, first.head_screened);
                assert_int_equal(stats.head_rescored, first.head_rescored);
            }
            bn_engine_destroy(engine);
        }
    bn_model_close(model);
}

/* More sequences than one pass over the copy takes, some of which need all logits. */
static void test_crowd(void **state) {
    (void)state;
    enum { N = 31 };
    bn_model *models[] = {open_with(BN_HEAD_EXACT), open_with(BN_HEAD_SCREEN)};
    struct answer answers[2][N];
    for (size_t m = 0; m < 2; m++) {
        bn_engine *engine = make_engine(models[m], &(bn_engine_options){.n_threads = 2, .max_sequences = N});
        bn_request *requests[N];
        for (size_t i = 0; i < N; i++) {
            int32_t prompt[9];
            make_prompt(prompt, 3 + i % 7, (uint32_t)i);
            bn_request_options options = settings(i % 7 == 6 ? 13 : i % 4, i);
            if (i % 5 == 4) options.n_logprobs = 2;
            if (i % 11 == 10) options.echo_logprobs = true;
            requests[i] = submit(engine, prompt, 3 + i % 7, &options);
        }
        for (size_t i = 0; i < N; i++) finish(requests[i], &answers[m][i]);
        assert_int_equal(stats_of(engine).head_screened > 0, m);
        bn_engine_destroy(engine);
    }
    for (size_t i = 0; i < N; i++) assert_same(&answers[0][i], &answers[1][i]);
    bn_model_close(models[0]), bn_model_close(models[1]);
}

/* ---- heads made to confuse it ---- */

#define SMALL_MODEL TEST_DATA "/models/bitnet-b158-i2_s/bitnet-b158-i2_s.gguf"
enum { V = 384, D = 256 };

/* The embedding, which is the head, of the small model's file. */
static uint16_t *head_of(char *bytes, size_t size) {
    struct gguf gguf;
    assert_int_equal(gguf_parse((const uint8_t *)bytes, size, "test", &gguf, NULL), BN_OK);
    const struct tensor *tensor = tensor_set_find(&gguf.set, "token_embd.weight");
    assert_non_null(tensor);
    size_t offset = (size_t)(tensor->data - (const uint8_t *)bytes);
    gguf_close(&gguf);
    return (uint16_t *)(void *)(bytes + offset);
}

enum confusion { DUPLICATES, NEAR_TIES, ALL_EQUAL, ZERO_ROWS, HUGE_NORMS, OUTLIERS, DAMAGED, N_CONFUSIONS };

static void confuse(uint16_t *w, enum confusion how) {
    for (size_t r = 0; r < V; r++) {
        uint16_t *row = w + r * D;
        switch (how) {
        case DUPLICATES: /* every logit four times: ties everywhere */
            memcpy(row, w + r % 96 * D, D * sizeof *w);
            break;
        case NEAR_TIES: /* one binary16 step apart in one column: well within the bound */
            memcpy(row, w + r % 48 * D, D * sizeof *w);
            row[r / 48 * 7] ^= 1;
            break;
        case ALL_EQUAL:
            memcpy(row, w, D * sizeof *w);
            break;
        case ZERO_ROWS:
            if (r % 3) memset(row, 0, D * sizeof *w);
            break;
        case HUGE_NORMS: /* rows whose intervals cover all others' */
            for (size_t c = 0; c < D && r % 5 == 0; c++) row[c] = f32_to_f16(f16_to_f32(row[c]) * 900);
            break;
        case OUTLIERS: /* one weight that takes all of the scale */
            row[r % D] = f32_to_f16(60000);
            break;
        default:
            if (r == 200) row[5] = 0x7e00; /* NaN */
            break;
        }
    }
}

static bn_model *open_bytes(const char *bytes, size_t size, bn_head head) {
    bn_model *model = NULL;
    bn_error err = {0};
    bn_model_options options = {.size = sizeof options, .i2s_layout = "x86-128", .head = head, .no_tokenizer = true};
    assert_ok(model_open_gguf_bytes((const uint8_t *)bytes, size, &options, &model, &err), err);
    return model;
}

static void test_confusing_heads(void **state) {
    (void)state;
    for (int how = 0; how < N_CONFUSIONS; how++) {
        char *bytes;
        size_t size;
        assert_int_equal(file_read_all(SMALL_MODEL, (size_t)1 << 26, &bytes, &size, NULL), BN_OK);
        confuse(head_of(bytes, size), (enum confusion)how);
        bn_model *models[] = {open_bytes(bytes, size, BN_HEAD_EXACT), open_bytes(bytes, size, BN_HEAD_SCREEN)};
        bn_engine *engines[] = {make_engine(models[0], NULL), make_engine(models[1], NULL)};
        for (size_t which = 0; which < 12 && how != DAMAGED; which++)
            for (uint64_t seed = 0; seed < 3; seed++) check_same(engines[0], engines[1], which, seed, NULL);
        bn_engine_stats stats = stats_of(engines[1]);
        assert_int_equal(stats.head_screened + stats.head_fallbacks == 0, how == DAMAGED);
        for (int m = 0; m < 2 && how == DAMAGED; m++) { /* both say that the weights are damaged */
            bn_request_options options = greedy(3);
            bn_request *request = submit(engines[m], (int32_t[]){1, 2}, 2, &options);
            assert_int_equal(bn_request_wait(request, NULL), BN_STATUS_BAD_FILE);
            bn_request_release(request);
        }
        for (int m = 0; m < 2; m++) bn_engine_destroy(engines[m]), bn_model_close(models[m]);
        mem_free(bytes);
    }
}

/* ---- capped logits ---- */

/* All floats of which tanh isn't the float itself or 1: bounds may be capped only because this holds. */
static void test_softcap_is_monotone(void **state) {
    (void)state;
    enum { N = 4096 };
    static float x[N], y[N];
    uint32_t from = f32_bits(0x1p-14f), end = f32_bits(12);
    float before = 0;
    for (uint32_t bits = from; bits < end; bits += N) {
        for (uint32_t i = 0; i < N; i++) x[i] = y[i] = f32_from_bits(bits + i);
        kernels_best()->softcap(y, 1, N);
        for (size_t i = 0; i < N; i++) {
            if (!(y[i] >= before)) test_fail("softcap(%a) is %a, below the one before", (double)x[i], (double)y[i]);
            before = y[i];
        }
    }
    float ends[] = {0x1p-14f, -0x1p-14f, 0x1p-30f, 0x1p-140f, 12, -12, 1e30f};
    kernels_best()->softcap(ends, 1, 7);
    assert_true(ends[0] == 0x1p-14f && ends[1] == -0x1p-14f && ends[2] == 0x1p-30f && ends[3] == 0x1p-140f);
    assert_true(ends[4] == 1 && ends[5] == -1 && ends[6] == 1);
}

/* Gemma 2 caps at 30; where its logits are made large, caps make ties of most. */
static void test_capped(void **state) {
    (void)state;
    bn_model *models[2];
    bn_engine *engines[2];
    for (int m = 0; m < 2; m++) {
        bn_model_options options = {.size = sizeof options, .head = m ? BN_HEAD_SCREEN : BN_HEAD_EXACT};
        bn_error err = {0};
        assert_ok(bn_model_open(TEST_DATA "/models/gemma2", &options, &models[m], &err), err);
    }
    for (int large = 0; large < 2; large++) {
        for (int m = 0; m < 2; m++) {
            float *norm = (float *)(uintptr_t)models[m]->weights.output_norm.weight; /* the model's own copy */
            for (size_t i = 0; i < models[m]->config.hidden_size && large; i++) norm[i] *= 400;
            engines[m] = make_engine(models[m], NULL);
        }
        for (size_t which = 0; which < 8; which++)
            for (uint64_t seed = 0; seed < 4; seed++) check_same(engines[0], engines[1], which, seed, NULL);
        bn_engine_stats stats = stats_of(engines[1]);
        assert_true(stats.head_screened + stats.head_fallbacks > 0);
        for (int m = 0; m < 2; m++) bn_engine_destroy(engines[m]);
    }
    bn_model_close(models[0]), bn_model_close(models[1]);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sampler),    cmocka_unit_test(test_under_a_grammar),
        cmocka_unit_test(test_everywhere_alike), cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_confusing_heads),  cmocka_unit_test(test_softcap_is_monotone),
        cmocka_unit_test(test_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Logits and greedy tokens of every reference model against Hugging Face transformers in float32.
 *
 * Each folder has reference/prompts.json: [{"name", "tokens", "logits": file of float32 [n_tokens, vocab], "greedy"}].
 * Gates: every logit within 5e-5, and the same best token unless the reference's two best are closer than 1e-4. A
 * model with int8 activations may differ at up to a quarter of a prompt's positions by up to 0.3: where x·127/max|x|
 * lies within float error of a half, the rounded code differs, and the change spreads to later positions. */
#include <dirent.h>
#include <math.h>

#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "convert/convert.h"
#include "model_run.h"
#include "temporary_folder.h"

#define EXACT 5e-5
#define TIE   1e-4
#define FLIP  0.3

struct subject {
    char name[128];
    char path[600];   /* of the model */
    char folder[600]; /* of reference/ */
};

static void describe_difference(const struct subject *s, const char *prompt, size_t position, const float *ours,
                                const float *theirs, size_t vocab, double limit) {
    printf("%s, prompt %s, position %zu:\n", s->name, prompt, position);
    for (size_t i = 0, shown = 0; i < vocab && shown < 5; i++)
        if (!(fabs((double)ours[i] - (double)theirs[i]) <= limit)) {
            printf("  logit %zu is %.6f, expected %.6f\n", i, (double)ours[i], (double)theirs[i]);
            shown++;
        }
}

static size_t argmax(const float *row, size_t n, float *margin) {
    size_t best = 0;
    float second = -INFINITY;
    for (size_t i = 1; i < n; i++) {
        if (row[i] > row[best]) {
            second = row[best];
            best = i;
        } else if (row[i] > second) {
            second = row[i];
        }
    }
    if (margin) *margin = row[best] - second;
    return best;
}

static double row_error(const float *ours, const float *theirs, size_t vocab) {
    double worst = 0;
    for (size_t i = 0; i < vocab; i++) {
        double e = fabs((double)ours[i] - (double)theirs[i]);
        if (!(e <= worst)) worst = e;
    }
    return worst;
}

/* Number of positions that break the gates. */
static size_t check_logits(const struct subject *s, const char *prompt, const float *ours, const float *theirs,
                           size_t n, size_t vocab, bool ternary, double *worst) {
    size_t broken = 0, flips = 0;
    for (size_t t = 0; t < n; t++) {
        const float *a = ours + t * vocab, *b = theirs + t * vocab;
        double e = row_error(a, b, vocab);
        float margin;
        bool exact = e <= EXACT, same = argmax(a, vocab, NULL) == argmax(b, vocab, &margin) || (double)margin < TIE;
        if (exact && e > *worst) *worst = e;
        if (exact && same) continue;
        if (ternary && e <= FLIP && ++flips <= n / 4) continue;
        if (broken++ == 0) describe_difference(s, prompt, t, a, b, vocab, EXACT);
    }
    if (flips) printf("%s, prompt %s: %zu of %zu positions moved by a rounding flip\n", s->name, prompt, flips, n);
    return broken;
}

/* Greedy tokens one by one after the prompt. A model with int8 activations may leave the reference's path where its two
 * best are close. */
static size_t check_greedy(const struct subject *s, const char *prompt, struct model_run *run, const json_t *greedy,
                           float *logits, size_t vocab, bool ternary) {
    float margin;
    for (size_t i = 0; i < json_array_size(greedy) && run->length < run->max_context; i++) {
        int32_t token = (int32_t)argmax(logits, vocab, &margin);
        int32_t expected = (int32_t)json_integer_value(json_array_get(greedy, i));
        if (token != expected) {
            if ((double)margin < (ternary ? FLIP : TIE)) return 0;
            printf("%s, prompt %s: greedy token %zu is %d, expected %d (margin %g)\n", s->name, prompt, i, token,
                   expected, (double)margin);
            return 1;
        }
        model_run_append(run, &token, 1, false, logits);
    }
    return 0;
}

static size_t check_prompt(const struct subject *s, const bn_model *model, const json_t *prompt, double *worst) {
    size_t vocab = model_vocab_size(model), n = json_array_size(json_object_get(prompt, "tokens")), size = 0,
           broken = 0;
    const char *name = json_string_value(json_object_get(prompt, "name"));
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    bool ternary = strstr(info.quantization, "int8") != NULL;
    char path[900];
    snprintf(path, sizeof path, "%s/%s", s->folder, json_string_value(json_object_get(prompt, "logits")));
    char *theirs = NULL;
    if (!file_exists(path)) return 0; /* the small copies leave the longest prompt's logits out */
    assert_int_equal(file_read_all(path, (size_t)1 << 28, &theirs, &size, NULL), BN_OK);
    assert_int_equal(size, n * vocab * sizeof(float));

    int32_t *tokens = malloc(n * sizeof *tokens);
    float *logits = malloc(n * vocab * sizeof *logits);
    for (size_t i = 0; i < n; i++)
        tokens[i] = (int32_t)json_integer_value(json_array_get(json_object_get(prompt, "tokens"), i));
    struct model_run run;
    assert_true(model_run_init(&run, model, 2, max_size(n, min_size(n + 64, info.context_length))));
    run.reserved_length = n;
    model_run_append(&run, tokens, n, true, logits);
    broken += check_logits(s, name, logits, (const float *)(const void *)theirs, n, vocab, ternary, worst);
    memmove(logits, logits + (n - 1) * vocab, vocab * sizeof *logits);
    broken += check_greedy(s, name, &run, json_object_get(prompt, "greedy"), logits, vocab, ternary);
    model_run_release(&run);
    free(logits);
    free(tokens);
    mem_free(theirs);
    return broken;
}

static void print_notice(void *context, const char *line) {
    printf("  %s: %s\n", (const char *)context, line);
}

static void test_model(void **state) {
    struct subject *s = *state;
    char path[700];
    json_t *prompts = NULL;
    bn_model *model = NULL;
    bn_error err;
    bn_model_options options = {.size = sizeof options, .notice = print_notice, .notice_context = s->name};
    bn_status status = bn_model_open(s->path, &options, &model, &err);
    if (status != BN_OK) printf("%s\n", err.message);
    assert_int_equal(status, BN_OK);
    snprintf(path, sizeof path, "%s/prompts.json", s->folder);
    assert_int_equal(json_parse_file(path, 1 << 20, &prompts, NULL), BN_OK);
    size_t broken = 0;
    double worst = 0;
    for (size_t i = 0; i < json_array_size(prompts); i++)
        broken += check_prompt(s, model, json_array_get(prompts, i), &worst);
    printf("%s: largest difference %.2g\n", s->name, worst);
    json_decref(prompts);
    bn_model_close(model);
    assert_int_equal(broken, 0);
}

/* ---- the same models after conversion: as a GGUF file, and as the folder that this becomes ---- */

static struct temporary_folder converted;

/* False for what a form can't say: that is said, and no difference. */
static bool convert_to(const char *source, const char *output, enum convert_target target) {
    bn_error err = {0};
    struct convert_options options = {.source = source, .output = output, .target = target, .n_threads = 2};
    struct convert_report report = {0};
    bn_status status = convert_model(&options, &report, &err);
    if (status && status != BN_STATUS_UNSUPPORTED) test_fail("%s: %s", source, err.message);
    if (status) printf("%s: %s\n", source, err.message);
    convert_report_release(&report);
    return status == BN_OK;
}

static void test_converted(void **state) {
    const struct subject *original = *state;
    struct subject s = *original;
    void *inner = &s;
    static int number;
    char folder[32];
    if (!convert_to(original->path, temporary_path(&converted, "model.gguf"), CONVERT_TO_GGUF)) return;
    snprintf(s.path, sizeof s.path, "%s", temporary_path(&converted, "model.gguf"));
    snprintf(s.name, sizeof s.name, "%.100s as GGUF", original->name);
    test_model(&inner);
    snprintf(folder, sizeof folder, "folder-%d", number++);
    if (!convert_to(s.path, temporary_path(&converted, folder), CONVERT_TO_HF)) return;
    snprintf(s.path, sizeof s.path, "%s", temporary_path(&converted, folder));
    snprintf(s.name, sizeof s.name, "%.100s as a folder", original->name);
    test_model(&inner);
}

/* ---- which models there are ---- */

static struct CMUnitTest tests[160];
static size_t n_tests;
static void (*test_function)(void **state) = test_model;

static void add_subject(const char *name, const char *path, const char *folder) {
    if (n_tests == sizeof tests / sizeof tests[0] || !file_exists(path)) return;
    struct subject *s = calloc(1, sizeof *s);
    if (!s) abort();
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->folder, sizeof s->folder, "%s", folder);
    tests[n_tests++] = (struct CMUnitTest){.name = s->name, .test_func = test_function, .initial_state = s};
}

/* Folders of one root, each a Hugging Face folder or NAME/NAME.gguf, with reference/ inside. Pickles are refused
 * elsewhere (tests/unit/test_torch_file.c). */
static void add_root(const char *root) {
    DIR *directory = opendir(root);
    if (!directory) {
        printf("no %s: its models are left out\n", root);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[600], gguf[900], folder[700];
        snprintf(path, sizeof path, "%s/%s", root, entry->d_name);
        snprintf(gguf, sizeof gguf, "%s/%s.gguf", path, entry->d_name);
        snprintf(folder, sizeof folder, "%s/reference", path);
        if (entry->d_name[0] == '.' || !file_is_directory(folder) || strstr(entry->d_name, "pickle")) continue;
        add_subject(entry->d_name, file_exists(gguf) ? gguf : path, folder);
    }
    closedir(directory);
}

/* PARITY_CONVERTED=1: what conversion makes of the models instead of the models themselves. */
int main(void) {
    bool convert = getenv("PARITY_CONVERTED") != NULL;
    if (convert) {
        converted = temporary_folder_create();
        test_function = test_converted;
    }
    add_root(TEST_DATA "/models");
    add_root(TEST_DATA "/models/made");
    add_root(SHARED_DATA "/models");
    add_root(SHARED_DATA "/gguf/models");
    add_subject("demo (Hugging Face)", SHARED_DATA "/demo", SHARED_DATA "/demo/reference");
    add_subject("demo (GGUF)", DEMO_MODEL,
                file_is_directory(SHARED_DATA "/demo/reference") ? SHARED_DATA "/demo/reference"
                                                                 : TEST_DATA "/models/demo-reference");
    int failures = _cmocka_run_group_tests("parity", tests, n_tests, NULL, NULL);
    if (convert) temporary_folder_remove(&converted);
    return failures;
}

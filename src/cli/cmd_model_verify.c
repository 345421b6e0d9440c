/* `bitnet model verify`: opens everything a model has and looks whether it holds together (analysis/verification.h). */
#include <stdio.h>
#include <string.h>

#include "analysis/verification.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#ifdef BITNET_HUB
#include "cli/hub/model_hashes.h"
#endif

struct verify_settings {
    struct model_options model;
};
static const struct option_group groups[] = {{"Model", model_option_table, offsetof(struct verify_settings, model)},
                                             {0}};

struct verification_view {
    struct invocation *invocation;
    struct progress progress;
    json_t *checks; /* NULL: print lines */
    size_t n_warnings, n_failed;
};

/* ---- what was found ---- */

static const struct {
    const char *name;
    enum style style;
} verdicts[] = {[CHECK_OK] = {"ok", STYLE_GREEN},
                [CHECK_WARNING] = {"warning", STYLE_BOLD},
                [CHECK_FAILED] = {"failed", STYLE_RED},
                [CHECK_SKIPPED] = {"skipped", STYLE_DIM}};

static void show_check(void *context, const char *check, enum check_verdict verdict, const char *detail) {
    struct verification_view *view = context;
    char shown[1000];
    view->n_warnings += verdict == CHECK_WARNING;
    view->n_failed += verdict == CHECK_FAILED;
    progress_end(&view->progress);
    if (view->checks)
        json_array_append_new(view->checks,
                              json_pack("{s:s, s:s, s:o}", "name", check, "verdict", verdicts[verdict].name, "detail",
                                        json_text(detail, strlen(detail))));
    else
        printf("%s%-7s%s %-13s %s\n", style_out(verdicts[verdict].style), verdicts[verdict].name,
               style_out(STYLE_PLAIN), check, printable(detail, shown, sizeof shown));
}

static bool show_progress(void *context, const char *what, size_t done, size_t total) {
    struct verification_view *view = context;
    progress_update(&view->progress, what, done, total);
    return !interrupted();
}

/* ---- hashes: what is recorded about the files ---- */

#ifdef BITNET_HUB
struct hashing {
    struct verification_view *view;
    uint64_t done;
};

static bool hashed(void *context, uint64_t n_bytes) {
    struct hashing *hashing = context;
    hashing->done += n_bytes;
    return show_progress(hashing->view, "MB hashed", (size_t)(hashing->done / 1000000), 0);
}

static bn_status check_hashes(struct verification_view *view, const char *path, bn_error *err) {
    struct hashing hashing = {.view = view};
    const struct byte_progress progress = {hashed, &hashing};
    struct hash_findings found;
    char detail[600];
    bn_error problem = {0};
    bn_status status = model_hashes_check(view->invocation->arguments[0], path, &progress, &found, &problem);
    if (status == BN_STATUS_CANCELLED || status == BN_STATUS_NO_MEMORY) return fail(err, status, "%s", problem.message);
    if (status)
        snprintf(detail, sizeof detail, "%s", problem.message);
    else if (*found.wrong)
        snprintf(detail, sizeof detail, "%s, by %s", found.wrong, found.source);
    else if (!found.n_files)
        snprintf(detail, sizeof detail, "none are recorded: it is neither a version in the registry nor a download");
    else
        snprintf(detail, sizeof detail, "%zu files, %.1f MB, by %s", found.n_files, (double)found.n_bytes * 1e-6,
                 found.source);
    show_check(view, "hashes",
               status || *found.wrong ? CHECK_FAILED
               : found.n_files        ? CHECK_OK
                                      : CHECK_SKIPPED,
               detail);
    return BN_OK;
}
#else
static bn_status check_hashes(struct verification_view *view, const char *path, bn_error *err) {
    (void)path, (void)err;
    show_check(view, "hashes", CHECK_SKIPPED, "this program was built without the registry and hubs that record them");
    return BN_OK;
}
#endif

/* ---- the command ---- */

static bn_status verify(struct verification_view *view, const char *path, bn_error *err) {
    const struct verify_settings *settings = view->invocation->settings;
    const struct verification_options options = {
        .path = path,
        .model = {.size = sizeof options.model,
                  .n_threads = settings->model.threads,
                  .i2s_layout = settings->model.i2s_layout,
                  .hidden_act = settings->model.hidden_act},
        .engine = model_options_engine(&settings->model),
        .report = show_check,
        .progress = show_progress,
        .context = view,
    };
    progress_begin(&view->progress, view->invocation);
    bn_status status = check_hashes(view, path, err);
    if (!status) status = model_verify(&options, err);
    progress_end(&view->progress);
    return status;
}

static bn_status finish(const struct verification_view *view, const char *path, bn_error *err) {
    if (view->n_failed) say_error("%s: %zu check%s failed", path, view->n_failed, view->n_failed == 1 ? "" : "s");
    if (!view->checks) return BN_OK;
    return json_write_line(stdout,
                           json_pack("{s:o, s:b, s:I, s:O}", "path", json_text(path, strlen(path)), "ok",
                                     view->n_failed == 0, "warnings", (json_int_t)view->n_warnings, "checks",
                                     view->checks),
                           err);
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    char *path;
    bn_status status = model_path_resolve(invocation->arguments[0], &path, &error);
    if (status) return say_failure(&error);
    signals_name_mapped_file(path);
    struct verification_view view = {.invocation = invocation};
    if (invocation->common.json) view.checks = json_array();
    status = verify(&view, path, &error);
    if (!status) status = finish(&view, path, &error);
    json_decref(view.checks);
    mem_free(path);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    if (status) return say_failure(&error);
    return view.n_failed ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_model_verify = {
    .name = "model verify",
    .arguments = "MODEL",
    .summary = "check that a model is whole",
    .description =
        "Checks, a line each: hashes of the files (where the registry or a hub's download recorded them), format, "
        "values (every tensor decodes, nothing is NaN or infinite), configuration, shapes of all tensors, rows "
        "(damaged "
        "ternary codes; rows that are all zero are a warning), tokenizer, vocabulary (special ids within the "
        "embedding's rows), chat template (two messages render), and a forward pass with finite logits. The exit "
        "status "
        "is 1 if one failed.",
    .examples = "bitnet model verify demo\nbitnet model verify demo --json",
    .groups = groups,
    .settings_bytes = sizeof(struct verify_settings),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};

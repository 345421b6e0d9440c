#include "analysis/weights_view.h"

#include <string.h>

#include "base/memory.h"
#include "model/open.h"

bn_status weights_view_open(const char *path, const char *i2s_layout, size_t n_threads, struct weights_view *out,
                            bn_error *err) {
    *out = (struct weights_view){
        .options = {.source = path, .target = CONVERT_TO_GGUF, .i2s_layout = i2s_layout, .no_tokenizer = true}};
    arena_init(&out->arena);
    bn_model_options options = {.size = sizeof options, .no_tokenizer = true};
    bn_status status = model_open_description(path, &options, &out->model, err);
    if (!status) status = thread_pool_acquire(n_threads ? n_threads : cpu_count(), &out->pool, err);
    if (status) return status;
    out->plan = (struct plan){.options = &out->options, .model = out->model, .pool = out->pool, .arena = &out->arena};
    return plan_make(&out->plan, err);
}

void weights_view_close(struct weights_view *view) {
    plan_release(&view->plan);
    if (view->pool) thread_pool_release(view->pool);
    bn_model_close(view->model);
    arena_release(&view->arena);
    *view = (struct weights_view){0};
}

const struct planned_tensor *weights_view_find(const struct weights_view *view, const char *name) {
    for (size_t i = 0; i < view->plan.n; i++)
        if (strcmp(view->plan.tensors[i].name, name) == 0) return &view->plan.tensors[i];
    return NULL;
}

const char *viewed_type(const struct planned_tensor *t) {
    if (t->content == CONTENT_CONSTANT) return "vector";
    return t->source.type == TYPE_U8 ? "packed" : tensor_type_find((uint32_t)t->source.type)->name;
}

bool viewed_decodable(const struct planned_tensor *t) {
    return t->content != CONTENT_VALUES || tensor_type_decodable(t->source.type);
}

bool viewed_row(const struct planned_tensor *t, size_t row, float *values, int8_t *codes) {
    if (t->content == CONTENT_CONSTANT) {
        memcpy(values, t->constant + row * t->n_cols, t->n_cols * sizeof *values);
        return true;
    }
    if (t->content == CONTENT_VALUES) {
        tensor_decode_row(&t->source, planned_row(t, row), values);
        return true;
    }
    struct ternary_source source = t->codes;
    source.tensor = &t->source;
    switch (ternary_unpack_row(&source, planned_row(t, row), values, codes)) {
    case TERNARY_ROW_GOOD:
        for (size_t c = 0; c < t->n_cols; c++) values[c] = (float)codes[c] * t->scale;
        return true;
    case TERNARY_ROW_OTHER_VALUES: /* blocks with scales of their own, which the model multiplies by as they are */
        for (size_t c = 0; c < t->n_cols; c++) values[c] *= t->scale / source.magnitude;
        return true;
    default:
        return false;
    }
}

#include "cli/tensor_table.h"

#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"

static const char *layout_name(const struct tensor *tensor) {
    bool named = tensor->type == TYPE_I2_S && tensor->i2s_layout != I2S_UNKNOWN;
    return named ? i2s_layout_name(tensor->i2s_layout) : "";
}

static const char *type_name(const struct tensor *tensor) {
    const struct tensor_type_info *info = tensor_type_find((uint32_t)tensor->type);
    return info ? info->name : "unknown";
}

static json_t *tensor_json(const struct tensor *tensor) {
    json_t *shape = json_array();
    for (size_t i = 0; i < tensor->n_dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    json_t *object = json_pack("{s:o, s:s, s:o, s:I}", "name", json_text(tensor->name, strlen(tensor->name)), "type",
                               type_name(tensor), "shape", shape, "bytes", (json_int_t)tensor->size_bytes);
    if (*layout_name(tensor)) json_object_set_new(object, "i2s_layout", json_string(layout_name(tensor)));
    return object;
}

json_t *tensor_table_json(const struct tensor_set *set) {
    json_t *array = json_array();
    for (size_t i = 0; i < set->n_tensors; i++) json_array_append_new(array, tensor_json(&set->tensors[i]));
    return array;
}

/* "[2048, 256]" */
static void shape_text(const struct tensor *tensor, char *out, size_t size) {
    size_t at = 0;
    for (size_t k = 0; k < tensor->n_dims && at < size; k++)
        at += (size_t)snprintf(out + at, size - at, "%s%zu", k ? ", " : "[", tensor->shape[k]);
    if (at < size) snprintf(out + at, size - at, "%s", tensor->n_dims ? "]" : "[]");
}

void tensor_table_print(const struct tensor_set *set) {
    size_t total = 0;
    printf("%-44s %-8s %-24s %14s\n", "name", "type", "shape", "bytes");
    for (size_t i = 0; i < set->n_tensors; i++) {
        const struct tensor *tensor = &set->tensors[i];
        char name[200], shape[100];
        shape_text(tensor, shape, sizeof shape);
        printf("%-44s %-8s %-24s %14zu%s%s\n", printable(tensor->name, name, sizeof name), type_name(tensor), shape,
               tensor->size_bytes, *layout_name(tensor) ? "  " : "", layout_name(tensor));
        total += tensor->size_bytes;
    }
    printf("%zu tensors, %zu bytes\n", set->n_tensors, total);
}

#include "formats/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "formats/protobuf.h"

/* Field numbers of onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INTEGER = 3 };
enum {
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14,
};

enum { MAX_TENSORS = 1 << 20, MAX_NODES = 1 << 20, MAX_INPUTS = 6, MAX_NAME = 512 };

struct text {
    const char *text;
    size_t size;
};

/* An initializer as the graph has it. */
struct initializer {
    struct text name;
    struct tensor tensor;
};

/* What a node says that uses initializers. */
struct node {
    struct text name, op, inputs[MAX_INPUTS];
    size_t n_inputs;
    int64_t n, k, bits, block; /* attributes; 0 where absent */
};

struct onnx_reader {
    struct tensor_set *set;
    const char *folder;
    struct initializer *initializers;
    size_t n, capacity;
    struct string_map by_name;
    bool *used; /* [n] by a MatMul or the like: has been added */
    bn_error *err;
};

static bool is_text(struct text text, const char *literal) {
    return text.size == strlen(literal) && memcmp(text.text, literal, text.size) == 0;
}

static bn_status broken(const struct reader *r, bn_error *err) {
    return fail(err, BN_STATUS_BAD_FILE, "the ONNX graph ends in the middle of %s",
                r->failed_field ? r->failed_field : "it");
}

static struct text text_of(const struct protobuf_field *field) {
    return (struct text){(const char *)field->bytes, field->size};
}

/* ---- initializers ---- */

static bool type_of(uint64_t onnx, enum tensor_type *type) {
    static const int types[] = {[1] = TYPE_F32,  [2] = TYPE_U8,   [3] = TYPE_I8,   [4] = TYPE_U16,  [5] = TYPE_I16,
                                [6] = TYPE_I32,  [7] = TYPE_I64,  [9] = TYPE_BOOL, [10] = TYPE_F16, [11] = TYPE_F64,
                                [12] = TYPE_U32, [13] = TYPE_U64, [16] = TYPE_BF16};
    if (onnx == 0 || onnx >= sizeof types / sizeof *types || (types[onnx] == 0 && onnx != 1)) return false;
    *type = (enum tensor_type)types[onnx];
    return true;
}

/* What a TensorProto says, before its bytes are found. */
struct tensor_message {
    struct text name;
    uint64_t type, location;
    struct reader raw, packed; /* raw_data; the typed field */
    bool has_raw;
    unsigned packed_field;
    struct text file;
    uint64_t offset, length;
    bool has_length;
    struct tensor tensor;
};

static bool parse_decimal(struct text text, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.text[i] < '0' || text.text[i] > '9' || *out > UINT64_MAX / 10 - 1) return false;
        *out = 10 * *out + (uint64_t)(text.text[i] - '0');
    }
    return text.size > 0;
}

/* A key with its value: location, offset, length. */
static bool read_external(const struct protobuf_field *entry, struct tensor_message *m) {
    struct reader r = reader_over(entry->bytes, entry->size);
    struct protobuf_field field;
    struct text key = {0}, value = {0};
    while (protobuf_next(&r, &field)) {
        if (field.wire != WIRE_BYTES) continue;
        if (field.number == 1) key = text_of(&field);
        if (field.number == 2) value = text_of(&field);
    }
    if (!reader_ok(&r)) return false;
    if (is_text(key, "location")) m->file = value;
    if (is_text(key, "offset")) return parse_decimal(value, &m->offset);
    if (is_text(key, "length")) return m->has_length = parse_decimal(value, &m->length);
    return true;
}

/* Dimensions come one by one, or packed. */
static bool read_dims(const struct protobuf_field *field, struct tensor *tensor) {
    struct reader r = reader_over(field->bytes, field->size);
    bool packed = field->wire == WIRE_BYTES;
    do {
        uint64_t dim = packed ? read_varint(&r, "a dimension") : field->value;
        if (!reader_ok(&r) || tensor->n_dims >= TENSOR_MAX_DIMS || dim > SIZE_MAX / 2) return false;
        tensor->shape[tensor->n_dims++] = (size_t)dim;
    } while (packed && reader_remaining(&r) > 0);
    return true;
}

static bool read_tensor_field(const struct protobuf_field *field, struct tensor_message *m) {
    switch (field->number) {
    case TENSOR_DIMS:
        return (field->wire == WIRE_BYTES && field->size == 0) || read_dims(field, &m->tensor);
    case TENSOR_TYPE:
        m->type = field->value;
        return true;
    case TENSOR_NAME:
        m->name = text_of(field);
        return true;
    case TENSOR_RAW:
        m->raw = reader_over(field->bytes, field->size);
        m->has_raw = field->wire == WIRE_BYTES;
        return m->has_raw;
    case TENSOR_FLOATS:
    case TENSOR_INT32S:
    case TENSOR_INT64S:
    case TENSOR_DOUBLES:
        m->packed = reader_over(field->bytes, field->size);
        m->packed_field = (unsigned)field->number;
        return field->wire == WIRE_BYTES; /* writers pack them */
    case TENSOR_EXTERNAL:
        return field->wire == WIRE_BYTES && read_external(field, m);
    case TENSOR_LOCATION:
        m->location = field->value;
        return true;
    default:
        return true;
    }
}

static bool tensor_bytes(struct tensor *tensor) {
    size_t bytes = tensor_type_find(tensor->type)->block_bytes;
    for (size_t i = 0; i < tensor->n_dims; i++)
        if (!mul_size(bytes, tensor->shape[i], &bytes)) return false;
    tensor->size_bytes = bytes;
    return true;
}

/* Values in a typed field: numbers that lie as they are, or varints of which the low bytes are the value. */
static bn_status unpack_values(struct onnx_reader *o, struct tensor_message *m) {
    struct tensor *tensor = &m->tensor;
    size_t item = tensor_type_find(tensor->type)->block_bytes, n = tensor->size_bytes / item;
    if ((m->packed_field == TENSOR_FLOATS && tensor->type == TYPE_F32) ||
        (m->packed_field == TENSOR_DOUBLES && tensor->type == TYPE_F64)) {
        if (m->packed.size != tensor->size_bytes)
            return fail(o->err, BN_STATUS_BAD_FILE, "has %zu bytes, expected %zu", m->packed.size, tensor->size_bytes);
        tensor->data = m->packed.bytes;
        return BN_OK;
    }
    if (n > m->packed.size ||
        (m->packed_field != TENSOR_INT32S && m->packed_field != TENSOR_INT64S)) /* a byte each at least */
        return fail(o->err, BN_STATUS_BAD_FILE, "has fewer values than its shape says");
    uint8_t *values = arena_alloc(&o->set->arena, max_size(tensor->size_bytes, 1));
    if (!values) return fail_no_memory(o->err, tensor->size_bytes);
    for (size_t i = 0; i < n; i++) {
        uint64_t value = read_varint(&m->packed, "a value");
        memcpy(values + i * item, &value, item);
    }
    tensor->data = values;
    if (!reader_ok(&m->packed) || reader_remaining(&m->packed) > 0)
        return fail(o->err, BN_STATUS_BAD_FILE, "has another number of values than its shape says");
    return BN_OK;
}

/* ---- external data ---- */

static bool is_plain_file_name(const char *name) {
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\:");
}

static const struct mapped_file *find_file(const struct tensor_set *set, const char *path) {
    for (size_t i = 0; i < set->n_files; i++)
        if (strcmp(set->files[i].path, path) == 0) return &set->files[i];
    return NULL;
}

/* A file beside the graph, by a name that can't lead elsewhere. */
static bn_status place_external(struct onnx_reader *o, struct tensor_message *m) {
    char name[MAX_NAME];
    snprintf(name, sizeof name, "%.*s", (int)min_size(m->file.size, MAX_NAME - 1), m->file.text ? m->file.text : "");
    if (m->file.size >= MAX_NAME || strlen(name) != m->file.size || !is_plain_file_name(name))
        return fail(o->err, BN_STATUS_BAD_FILE,
                    "has its data in '%.100s', which isn't a file beside the graph: refused", name);
    if (!o->folder) return fail(o->err, BN_STATUS_UNSUPPORTED, "has its data in another file");
    char *path = path_join(o->folder, name);
    if (!path) return fail_no_memory(o->err, strlen(o->folder));
    bn_status status = BN_OK;
    const struct mapped_file *file = find_file(o->set, path);
    if (!file) {
        status = tensor_set_map_file(o->set, path, o->err);
        file = status ? NULL : &o->set->files[o->set->n_files - 1];
    }
    mem_free(path);
    if (status) return status;
    uint64_t length = m->has_length ? m->length : m->tensor.size_bytes;
    if (length != m->tensor.size_bytes || m->offset > file->size || length > file->size - m->offset)
        return fail(o->err, BN_STATUS_BAD_FILE, "takes %zu bytes from %" PRIu64 " on of %s, which has %zu",
                    m->tensor.size_bytes, m->offset, name, file->size);
    m->tensor.data = file->data + m->offset;
    return BN_OK;
}

static bn_status place_values(struct onnx_reader *o, struct tensor_message *m) {
    if (m->location == 1) return place_external(o, m);
    if (!m->has_raw) return m->tensor.size_bytes ? unpack_values(o, m) : BN_OK;
    if (m->raw.size != m->tensor.size_bytes)
        return fail(o->err, BN_STATUS_BAD_FILE, "has %zu bytes, expected %zu", m->raw.size, m->tensor.size_bytes);
    m->tensor.data = m->raw.bytes;
    return BN_OK;
}

static bn_status add_initializer(struct onnx_reader *o, const struct tensor_message *m) {
    if (o->n >= MAX_TENSORS) return fail(o->err, BN_STATUS_UNSUPPORTED, "more than %d initializers", MAX_TENSORS);
    if (o->n == o->capacity) {
        size_t capacity = o->capacity ? 2 * o->capacity : 256;
        struct initializer *bigger = mem_realloc_array(o->initializers, capacity, sizeof *bigger);
        if (!bigger) return fail_no_memory(o->err, capacity * sizeof *bigger);
        o->initializers = bigger;
        o->capacity = capacity;
    }
    o->initializers[o->n++] = (struct initializer){m->name, m->tensor};
    return BN_OK;
}

static bn_status read_initializer(struct onnx_reader *o, const struct protobuf_field *message) {
    struct reader r = reader_over(message->bytes, message->size);
    struct protobuf_field field;
    struct tensor_message m = {0};
    while (protobuf_next(&r, &field))
        if (!read_tensor_field(&field, &m)) return fail(o->err, BN_STATUS_BAD_FILE, "an initializer is broken");
    if (!reader_ok(&r)) return broken(&r, o->err);
    if (!type_of(m.type, &m.tensor.type)) return BN_OK; /* strings and the like: no weight */
    bn_status status = tensor_bytes(&m.tensor) ? place_values(o, &m) : fail(o->err, BN_STATUS_BAD_FILE, "overflows");
    if (status) {
        error_prefix(o->err, "initializer '%.*s'", (int)min_size(m.name.size, 100), m.name.text ? m.name.text : "");
        return status;
    }
    return add_initializer(o, &m);
}

/* ---- nodes ---- */

static void read_attribute(const struct protobuf_field *message, struct node *node) {
    struct reader r = reader_over(message->bytes, message->size);
    struct protobuf_field field;
    struct text name = {0};
    int64_t value = 0;
    while (protobuf_next(&r, &field)) {
        if (field.number == ATTRIBUTE_NAME && field.wire == WIRE_BYTES) name = text_of(&field);
        if (field.number == ATTRIBUTE_INTEGER && field.wire == WIRE_VARINT) value = (int64_t)field.value;
    }
    if (is_text(name, "N")) node->n = value;
    if (is_text(name, "K")) node->k = value;
    if (is_text(name, "bits")) node->bits = value;
    if (is_text(name, "block_size")) node->block = value;
}

static bool read_node(const struct protobuf_field *message, struct node *node) {
    struct reader r = reader_over(message->bytes, message->size);
    struct protobuf_field field;
    *node = (struct node){0};
    while (protobuf_next(&r, &field)) {
        if (field.wire != WIRE_BYTES) continue;
        if (field.number == NODE_NAME) node->name = text_of(&field);
        if (field.number == NODE_OP) node->op = text_of(&field);
        if (field.number == NODE_INPUT && node->n_inputs < MAX_INPUTS) node->inputs[node->n_inputs++] = text_of(&field);
        if (field.number == NODE_ATTRIBUTE) read_attribute(&field, node);
    }
    return reader_ok(&r);
}

/* ---- names ---- */

static bool has_suffix(const char *text, const char *suffix) {
    size_t n = strlen(text), k = strlen(suffix);
    return n >= k && strcmp(text + n - k, suffix) == 0;
}

/* "/model/layers.0/self_attn/q_proj/MatMul" → "model.layers.0.self_attn.q_proj": the module whose node it is. False when
 * the node's name has no path. "layers.0/attn/q_proj" (of model builders that write other words) stays as it is. */
static bool module_of_node(struct text node, char *out, size_t size) {
    size_t n = 0, last = SIZE_MAX;
    for (size_t i = 0; i < node.size && n + 1 < size; i++) {
        char c = node.text[i];
        if (c == '/' && n == 0) continue;
        if (c == '/') last = n;
        if (c == 0) return false;
        out[n++] = c == '/' ? '.' : c;
    }
    if (last == SIZE_MAX || n + 1 >= size) return false;
    out[last] = 0;
    return true;
}

/* An initializer's own name, where it says what it is: not a number that an exporter gave. */
static bool is_telling(struct text name) {
    return name.size > 0 && name.size < MAX_NAME && !memchr(name.text, 0, name.size) &&
           !memmem(name.text, name.size, "::", 2) && memchr(name.text, '.', name.size) && name.text[0] != '/';
}

/* onnxruntime-genai's model builder says "attn" for "self_attn", and counts the last norm as one of a layer. */
static void spell_as_checkpoint(const char *name, char out[MAX_NAME]) {
    const char *attention = strncmp(name, "model.layers.", 13) == 0 ? strstr(name, ".attn.") : NULL;
    if (strncmp(name, "model.layers.", 13) == 0 && has_suffix(name, ".final_norm_layernorm.weight"))
        snprintf(out, MAX_NAME, "model.norm.weight");
    else if (attention)
        snprintf(out, MAX_NAME, "%.*s.self_%s", (int)(attention - name), name, attention + 1);
    else
        snprintf(out, MAX_NAME, "%s", name);
}

static bn_status add_tensor(struct onnx_reader *o, const char *name, const struct tensor *tensor) {
    char spelled[MAX_NAME];
    struct tensor *added;
    bn_status status = tensor_set_extend(o->set, 1, &added, o->err);
    if (status) return status;
    spell_as_checkpoint(name, spelled);
    *added = *tensor;
    added->name = arena_strndup(&o->set->arena, spelled, strlen(spelled));
    return added->name ? BN_OK : fail_no_memory(o->err, strlen(name));
}

static struct initializer *find_initializer(struct onnx_reader *o, struct text name) {
    uint32_t index;
    return name.size && string_map_find(&o->by_name, name.text, name.size, &index) ? &o->initializers[index] : NULL;
}

static void mark(struct onnx_reader *o, const struct initializer *initializer) {
    if (initializer) o->used[initializer - o->initializers] = true;
}

/* ---- MatMul and Gemm: y = x·B, B [in, out] ---- */

static bn_status transposed(struct onnx_reader *o, const struct tensor *tensor, struct tensor *out) {
    struct tensor_view *view = arena_alloc(&o->set->arena, sizeof *view);
    if (!view) return fail_no_memory(o->err, sizeof *view);
    tensor_transpose(tensor, view, out);
    return BN_OK;
}

/* "…/q_proj/MatMul" and the initializer's name agree on the module; who wins where they don't is the telling one. */
static bool weight_name(const struct node *node, struct text initializer, char out[MAX_NAME]) {
    if (is_telling(initializer)) {
        snprintf(out, MAX_NAME, "%.*s", (int)initializer.size, initializer.text);
        if (has_suffix(out, ".MatMul.weight")) { /* the model builder's way of saying which node it is for */
            size_t n = strlen(out) - strlen(".MatMul.weight");
            strcpy(out + n, ".weight");
        }
        return true;
    }
    char module[MAX_NAME - 8];
    if (!module_of_node(node->name, module, sizeof module)) return false;
    snprintf(out, MAX_NAME, "%s.weight", module);
    return true;
}

static bn_status add_product(struct onnx_reader *o, const struct node *node) {
    struct initializer *weight = find_initializer(o, node->n_inputs > 1 ? node->inputs[1] : (struct text){0});
    char name[MAX_NAME];
    if (!weight || weight->tensor.n_dims != 2 || o->used[weight - o->initializers] ||
        !weight_name(node, weight->name, name))
        return BN_OK;
    mark(o, weight);
    struct tensor tensor = weight->tensor;
    bool gemm = is_text(node->op, "Gemm");
    bn_status status = BN_OK;
    /* A Gemm has weights as checkpoints do: [out, in] with transB, GPT-2's [in, out] without. A MatMul's are turned round. */
    if (!gemm) status = transposed(o, &weight->tensor, &tensor);
    if (!status) status = add_tensor(o, name, &tensor);
    struct initializer *bias = gemm && node->n_inputs > 2 ? find_initializer(o, node->inputs[2]) : NULL;
    if (status || !bias || is_telling(bias->name) || o->used[bias - o->initializers]) return status;
    mark(o, bias);
    strcpy(name + strlen(name) - strlen("weight"), "bias");
    return add_tensor(o, name, &bias->tensor);
}

/* ---- MatMulNBits: B u8 [N, ⌈K/block⌉, block·bits/8], scales, optional zero points ---- */

struct blocks {
    const uint8_t *codes, *zero_points; /* NULL: 2^(bits − 1) */
    struct tensor scales;               /* as a row of blocks */
    size_t bits, block, n_blocks, zero_point_bytes;
};

static unsigned code_at(const uint8_t *codes, size_t index, size_t bits) {
    return bits == 8 ? codes[index] : codes[index / 2] >> 4 * (index % 2) & 15u;
}

static float scale_at(const struct tensor *scales, size_t index) {
    float scale;
    size_t item = tensor_type_find(scales->type)->block_bytes;
    tensor_decode(scales->type, scales->data + index * item, &scale, 1);
    return scale;
}

static void read_blocks(const struct tensor *tensor, size_t row, size_t col, size_t n, void *out) {
    const struct blocks *b = tensor->view->context;
    float *values = out;
    for (size_t i = 0; i < n; i++) {
        size_t c = col + i, block = c / b->block, index = row * b->n_blocks + block;
        const uint8_t *codes = b->codes + index * (b->block * b->bits / 8);
        unsigned zero = 1u << (b->bits - 1);
        if (b->zero_points) zero = code_at(b->zero_points + row * b->zero_point_bytes, block, b->bits);
        values[i] = ((float)code_at(codes, c % b->block, b->bits) - (float)zero) * scale_at(&b->scales, index);
    }
}

static bool blocks_fit(const struct node *node, const struct initializer *codes, const struct initializer *scales,
                       const struct initializer *zero_points, struct blocks *b) {
    bool sizes = node->n > 0 && node->k > 0 && node->n < INT32_MAX && node->k < INT32_MAX &&
                 (node->bits == 4 || node->bits == 8) && node->block >= 16 && node->block <= 4096 &&
                 (node->block & (node->block - 1)) == 0;
    if (!sizes) return false;
    *b = (struct blocks){.bits = (size_t)node->bits, .block = (size_t)node->block};
    size_t n = (size_t)node->n;
    b->n_blocks = ((size_t)node->k + b->block - 1) / b->block;
    b->zero_point_bytes = (b->n_blocks * b->bits + 7) / 8;
    bool float_scales =
        scales->tensor.type == TYPE_F32 || scales->tensor.type == TYPE_F16 || scales->tensor.type == TYPE_BF16;
    size_t n_scales = float_scales ? scales->tensor.size_bytes / tensor_type_find(scales->tensor.type)->block_bytes : 0;
    bool zeros = !zero_points ||
                 (zero_points->tensor.type == TYPE_U8 && zero_points->tensor.size_bytes == n * b->zero_point_bytes);
    return codes->tensor.type == TYPE_U8 && codes->tensor.size_bytes == n * b->n_blocks * (b->block * b->bits / 8) &&
           n_scales == n * b->n_blocks && zeros;
}

static bn_status add_blocks(struct onnx_reader *o, const struct node *node) {
    struct initializer *codes = node->n_inputs > 2 ? find_initializer(o, node->inputs[1]) : NULL;
    struct initializer *scales = codes ? find_initializer(o, node->inputs[2]) : NULL;
    struct initializer *zero_points = node->n_inputs > 3 ? find_initializer(o, node->inputs[3]) : NULL;
    char module[MAX_NAME - 8], name[MAX_NAME];
    struct blocks b;
    if (!codes || !scales || !blocks_fit(node, codes, scales, zero_points, &b))
        return fail(o->err, BN_STATUS_UNSUPPORTED,
                    "node '%.*s' (MatMulNBits) has weights of another form than 4 or 8 bits in blocks",
                    (int)min_size(node->name.size, 100), node->name.text ? node->name.text : "");
    mark(o, codes);
    mark(o, scales);
    mark(o, zero_points);
    if (!module_of_node(node->name, module, sizeof module))
        return fail(o->err, BN_STATUS_UNSUPPORTED, "a MatMulNBits node has no name that says which layer it is");
    snprintf(name, sizeof name, "%s.weight", module);
    struct blocks *kept = arena_alloc(&o->set->arena, sizeof *kept);
    struct tensor_view *view = arena_alloc(&o->set->arena, sizeof *view);
    if (!kept || !view) return fail_no_memory(o->err, sizeof *kept);
    *kept = b;
    kept->codes = codes->tensor.data;
    kept->scales = scales->tensor;
    kept->zero_points = zero_points ? zero_points->tensor.data : NULL;
    *view = (struct tensor_view){.read = read_blocks, .context = kept};
    struct tensor tensor = {.type = TYPE_F32, .n_dims = 2, .data = kept->codes, .view = view};
    tensor.shape[0] = (size_t)node->n;
    tensor.shape[1] = (size_t)node->k;
    tensor.size_bytes = tensor.shape[0] * tensor.shape[1] * sizeof(float);
    return add_tensor(o, name, &tensor);
}

/* ---- the graph ---- */

static bn_status visit_graph(struct onnx_reader *o, const struct protobuf_field *graph, uint64_t wanted) {
    struct reader r = reader_over(graph->bytes, graph->size);
    struct protobuf_field field;
    bn_status status = BN_OK;
    size_t n_nodes = 0;
    while (!status && protobuf_next(&r, &field)) {
        if (field.number != wanted || field.wire != WIRE_BYTES) continue;
        if (wanted == GRAPH_INITIALIZER) {
            status = read_initializer(o, &field);
            continue;
        }
        struct node node;
        if (!read_node(&field, &node) || n_nodes++ > MAX_NODES)
            return fail(o->err, BN_STATUS_BAD_FILE, "a node of the ONNX graph is broken");
        bool product = is_text(node.op, "MatMul") || is_text(node.op, "Gemm");
        if (product) status = add_product(o, &node);
        if (is_text(node.op, "MatMulNBits")) status = add_blocks(o, &node);
    }
    return status || reader_ok(&r) ? status : broken(&r, o->err);
}

/* Embeddings, norms and biases: what has kept its name. */
static bn_status add_named(struct onnx_reader *o) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < o->n && !status; i++) {
        const struct initializer *initializer = &o->initializers[i];
        char name[MAX_NAME];
        bool parameter = !o->used[i] && is_telling(initializer->name);
        if (!parameter) continue;
        snprintf(name, sizeof name, "%.*s", (int)initializer->name.size, initializer->name.text);
        if (has_suffix(name, ".weight") || has_suffix(name, ".bias"))
            status = add_tensor(o, name, &initializer->tensor);
    }
    return status;
}

static bn_status index_initializers(struct onnx_reader *o) {
    if (!string_map_init(&o->by_name, o->n)) return fail_no_memory(o->err, o->n * sizeof(void *));
    o->used = mem_calloc(max_size(o->n, 1), sizeof *o->used);
    if (!o->used) return fail_no_memory(o->err, o->n);
    for (size_t i = 0; i < o->n; i++) {
        struct text name = o->initializers[i].name;
        if (string_map_insert(&o->by_name, name.text ? name.text : "", name.size, (uint32_t)i) < 0)
            return fail_no_memory(o->err, o->n * sizeof(void *));
    }
    return BN_OK;
}

bool onnx_is_file(const uint8_t *bytes, size_t size) {
    struct reader r = reader_over(bytes, size);
    struct protobuf_field field;
    if (size < 4 || bytes[0] != MODEL_IR_VERSION << 3 || bytes[1] < 3 || bytes[1] > 30) return false;
    while (protobuf_next(&r, &field))
        if (field.number == MODEL_GRAPH) return field.wire == WIRE_BYTES;
    return false;
}

static bn_status read_graph(struct onnx_reader *o, const struct protobuf_field *graph) {
    bn_status status = visit_graph(o, graph, GRAPH_INITIALIZER);
    if (!status) status = index_initializers(o);
    if (!status) status = visit_graph(o, graph, GRAPH_NODE);
    if (!status) status = add_named(o);
    if (!status && o->set->n_tensors == 0)
        status = fail(o->err, BN_STATUS_UNSUPPORTED, "an ONNX graph without weights by name");
    return status;
}

bn_status onnx_read_file(const uint8_t *bytes, size_t size, const char *folder, struct tensor_set *set, bn_error *err) {
    struct onnx_reader o = {.set = set, .folder = folder, .err = err};
    struct reader r = reader_over(bytes, size);
    struct protobuf_field field, graph = {0};
    while (protobuf_next(&r, &field))
        if (field.number == MODEL_GRAPH && field.wire == WIRE_BYTES) graph = field;
    if (!reader_ok(&r)) return broken(&r, err);
    if (!graph.bytes) return fail(err, BN_STATUS_BAD_FILE, "an ONNX file without a graph");
    bn_status status = read_graph(&o, &graph);
    string_map_release(&o.by_name);
    mem_free(o.initializers);
    mem_free(o.used);
    return status;
}

bn_status onnx_parse(const uint8_t *bytes, size_t size, const char *name, struct tensor_set *out, bn_error *err) {
    *out = (struct tensor_set){0};
    bn_status status = onnx_read_file(bytes, size, NULL, out, err);
    if (!status) status = tensor_set_index(out, err);
    if (status) {
        error_prefix(err, "%s", name);
        tensor_set_release(out);
    }
    return status;
}

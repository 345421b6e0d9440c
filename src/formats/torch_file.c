#include "formats/torch_file.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/reader.h"
#include "formats/pickle.h"
#include "formats/zip.h"

/* ---- what a checkpoint may name ---- */

enum meaning { ORDERED_DICT, REBUILD_TENSOR, REBUILD_TENSOR_TYPED, REBUILD_PARAMETER, STORAGE, DTYPE, OTHER };

static const struct pickle_global globals[] = {
    {"collections", "OrderedDict"},
    {"torch._utils", "_rebuild_tensor_v2"},
    {"torch._utils", "_rebuild_tensor"},
    {"torch._utils", "_rebuild_tensor_v3"},
    {"torch._utils", "_rebuild_parameter"},
    {"torch", "FloatStorage"},
    {"torch", "HalfStorage"},
    {"torch", "BFloat16Storage"},
    {"torch", "DoubleStorage"},
    {"torch", "LongStorage"},
    {"torch", "IntStorage"},
    {"torch", "ShortStorage"},
    {"torch", "CharStorage"},
    {"torch", "ByteStorage"},
    {"torch", "BoolStorage"},
    {"torch.storage", "UntypedStorage"},
    {"torch", "UntypedStorage"},
    {"torch", "float32"},
    {"torch", "float16"},
    {"torch", "bfloat16"},
    {"torch", "float64"},
    {"torch", "int64"},
    {"torch", "int32"},
    {"torch", "int16"},
    {"torch", "int8"},
    {"torch", "uint8"},
    {"torch", "bool"},
    {"torch", "Size"},
    {"torch", "device"},
    {"torch.storage", "TypedStorage"},
    {"torch.serialization", "_get_layout"},
};
enum { N_GLOBALS = sizeof globals / sizeof *globals };

static const struct {
    enum meaning meaning;
    enum tensor_type type; /* of STORAGE and DTYPE; bytes for an untyped one */
} meanings[N_GLOBALS] = {
    {ORDERED_DICT, 0},
    {REBUILD_TENSOR, 0},
    {REBUILD_TENSOR, 0},
    {REBUILD_TENSOR_TYPED, 0},
    {REBUILD_PARAMETER, 0},
    {STORAGE, TYPE_F32},
    {STORAGE, TYPE_F16},
    {STORAGE, TYPE_BF16},
    {STORAGE, TYPE_F64},
    {STORAGE, TYPE_I64},
    {STORAGE, TYPE_I32},
    {STORAGE, TYPE_I16},
    {STORAGE, TYPE_I8},
    {STORAGE, TYPE_U8},
    {STORAGE, TYPE_BOOL},
    {STORAGE, TYPE_U8},
    {STORAGE, TYPE_U8},
    {DTYPE, TYPE_F32},
    {DTYPE, TYPE_F16},
    {DTYPE, TYPE_BF16},
    {DTYPE, TYPE_F64},
    {DTYPE, TYPE_I64},
    {DTYPE, TYPE_I32},
    {DTYPE, TYPE_I16},
    {DTYPE, TYPE_I8},
    {DTYPE, TYPE_U8},
    {DTYPE, TYPE_BOOL},
    {OTHER, 0},
    {OTHER, 0},
    {OTHER, 0},
    {OTHER, 0},
};

/* ---- storages ---- */

/* A storage in the file, by its key. */
struct storage {
    const char *key;
    size_t key_size;
    const uint8_t *data; /* NULL while it is known from tensors only */
    size_t size_bytes;
    enum tensor_type type;
};

struct torch_reader {
    struct tensor_set *set;
    struct arena arena; /* pickles */
    struct storage *storages;
    size_t n_storages, capacity;
    struct string_map by_key;
    bool claims; /* storages are learned from tensors: of the older form, which has them behind its pickles */
    bn_error *err;
};

static struct storage *find_storage(const struct torch_reader *t, const struct pickle_value *key) {
    uint32_t index;
    return string_map_find(&t->by_key, key->text, key->text_size, &index) ? &t->storages[index] : NULL;
}

static bn_status add_storage(struct torch_reader *t, const struct storage *storage) {
    if (t->n_storages == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 64;
        struct storage *storages = mem_realloc_array(t->storages, capacity, sizeof *storages);
        if (!storages) return fail_no_memory(t->err, capacity * sizeof *storages);
        t->storages = storages;
        t->capacity = capacity;
    }
    int inserted = string_map_insert(&t->by_key, storage->key, storage->key_size, (uint32_t)t->n_storages);
    if (inserted < 0) return fail_no_memory(t->err, storage->key_size);
    if (inserted == 0)
        return fail(t->err, BN_STATUS_BAD_FILE, "two storages have the key '%.*s'", (int)storage->key_size,
                    storage->key);
    t->storages[t->n_storages++] = *storage;
    return BN_OK;
}

/* ("storage", class, key, location, number of elements[, view]) */
static bn_status read_storage(struct torch_reader *t, const struct pickle_value *value, struct storage **out) {
    const struct pickle_value *id = value->kind == PICKLE_PERSISTENT ? value->arguments : NULL;
    bool shaped = id && id->kind == PICKLE_TUPLE && id->n_items >= 5 && id->items[0]->kind == PICKLE_STRING &&
                  id->items[1]->kind == PICKLE_GLOBAL && meanings[id->items[1]->global].meaning == STORAGE &&
                  id->items[2]->kind == PICKLE_STRING && id->items[4]->kind == PICKLE_INTEGER &&
                  id->items[4]->integer >= 0 && id->items[0]->text_size == 7 &&
                  memcmp(id->items[0]->text, "storage", 7) == 0;
    if (!shaped) return fail(t->err, BN_STATUS_BAD_FILE, "a tensor isn't over a storage of a known kind");
    if (id->n_items > 5 && id->items[5]->kind != PICKLE_NONE)
        return fail(t->err, BN_STATUS_UNSUPPORTED, "a storage that is part of another one");
    const struct pickle_value *key = id->items[2];
    enum tensor_type type = meanings[id->items[1]->global].type;
    size_t bytes;
    if (!mul_size((size_t)id->items[4]->integer, tensor_type_find(type)->block_bytes, &bytes))
        return fail(t->err, BN_STATUS_BAD_FILE, "a storage's size overflows");
    *out = find_storage(t, key);
    if (!*out && t->claims) {
        struct storage storage = {.key = key->text, .key_size = key->text_size, .size_bytes = bytes, .type = type};
        bn_status status = add_storage(t, &storage);
        *out = status ? NULL : &t->storages[t->n_storages - 1];
        return status;
    }
    if (!*out)
        return fail(t->err, BN_STATUS_BAD_FILE, "the storage '%.*s' isn't in the file",
                    (int)min_size(key->text_size, 40), key->text);
    if (t->claims ? (*out)->size_bytes != bytes || (*out)->type != type : (*out)->size_bytes < bytes)
        return fail(t->err, BN_STATUS_BAD_FILE, "the storage '%.*s' has %zu bytes, a tensor's says %zu",
                    (int)min_size(key->text_size, 40), key->text, (*out)->size_bytes, bytes);
    (*out)->type = type;
    return BN_OK;
}

/* ---- tensors ---- */

/* A tuple of n ≤ TENSOR_MAX_DIMS numbers ≥ 0. */
static bn_status read_numbers(const struct torch_reader *t, const struct pickle_value *tuple, size_t *out, size_t *n,
                              const char *what) {
    if (tuple->kind == PICKLE_CALL && meanings[tuple->global].meaning == OTHER && tuple->arguments->n_items == 1)
        tuple = tuple->arguments->items[0]; /* torch.Size((…)) */
    if (tuple->kind != PICKLE_TUPLE) return fail(t->err, BN_STATUS_BAD_FILE, "a tensor's %s isn't a tuple", what);
    if (tuple->n_items > TENSOR_MAX_DIMS)
        return fail(t->err, BN_STATUS_UNSUPPORTED, "a tensor has %zu dimensions, this build takes up to %d",
                    tuple->n_items, TENSOR_MAX_DIMS);
    *n = tuple->n_items;
    for (size_t i = 0; i < *n; i++) {
        if (tuple->items[i]->kind != PICKLE_INTEGER || tuple->items[i]->integer < 0)
            return fail(t->err, BN_STATUS_BAD_FILE, "a tensor's %s isn't of numbers ≥ 0", what);
        out[i] = (size_t)tuple->items[i]->integer;
    }
    return BN_OK;
}

/* Bytes of all values; where the last one lies, in elements from the first. False on overflow. */
static bool extent(const struct tensor *tensor, const size_t *strides, size_t *bytes, size_t *last) {
    *bytes = tensor_type_find(tensor->type)->block_bytes;
    *last = 0;
    for (size_t i = 0; i < tensor->n_dims; i++) {
        size_t reach;
        if (!mul_size(*bytes, tensor->shape[i], bytes)) return false;
        if (tensor->shape[i] == 0) continue;
        if (!mul_size(tensor->shape[i] - 1, strides[i], &reach) || !add_size(*last, reach, last)) return false;
    }
    return true;
}

static bool is_contiguous(const struct tensor *tensor, const size_t *strides) {
    size_t expected = 1;
    for (size_t i = tensor->n_dims; i-- > 0; expected *= tensor->shape[i])
        if (tensor->shape[i] != 1 && strides[i] != expected) return false;
    return true;
}

static bn_status set_view(const struct torch_reader *t, struct tensor *tensor, const size_t *strides) {
    struct tensor_view *view = arena_alloc(&t->set->arena, sizeof *view);
    if (!view) return fail_no_memory(t->err, sizeof *view);
    view->read = tensor_read_strided;
    memcpy(view->strides, strides, tensor->n_dims * sizeof *strides);
    tensor->view = view;
    return BN_OK;
}

/* (storage, offset, size, stride, …, dtype in the typed form) */
static bn_status rebuild(struct torch_reader *t, const struct pickle_value *call, struct tensor *tensor,
                         const struct storage **storage, size_t *offset) {
    const struct pickle_value *a = call->arguments;
    bool typed = meanings[call->global].meaning == REBUILD_TENSOR_TYPED;
    if (a->n_items < (typed ? 7u : 4u) || a->items[1]->kind != PICKLE_INTEGER || a->items[1]->integer < 0)
        return fail(t->err, BN_STATUS_BAD_FILE, "a tensor is described by too little");
    size_t strides[TENSOR_MAX_DIMS] = {0}, n_strides = 0, last = 0, item;
    struct storage *found = NULL;
    bn_status status = read_storage(t, a->items[0], &found);
    if (!status) status = read_numbers(t, a->items[2], tensor->shape, &tensor->n_dims, "size");
    if (!status) status = read_numbers(t, a->items[3], strides, &n_strides, "stride");
    if (status) return status;
    tensor->type = found->type;
    if (typed) {
        const struct pickle_value *dtype = a->items[6];
        if (dtype->kind != PICKLE_GLOBAL || meanings[dtype->global].meaning != DTYPE)
            return fail(t->err, BN_STATUS_BAD_FILE, "a tensor's dtype isn't one");
        tensor->type = meanings[dtype->global].type;
    }
    item = tensor_type_find(tensor->type)->block_bytes;
    *storage = found;
    *offset = (size_t)a->items[1]->integer;
    size_t end; /* of the last element; an empty tensor has none */
    if (n_strides != tensor->n_dims || !extent(tensor, strides, &tensor->size_bytes, &last) ||
        !add_size(*offset, tensor->size_bytes ? last + 1 : 0, &end) || !mul_size(end, item, &end) ||
        end > found->size_bytes)
        return fail(t->err, BN_STATUS_BAD_FILE, "a tensor reaches beyond its storage of %zu bytes", found->size_bytes);
    return tensor->size_bytes == 0 || is_contiguous(tensor, strides) ? BN_OK : set_view(t, tensor, strides);
}

/* The call that makes a tensor, parameters unwrapped; NULL for other values. */
static const struct pickle_value *tensor_call(const struct pickle_value *value) {
    for (int depth = 0; depth < 4 && value->kind == PICKLE_CALL; depth++) {
        enum meaning meaning = meanings[value->global].meaning;
        if (meaning == REBUILD_TENSOR || meaning == REBUILD_TENSOR_TYPED) return value;
        if (meaning != REBUILD_PARAMETER || value->arguments->n_items < 1) return NULL;
        value = value->arguments->items[0];
    }
    return NULL;
}

/* A tensor of the older form whose storage is known once all pickles are read. */
struct placed {
    size_t tensor, storage, offset;
};

struct placing {
    struct placed *items;
    size_t n;
};

static bn_status add_tensor(struct torch_reader *t, const struct pickle_value *key, const struct pickle_value *call,
                            struct placing *placing, struct tensor *tensor) {
    const struct storage *storage = NULL;
    size_t offset = 0;
    bn_status status = rebuild(t, call, tensor, &storage, &offset);
    if (!status && (key->text_size == 0 || memchr(key->text, 0, key->text_size)))
        status = fail(t->err, BN_STATUS_BAD_FILE, "a tensor's name is empty or holds a NUL");
    tensor->name = status ? "" : arena_strndup(&t->set->arena, key->text, key->text_size);
    if (status) {
        error_prefix(t->err, "tensor '%.*s'", (int)min_size(key->text_size, 100), key->text);
        return status;
    }
    if (!tensor->name) return fail_no_memory(t->err, key->text_size);
    placing->items[placing->n++] =
        (struct placed){(size_t)(tensor - t->set->tensors), (size_t)(storage - t->storages), offset};
    return BN_OK;
}

/* The dict that holds tensors: the root, or the member of it that training scripts save them in. */
static const struct pickle_value *find_state(const struct pickle_value *root) {
    static const char *const members[] = {"state_dict", "model", "module"};
    for (int depth = 0; depth < 4; depth++) {
        for (size_t i = 0; i + 1 < root->n_items; i += 2)
            if (tensor_call(root->items[i + 1])) return root;
        const struct pickle_value *inner = NULL;
        for (size_t i = 0; i < sizeof members / sizeof *members && !inner; i++) inner = pickle_get(root, members[i]);
        if (!inner) return root;
        root = inner;
    }
    return root;
}

static bn_status read_tensors(struct torch_reader *t, const struct pickle_value *root, struct placing *placing) {
    bool dict =
        root->kind == PICKLE_DICT || (root->kind == PICKLE_CALL && meanings[root->global].meaning == ORDERED_DICT);
    if (!dict) return fail(t->err, BN_STATUS_UNSUPPORTED, "what was saved isn't a dict of tensors (a state_dict)");
    const struct pickle_value *state = find_state(root);
    size_t n = 0;
    for (size_t i = 0; i + 1 < state->n_items; i += 2)
        n += state->items[i]->kind == PICKLE_STRING && tensor_call(state->items[i + 1]);
    if (n == 0) return fail(t->err, BN_STATUS_UNSUPPORTED, "what was saved holds no tensors by name");
    struct tensor *tensors;
    bn_status status = tensor_set_extend(t->set, n, &tensors, t->err);
    placing->items = status ? NULL : mem_alloc_array(n, sizeof *placing->items);
    if (!status && !placing->items) status = fail_no_memory(t->err, n * sizeof *placing->items);
    for (size_t i = 0; i + 1 < state->n_items && !status; i += 2) {
        const struct pickle_value *call = tensor_call(state->items[i + 1]);
        if (state->items[i]->kind == PICKLE_STRING && call)
            status = add_tensor(t, state->items[i], call, placing, &tensors[placing->n]);
    }
    return status;
}

/* All storages are known: tensors get their bytes. */
static void place_tensors(struct torch_reader *t, const struct placing *placing) {
    for (size_t i = 0; i < placing->n; i++) {
        const struct placed *p = &placing->items[i];
        struct tensor *tensor = &t->set->tensors[p->tensor];
        tensor->data = t->storages[p->storage].data + p->offset * tensor_type_find(tensor->type)->block_bytes;
    }
}

/* ---- the zip archive ---- */

static const struct zip_entry *find_entry(const struct zip *zip, const char *folder, size_t folder_size,
                                          const char *name) {
    for (size_t i = 0; i < zip->n; i++) {
        const char *entry = zip->entries[i].name;
        if (strncmp(entry, folder, folder_size) == 0 && strcmp(entry + folder_size, name) == 0) return &zip->entries[i];
    }
    return NULL;
}

/* The entry "FOLDER/data.pkl"; the folder's name may be any. */
static const struct zip_entry *find_pickle(const struct zip *zip, size_t *folder_size) {
    for (size_t i = 0; i < zip->n; i++) {
        const char *slash = strchr(zip->entries[i].name, '/');
        if (!slash || strcmp(slash, "/data.pkl") != 0) continue;
        *folder_size = (size_t)(slash - zip->entries[i].name) + 1;
        return &zip->entries[i];
    }
    return NULL;
}

static bn_status list_storages(struct torch_reader *t, const struct zip *zip, const char *folder, size_t folder_size) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < zip->n && !status; i++) {
        const struct zip_entry *entry = &zip->entries[i];
        if (strncmp(entry->name, folder, folder_size) != 0 || strncmp(entry->name + folder_size, "data/", 5) != 0)
            continue;
        const char *key = entry->name + folder_size + 5;
        struct storage storage = {.key = key, .key_size = strlen(key), .data = entry->data, .size_bytes = entry->size};
        if (*key) status = add_storage(t, &storage);
    }
    return status;
}

static bn_status read_zip(struct torch_reader *t, const uint8_t *bytes, size_t size) {
    struct zip zip;
    size_t folder_size = 0, consumed;
    const struct pickle_value *root = NULL;
    bn_status status = zip_read(bytes, size, &t->arena, &zip, t->err);
    if (status) return status;
    const struct zip_entry *pickle = find_pickle(&zip, &folder_size);
    if (!pickle) return fail(t->err, BN_STATUS_BAD_FILE, "a zip archive without data.pkl: not a PyTorch checkpoint");
    if (find_entry(&zip, pickle->name, folder_size, "constants.pkl"))
        return fail(t->err, BN_STATUS_UNSUPPORTED,
                    "a TorchScript program, not a checkpoint: save the model's state_dict");
    const struct zip_entry *order = find_entry(&zip, pickle->name, folder_size, "byteorder");
    if (order && (order->size < 6 || memcmp(order->data, "little", 6) != 0))
        return fail(t->err, BN_STATUS_UNSUPPORTED, "a checkpoint of a big-endian machine");
    struct placing placing = {0};
    status = list_storages(t, &zip, pickle->name, folder_size);
    if (!status)
        status = pickle_parse(pickle->data, pickle->size, globals, N_GLOBALS, &t->arena, &root, &consumed, t->err);
    if (!status) status = read_tensors(t, root, &placing);
    if (!status) place_tensors(t, &placing);
    mem_free(placing.items);
    return status;
}

/* ---- the older form: magic, protocol, system, object and list of storages, then the storages ---- */

static const uint8_t legacy_magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
enum { LEGACY_PROTOCOL = 1001 };

static bn_status next_pickle(struct torch_reader *t, struct reader *r, const struct pickle_value **value) {
    size_t consumed = 0;
    bn_status status =
        pickle_parse(r->bytes + r->at, reader_remaining(r), globals, N_GLOBALS, &t->arena, value, &consumed, t->err);
    r->at += consumed;
    return status;
}

static bn_status check_system(const struct torch_reader *t, const struct pickle_value *protocol,
                              const struct pickle_value *system) {
    const struct pickle_value *little = pickle_get(system, "little_endian");
    if (protocol->kind != PICKLE_INTEGER || protocol->integer != LEGACY_PROTOCOL)
        return fail(t->err, BN_STATUS_UNSUPPORTED, "a PyTorch file of another protocol than %d", LEGACY_PROTOCOL);
    if (little && little->kind == PICKLE_BOOL && !little->truth)
        return fail(t->err, BN_STATUS_UNSUPPORTED, "a checkpoint of a big-endian machine");
    return BN_OK;
}

static bn_status read_legacy_storages(struct torch_reader *t, struct reader *r, const struct pickle_value *keys) {
    if (keys->kind != PICKLE_LIST) return fail(t->err, BN_STATUS_BAD_FILE, "the list of storages isn't one");
    for (size_t i = 0; i < keys->n_items; i++) {
        struct storage *storage = keys->items[i]->kind == PICKLE_STRING ? find_storage(t, keys->items[i]) : NULL;
        if (!storage) /* no tensor that was kept uses it, so nothing says how large its elements are */
            return fail(t->err, BN_STATUS_UNSUPPORTED, "storage %zu of the file belongs to no tensor by name", i);
        uint64_t n = read_u64(r, "a storage's size");
        if (storage->data || n * tensor_type_find(storage->type)->block_bytes != storage->size_bytes)
            return fail(t->err, BN_STATUS_BAD_FILE, "storage %zu has %" PRIu64 " elements, its tensors say %zu bytes",
                        i, n, storage->size_bytes);
        storage->data = reader_take(r, storage->size_bytes, "a storage");
        if (!storage->data)
            return fail(t->err, BN_STATUS_BAD_FILE, "the file ends in the middle of %s", r->failed_field);
    }
    for (size_t i = 0; i < t->n_storages; i++)
        if (!t->storages[i].data) return fail(t->err, BN_STATUS_BAD_FILE, "a tensor's storage isn't in the file");
    return BN_OK;
}

static bn_status read_legacy(struct torch_reader *t, const uint8_t *bytes, size_t size) {
    struct reader r = reader_over(bytes, size);
    const struct pickle_value *magic = NULL, *protocol = NULL, *system = NULL, *root = NULL, *keys = NULL;
    struct placing placing = {0};
    t->claims = true;
    bn_status status = next_pickle(t, &r, &magic);
    if (!status) status = next_pickle(t, &r, &protocol);
    if (!status) status = next_pickle(t, &r, &system);
    if (!status) status = check_system(t, protocol, system);
    if (!status) status = next_pickle(t, &r, &root);
    if (!status) status = next_pickle(t, &r, &keys);
    if (!status) status = read_tensors(t, root, &placing);
    if (!status) status = read_legacy_storages(t, &r, keys);
    if (!status) place_tensors(t, &placing);
    mem_free(placing.items);
    return status;
}

/* ---- both ---- */

static bool is_zip(const uint8_t *bytes, size_t size) {
    return size > 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

static bool is_legacy(const uint8_t *bytes, size_t size) {
    return size > 14 && bytes[0] == 0x80 && bytes[2] == 0x8a && bytes[3] == sizeof legacy_magic &&
           memcmp(bytes + 4, legacy_magic, sizeof legacy_magic) == 0;
}

bool torch_is_file(const uint8_t *bytes, size_t size) {
    return is_zip(bytes, size) || is_legacy(bytes, size);
}

bn_status torch_read_file(const uint8_t *bytes, size_t size, struct tensor_set *set, bn_error *err) {
    struct torch_reader t = {.set = set, .err = err};
    if (!torch_is_file(bytes, size)) return fail(err, BN_STATUS_BAD_FILE, "not a file that torch.save wrote");
    arena_init(&t.arena);
    bn_status status = string_map_init(&t.by_key, 64) ? BN_OK : fail_no_memory(err, 64 * sizeof(void *));
    if (!status) status = is_zip(bytes, size) ? read_zip(&t, bytes, size) : read_legacy(&t, bytes, size);
    string_map_release(&t.by_key);
    mem_free(t.storages);
    arena_release(&t.arena);
    return status;
}

bn_status torch_parse(const uint8_t *bytes, size_t size, const char *name, struct tensor_set *out, bn_error *err) {
    *out = (struct tensor_set){0};
    bn_status status = torch_read_file(bytes, size, out, err);
    if (!status) status = tensor_set_index(out, err);
    if (status) {
        error_prefix(err, "%s", name);
        tensor_set_release(out);
    }
    return status;
}

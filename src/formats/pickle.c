#include "formats/pickle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/reader.h"

#define MAX_BYTES  ((size_t)64 << 20)
#define MAX_VALUES ((size_t)2 << 20)

/* The machine. MARKs lie on a stack of their own: heights of the main one. */
struct machine {
    struct reader r;
    const struct pickle_global *allowed;
    size_t n_allowed;
    struct arena *arena;
    struct pickle_value **stack;
    size_t height, stack_capacity;
    size_t *marks;
    size_t n_marks, marks_capacity;
    struct pickle_value **memo;
    size_t memo_capacity, n_memoized;
    size_t n_values;
    bn_status status;
    bn_error *err;
};

static void fail_at(struct machine *m, const char *what) {
    if (!m->status) m->status = fail(m->err, BN_STATUS_BAD_FILE, "pickle, byte %zu: %s", m->r.at, what);
}

static void out_of_memory(struct machine *m, size_t bytes) {
    if (!m->status) m->status = fail_no_memory(m->err, bytes);
}

/* ---- stack, marks, memo ---- */

/* Room for one more item; false when memory is out. */
static bool grow(struct machine *m, void **array, size_t *capacity, size_t needed, size_t item_bytes) {
    if (needed <= *capacity) return true;
    size_t wanted = max_size(needed, max_size(64, *capacity + *capacity / 2));
    void *bigger = mem_realloc_array(*array, wanted, item_bytes);
    if (!bigger) {
        out_of_memory(m, wanted * item_bytes);
        return false;
    }
    *array = bigger;
    *capacity = wanted;
    return true;
}

static void push(struct machine *m, struct pickle_value *value) {
    if (!value || m->status) return;
    if (m->height >= MAX_VALUES) {
        fail_at(m, "its stack is too high");
        return;
    }
    if (grow(m, (void **)&m->stack, &m->stack_capacity, m->height + 1, sizeof(void *))) m->stack[m->height++] = value;
}

/* The lowest height that operations may take values from: what lies below the last MARK is not theirs. */
static size_t floor_of(const struct machine *m) {
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

static struct pickle_value *pop(struct machine *m) {
    if (!m->status && m->height > floor_of(m)) return m->stack[--m->height];
    fail_at(m, "its stack is empty");
    return NULL;
}

static struct pickle_value *top(struct machine *m) {
    if (!m->status && m->height > floor_of(m)) return m->stack[m->height - 1];
    fail_at(m, "its stack is empty");
    return NULL;
}

static void push_mark(struct machine *m) {
    if (m->n_marks >= MAX_VALUES) {
        fail_at(m, "too many marks");
        return;
    }
    if (grow(m, (void **)&m->marks, &m->marks_capacity, m->n_marks + 1, sizeof(size_t)))
        m->marks[m->n_marks++] = m->height;
}

/* The values above the last MARK, which goes; they stay valid until the next push. */
static struct pickle_value **pop_to_mark(struct machine *m, size_t *n) {
    *n = 0;
    if (m->status || m->n_marks == 0) {
        fail_at(m, "a mark is missing");
        return NULL;
    }
    size_t height = m->marks[--m->n_marks];
    *n = m->height - height;
    m->height = height;
    return m->stack ? m->stack + height : NULL;
}

static void memoize(struct machine *m, uint64_t index) {
    struct pickle_value *value = top(m);
    if (!value) return;
    if (index >= MAX_VALUES || index > 4 * (uint64_t)m->r.at) { /* writers count up from 0 */
        fail_at(m, "a memo's number is too large");
        return;
    }
    size_t old = m->memo_capacity;
    if (!grow(m, (void **)&m->memo, &m->memo_capacity, (size_t)index + 1, sizeof(void *))) return;
    for (size_t i = old; i < m->memo_capacity; i++) m->memo[i] = NULL;
    m->memo[index] = value;
    m->n_memoized++;
}

static void recall(struct machine *m, uint64_t index) {
    if (index < m->memo_capacity && m->memo[index])
        push(m, m->memo[index]);
    else
        fail_at(m, "a memo that was never set is used");
}

/* ---- values ---- */

static struct pickle_value *make(struct machine *m, enum pickle_kind kind) {
    if (m->status) return NULL;
    if (++m->n_values > MAX_VALUES) {
        fail_at(m, "it builds more than 2 million values");
        return NULL;
    }
    struct pickle_value *value = arena_alloc(m->arena, sizeof *value);
    if (!value) {
        out_of_memory(m, sizeof *value);
        return NULL;
    }
    value->kind = kind;
    return value;
}

static void push_integer(struct machine *m, int64_t integer) {
    struct pickle_value *value = make(m, PICKLE_INTEGER);
    if (value) value->integer = integer;
    push(m, value);
}

static void push_bool(struct machine *m, bool truth) {
    struct pickle_value *value = make(m, PICKLE_BOOL);
    if (value) value->truth = truth;
    push(m, value);
}

static void push_bytes(struct machine *m, enum pickle_kind kind, uint64_t n) {
    const char *text = (const char *)reader_take(&m->r, n, "a string");
    struct pickle_value *value = text ? make(m, kind) : NULL;
    if (!value) return;
    value->text = text;
    value->text_size = (size_t)n;
    push(m, value);
}

/* A little-endian two's complement number of n bytes. */
static void push_long(struct machine *m, uint64_t n) {
    if (n > 8) {
        push_bytes(m, PICKLE_LONG, n);
        return;
    }
    const uint8_t *bytes = reader_take(&m->r, n, "a number");
    uint64_t number = 0;
    if (!bytes) return;
    for (size_t i = 0; i < n; i++) number |= (uint64_t)bytes[i] << 8 * i;
    if (n > 0 && n < 8 && bytes[n - 1] & 0x80) number |= ~(uint64_t)0 << 8 * n;
    push_integer(m, (int64_t)number);
}

static void push_binary_float(struct machine *m) {
    uint64_t bits = __builtin_bswap64(read_u64(&m->r, "a number"));
    struct pickle_value *value = make(m, PICKLE_NUMBER);
    if (value) memcpy(&value->number, &bits, sizeof bits);
    push(m, value);
}

static bool append(struct machine *m, struct pickle_value *list, struct pickle_value *item) {
    if (list->n_items == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        struct pickle_value **items = arena_alloc_array(m->arena, capacity, sizeof *items);
        if (!items) {
            out_of_memory(m, capacity * sizeof *items);
            return false;
        }
        if (list->n_items) memcpy(items, list->items, list->n_items * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n_items++] = item;
    if (++m->n_values <= MAX_VALUES) return true; /* places count as values do: they take memory, too */
    fail_at(m, "it builds more than 2 million values");
    return false;
}

static void append_all(struct machine *m, struct pickle_value *list, struct pickle_value **items, size_t n) {
    for (size_t i = 0; i < n && append(m, list, items[i]);) i++;
}

static void make_of_items(struct machine *m, enum pickle_kind kind, struct pickle_value **items, size_t n) {
    struct pickle_value *value = make(m, kind);
    if (!value) return;
    append_all(m, value, items, n);
    push(m, value);
}

static void make_tuple(struct machine *m, size_t n) {
    struct pickle_value *items[3];
    for (size_t i = n; i-- > 0;) items[i] = pop(m);
    if (!m->status) make_of_items(m, PICKLE_TUPLE, items, n);
}

static void from_mark(struct machine *m, enum pickle_kind kind) {
    size_t n;
    struct pickle_value **items = pop_to_mark(m, &n);
    if (kind == PICKLE_DICT && n % 2)
        fail_at(m, "a dict has a key without a value");
    else
        make_of_items(m, kind, items, n);
}

static void append_to_list(struct machine *m, struct pickle_value **items, size_t n) {
    struct pickle_value *list = top(m);
    if (list && list->kind != PICKLE_LIST)
        fail_at(m, "something is appended to what isn't a list");
    else if (list)
        append_all(m, list, items, n);
}

static void set_items(struct machine *m, struct pickle_value **items, size_t n) {
    struct pickle_value *dict = top(m);
    if (!dict) return;
    if ((dict->kind != PICKLE_DICT && dict->kind != PICKLE_CALL) || n % 2)
        fail_at(m, "items are set in what isn't a dict");
    else
        append_all(m, dict, items, n);
}

/* ---- names and calls ---- */

static void push_global(struct machine *m, const char *module, size_t module_size, const char *name, size_t name_size) {
    for (size_t i = 0; i < m->n_allowed; i++) {
        const struct pickle_global *g = &m->allowed[i];
        if (strlen(g->module) != module_size || memcmp(g->module, module, module_size) != 0) continue;
        if (strlen(g->name) != name_size || memcmp(g->name, name, name_size) != 0) continue;
        struct pickle_value *value = make(m, PICKLE_GLOBAL);
        if (value) value->global = i;
        push(m, value);
        return;
    }
    if (!m->status)
        m->status = fail(m->err, BN_STATUS_UNSUPPORTED,
                         "the pickle names '%.*s.%.*s', which isn't part of a checkpoint: refused, as it could run "
                         "code; nothing was run",
                         (int)min_size(module_size, 100), module, (int)min_size(name_size, 100), name);
}

/* A line of text, its newline taken and not counted. */
static const char *read_line(struct machine *m, size_t *n) {
    const uint8_t *start = m->r.bytes + m->r.at;
    const uint8_t *newline = memchr(start, '\n', min_size(reader_remaining(&m->r), 4096));
    *n = 0;
    if (!newline) {
        fail_at(m, "a line doesn't end");
        return NULL;
    }
    *n = (size_t)(newline - start);
    m->r.at += *n + 1;
    return (const char *)start;
}

static void read_global(struct machine *m) {
    size_t module_size, name_size;
    const char *module = read_line(m, &module_size), *name = module ? read_line(m, &name_size) : NULL;
    if (name) push_global(m, module, module_size, name, name_size);
}

static void stack_global(struct machine *m) {
    const struct pickle_value *name = pop(m), *module = pop(m);
    if (!name || !module) return;
    if (name->kind != PICKLE_STRING || module->kind != PICKLE_STRING)
        fail_at(m, "a global's name isn't a string");
    else
        push_global(m, module->text, module->text_size, name->text, name->text_size);
}

static void call(struct machine *m) {
    const struct pickle_value *arguments = pop(m), *function = pop(m);
    if (!arguments || !function) return;
    if (function->kind != PICKLE_GLOBAL || arguments->kind != PICKLE_TUPLE) {
        fail_at(m, "a call isn't one of a named function with a tuple");
        return;
    }
    struct pickle_value *value = make(m, PICKLE_CALL);
    if (!value) return;
    value->global = function->global;
    value->arguments = arguments;
    push(m, value);
}

static void persistent(struct machine *m) {
    const struct pickle_value *id = pop(m);
    struct pickle_value *value = id ? make(m, PICKLE_PERSISTENT) : NULL;
    if (value) value->arguments = id;
    push(m, value);
}

/* ---- protocol 0: numbers and strings as lines of text ---- */

static void read_text_number(struct machine *m, char opcode) {
    char text[64];
    size_t n;
    const char *line = read_line(m, &n);
    if (!line) return;
    if (n == 0 || n >= sizeof text) {
        fail_at(m, "a number of no or too many digits");
        return;
    }
    memcpy(text, line, n);
    text[n] = 0;
    if (opcode == 'L' && text[n - 1] == 'L') text[n - 1] = 0;
    if (opcode == 'I' && (strcmp(text, "00") == 0 || strcmp(text, "01") == 0)) {
        push_bool(m, text[1] == '1');
        return;
    }
    char *end;
    struct pickle_value *value = make(m, opcode == 'F' ? PICKLE_NUMBER : PICKLE_INTEGER);
    if (!value) return;
    if (opcode == 'F')
        value->number = strtod(text, &end);
    else
        value->integer = strtoll(text, &end, 10);
    if (*end || end == text) fail_at(m, "a number isn't one");
    push(m, value);
}

/* 'V': as it stands; 'S': in quotes. Neither may hold escapes. */
static void read_text_string(struct machine *m, char opcode) {
    size_t n;
    const char *line = read_line(m, &n);
    if (!line) return;
    bool quoted = n >= 2 && (line[0] == '\'' || line[0] == '"') && line[n - 1] == line[0];
    if (memchr(line, '\\', n) || (opcode == 'S' && !quoted)) {
        fail_at(m, "a string of protocol 0 with escapes, which isn't supported: save the file again");
        return;
    }
    struct pickle_value *value = make(m, PICKLE_STRING);
    if (!value) return;
    value->text = line + (opcode == 'S');
    value->text_size = n - 2 * (opcode == 'S');
    push(m, value);
}

static void read_text_memo(struct machine *m, char opcode) {
    size_t n;
    const char *line = read_line(m, &n);
    uint64_t index = 0;
    for (size_t i = 0; line && i < n; i++) {
        if (line[i] < '0' || line[i] > '9' || n > 9) {
            fail_at(m, "a memo's number isn't one");
            return;
        }
        index = 10 * index + (uint64_t)(line[i] - '0');
    }
    if (!line) return;
    if (opcode == 'p')
        memoize(m, index);
    else
        recall(m, index);
}

/* ---- opcodes ---- */

static void refuse_opcode(struct machine *m, uint8_t opcode) {
    static const struct {
        uint8_t opcode;
        const char *name;
    } known[] = {{'i', "INST"},  {'o', "OBJ"},        {'P', "PERSID"},       {0x82, "EXT1"},           {0x83, "EXT2"},
                 {0x84, "EXT4"}, {0x92, "NEWOBJ_EX"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].opcode == opcode && !m->status)
            m->status = fail(m->err, BN_STATUS_UNSUPPORTED,
                             "pickle, byte %zu: the opcode %s isn't part of a checkpoint: refused, nothing was run",
                             m->r.at - 1, known[i].name);
    if (!m->status)
        m->status = fail(m->err, BN_STATUS_BAD_FILE, "pickle, byte %zu: %02x is no opcode", m->r.at - 1, opcode);
}

static void run_constant(struct machine *m, uint8_t opcode) {
    struct reader *r = &m->r;
    switch (opcode) {
    case 'N':
        push(m, make(m, PICKLE_NONE));
        break;
    case 0x88:
        push_bool(m, true);
        break;
    case 0x89:
        push_bool(m, false);
        break;
    case 'J':
        push_integer(m, (int32_t)read_u32(r, "a number"));
        break;
    case 'K':
        push_integer(m, read_u8(r, "a number"));
        break;
    case 'M':
        push_integer(m, read_u16(r, "a number"));
        break;
    case 0x8a:
        push_long(m, read_u8(r, "a length"));
        break;
    case 0x8b:
        push_long(m, read_u32(r, "a length"));
        break;
    case 'G':
        push_binary_float(m);
        break;
    case 'I':
    case 'L':
    case 'F':
        read_text_number(m, (char)opcode);
        break;
    case 'V':
    case 'S':
        read_text_string(m, (char)opcode);
        break;
    case 'T':
    case 'X':
    case 'B':
        push_bytes(m, PICKLE_STRING, read_u32(r, "a length"));
        break;
    case 'U':
    case 'C':
    case 0x8c:
        push_bytes(m, PICKLE_STRING, read_u8(r, "a length"));
        break;
    case 0x8d:
    case 0x8e:
    case 0x96:
        push_bytes(m, PICKLE_STRING, read_u64(r, "a length"));
        break;
    default:
        refuse_opcode(m, opcode);
    }
}

static void run_on_marked(struct machine *m, uint8_t opcode) {
    size_t n;
    struct pickle_value **items = pop_to_mark(m, &n);
    if (opcode == 'u')
        set_items(m, items, n);
    else
        append_to_list(m, items, n);
}

static void run_on_popped(struct machine *m, uint8_t opcode) {
    struct pickle_value *second = pop(m), *items[2] = {opcode == 's' ? pop(m) : second, second};
    if (m->status) return;
    if (opcode == 's')
        set_items(m, items, 2);
    else
        append_to_list(m, items, 1);
}

static void run_opcode(struct machine *m, uint8_t opcode) {
    struct reader *r = &m->r;
    size_t n;
    switch (opcode) {
    case 0x80:
        if (read_u8(r, "a protocol") > 5) fail_at(m, "a protocol beyond 5");
        break;
    case 0x95:
        (void)read_u64(r, "a frame");
        break; /* where frames end says nothing */
    case '(':
        push_mark(m);
        break;
    case '0':
        (void)pop(m);
        break;
    case '1':
        (void)pop_to_mark(m, &n);
        break;
    case '2':
        push(m, top(m));
        break;
    case ']':
    case 0x8f:
        make_of_items(m, PICKLE_LIST, NULL, 0);
        break;
    case '}':
        make_of_items(m, PICKLE_DICT, NULL, 0);
        break;
    case ')':
        make_of_items(m, PICKLE_TUPLE, NULL, 0);
        break;
    case 'l':
    case 0x91:
        from_mark(m, PICKLE_LIST);
        break;
    case 'd':
        from_mark(m, PICKLE_DICT);
        break;
    case 't':
        from_mark(m, PICKLE_TUPLE);
        break;
    case 0x85:
    case 0x86:
    case 0x87:
        make_tuple(m, (size_t)opcode - 0x84);
        break;
    case 'a':
    case 's':
        run_on_popped(m, opcode);
        break;
    case 'e':
    case 'u':
    case 0x90:
        run_on_marked(m, opcode);
        break;
    case 'c':
        read_global(m);
        break;
    case 0x93:
        stack_global(m);
        break;
    case 'R':
    case 0x81:
        call(m);
        break;
    case 'b':
        (void)pop(m);
        (void)top(m);
        break; /* attributes of an object: nothing here has any */
    case 'Q':
        persistent(m);
        break;
    case 'h':
        recall(m, read_u8(r, "a memo"));
        break;
    case 'j':
        recall(m, read_u32(r, "a memo"));
        break;
    case 'q':
        memoize(m, read_u8(r, "a memo"));
        break;
    case 'r':
        memoize(m, read_u32(r, "a memo"));
        break;
    case 'g':
    case 'p':
        read_text_memo(m, (char)opcode);
        break;
    case 0x94:
        memoize(m, m->n_memoized);
        break;
    default:
        run_constant(m, opcode);
    }
}

bn_status pickle_parse(const uint8_t *bytes, size_t size, const struct pickle_global *allowed, size_t n_allowed,
                       struct arena *arena, const struct pickle_value **root, size_t *consumed, bn_error *err) {
    struct machine m = {.r = reader_over(bytes, min_size(size, MAX_BYTES)),
                        .allowed = allowed,
                        .n_allowed = n_allowed,
                        .arena = arena,
                        .err = err};
    uint8_t opcode = 0;
    while (!m.status && reader_ok(&m.r) && (opcode = read_u8(&m.r, "an opcode")) != '.') {
        if (reader_ok(&m.r)) run_opcode(&m, opcode);
    }
    if (!m.status && !reader_ok(&m.r))
        m.status = fail(err, BN_STATUS_BAD_FILE, "the pickle ends in the middle of %s (or is larger than 64 MB)",
                        m.r.failed_field);
    if (!m.status) *root = pop(&m);
    *consumed = m.r.at;
    mem_free(m.stack);
    mem_free(m.marks);
    mem_free(m.memo);
    return m.status;
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key) {
    if (dict->kind != PICKLE_DICT && dict->kind != PICKLE_CALL) return NULL;
    for (size_t i = 0; i + 1 < dict->n_items; i += 2) {
        const struct pickle_value *k = dict->items[i];
        if (k->kind == PICKLE_STRING && k->text_size == strlen(key) && memcmp(k->text, key, k->text_size) == 0)
            return dict->items[i + 1];
    }
    return NULL;
}

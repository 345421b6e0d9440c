/* See schema_index.h. */
#include "engine/grammar/schema_index.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema_meta.h"

#define DEEPEST_SCHEMA 500

struct location {
    const char *uri; /* absolute, with "#name" for an anchor */
    const json_t *json;
    const char *base, *place;
    bool dynamic;
};

struct schema_index {
    struct location *items;
    size_t n, capacity;
    unsigned depth;
    struct interner bases; /* so that equal ones are the same pointer */
    const char **texts;
    size_t texts_capacity;
};

/* ---- URIs ---- */

static const char *kept(struct schema *s, const char *text, size_t n) {
    struct schema_index *index = s->index;
    size_t n_words = n / 4 + 2;
    uint32_t *words = work_alloc(s->work, n_words, sizeof *words);
    if (!words) return "";
    words[0] = (uint32_t)n;
    if (n) memcpy(words + 1, text, n);
    bool is_new;
    uint32_t id = intern_words(s->work, &index->bases, words, n_words, &is_new);
    if (id == INTERN_FAILED) return "";
    if (is_new) {
        index->texts = work_grow(s->work, index->texts, id + 1, &index->texts_capacity, sizeof(const char *));
        char *copy = work_alloc(s->work, n + 1, 1);
        if (!copy || !index->texts) return "";
        if (n) memcpy(copy, text, n);
        index->texts[id] = copy;
    }
    return index->texts[id];
}

static size_t scheme_length(const char *uri) {
    size_t n = strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return n && uri[n] == ':' ? n + 1 : 0;
}

/* Where the path begins: behind scheme and authority. */
static size_t path_begin(const char *uri) {
    size_t at = scheme_length(uri);
    if (strncmp(uri + at, "//", 2) == 0) at += 2 + strcspn(uri + at + 2, "/?#");
    return at;
}

/* Takes "." and ".." out of a path in place. */
static size_t without_dots(char *path, size_t n) {
    size_t out = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && path[end] != '/') end++;
        size_t length = end - i;
        bool last = end == n;
        if (length == 2 && path[i] == '/' && path[i + 1] == '.') {
            if (last) path[out++] = '/';
        } else if (length == 3 && memcmp(path + i, "/..", 3) == 0) {
            while (out > 0 && path[out - 1] != '/') out--;
            if (out > 0 && !last) out--;
            if (out == 0 && last) path[out++] = '/';
        } else {
            memmove(path + out, path + i, length);
            out += length;
        }
        i = end;
    }
    return out;
}

/* A reference without its fragment, made absolute. */
static const char *absolute(struct schema *s, const char *reference, const char *base) {
    size_t n = strcspn(reference, "#"), n_base = strcspn(base, "#");
    if (n == 0) return kept(s, base, n_base);
    if (scheme_length(reference)) return kept(s, reference, n);
    char *text = work_alloc(s->work, n_base + n + 2, 1);
    if (!text) return "";
    size_t begin = path_begin(base), length;
    if (strncmp(reference, "//", 2) == 0) {
        begin = scheme_length(base);
        memcpy(text, base, begin);
        memcpy(text + begin, reference, n);
        return kept(s, text, begin + n);
    }
    memcpy(text, base, begin);
    if (reference[0] == '/') {
        length = begin;
    } else {
        length = n_base;
        while (length > begin && base[length - 1] != '/') length--;
        memcpy(text, base, length);
        if (length == begin && begin > scheme_length(base)) text[length++] = '/';
    }
    memcpy(text + length, reference, n);
    length += n;
    bool opaque = begin && begin == scheme_length(base) && base[begin] != '/'; /* urn:… has no path to speak of */
    if (!opaque && text[begin] == '/') length = begin + without_dots(text + begin, length - begin);
    return kept(s, text, length);
}

/* ---- the document ---- */

static const struct location *find(const struct schema_index *index, const char *uri, const char *anchor,
                                   bool dynamic) {
    size_t n = strlen(uri);
    for (size_t i = 0; i < index->n; i++) {
        const char *other = index->items[i].uri;
        if (strncmp(other, uri, n) != 0 || (dynamic && !index->items[i].dynamic)) continue;
        if (anchor ? other[n] == '#' && strcmp(other + n + 1, anchor) == 0 : other[n] == '\0') return &index->items[i];
    }
    return NULL;
}

static void add(struct schema *s, const char *uri, const char *anchor, const json_t *json, const char *base,
                const char *place, bool dynamic) {
    struct schema_index *index = s->index;
    size_t n = strlen(uri) + (anchor ? strlen(anchor) + 1 : 0);
    char *text = work_alloc(s->work, n + 1, 1);
    index->items = work_grow(s->work, index->items, index->n + 1, &index->capacity, sizeof *index->items);
    if (!text || !index->items || !work_spend(s->work, 10 + index->n)) return;
    snprintf(text, n + 1, "%s%s%s", uri, anchor ? "#" : "", anchor ? anchor : "");
    index->items[index->n++] = (struct location){text, json, base, place, dynamic};
}

const char *schema_index_base(struct schema *s, const json_t *object, const char *base) {
    const json_t *id = json_object_get(object, "$id");
    if (!id && s->old_draft) id = json_object_get(object, "id");
    if (!json_is_string(id) || json_string_value(id)[0] == '#') return base;
    if (s->old_draft && json_object_get(object, "$ref")) return base; /* siblings of $ref don't count there */
    return absolute(s, json_string_value(id), base);
}

static void look_at(struct schema *s, const json_t *json, const char *base, const char *place);

static void look_at_list(struct schema *s, const json_t *list, const char *base, const char *place) {
    for (size_t i = 0; i < json_array_size(list); i++)
        look_at(s, json_array_get(list, i), base, schema_place_at(s, place, i));
}

/* Subschemas: the keyword's value, the items of its array, the members of its object. */
static void look_into(struct schema *s, const char *key, const json_t *value, const char *base, const char *place) {
    static const char *const one[] = {"additionalProperties",
                                      "additionalItems",
                                      "items",
                                      "not",
                                      "if",
                                      "then",
                                      "else",
                                      "contains",
                                      "propertyNames",
                                      "unevaluatedItems",
                                      "unevaluatedProperties"};
    static const char *const many[] = {"properties",  "patternProperties", "$defs",
                                       "definitions", "dependentSchemas",  "dependencies"};
    static const char *const lists[] = {"allOf", "anyOf", "oneOf", "prefixItems", "items"};
    const char *name;
    json_t *member;
    for (size_t i = 0; i < sizeof one / sizeof *one; i++)
        if (strcmp(key, one[i]) == 0 && json_is_object(value)) look_at(s, value, base, place);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (strcmp(key, lists[i]) == 0 && json_is_array(value)) look_at_list(s, value, base, place);
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        if (strcmp(key, many[i]) != 0 || !json_is_object(value)) continue;
        json_object_foreach((json_t *)value, name, member) if (json_is_object(member))
            look_at(s, member, base, schema_place_in(s, place, name));
    }
}

static void look_at(struct schema *s, const json_t *json, const char *base, const char *place) {
    const char *key;
    json_t *value;
    if (!json_is_object(json) || !work_ok(s->work)) return;
    if (++s->index->depth > DEEPEST_SCHEMA) work_fail(s->work, BN_STATUS_UNSUPPORTED, "schemas are nested too deeply");
    const char *inner = schema_index_base(s, json, base);
    if (inner != base) add(s, inner, NULL, json, inner, place, false);
    const json_t *id = json_object_get(json, s->old_draft && json_object_get(json, "id") ? "id" : "$id");
    if (json_is_string(id) && json_string_value(id)[0] == '#')
        add(s, inner, json_string_value(id) + 1, json, inner, place, false);
    const json_t *anchor = json_object_get(json, "$anchor"), *dynamic = json_object_get(json, "$dynamicAnchor");
    if (json_is_string(anchor)) add(s, inner, json_string_value(anchor), json, inner, place, false);
    if (json_is_string(dynamic)) add(s, inner, json_string_value(dynamic), json, inner, place, true);
    if (s->draft == 2019 && json_is_true(json_object_get(json, "$recursiveAnchor")) &&
        (inner != base || !strcmp(place, "#")))
        add(s, inner, "", json, inner, place, true); /* a dynamic anchor without a name */
    json_object_foreach((json_t *)json, key, value) look_into(s, key, value, inner, schema_place_in(s, place, key));
    s->index->depth--;
}

struct schema_index *schema_index_create(struct schema *s, const json_t *root) {
    struct schema_index *index = s->index = work_alloc(s->work, 1, sizeof *index);
    if (!index) return NULL;
    const char *base = kept(s, "", 0);
    add(s, base, NULL, root, schema_index_base(s, root, base), "#", false);
    look_at(s, root, base, "#");
    return index;
}

/* ---- references ---- */

/* "%25" → "%", then "~1" → "/", "~0" → "~". */
static char *unescaped(struct schema *s, const char *text, size_t n, bool pointer) {
    char *out = work_alloc(s->work, n + 1, 1), *to = out;
    unsigned value;
    for (size_t i = 0; out && i < n; i++) {
        if (!pointer && text[i] == '%' && i + 2 < n && sscanf(text + i + 1, "%2x", &value) == 1)
            *to++ = (char)value, i += 2;
        else if (pointer && text[i] == '~' && i + 1 < n && (text[i + 1] == '0' || text[i + 1] == '1'))
            *to++ = text[++i] == '0' ? '~' : '/';
        else
            *to++ = text[i];
    }
    return out ? out : "";
}

static const json_t *step(const json_t *json, const char *key) {
    if (json_is_object(json)) return json_object_get(json, key);
    if (!json_is_array(json) || !*key || strspn(key, "0123456789") != strlen(key) || strlen(key) > 9) return NULL;
    return json_array_get(json, (size_t)strtoul(key, NULL, 10));
}

static uint32_t refuse(struct schema *s, const char *reference) {
    work_fail(s->work, BN_STATUS_UNSUPPORTED, "$ref '%s' leads out of the schema: nothing is fetched", reference);
    return NEVER;
}

static uint32_t resolve_pointer(struct schema *s, const struct location *from, const char *pointer,
                                const char *reference) {
    const json_t *json = from->json;
    const char *base = from->base, *place = from->place;
    while (json && *pointer) {
        size_t n = strcspn(pointer + 1, "/");
        const char *key = unescaped(s, pointer + 1, n, true);
        json = step(json, key);
        if (json_is_object(json)) base = schema_index_base(s, json, base);
        place = schema_place_in(s, place, key);
        pointer += 1 + n;
    }
    if (!json) {
        work_fail(s->work, BN_STATUS_BAD_ARGUMENT, "$ref '%s' leads nowhere", reference);
        return NEVER;
    }
    return node_of_schema(s, json, place, base);
}

static size_t count_dynamic(const struct schema_index *index, const char *anchor) {
    size_t n = 0;
    for (size_t i = 0; i < index->n; i++) {
        const char *mark = strchr(index->items[i].uri, '#');
        n += index->items[i].dynamic && mark && strcmp(mark + 1, anchor) == 0;
    }
    return n;
}

/* The document of a URI: a part of this one, or the schema of a draft's schemas, which is taken in when somebody asks. NULL: neither. */
static const struct location *resource(struct schema *s, const char *uri) {
    const struct location *known = find(s->index, uri, NULL, false);
    struct buffer text = {0};
    json_t *json = NULL;
    bn_error err;
    if (known || !schema_meta_append(&text, uri)) return known;
    bn_status status =
        text.failed ? fail_no_memory(&err, text.size) : json_parse(text.data, text.size, uri, &json, &err);
    buffer_release(&text);
    if (status) work_fail(s->work, status, "%s", err.message);
    const json_t *root = status ? NULL : schema_keep(s, json);
    if (root) add(s, uri, NULL, root, uri, uri, false);
    return work_ok(s->work) ? find(s->index, uri, NULL, false) : NULL;
}

uint32_t schema_index_resolve(struct schema *s, const char *reference, const char *base, bool dynamic) {
    const char *uri = absolute(s, reference, base), *mark = strchr(reference, '#');
    const char *fragment = mark ? unescaped(s, mark + 1, strlen(mark + 1), false) : "";
    if (!work_ok(s->work)) return NEVER;
    const struct location *anchor = *fragment != '/' ? find(s->index, uri, fragment, false) : NULL;
    if (dynamic && anchor && anchor->dynamic && count_dynamic(s->index, fragment) > 1) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "%s with more than one %s isn't supported",
                  *fragment ? "$dynamicRef" : "$recursiveRef", *fragment ? "$dynamicAnchor" : "$recursiveAnchor");
        return NEVER;
    }
    if (anchor) return node_of_schema(s, anchor->json, anchor->place, anchor->base);
    const struct location *from = *fragment && *fragment != '/' ? NULL : resource(s, uri);
    return from ? resolve_pointer(s, from, fragment, reference) : refuse(s, reference);
}

#include "backup/bucket_xml.h"

#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { MAX_TEXT_BYTES = 8192, MAX_DEPTH = 16 };

/* Elements are known by their depth and name: the texts of those that matter are collected. */
struct reading {
    XML_Parser parser;
    unsigned depth;
    struct buffer text; /* of the element that is open, since it was opened */
    void (*element)(struct reading *reading, unsigned depth, const char *name, const char *text);
    void *context; /* of element */
    bn_status status;
    bn_error error;
};

static void stop(struct reading *reading, bn_status status, const char *message) {
    if (!reading->status) reading->status = fail(&reading->error, status, "%s", message);
    XML_StopParser(reading->parser, XML_FALSE);
}

static void on_open(void *user, const char *name, const char **attributes) {
    (void)name, (void)attributes;
    struct reading *reading = user;
    buffer_clear(&reading->text);
    if (++reading->depth > MAX_DEPTH) stop(reading, BN_STATUS_BAD_FILE, "the answer's XML is too deep");
}

static void on_text(void *user, const char *text, int n) {
    struct reading *reading = user;
    if ((size_t)n > MAX_TEXT_BYTES - min_size(reading->text.size, MAX_TEXT_BYTES))
        stop(reading, BN_STATUS_BAD_FILE, "a text in the answer's XML is too long");
    else
        buffer_append(&reading->text, text, (size_t)n);
}

static void on_close(void *user, const char *name) {
    struct reading *reading = user;
    if (reading->text.failed) stop(reading, BN_STATUS_NO_MEMORY, "out of memory for the answer's XML");
    if (!reading->status) {
        reading->element(reading, reading->depth, name, reading->text.data ? reading->text.data : "");
        if (reading->status) XML_StopParser(reading->parser, XML_FALSE);
    }
    buffer_clear(&reading->text);
    reading->depth--;
}

static void on_doctype(void *user, const char *name, const char *system, const char *public_id, int internal) {
    (void)name, (void)system, (void)public_id, (void)internal;
    stop(user, BN_STATUS_BAD_FILE, "the answer's XML has a DTD");
}

static bn_status read_xml(struct reading *reading, const char *text, size_t size, bn_error *err) {
    if (size > INT_MAX) return fail(err, BN_STATUS_BAD_FILE, "the answer is too long");
    reading->parser = XML_ParserCreate("UTF-8");
    if (!reading->parser) return fail_no_memory(err, size);
    buffer_init(&reading->text);
    buffer_append_text(&reading->text, "");
    XML_SetUserData(reading->parser, reading);
    XML_SetElementHandler(reading->parser, on_open, on_close);
    XML_SetCharacterDataHandler(reading->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading->parser, on_doctype);
    bool well = XML_Parse(reading->parser, text, (int)size, XML_TRUE) == XML_STATUS_OK;
    if (!well && !reading->status)
        reading->status = fail(&reading->error, BN_STATUS_BAD_FILE, "the answer isn't XML: %s",
                               XML_ErrorString(XML_GetErrorCode(reading->parser)));
    XML_ParserFree(reading->parser);
    buffer_release(&reading->text);
    if (reading->status && err) *err = reading->error;
    return reading->status;
}

/* ---- lists ---- */

struct list_page {
    bucket_object_visitor object;
    void *context;
    char *key; /* of the entry that is open */
    uint64_t size_bytes;
    bool is_list, truncated;
    char *next;
};

static void keep(struct reading *reading, char **out, const char *text) {
    mem_free(*out);
    *out = mem_strdup(text);
    if (!*out) reading->status = fail_no_memory(&reading->error, strlen(text));
}

static void list_element(struct reading *reading, unsigned depth, const char *name, const char *text) {
    struct list_page *page = reading->context;
    if (depth == 1) page->is_list = strcmp(name, "ListBucketResult") == 0;
    if (depth == 2 && strcmp(name, "IsTruncated") == 0) page->truncated = strcmp(text, "true") == 0;
    if (depth == 2 && strcmp(name, "NextContinuationToken") == 0) keep(reading, &page->next, text);
    if (depth == 3 && strcmp(name, "Key") == 0) keep(reading, &page->key, text);
    if (depth == 3 && strcmp(name, "Size") == 0) page->size_bytes = strtoull(text, NULL, 10);
    if (depth != 2 || strcmp(name, "Contents") != 0 || !page->key) return;
    reading->status = page->object(page->context, page->key, page->size_bytes, &reading->error);
    mem_free(page->key);
    page->key = NULL;
    page->size_bytes = 0;
}

bn_status bucket_xml_list(const char *text, size_t size, bucket_object_visitor object, void *context, char **next,
                          bn_error *err) {
    struct list_page page = {.object = object, .context = context};
    struct reading reading = {.element = list_element, .context = &page};
    *next = NULL;
    bn_status status = read_xml(&reading, text, size, err);
    if (!status && !page.is_list) status = fail(err, BN_STATUS_BAD_FILE, "the answer isn't a list of objects");
    if (!status && page.truncated && (!page.next || !*page.next))
        status = fail(err, BN_STATUS_BAD_FILE, "the list of objects is cut off without saying how to go on");
    mem_free(page.key);
    if (!status && page.truncated)
        *next = page.next;
    else
        mem_free(page.next);
    return status;
}

/* ---- errors ---- */

static void problem_element(struct reading *reading, unsigned depth, const char *name, const char *text) {
    struct bucket_problem *problem = reading->context;
    if (depth != 2) return;
    if (strcmp(name, "Code") == 0) snprintf(problem->code, sizeof problem->code, "%s", text);
    if (strcmp(name, "Message") == 0) snprintf(problem->message, sizeof problem->message, "%s", text);
    if (strcmp(name, "Region") == 0) snprintf(problem->region, sizeof problem->region, "%s", text);
}

void bucket_xml_problem(const char *text, size_t size, struct bucket_problem *out) {
    *out = (struct bucket_problem){0};
    struct reading reading = {.element = problem_element, .context = out};
    if (size) (void)read_xml(&reading, text, size, NULL); /* an answer of something else says nothing */
}

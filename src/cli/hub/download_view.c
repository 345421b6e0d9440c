#include "cli/hub/download_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/hub/registry_download.h"
#include "cli/json_output.h"
#include "cli/terminal.h"

enum { BAR_CELLS = 24, INTERVAL_MS = 100 };

void download_view_begin(struct download_view *view, const struct invocation *invocation) {
    *view =
        (struct download_view){.invocation = invocation, .events = invocation->common.json, .start_ns = clock_now_ns()};
    view->bars = !invocation->common.quiet && !invocation->common.json && isatty(STDERR_FILENO);
}

/* ---- bars ---- */

static void draw_size(uint64_t bytes) {
    const double mega = (double)bytes * 1e-6;
    fprintf(stderr, mega >= 1000 ? "%7.2f GB" : "%7.1f MB", mega >= 1000 ? mega * 1e-3 : mega);
}

static void draw_bar(const char *name, uint64_t bytes, uint64_t size) {
    char shown[64];
    size_t n = strlen(name), filled = size ? (size_t)(bytes * BAR_CELLS / size) : BAR_CELLS;
    fprintf(stderr, "\033[K%-34.34s ", printable(n > 34 ? name + n - 34 : name, shown, sizeof shown));
    for (size_t i = 0; i < BAR_CELLS; i++) fputs(i < filled ? "█" : "░", stderr);
    fprintf(stderr, " %3.0f %% ", size ? 100.0 * (double)bytes / (double)size : 100.0);
    draw_size(size);
}

static void draw_total(const struct download_view *view) {
    char name[64];
    snprintf(name, sizeof name, "%zu of %zu files", view->n_files_done, view->n_files);
    draw_bar(name, view->total_bytes, view->total_size_bytes);
    double seconds = (double)(clock_now_ns() - view->start_ns) * 1e-9;
    double rate = view->total_bytes > view->start_bytes ? (double)(view->total_bytes - view->start_bytes) / seconds : 0;
    if (rate > 0)
        fprintf(stderr, "  %.1f MB/s, %.0f s left", rate * 1e-6,
                (double)(view->total_size_bytes - view->total_bytes) / rate);
    fputc('\n', stderr);
}

static void take_away(struct download_view *view) {
    if (view->n_lines) fprintf(stderr, "\033[%zuA\r\033[J", view->n_lines);
    view->n_lines = 0;
}

static void draw(struct download_view *view, bool now) {
    uint64_t time = clock_now_ns();
    if (!view->bars || (!now && time < view->next_ns)) return;
    view->next_ns = time + (uint64_t)INTERVAL_MS * 1000000;
    take_away(view);
    for (size_t i = 0; i < VIEW_BARS; i++) {
        const struct view_bar *bar = &view->shown[i];
        if (!bar->file) continue;
        draw_bar(bar->file->path, bar->bytes, bar->file->size_bytes);
        fputc('\n', stderr);
        view->n_lines++;
    }
    draw_total(view);
    view->n_lines++;
    fflush(stderr);
}

static void set_bar(struct download_view *view, const struct hub_event *event) {
    struct view_bar *free_bar = NULL;
    for (size_t i = 0; i < VIEW_BARS; i++) {
        struct view_bar *bar = &view->shown[i];
        if (!bar->file && !free_bar) free_bar = bar;
        if (bar->file == event->file) free_bar = bar;
        if (bar->file == event->file) break;
    }
    if (!free_bar) return;
    bool over = event->kind == HUB_EVENT_DONE || event->kind == HUB_EVENT_CACHED;
    *free_bar = (struct view_bar){over ? NULL : event->file, event->file_bytes};
}

/* A line that stays, above the bars. */
static void note(struct download_view *view, const char *format, const char *path) {
    char shown[256];
    take_away(view);
    say(view->invocation, format, printable(path, shown, sizeof shown));
}

static void show(struct download_view *view, const struct hub_event *event) {
    switch (event->kind) {
    case HUB_EVENT_WAIT:
        note(view, "another process downloads %s: waiting for it", event->file->path);
        return;
    case HUB_EVENT_RESTART:
        note(view, "%s starts over: the server can't continue it, or what came was wrong", event->file->path);
        break;
    case HUB_EVENT_CHANGED:
        memset(view->shown, 0, sizeof view->shown);
        note(view, "%s: starting over with its new state", "the repository changed meanwhile");
        return;
    case HUB_EVENT_PLAN:
        memset(view->shown, 0, sizeof view->shown);
        return;
    default:
        break;
    }
    if (event->kind != HUB_EVENT_CACHED) set_bar(view, event);
    draw(view, event->kind == HUB_EVENT_DONE);
}

/* ---- JSON ---- */

static const char *event_name(enum hub_event_kind kind) {
    static const char *const names[] = {
        [HUB_EVENT_PLAN] = "plan",         [HUB_EVENT_CACHED] = "cached",   [HUB_EVENT_START] = "start",
        [HUB_EVENT_PROGRESS] = "progress", [HUB_EVENT_RESTART] = "restart", [HUB_EVENT_WAIT] = "wait",
        [HUB_EVENT_DONE] = "file",         [HUB_EVENT_CHANGED] = "changed"};
    return names[kind];
}

static void write_event(struct download_view *view, const struct hub_event *event) {
    uint64_t now = clock_now_ns();
    if (event->kind == HUB_EVENT_PROGRESS && now < view->next_ns) return;
    view->next_ns = now + (uint64_t)INTERVAL_MS * 1000000;
    json_t *line = json_pack("{s:s}", "event", event_name(event->kind));
    if (event->file) {
        json_object_set_new(line, "file", json_text(event->file->path, strlen(event->file->path)));
        json_object_set_new(line, "bytes", json_integer((json_int_t)event->file_bytes));
        json_object_set_new(line, "size_bytes", json_integer((json_int_t)event->file->size_bytes));
    }
    if (event->kind == HUB_EVENT_PLAN) json_object_set_new(line, "commit", json_string(event->commit));
    json_object_set_new(line, "total_bytes", json_integer((json_int_t)event->total_bytes));
    json_object_set_new(line, "total_size_bytes", json_integer((json_int_t)event->total_size_bytes));
    json_object_set_new(line, "files", json_integer((json_int_t)event->n_files));
    json_write_line(stdout, line, NULL);
    output_flush();
}

void download_view_event(void *context, const struct hub_event *event) {
    struct download_view *view = context;
    view->total_bytes = event->total_bytes;
    view->total_size_bytes = event->total_size_bytes;
    view->n_files = event->n_files;
    view->n_files_done = event->n_files_done;
    if (event->kind == HUB_EVENT_DONE) view->n_fetched++;
    if (event->kind == HUB_EVENT_CACHED || event->kind == HUB_EVENT_START) view->start_bytes += event->file_bytes;
    if (view->events)
        write_event(view, event);
    else
        show(view, event);
}

void download_view_end(struct download_view *view) {
    take_away(view);
}

static void print_result(const struct download_view *view, const char *name, const char *snapshot) {
    const struct invocation *invocation = view->invocation;
    if (invocation->common.json) {
        json_write_line(stdout,
                        json_pack("{s:s, s:o, s:I, s:I}", "event", "done", "path",
                                  json_text(snapshot, strlen(snapshot)), "files", (json_int_t)view->n_files, "fetched",
                                  (json_int_t)view->n_fetched),
                        NULL);
        return;
    }
    printf("%s\n", snapshot);
    say(invocation, "%zu of %zu files were fetched, the others were there; '%s' names the model now", view->n_fetched,
        view->n_files, name ? name : snapshot);
}

bn_status download_and_print(const struct invocation *invocation, const char *name, struct hub *hub,
                             const struct hub_repo *repo, struct hub_download_options *download, bn_error *err) {
    struct download_view view;
    char *snapshot;
    download_view_begin(&view, invocation);
    download->on_event = download_view_event;
    download->context = &view;
    bn_status status = hub_download(hub, repo, download, &snapshot, err);
    download_view_end(&view);
    if (status) return status;
    if (!download->local_folder) status = registry_record_download(invocation, repo, snapshot, err);
    if (!status) print_result(&view, download->local_folder ? NULL : name, snapshot);
    mem_free(snapshot);
    return status;
}

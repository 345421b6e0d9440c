/* A download as a person or a program sees it: a bar per file and one for all on a terminal; lines of JSON. */
#ifndef CLI_HUB_DOWNLOAD_VIEW_H
#define CLI_HUB_DOWNLOAD_VIEW_H

#include "cli/command.h"
#include "hub/download.h"

enum { VIEW_BARS = 6 }; /* files shown at the same time */

struct download_view {
    const struct invocation *invocation;
    bool bars;   /* on a terminal */
    bool events; /* lines of JSON on standard output */
    struct view_bar {
        const struct hub_file *file; /* NULL: free */
        uint64_t bytes;
    } shown[VIEW_BARS];
    size_t n_lines; /* drawn, and to be drawn over */
    uint64_t start_ns, next_ns, start_bytes;
    uint64_t total_bytes, total_size_bytes;
    size_t n_files, n_files_done, n_fetched;
};

/* hub_download with such a view (set as *download's), then the folder on standard output. `name`: as the person calls the
 * model. */
bn_status download_and_print(const struct invocation *invocation, const char *name, struct hub *hub,
                             const struct hub_repo *repo, struct hub_download_options *download, bn_error *err);

void download_view_begin(struct download_view *view, const struct invocation *invocation);
/* For hub_download_options.on_event. */
void download_view_event(void *view, const struct hub_event *event);
/* Takes the bars away. */
void download_view_end(struct download_view *view);

#endif

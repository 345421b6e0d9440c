/* `bitnet model browse`: the models of a hub as a list on the terminal (ncurses): page through, search, read the card, download. */
#ifdef HAVE_NCURSES
#include <curses.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/hub/download_view.h"
#include "cli/hub/hub_options.h"
#include "cli/hub/search_options.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "hub/card.h"

struct browse_settings {
    struct search_options search;
    struct hub_options hub;
};
#define FIELD(name) offsetof(struct browse_settings, name)
static const struct option_group groups[] = {
    {"Search", search_option_table, FIELD(search)}, {"Network", hub_option_table, FIELD(hub)}, {0}};

static void set_defaults(void *settings) {
    struct browse_settings *own = settings;
    hub_options_set_defaults(&own->hub);
    own->search.limit = 1000;
    own->search.sort = "trending";
}

struct browser {
    struct invocation *invocation;
    struct hub hub;
    struct search_options search;
    char text[128]; /* what is searched for */
    json_t *rows;
    char *next; /* the page behind the last row, or NULL */
    size_t selected, top;
    char message[512];
};

enum { HEADER_LINES = 2, FOOTER_LINES = 1 };

static size_t list_lines(void) {
    return LINES > HEADER_LINES + FOOTER_LINES ? (size_t)(LINES - HEADER_LINES - FOOTER_LINES) : 1;
}

/* ---- searching ---- */

static bn_status fetch_page(struct browser *browser, bn_error *err) {
    const struct hub_query query = search_options_query(&browser->search, browser->text[0] ? browser->text : NULL);
    char *page = browser->next;
    json_t *rows = NULL;
    bn_status status = hub_search(&browser->hub, &query, page, &rows, &browser->next, err);
    mem_free(page);
    if (!status) json_array_extend(browser->rows, rows);
    json_decref(rows);
    return status;
}

static bn_status search(struct browser *browser, bn_error *err) {
    json_array_clear(browser->rows);
    mem_free(browser->next);
    browser->next = NULL;
    browser->selected = browser->top = 0;
    browser->message[0] = 0;
    return fetch_page(browser, err);
}

/* As above, with the failure in the last line. */
static void search_again(struct browser *browser) {
    bn_error error = {0};
    if (search(browser, &error)) snprintf(browser->message, sizeof browser->message, "%s", error.message);
}

static void next_sort(struct browser *browser) {
    static const char *const sorts[] = {"trending", "downloads", "likes", "modified", "created"};
    size_t at = 0, n = sizeof sorts / sizeof sorts[0];
    while (at < n - 1 && strcmp(browser->search.sort, sorts[at]) != 0) at++;
    browser->search.sort = sorts[(at + 1) % n];
    search_again(browser);
}

/* ---- the list ---- */

static const char *text_of(const json_t *row, const char *key) {
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static void draw_row(const json_t *row, int line, bool selected) {
    char id[200], text[512];
    json_int_t downloads = json_integer_value(json_object_get(row, "downloads"));
    snprintf(text, sizeof text, "%-50.80s %10lld %6lld  %-20.20s %-14.14s %s",
             printable(text_of(row, "id"), id, sizeof id), (long long)downloads,
             (long long)json_integer_value(json_object_get(row, "likes")), text_of(row, "task"),
             text_of(row, "license"), json_is_true(json_object_get(row, "gated")) ? "gated" : "");
    if (selected) attron(A_REVERSE);
    mvaddnstr(line, 0, printable(text, text, sizeof text), COLS - 1);
    if (selected) attroff(A_REVERSE);
}

static void draw_line(int line, int attribute, const char *text) {
    attron((attr_t)attribute);
    mvaddnstr(line, 0, text, COLS - 1);
    attroff((attr_t)attribute);
    clrtoeol();
}

static void draw(struct browser *browser) {
    char line[512], shown[400];
    size_t n = json_array_size(browser->rows), lines = list_lines();
    if (browser->selected < browser->top) browser->top = browser->selected;
    if (browser->selected >= browser->top + lines) browser->top = browser->selected - lines + 1;
    erase();
    snprintf(line, sizeof line, "%s  '%s'  by %s  (%zu%s)", browser->hub.authority,
             printable(browser->text, shown, sizeof shown), browser->search.sort, n, browser->next ? "+" : "");
    draw_line(0, A_BOLD, line);
    snprintf(line, sizeof line, "%-50s %10s %6s  %-20s %-14s", "model", "downloads", "likes", "task", "licence");
    draw_line(1, A_DIM, line);
    for (size_t i = 0; i < lines && browser->top + i < n; i++)
        draw_row(json_array_get(browser->rows, browser->top + i), HEADER_LINES + (int)i,
                 browser->top + i == browser->selected);
    const char *keys = "enter download   c card   / search   s sort   q quit";
    draw_line(LINES - 1, A_DIM, browser->message[0] ? printable(browser->message, shown, sizeof shown) : keys);
    refresh();
}

/* Moves by n rows; near the end the next page is fetched. */
static void move_selection(struct browser *browser, long n) {
    long to = (long)browser->selected + n, last = (long)json_array_size(browser->rows) - 1;
    bn_error error = {0};
    if (to >= last && browser->next && last + 1 < (long)browser->search.limit) {
        if (fetch_page(browser, &error)) snprintf(browser->message, sizeof browser->message, "%s", error.message);
        last = (long)json_array_size(browser->rows) - 1;
    }
    if (to > last) to = last;
    browser->selected = to > 0 ? (size_t)to : 0;
}

static void ask_text(struct browser *browser) {
    draw_line(LINES - 1, A_BOLD, "search: ");
    echo();
    curs_set(1);
    if (mvgetnstr(LINES - 1, 8, browser->text, sizeof browser->text - 1) == ERR) browser->text[0] = 0;
    noecho();
    curs_set(0);
    search_again(browser);
}

/* ---- the card ---- */

/* A screenful of text from line `first` on; returns how many lines the text has. */
static size_t draw_text(const char *text, size_t first) {
    size_t n = 0;
    erase();
    for (const char *line = text; *line; n++) {
        size_t bytes = strcspn(line, "\n");
        char shown[1024];
        snprintf(shown, sizeof shown, "%.*s", (int)min_size(bytes, sizeof shown - 1), line);
        if (n >= first && n - first < (size_t)LINES - 1)
            mvaddnstr((int)(n - first), 0, printable(shown, shown, sizeof shown), COLS - 1);
        line += bytes + (line[bytes] != 0);
    }
    draw_line(LINES - 1, A_DIM, "arrows scroll   q back");
    refresh();
    return n;
}

static void read_text(const char *text) {
    size_t first = 0, page = LINES > 2 ? (size_t)LINES - 2 : 1;
    for (;;) {
        size_t n = draw_text(text, first);
        int key = getch();
        size_t last = n > page ? n - page : 0;
        if (key == KEY_UP && first) first--;
        if (key == KEY_DOWN && first < last) first++;
        if (key == KEY_PPAGE) first -= min_size(first, page);
        if (key == KEY_NPAGE || key == ' ') first = min_size(first + page, last);
        if (key == 'q' || key == 27 || key == KEY_LEFT || key == ERR || interrupted()) return;
    }
}

static bool selected_repo(const struct browser *browser, struct hub_repo *repo, bn_error *err) {
    const json_t *row = json_array_get(browser->rows, browser->selected);
    return row && !hub_repo_parse(text_of(row, "id"), repo, err);
}

static void show_card(struct browser *browser) {
    struct hub_repo repo;
    char *text = NULL;
    bn_error error = {0};
    if (!selected_repo(browser, &repo, &error)) return;
    if (hub_card_fetch(&browser->hub, &repo, &text, &error))
        snprintf(browser->message, sizeof browser->message, "%s", error.message);
    else
        read_text(text);
    mem_free(text);
}

/* ---- the command ---- */

/* Until q (false) or enter on a model (true). */
static bool choose(struct browser *browser) {
    while (!interrupted()) {
        draw(browser);
        int key = getch();
        browser->message[0] = 0;
        switch (key) {
        case 'q':
        case 27:
        case ERR:
            return false;
        case '\n':
        case '\r':
        case KEY_ENTER:
            if (json_array_size(browser->rows)) return true;
            break;
        case KEY_UP:
        case 'k':
            move_selection(browser, -1);
            break;
        case KEY_DOWN:
        case 'j':
            move_selection(browser, 1);
            break;
        case KEY_PPAGE:
            move_selection(browser, -(long)list_lines());
            break;
        case KEY_NPAGE:
        case ' ':
            move_selection(browser, (long)list_lines());
            break;
        case '/':
            ask_text(browser);
            break;
        case 's':
            next_sort(browser);
            break;
        case 'c':
            show_card(browser);
            break;
        }
    }
    return false;
}

static bool choose_on_screen(struct browser *browser) {
    if (!initscr()) return false;
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    bool chosen = choose(browser);
    endwin();
    return chosen;
}

static bn_status browse(struct browser *browser, bn_error *err) {
    const struct browse_settings *settings = browser->invocation->settings;
    struct hub_repo repo;
    if (!terminal_is_interactive())
        return fail(err, BN_STATUS_BAD_ARGUMENT, "browsing needs a terminal: 'bitnet model search' is for scripts");
    bn_status status = hub_options_open(&settings->hub, &browser->hub, err);
    if (!status) status = search(browser, err);
    if (status || !choose_on_screen(browser)) return status;
    if (!selected_repo(browser, &repo, err)) return err->status;
    struct hub_download_options download = {.connections = settings->hub.connections};
    return download_and_print(browser->invocation, repo.id, &browser->hub, &repo, &download, err);
}

static enum exit_code run(struct invocation *invocation) {
    const struct browse_settings *settings = invocation->settings;
    struct browser browser = {.invocation = invocation, .search = settings->search, .rows = json_array()};
    bn_error error = {0};
    if (invocation->n_arguments) snprintf(browser.text, sizeof browser.text, "%s", invocation->arguments[0]);
    bn_status status = browse(&browser, &error);
    enum exit_code code = status          ? say_hub_failure(invocation, &browser.hub, &error)
                          : interrupted() ? EXIT_INTERRUPTED
                                          : EXIT_DONE;
    json_decref(browser.rows);
    mem_free(browser.next);
    hub_close(&browser.hub);
    return code;
}

const struct command command_model_browse = {
    .name = "model browse",
    .arguments = "[TEXT]",
    .summary = "page through the models of a hub on the terminal",
    .description = "Lists models as 'bitnet model search' does. Arrows and page keys move, / searches anew, s changes "
                   "the order, c shows the card, enter "
                   "downloads the model, q leaves.",
    .examples = "bitnet model browse bitnet --task text-generation",
    .groups = groups,
    .settings_bytes = sizeof(struct browse_settings),
    .set_defaults = set_defaults,
    .max_arguments = 1,
    .run = run,
};
#endif

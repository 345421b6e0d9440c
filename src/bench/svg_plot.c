#include "bench/svg_plot.h"

#include <string.h>

#include "base/memory.h"

enum { WIDTH = 860, LABEL = 260, ROW = 26, TOP = 56, PLOT = 480, HEIGHT = 360, MAX_SERIES = 12 };

static const char *const colours[] = {"#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2",
                                      "#4d7c0f", "#be185d", "#475569", "#b45309", "#1d4ed8", "#15803d"};

void svg_text(FILE *out, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
        }
    }
}

static void open_svg(FILE *out, int height, const char *title) {
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"16\" y=\"30\" font-size=\"17\">",
            WIDTH, height, WIDTH, height);
    svg_text(out, title);
    fputs("</text>\n", out);
}

static void label(FILE *out, double x, double y, const char *anchor, const char *text) {
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    svg_text(out, text);
    fputs("</text>\n", out);
}

static void describe(const json_t *row, char *out, size_t size) {
    const char *name = json_string_value(json_object_get(row, "name")),
               *engine = json_string_value(json_object_get(row, "engine"));
    const json_t *threads = json_object_get(row, "threads");
    int n = snprintf(out, size, "%.60s", name ? name : "?");
    if (engine) n += snprintf(out + n, size - (size_t)n, " %.40s", engine);
    if (json_is_integer(threads))
        snprintf(out + n, size - (size_t)n, " %" JSON_INTEGER_FORMAT "t", json_integer_value(threads));
}

static double largest(const json_t *rows, const char *key) {
    double most = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        double value = json_number_value(json_object_get(json_array_get(rows, i), key));
        if (value > most) most = value;
    }
    return most;
}

/* ---- bars ---- */

static void range(FILE *out, const json_t *row, double y, double per_unit) {
    const json_t *low = json_object_get(row, "min"), *high = json_object_get(row, "max");
    if (!json_is_number(low) || !json_is_number(high)) return;
    double left = LABEL + json_number_value(low) * per_unit, right = LABEL + json_number_value(high) * per_unit;
    fprintf(out, "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\" stroke=\"#111\" fill=\"none\"/>\n", left, y,
            right, left, y - 4, right, y - 4);
}

bool svg_bars(FILE *out, const char *title, const json_t *rows, const char *value_key) {
    double most = largest(rows, value_key), upper = largest(rows, "max"), per_unit;
    if (most <= 0) return false;
    per_unit = PLOT / (upper > most ? upper : most);
    open_svg(out, TOP + (int)json_array_size(rows) * ROW + 16, title);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        double value = json_number_value(json_object_get(row, value_key)), y = TOP + (double)i * ROW;
        char text[160];
        describe(row, text, sizeof text);
        label(out, LABEL - 8, y + 15, "end", text);
        fprintf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"18\" fill=\"%s\" fill-opacity=\"0.75\"/>\n",
                LABEL, y + 2, value > 0 ? value * per_unit : 0, colours[0]);
        range(out, row, y + 11, per_unit);
        snprintf(text, sizeof text, "%.4g", value);
        label(out, WIDTH - 16, y + 15, "end", text);
    }
    fputs("</svg>\n", out);
    return true;
}

/* ---- lines ---- */

static bool same_series(const json_t *a, const json_t *b) {
    static const char *const keys[] = {"name", "threads", "isa", "model"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *left = json_object_get(a, keys[i]), *right = json_object_get(b, keys[i]);
        if (left != right && !json_equal(left, right)) return false;
    }
    return true;
}

/* Runs count the x axis: a row stands where the last row of its run stands. */
static double place(const json_t *rows, size_t index, size_t n_runs) {
    size_t run = 0;
    for (size_t i = 1; i <= index; i++)
        run += !json_equal(json_object_get(json_array_get(rows, i), "run"),
                           json_object_get(json_array_get(rows, i - 1), "run"));
    return n_runs > 1 ? 60 + (double)run * (WIDTH - LABEL - 80) / (double)(n_runs - 1) : 60;
}

static void line(FILE *out, const json_t *rows, size_t first, size_t n_runs, double per_unit, const char *colour) {
    const json_t *series = json_array_get(rows, first);
    fputs("<polyline fill=\"none\" stroke-width=\"2\" points=\"", out);
    for (size_t i = first; i < json_array_size(rows); i++)
        if (same_series(series, json_array_get(rows, i)))
            fprintf(out, "%.1f,%.1f ", place(rows, i, n_runs),
                    HEIGHT - 40 -
                        per_unit * json_number_value(json_object_get(json_array_get(rows, i), "tokens_per_second")));
    fprintf(out, "\" stroke=\"%s\"/>\n", colour);
}

static bool is_first_of_series(const json_t *rows, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (same_series(json_array_get(rows, i), json_array_get(rows, index))) return false;
    return true;
}

bool svg_lines(FILE *out, const char *title, const json_t *rows) {
    size_t n = json_array_size(rows), n_runs = 1, n_series = 0;
    double most = largest(rows, "tokens_per_second");
    if (n == 0 || most <= 0) return false;
    for (size_t i = 1; i < n; i++)
        n_runs += !json_equal(json_object_get(json_array_get(rows, i), "run"),
                              json_object_get(json_array_get(rows, i - 1), "run"));
    open_svg(out, HEIGHT, title);
    fprintf(out, "<path d=\"M60 %dV%dH%d\" stroke=\"#999\" fill=\"none\"/>\n", TOP, HEIGHT - 40, WIDTH - LABEL);
    char text[160];
    snprintf(text, sizeof text, "%.4g", most);
    label(out, 54, TOP + 4, "end", text);
    label(out, 54, HEIGHT - 36, "end", "0");
    for (size_t i = 0; i < n && n_series < MAX_SERIES; i++) {
        if (!is_first_of_series(rows, i)) continue;
        const char *colour = colours[n_series++];
        line(out, rows, i, n_runs, (HEIGHT - 40 - TOP) / most, colour);
        describe(json_array_get(rows, i), text, sizeof text);
        fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>\n", WIDTH - LABEL + 16,
                TOP + (int)n_series * 20 - 9, colour);
        label(out, WIDTH - LABEL + 32, TOP + (double)n_series * 20, "start", text);
    }
    for (size_t i = 0; i < n; i += max_size(n / 6, 1)) {
        const char *commit = json_string_value(json_object_get(json_array_get(rows, i), "commit"));
        snprintf(text, sizeof text, "%.10s", commit ? commit : "");
        label(out, place(rows, i, n_runs), HEIGHT - 18, "middle", text);
    }
    fputs("</svg>\n", out);
    return true;
}

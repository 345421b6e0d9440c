#include "cli/rows.h"

#include <string.h>

#include "base/memory.h"
#include "cli/json_output.h"

enum { CELL_BYTES = 128, MAX_COLUMNS = 24 };

static void cell_text(const json_t *row, const struct column *column, char *out) {
    const json_t *value = json_object_get(row, column->key);
    if (json_is_string(value)) {
        snprintf(out, CELL_BYTES, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(out, CELL_BYTES, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_number(value)) {
        double number = json_number_value(value) * column->factor;
        if (column->decimals < 0)
            snprintf(out, CELL_BYTES, "%.4g", number);
        else
            snprintf(out, CELL_BYTES, "%.*f", column->decimals, number);
    } else {
        *out = 0;
    }
}

/* ---- tables ---- */

static size_t characters(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

struct layout {
    size_t n_columns;
    const struct column *columns[MAX_COLUMNS];
    size_t width[MAX_COLUMNS];
    bool numeric[MAX_COLUMNS];
    bool markdown;
};

/* Columns that are empty in every row are left out. */
static struct layout lay_out(const json_t *rows, const struct column *columns, bool markdown) {
    struct layout layout = {.markdown = markdown};
    for (size_t i = 0; columns[i].key && layout.n_columns < MAX_COLUMNS; i++) {
        size_t width = 0, c = layout.n_columns;
        bool numeric = false;
        for (size_t r = 0; r < json_array_size(rows); r++) {
            const json_t *row = json_array_get(rows, r);
            char text[CELL_BYTES];
            cell_text(row, &columns[i], text);
            width = max_size(width, characters(text));
            numeric = numeric || json_is_number(json_object_get(row, columns[i].key));
        }
        if (width == 0 && json_array_size(rows)) continue;
        layout.columns[c] = &columns[i];
        layout.width[c] = max_size(width, characters(columns[i].title));
        layout.numeric[c] = numeric;
        layout.n_columns++;
    }
    return layout;
}

static void print_cell(FILE *out, const struct layout *layout, size_t c, const char *text) {
    int padding = (int)(layout->width[c] - characters(text));
    bool last = c + 1 == layout->n_columns && !layout->markdown;
    fputs(layout->markdown ? "| " : c ? "  " : "", out);
    if (layout->numeric[c])
        fprintf(out, "%*s%s", padding, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : padding, "");
    if (layout->markdown) fputc(' ', out);
}

static void end_line(FILE *out, const struct layout *layout) {
    fputs(layout->markdown ? "|\n" : "\n", out);
}

static void print_rule(FILE *out, const struct layout *layout) {
    for (size_t c = 0; c < layout->n_columns; c++) {
        fputs("|", out);
        for (size_t i = 0; i < layout->width[c] + 1; i++) fputc('-', out);
        fputc(layout->numeric[c] ? ':' : '-', out);
    }
    end_line(out, layout);
}

static void write_table(FILE *out, const json_t *rows, const struct column *columns, bool markdown) {
    struct layout layout = lay_out(rows, columns, markdown);
    for (size_t c = 0; c < layout.n_columns; c++) print_cell(out, &layout, c, layout.columns[c]->title);
    end_line(out, &layout);
    if (markdown) print_rule(out, &layout);
    for (size_t r = 0; r < json_array_size(rows); r++) {
        for (size_t c = 0; c < layout.n_columns; c++) {
            char text[CELL_BYTES];
            cell_text(json_array_get(rows, r), layout.columns[c], text);
            print_cell(out, &layout, c, text);
        }
        end_line(out, &layout);
    }
}

/* ---- CSV ---- */

static void csv_field(FILE *out, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void csv_value(FILE *out, const json_t *value) {
    if (json_is_string(value)) csv_field(out, json_string_value(value));
    if (json_is_integer(value)) fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_real(value)) fprintf(out, "%.9g", json_real_value(value));
    if (json_is_boolean(value)) fputs(json_is_true(value) ? "true" : "false", out);
}

static void write_csv(FILE *out, const json_t *rows) {
    json_t *first = json_array_get(rows, 0), *value;
    const char *key;
    bool begun = false;
    json_object_foreach(first, key, value) {
        if (json_is_array(value) || json_is_object(value)) continue;
        if (begun) fputc(',', out);
        csv_field(out, key);
        begun = true;
    }
    if (begun) fputs("\r\n", out);
    for (size_t r = 0; r < json_array_size(rows); r++) {
        begun = false;
        json_object_foreach(first, key, value) {
            if (json_is_array(value) || json_is_object(value)) continue;
            if (begun) fputc(',', out);
            csv_value(out, json_object_get(json_array_get(rows, r), key));
            begun = true;
        }
        fputs("\r\n", out);
    }
}

bn_status rows_write(FILE *out, const char *format, const json_t *rows, const struct column *columns, bn_error *err) {
    if (strcmp(format, "json") == 0) return json_write_line(out, json_deep_copy(rows), err);
    if (strcmp(format, "csv") == 0) {
        write_csv(out, rows);
        return BN_OK;
    }
    if (strcmp(format, "jsonl") != 0) {
        write_table(out, rows, columns, strcmp(format, "md") == 0);
        return BN_OK;
    }
    bn_status status = BN_OK;
    for (size_t r = 0; !status && r < json_array_size(rows); r++)
        status = json_write_line(out, json_deep_copy(json_array_get(rows, r)), err);
    return status;
}

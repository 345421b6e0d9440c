/* Classes by name and letter, written for PCRE2; regex_classes.h says what differs. */
#include "tokenizer/regex_classes.h"

#include <stdio.h>
#include <string.h>

#include "tokenizer/unicode.h"

void regex_put_character(struct buffer *out, uint32_t c) {
    char text[16];
    snprintf(text, sizeof text, "\\x{%x}", (unsigned)c);
    buffer_append_text(out, text);
}

static const char space_class[] = "\\t-\\r\\x{85}\\p{Z}";
static const char hex_class[] = "0-9a-fA-F";
/* Letters and marks, with the letters among symbols: circled and squared ones. */
#define WORD_LETTERS                                                                                                   \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-"        \
    "\\x{1f189}"

static void put_range(void *context, uint32_t first, uint32_t last) {
    regex_put_character(context, first);
    if (first == last) return;
    buffer_append_char(context, '-');
    regex_put_character(context, last);
}

struct newer_context {
    struct buffer *out;
    const char *category;
};

static void put_newer_range(void *context, uint32_t first, uint32_t last, const char *category) {
    const struct newer_context *wanted = context;
    bool letters_of_case = strcmp(wanted->category, "LC") == 0 && strchr("ult", category[1]) && category[0] == 'L';
    if (strncmp(category, wanted->category, strlen(wanted->category)) != 0 && !letters_of_case) return;
    put_range(wanted->out, first, last);
}

/* \p{category} with the characters that PCRE2 doesn't know yet. */
static void put_category(struct buffer *out, const char *category) {
    buffer_append_text(out, strcmp(category, "LC") == 0 ? "\\p{L&}" : "\\p{");
    if (strcmp(category, "LC") != 0) {
        buffer_append_text(out, category);
        buffer_append_char(out, '}');
    }
    unicode_newer_categories(put_newer_range, &(struct newer_context){out, category});
}

/* What else \w takes: Oniguruma's the numbers of Latin-1, but not in brackets; Rust's the joiners. */
const char *regex_word_extras(enum regex_syntax syntax, bool in_brackets) {
    if (syntax == REGEX_RUST) return "\\x{200c}\\x{200d}";
    return in_brackets ? "" : "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";
}

void regex_put_word(struct buffer *out, const char *extras) {
    static const char *const newer[] = {"L", "M", "Nd", "Nl", "Pc"};
    buffer_append_text(out, WORD_LETTERS);
    buffer_append_text(out, extras);
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        unicode_newer_categories(put_newer_range, &(struct newer_context){out, newer[i]});
}

bool regex_put_letter_class(struct buffer *out, char letter, const char *extras, bool *negated) {
    *negated = letter >= 'A' && letter <= 'Z';
    switch (letter | 0x20) {
    case 's':
        buffer_append_text(out, space_class);
        return true;
    case 'w':
        regex_put_word(out, extras);
        return true;
    case 'd':
        put_category(out, "Nd");
        return true;
    case 'h':
        buffer_append_text(out, hex_class);
        return true;
    default:
        return false;
    }
}

/* A property that is yes or no, by PCRE2's name, with the characters that PCRE2 doesn't know yet. */
static void put_binary(struct buffer *out, const char *name) {
    buffer_append_text(out, "\\p{");
    buffer_append_text(out, name);
    buffer_append_char(out, '}');
    unicode_newer_property(name, put_range, out);
}

/* ---- clusters ---- */

#define JOINER "\\x{200d}"
#define PREFIXES                                                                                                       \
    "\\x{600}-\\x{605}\\x{6dd}\\x{70f}\\x{890}\\x{891}\\x{8e2}\\x{d4e}\\x{110bd}\\x{110cd}\\x{111c2}\\x{111c3}\\x{"    \
    "113d1}\\x{1193f}\\x{11941}\\x{11a3a}\\x{11a84}-\\x{11a89}\\x{11d46}\\x{11f02}"
#define SYLLABLES   "\\x{1100}-\\x{11ff}\\x{a960}-\\x{a97c}\\x{ac00}-\\x{d7a3}\\x{d7b0}-\\x{d7c6}\\x{d7cb}-\\x{d7fb}"
#define VOWELS      "\\x{16d63}\\x{16d67}-\\x{16d6a}" /* Kirat Rai */
#define PICTURE     "\\p{extendedpictographic}"
#define FLAG_LETTER "\\p{regionalindicator}"

static void put_extend(struct buffer *out) {
    put_binary(out, "graphemeextend");
    put_binary(out, "emojimodifier");
}

/* Spacing marks, but those that begin a cluster. */
static void put_spacing(struct buffer *out) {
    buffer_append_text(
        out,
        "(?![\\x{102b}\\x{102c}\\x{1038}\\x{1062}-\\x{1064}\\x{1067}-\\x{106d}\\x{1083}\\x{1087}-\\x{108c}\\x{108f}"
        "\\x{109a}-\\x{109c}\\x{1a61}\\x{1a63}\\x{1a64}\\x{aa7b}\\x{aa7d}\\x{11720}\\x{11721}])[\\x{e33}\\x{eb3}");
    put_category(out, "Mc");
    buffer_append_char(out, ']');
}

static void put_extending(struct buffer *out) {
    buffer_append_text(out, "(?:[" JOINER);
    put_extend(out);
    buffer_append_text(out, "]|");
    put_spacing(out);
    buffer_append_text(out, ")*+");
}

static void put_control(struct buffer *out) {
    buffer_append_text(out, "(?![" JOINER PREFIXES);
    put_extend(out);
    buffer_append_text(out, "])[\\p{Cc}\\p{Zl}\\p{Zp}\\x{2065}\\x{fff0}-\\x{fff8}\\x{e0000}-\\x{e0fff}");
    put_category(out, "Cf");
    buffer_append_char(out, ']');
}

void regex_put_cluster(struct buffer *out) {
    buffer_append_text(out, "(?>\\r\\n|");
    put_control(out);
    buffer_append_text(out, "|[" PREFIXES "]*+(?:" FLAG_LETTER "{1,2}+|" PICTURE
                            "(?:(?:(?!\\x{1171e})["); /* Mc since Unicode 16 */
    put_extend(out);
    buffer_append_text(out, "])*+" JOINER PICTURE ")*+|(?=[" SYLLABLES "])\\X|[" VOWELS "]++|(?!");
    put_control(out);
    buffer_append_text(out, ")(?s:.))");
    put_extending(out);
    buffer_append_text(out, "|[" PREFIXES "]++)");
}

bool regex_put_posix_class(struct buffer *out, const char *name, const char *extras) {
    static const struct {
        const char *name, *text, *categories[8]; /* categories with the characters that PCRE2 doesn't know yet */
    } classes[] = {
        {"digit", "", {"Nd"}},
        {"cntrl", "\\p{Cc}", {NULL}},
        {"blank", "\\p{Zs}\\t", {NULL}},
        {"space", space_class, {NULL}},
        {"xdigit", hex_class, {NULL}},
        {"ascii", "\\x{0}-\\x{7f}", {NULL}},
        {"punct", "", {"P", "S"}}, /* symbols too */
        {"graph", "", {"L", "M", "N", "P", "S", "Cf", "Co"}},
        {"print", "", {"L", "M", "N", "P", "S", "Cf", "Co", "Zs"}},
    };
    static const char *const properties[][2] = {
        {"alpha", "alphabetic"}, {"alnum", "alphabetic"}, {"upper", "uppercase"}, {"lower", "lowercase"}};
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        if (strcmp(name, properties[i][0]) == 0) {
            put_binary(out, properties[i][1]);
            if (strcmp(name, "alnum") == 0) put_category(out, "Nd");
            return true;
        }
    if (strcmp(name, "word") == 0) {
        regex_put_word(out, extras);
        return true;
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(name, classes[i].name) == 0) {
            buffer_append_text(out, classes[i].text);
            for (size_t k = 0; k < 8 && classes[i].categories[k]; k++) put_category(out, classes[i].categories[k]);
            return true;
        }
    return false;
}

/* ---- properties ---- */

static const char *const categories[][2] = {
    {"l", "L"},
    {"letter", "L"},
    {"lc", "LC"},
    {"casedletter", "LC"},
    {"lu", "Lu"},
    {"uppercaseletter", "Lu"},
    {"ll", "Ll"},
    {"lowercaseletter", "Ll"},
    {"lt", "Lt"},
    {"titlecaseletter", "Lt"},
    {"lm", "Lm"},
    {"modifierletter", "Lm"},
    {"lo", "Lo"},
    {"otherletter", "Lo"},
    {"m", "M"},
    {"mark", "M"},
    {"combiningmark", "M"},
    {"mn", "Mn"},
    {"nonspacingmark", "Mn"},
    {"mc", "Mc"},
    {"spacingmark", "Mc"},
    {"me", "Me"},
    {"enclosingmark", "Me"},
    {"n", "N"},
    {"number", "N"},
    {"nd", "Nd"},
    {"decimalnumber", "Nd"},
    {"nl", "Nl"},
    {"letternumber", "Nl"},
    {"no", "No"},
    {"othernumber", "No"},
    {"p", "P"},
    {"punctuation", "P"},
    {"punct", "P"}, /* without symbols, unlike [:punct:] */
    {"pc", "Pc"},
    {"connectorpunctuation", "Pc"},
    {"pd", "Pd"},
    {"dashpunctuation", "Pd"},
    {"ps", "Ps"},
    {"openpunctuation", "Ps"},
    {"pe", "Pe"},
    {"closepunctuation", "Pe"},
    {"pi", "Pi"},
    {"initialpunctuation", "Pi"},
    {"pf", "Pf"},
    {"finalpunctuation", "Pf"},
    {"po", "Po"},
    {"otherpunctuation", "Po"},
    {"s", "S"},
    {"symbol", "S"},
    {"sm", "Sm"},
    {"mathsymbol", "Sm"},
    {"sc", "Sc"},
    {"currencysymbol", "Sc"},
    {"sk", "Sk"},
    {"modifiersymbol", "Sk"},
    {"so", "So"},
    {"othersymbol", "So"},
    {"z", "Z"},
    {"separator", "Z"},
    {"zs", "Zs"},
    {"spaceseparator", "Zs"},
    {"zl", "Zl"},
    {"lineseparator", "Zl"},
    {"zp", "Zp"},
    {"paragraphseparator", "Zp"},
    {"cc", "Cc"},
    {"control", "Cc"},
    {"cf", "Cf"},
    {"format", "Cf"},
    {"co", "Co"},
    {"privateuse", "Co"},
    {"cs", "Cs"},
    {"surrogate", "Cs"},
};

/* Properties that PCRE2 knows by the same name and that are no script. */
static const char *const binary_properties[] = {
    "alphabetic",
    "uppercase",
    "lowercase",
    "whitespace",
    "emoji",
    "emojipresentation",
    "emojimodifier",
    "emojimodifierbase",
    "emojicomponent",
    "extendedpictographic",
    "math",
    "dash",
    "hexdigit",
    "asciihexdigit",
    "ideographic",
    "unifiedideograph",
    "diacritic",
    "extender",
    "quotationmark",
    "terminalpunctuation",
    "sentenceterminal",
    "cased",
    "caseignorable",
    "idstart",
    "idcontinue",
    "xidstart",
    "xidcontinue",
    "joincontrol",
    "variationselector",
    "regionalindicator",
    "graphemebase",
    "graphemeextend",
    "patternwhitespace",
    "patternsyntax",
    "defaultignorablecodepoint",
    "softdotted",
};

static void put_script(struct buffer *out, const char *name) {
    buffer_append_text(out, "\\p{sc:");
    buffer_append_text(out, name);
    buffer_append_char(out, '}');
    unicode_newer_property(name, put_range, out);
}

/* What newer versions of Unicode take characters away from, told by what it isn't. */
static bool put_opposite(struct buffer *out, const char *name) {
    static const char *const opposites[][5] = {
        {"c"},
        {"other"},
        {"cn", "Cc", "Cf", "Co", "Cs"},
        {"unassigned", "Cc", "Cf", "Co", "Cs"},
        {"unknown", "Cc", "Cf"}, /* the script */
        {"zzzz", "Cc", "Cf"},
    };
    static const char *const visible[] = {"L", "M", "N", "P", "S", "Z"};
    for (size_t i = 0; i < sizeof opposites / sizeof *opposites; i++) {
        if (strcmp(name, opposites[i][0]) != 0) continue;
        for (size_t k = 0; k < sizeof visible / sizeof *visible; k++) put_category(out, visible[k]);
        for (size_t k = 1; k < 5 && opposites[i][k]; k++) put_category(out, opposites[i][k]);
        return true;
    }
    return false;
}

void regex_put_property(struct buffer *out, const char *name, const char *extras, bool *negated) {
    if (strcmp(name, "assigned") == 0 && put_opposite(out, "cn")) return;
    if (put_opposite(out, name)) {
        *negated = !*negated;
        return;
    }
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (strcmp(name, categories[i][0]) == 0) {
            put_category(out, categories[i][1]);
            return;
        }
    if (strcmp(name, "any") == 0) {
        buffer_append_text(out, "\\x{0}-\\x{10ffff}");
        return;
    }
    if (regex_put_posix_class(out, name, extras)) return;
    for (size_t i = 0; i < sizeof binary_properties / sizeof *binary_properties; i++)
        if (strcmp(name, binary_properties[i]) == 0) {
            put_binary(out, name);
            return;
        }
    put_script(out, name);
}

/* Formats as patterns, by the RFCs that JSON Schema's validation vocabulary names for them (section 7.3). Where a grammar
 * leaves exotic forms open (quoted local parts, comments, address literals) they are left out: what is written validates
 * everywhere. */
#include "engine/grammar/format.h"

#include <string.h>

#include "base/buffer.h"
#include "engine/grammar/pattern.h"

#define DATE                                                                                                           \
    "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"                    \
    "02-(?:0[1-9]|1\\d|2[0-8]))|(?:\\d{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
#define TIME             "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define LABEL            "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define LONGEST_HOSTNAME 253 /* characters */
#define BYTE             "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4             BYTE "\\." BYTE "\\." BYTE "\\." BYTE
#define HEX4             "[0-9A-Fa-f]{1,4}"
#define LS32             "(?:" HEX4 ":" HEX4 "|" IPV4 ")"
#define IPV6                                                                                                           \
    "(?:(?:" HEX4 ":){6}" LS32 "|::(?:" HEX4 ":){5}" LS32 "|(?:" HEX4 ")?::(?:" HEX4 ":){4}" LS32 "|(?:(?:" HEX4       \
    ":){0,1}" HEX4 ")?::(?:" HEX4 ":){3}" LS32 "|(?:(?:" HEX4 ":){0,2}" HEX4 ")?::(?:" HEX4 ":){2}" LS32               \
    "|(?:(?:" HEX4 ":){0,3}" HEX4 ")?::" HEX4 ":" LS32 "|(?:(?:" HEX4 ":){0,4}" HEX4 ")?::" LS32 "|(?:(?:" HEX4        \
    ":){0,5}" HEX4 ")?::" HEX4 "|(?:(?:" HEX4 ":){0,6}" HEX4 ")?::)"

/* URIs (RFC 3986), and IRIs (RFC 3987): the same with more letters, ranges of a class. */
#define ASCII_ONLY ""
#define IRI_LETTERS                                                                                                    \
    "\\u00a0-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\uffef\\u{10000}-\\u{1fffd}\\u{20000}-\\u{2fffd}\\u{30000}-\\u{3fffd}"     \
    "\\u{e1000}-\\u{efffd}"
#define ESCAPED        "%[0-9A-Fa-f]{2}"
#define PCHAR(letters) "(?:[A-Za-z0-9._~!$&'()*+,;=:@" letters "-]|" ESCAPED ")"
#define AUTHORITY(letters)                                                                                             \
    "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:" letters "-]|" ESCAPED ")*@)?(?:\\[" IPV6                                         \
    "\\]|(?:[A-Za-z0-9._~!$&'()*+,;=" letters "-]|" ESCAPED ")*)(?::\\d*)?"
#define TAIL(letters) "(?:\\?(?:" PCHAR(letters) "|[/?])*)?(?:#(?:" PCHAR(letters) "|[/?])*)?"
#define ABSOLUTE(letters)                                                                                              \
    "[A-Za-z][A-Za-z0-9+.-]*:(?://" AUTHORITY(letters) "(?:/" PCHAR(letters) "*)*|/(?:" PCHAR(letters) "+(?:/" PCHAR(  \
        letters) "*)*)?|" PCHAR(letters) "+(?:/" PCHAR(letters) "*)*)?" TAIL(letters)
#define REFERENCE(letters)                                                                                             \
    "(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://" AUTHORITY(letters) "(?:/" PCHAR(letters) "*)*|/(?:" PCHAR(                    \
        letters) "+(?:/" PCHAR(letters) "*)*)?|(?:[A-Za-z0-9._~!$&'()*+,;=@" letters "-]|" ESCAPED                     \
                                        ")+(?:/" PCHAR(letters) "*)*)?" TAIL(letters)

/* Letters of names in other scripts that IDNA (RFC 5892) takes wherever they stand: Latin, Greek, Cyrillic, Thai, kana, Han,
 * Hangul. Labels of at most 20 of them are short enough when they are encoded. */
#define IDN_LETTERS                                                                                                    \
    "\\u00df-\\u00f6\\u00f8-\\u00ff\\u0430-\\u045f\\u03ac-\\u03c9\\u0e01-\\u0e30\\u3041-\\u3096\\u30a1-\\u30fa"        \
    "\\u4e00-\\u9fa5\\uac00-\\ud7a3"
#define IDN_LABEL                                                                                                      \
    "(?:" LABEL "|(?!..--)[a-z0-9" IDN_LETTERS "](?:[a-z0-9" IDN_LETTERS "-]{0,18}[a-z0-9" IDN_LETTERS "])?)"
#define ATEXT "A-Za-z0-9!#$%&'*+/=?^_`{|}~-"

#define VARIABLE "(?:[A-Za-z0-9_]|" ESCAPED ")(?:\\.?(?:[A-Za-z0-9_]|" ESCAPED "))*(?::[1-9]\\d{0,3}|\\*)?"

static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE "[Tt]" TIME},
    {"duration", "P(?:(?:\\d{1,9}Y(?:\\d{1,9}M(?:\\d{1,9}D)?)?|\\d{1,9}M(?:\\d{1,9}D)?|\\d{1,9}D)(?:T(?:\\d{1,9}H(?:"
                 "\\d{1,9}M(?:\\d{1,9}S)?)?|"
                 "\\d{1,9}M(?:\\d{1,9}S)?|\\d{1,9}S))?|T(?:\\d{1,9}H(?:\\d{1,9}M(?:\\d{1,9}S)?)?|\\d{1,9}M(?:\\d{1,9}S)"
                 "?|\\d{1,9}S)|\\d{1,9}W)"},
    {"email", "[" ATEXT "]+(?:\\.[" ATEXT "]+)*@" LABEL "(?:\\." LABEL ")*"},
    {"idn-email",
     "[\\u00a0-\\u{10ffff}" ATEXT "]+(?:\\.[\\u00a0-\\u{10ffff}" ATEXT "]+)*@" IDN_LABEL "(?:\\." IDN_LABEL ")*"},
    {"idn-hostname", IDN_LABEL "(?:\\." IDN_LABEL ")*"},
    {"hostname", LABEL "(?:\\." LABEL ")*"},
    {"ipv4", IPV4},
    {"ipv6", IPV6},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
    {"uri", ABSOLUTE(ASCII_ONLY)},
    {"uri-reference", REFERENCE(ASCII_ONLY)},
    {"iri", ABSOLUTE(IRI_LETTERS)},
    {"iri-reference", REFERENCE(IRI_LETTERS)},
    {"uri-template",
     "(?:[^\\x00- \"'%<>\\\\^`{|}\\x7f]|" ESCAPED "|\\{[+#./;?&=,!@|]?" VARIABLE "(?:," VARIABLE ")*\\})*"},
    {"json-pointer", "(?:/(?:[^~/]|~[01])*)*"},
    {"relative-json-pointer", "(?:0|[1-9]\\d*)(?:#|(?:/(?:[^~/]|~[01])*)*)"},
};

/* Regular expressions as a regular expression: groups in groups to some depth, and of ranges those that can be seen to be in
 * order. Back-references are left out. */
#define DEEPEST_GROUP 3
#define ORDERED       "0-\\d|1-[1-9]|2-[2-9]|3-[3-9]|4-[4-9]|5-[5-9]|6-[6-9]|7-[7-9]|8-[89]|9-9"
#define ESCAPE        "\\\\(?:[^A-Za-z0-9]|[dDwWsSnrtfv0]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[pP]\\{(?:L|Lu|Ll|M|N|Nd|P|S|Z)\\})"
#define RANGES                                                                                                         \
    ORDERED "|a-[a-z]|b-[b-z]|c-[c-z]|d-[d-z]|[e-h]-[h-z]|[i-p]-[p-z]|A-[A-Z]|B-[B-Z]|C-[C-Z]|D-[D-Z]|[E-H]-[H-Z]|"    \
            "[I-P]-[P-Z]|[ !]-[/~]|[#-/]-[/:@_~]|[0-9]-[A-Za-z]|[A-Z]-[a-z]|\\\\x[0-7][0-9A-Fa-f]-\\\\x[89A-Fa-f]"     \
            "[0-9A-Fa-f]|\\\\x0[0-9A-Fa-f]-\\\\x[1-7][0-9A-Fa-f]|\\\\u[0-4][0-9A-Fa-f]{3}-\\\\u[5-9A-Fa-f]"            \
            "[0-9A-Fa-f]{3}|\\\\u00[0-7][0-9A-Fa-f]-\\\\u(?:00[89A-Fa-f]|0[1-9A-Fa-f][0-9A-Fa-f])[0-9A-Fa-f]"
#define CLASS          "\\[\\^?-?(?:(?:" RANGES "|(?:[^\\]\\\\[-]|" ESCAPE "))+-?|-)\\]"
#define DOUBLE         "1\\d,[2-9]\\d|2\\d,[3-9]\\d|3\\d,[4-9]\\d|[45]\\d,[6-9]\\d|[1-9]0,[1-9]\\d\\d"
#define ORDERED_BOUNDS "1,[1-9]|2,[2-9]|3,[3-9]|4,[4-9]|5,[5-9]|6,[6-9]|7,[7-9]|8,[89]|9,9"
#define REPEAT                                                                                                         \
    "(?:[*+?]|\\{(?:\\d{1,4},?|0,\\d{1,4}|[1-9],[1-9]\\d{1,3}|[1-9]\\d,[1-9]\\d{2,3}|" ORDERED_BOUNDS "|" DOUBLE       \
    ")\\})?\\??"

static const struct dfa *regular_expressions(struct work *work) {
    const struct dfa *strings = NULL;
    struct buffer text;
    buffer_init(&text);
    for (int i = 0; i < DEEPEST_GROUP; i++)
        buffer_printf(&text, "(?:(?:[^\\\\^$.|?*+()\\[{]|\\.|\\{(?!\\d*,?\\d*\\})|%s|%s%s", ESCAPE, CLASS,
                      i + 1 < DEEPEST_GROUP ? "|\\((?:\\?(?:[:=!]|<[=!]|P?<[A-Za-z_]\\w*>))?" : "");
    for (int i = 0; i < DEEPEST_GROUP; i++) buffer_printf(&text, "%s)%s|[|^$]|\\\\[bB])*", i ? "\\)" : "", REPEAT);
    if (text.failed)
        work_fail(work, BN_STATUS_NO_MEMORY, "out of memory while a format is compiled");
    else
        strings = pattern_compile(work, text.data, text.size, PATTERN_WHOLE);
    buffer_release(&text);
    return strings;
}

const struct dfa *format_strings(struct work *work, const char *name, uint32_t *most) {
    uint32_t id;
    *most = strstr(name, "hostname") ? LONGEST_HOSTNAME : UINT32_MAX;
    const struct dfa *strings = dfa_known(work, PATTERN_FORMAT, name, strlen(name), &id);
    if (strings || !work_ok(work)) return strings;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) != 0) continue;
        const char *pattern = formats[i].pattern;
        strings = pattern_compile(work, pattern, strlen(pattern), PATTERN_WHOLE);
        return dfa_keep(work, id, strings);
    }
    return strcmp(name, "regex") == 0 ? dfa_keep(work, id, regular_expressions(work)) : NULL;
}

/* Formats as patterns, by the RFCs that JSON Schema's validation vocabulary names for them (section 7.3). Where a grammar
 * leaves exotic forms open (quoted local parts, comments, address literals) they are left out: what is written validates
 * everywhere. */
#include "engine/grammar/format.h"

#include <string.h>

#include "engine/grammar/pattern.h"

#define DATE                                                                                                           \
    "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"                    \
    "02-(?:0[1-9]|1\\d|2[0-8]))|(?:\\d{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
#define TIME  "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define BYTE  "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4  BYTE "\\." BYTE "\\." BYTE "\\." BYTE
#define HEX4  "[0-9A-Fa-f]{1,4}"
#define LS32  "(?:" HEX4 ":" HEX4 "|" IPV4 ")"
#define PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define AUTHORITY                                                                                                      \
    "(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?(?:\\[" IPV6                                                \
    "\\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\\d*)?"
#define TAIL "(?:\\?(?:" PCHAR "|[/?])*)?(?:#(?:" PCHAR "|[/?])*)?"
#define IPV6                                                                                                           \
    "(?:(?:" HEX4 ":){6}" LS32 "|::(?:" HEX4 ":){5}" LS32 "|(?:" HEX4 ")?::(?:" HEX4 ":){4}" LS32 "|(?:(?:" HEX4       \
    ":){0,1}" HEX4 ")?::(?:" HEX4 ":){3}" LS32 "|(?:(?:" HEX4 ":){0,2}" HEX4 ")?::(?:" HEX4 ":){2}" LS32               \
    "|(?:(?:" HEX4 ":){0,3}" HEX4 ")?::" HEX4 ":" LS32 "|(?:(?:" HEX4 ":){0,4}" HEX4 ")?::" LS32 "|(?:(?:" HEX4        \
    ":){0,5}" HEX4 ")?::" HEX4 "|(?:(?:" HEX4 ":){0,6}" HEX4 ")?::)"

static const struct {
    const char *name, *pattern;
    uint32_t max_length; /* in characters; 0: any */
} formats[] = {
    {"date", DATE, 0},
    {"time", TIME, 0},
    {"date-time", DATE "[Tt]" TIME, 0},
    {"duration",
     "P(?:(?:\\d{1,9}Y(?:\\d{1,9}M(?:\\d{1,9}D)?)?|\\d{1,9}M(?:\\d{1,9}D)?|\\d{1,9}D)(?:T(?:\\d{1,9}H(?:"
     "\\d{1,9}M(?:\\d{1,9}S)?)?|"
     "\\d{1,9}M(?:\\d{1,9}S)?|\\d{1,9}S))?|T(?:\\d{1,9}H(?:\\d{1,9}M(?:\\d{1,9}S)?)?|\\d{1,9}M(?:\\d{1,9}S)"
     "?|\\d{1,9}S)|\\d{1,9}W)",
     0},
    {"email", "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@" LABEL "(?:\\." LABEL ")*", 0},
    {"hostname", LABEL "(?:\\." LABEL ")*", 253},
    {"ipv4", IPV4, 0},
    {"ipv6", IPV6, 0},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", 0},
    {"uri",
     "[A-Za-z][A-Za-z0-9+.-]*:(?://" AUTHORITY "(?:/" PCHAR "*)*|/(?:" PCHAR "+(?:/" PCHAR "*)*)?|" PCHAR "+(?:/" PCHAR
     "*)*)?" TAIL,
     0},
    {"uri-reference",
     "(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://" AUTHORITY "(?:/" PCHAR "*)*|/(?:" PCHAR "+(?:/" PCHAR
     "*)*)?|(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+(?:/" PCHAR "*)*)?" TAIL,
     0},
    {"json-pointer", "(?:/(?:[^~/]|~[01])*)*", 0},
    {"relative-json-pointer", "(?:0|[1-9]\\d*)(?:#|(?:/(?:[^~/]|~[01])*)*)", 0},
};

const struct dfa *format_strings(struct work *work, const char *name) {
    uint32_t id;
    const struct dfa *strings = dfa_known(work, PATTERN_FORMAT, name, strlen(name), &id);
    if (strings || !work_ok(work)) return strings;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) != 0) continue;
        const char *pattern = formats[i].pattern;
        strings = pattern_compile(work, pattern, strlen(pattern), PATTERN_WHOLE);
        if (formats[i].max_length) strings = dfa_limit(work, strings, 0, formats[i].max_length);
        return dfa_keep(work, id, strings);
    }
    static const char *const refused[] = {"idn-email", "idn-hostname", "iri", "iri-reference", "uri-template", "regex"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i], name) == 0)
            work_fail(work, BN_STATUS_UNSUPPORTED, "the format '%s' isn't supported", name);
    return NULL;
}

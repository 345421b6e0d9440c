/* Texts as XML spells them. */
#ifndef ENGINE_GRAMMAR_XML_TEXT_H
#define ENGINE_GRAMMAR_XML_TEXT_H

#include "engine/grammar/dfa.h"

enum xml_place { XML_CONTENT, XML_ATTRIBUTE /* between double quotes */ };

/* The texts of an automaton, each in its one spelling: what means something else in that place, or wouldn't be read back as it is,
 * is a reference. Texts with characters that XML doesn't have are left out. */
const struct dfa *xml_spelled(struct work *work, const struct dfa *texts, enum xml_place place);

/* Is it a name without colons (XML 1.0, production 5; Namespaces in XML, production 7)? */
bool xml_is_name(const char *text, size_t n);
/* A text as the value of an attribute, in the work's arena; NULL if it can't be written. */
const char *xml_quoted(struct work *work, const char *text);

#endif

/* XML documents of a JSON schema: values written as elements.
 *
 * A member of an object is an element of its name, in the schema's order; an array is its items, an element each; texts have `<`,
 * `&`, `>` and carriage returns escaped; null is an element without content. The `xml` object of OpenAPI (name, attribute, wrapped,
 * namespace, prefix) says otherwise where it stands in a schema. The root is called by the schema's xml.name, its title where that is a
 * name, or "root".
 *
 * A text is known if reading its elements back gives a value that the schema accepts. Each value is written in one form, but
 * for white space between elements. What depends on names that the schema doesn't list can't be written, as an automaton can't
 * remember a name until its end tag, and is refused. */
#ifndef ENGINE_GRAMMAR_XML_H
#define ENGINE_GRAMMAR_XML_H

#include "engine/grammar/rules.h"
#include "engine/grammar/schema.h"

/* Both are NULL after a failure. any_form: of numbers. */
void xml_compile(struct work *work, const char *text, size_t n, bool any_form, struct rules **rules,
                 struct schema **schema);

/* The document as a part of other rules: the schema is open, and `node` one of its nodes. */
struct pattern_node *xml_body(struct rules *rules, struct schema *schema, uint32_t node);

#endif

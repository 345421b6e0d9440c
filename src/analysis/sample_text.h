/* A page to compare models by, where the user names no text: prose with dialogue and figures; early on, so
 * that a short beginning has them too, a little code and other scripts. */
#ifndef ANALYSIS_SAMPLE_TEXT_H
#define ANALYSIS_SAMPLE_TEXT_H

extern const char sample_text[];

#endif

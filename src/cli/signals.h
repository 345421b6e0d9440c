/* Signals that a person or the system sends to the program. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

/* From here on Ctrl-C only sets a flag (a second one before it was looked at ends the program), a closed pipe is a
 * write error, and a model file that shrinks while it is mapped ends the program with a message. */
void signals_init(void);

bool interrupted(void);
void interrupt_clear(void);

/* The file to name if its mapping faults. */
void signals_name_mapped_file(const char *path);

#endif

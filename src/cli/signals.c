#include "cli/signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

/* Set by the handler, read and cleared by whoever generates. */
static volatile sig_atomic_t interrupt_count;
/* What the SIGBUS handler prints: complete before the file is mapped, since a handler may only call write(). */
static char fault_message[600] = "bitnet: a mapped file changed or was cut off while in use\n";

static void on_interrupt(int signal_number) {
    (void)signal_number;
    if (interrupt_count++) _exit(EXIT_INTERRUPTED);
}

static void on_bus_error(int signal_number) {
    (void)signal_number;
    ssize_t ignored = write(STDERR_FILENO, fault_message, strlen(fault_message));
    (void)ignored;
    _exit(EXIT_FAILED);
}

void signals_init(void) {
    struct sigaction action = {.sa_handler = on_interrupt},
                     before; /* no SA_RESTART: a read at the prompt has to return */
    sigemptyset(&action.sa_mask);
    /* in the background of a script Ctrl-C is meant for others: a shell has it ignored, and so it stays */
    if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN) sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_bus_error;
    sigaction(SIGBUS, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool interrupted(void) {
    return interrupt_count != 0;
}
void interrupt_clear(void) {
    interrupt_count = 0;
}

void signals_name_mapped_file(const char *path) {
    snprintf(fault_message, sizeof fault_message, "bitnet: %.400s: the file changed or was cut off while in use\n",
             path);
}

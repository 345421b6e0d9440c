/* What systemd passes to a service (sd_listen_fds(3), sd_notify(3)), without its library: two environment variables. */
#ifndef SERVER_SYSTEMD_H
#define SERVER_SYSTEMD_H

#include <stddef.h>

/* How many listening sockets were passed on to this process; 0 without socket activation. */
size_t systemd_sockets(void);
int systemd_socket(size_t index);
/* "READY=1", "STOPPING=1", "STATUS=…"; nothing happens without NOTIFY_SOCKET. */
void systemd_notify(const char *state);

#endif

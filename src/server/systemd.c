#include "server/systemd.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_SOCKET 3
#define MAX_SOCKETS  64

size_t systemd_sockets(void) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid()) return 0;
    long n = strtol(count, NULL, 10);
    if (n <= 0 || n > MAX_SOCKETS) return 0;
    for (int i = 0; i < n; i++) fcntl(FIRST_SOCKET + i, F_SETFD, FD_CLOEXEC);
    return (size_t)n;
}

int systemd_socket(size_t index) {
    return FIRST_SOCKET + (int)index;
}

void systemd_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.sun_path) return;
    size_t n = strlen(path);
    memcpy(address.sun_path, path, n);
    if (*path == '@') address.sun_path[0] = 0; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    ssize_t ignored = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    (void)ignored; /* nobody to tell */
    close(fd);
}

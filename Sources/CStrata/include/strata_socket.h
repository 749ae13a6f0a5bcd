// Sockets of the local machine (AF_UNIX): what fills in a sockaddr_un, which Swift has no good way to.
#pragma once
#include <stddef.h>
#include <stdint.h>

// A socket that listens on a name, which must be free; -ENAMETOOLONG beyond 107 bytes.
int cstrata_socket_listen(const char *path);
// The next connection, whose reads and writes end with EAGAIN after `seconds`; *uid: the user at its
// other end. Waits.
int cstrata_socket_accept(int socket, int seconds, uint32_t *uid);
// A connection to whoever listens on a name, with the same limit.
int cstrata_socket_connect(const char *path, int seconds);
// Sends one datagram to a name; one that begins with '@' is abstract.
int cstrata_socket_send(const char *path, const void *bytes, size_t count);

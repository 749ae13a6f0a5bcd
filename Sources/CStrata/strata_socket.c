#define _GNU_SOURCE
#include "strata_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

// The length of the address, or -errno.
static int fill(struct sockaddr_un *address, const char *path) {
  size_t length = strlen(path);
  if (length == 0) return -EINVAL;
  if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length);
  if (path[0] == '@') address->sun_path[0] = 0;
  // An abstract name is all of its bytes, any other ends with a NUL.
  return (int)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'));
}

static int fail(int fd) {
  int error = errno;
  close(fd);
  return -error;
}

static void limit(int fd, int seconds) {
  struct timeval time = {.tv_sec = seconds};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

int cstrata_socket_listen(const char *path) {
  struct sockaddr_un address;
  int length = fill(&address, path);
  if (length < 0) return length;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (bind(fd, (struct sockaddr *)&address, (socklen_t)length) < 0 || listen(fd, 16) < 0)
    return fail(fd);
  return fd;
}

int cstrata_socket_accept(int listener, int seconds, uint32_t *uid) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return -errno;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return fail(fd);
  *uid = peer.uid;
  limit(fd, seconds);
  return fd;
}

int cstrata_socket_connect(const char *path, int seconds) {
  struct sockaddr_un address;
  int length = fill(&address, path);
  if (length < 0) return length;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  limit(fd, seconds);
  if (connect(fd, (struct sockaddr *)&address, (socklen_t)length) < 0) return fail(fd);
  return fd;
}

int cstrata_socket_send(const char *path, const void *bytes, size_t count) {
  struct sockaddr_un address;
  int length = fill(&address, path);
  if (length < 0) return length;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  ssize_t sent = sendto(fd, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&address,
                        (socklen_t)length);
  if (sent < 0) return fail(fd);
  close(fd);
  return 0;
}

#define _GNU_SOURCE
#include "strata_inode.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

// Debian 12's headers do not have it yet: _IOR(0x15, 0, struct fsuuid2).
#define GETFSUUID 0x80111500ul
struct fsuuid2 {
  uint8_t len;
  uint8_t uuid[16];
};

int cstrata_fs_uuid(int fd, uint8_t uuid[16]) {
  struct fsuuid2 answer = {0};
  if (ioctl(fd, GETFSUUID, &answer) < 0) return -errno;
  if (answer.len != 16) return -EOPNOTSUPP;
  memcpy(uuid, answer.uuid, 16);
  return 0;
}

union handle {
  struct file_handle head;
  uint8_t space[sizeof(struct file_handle) + CSTRATA_MAX_HANDLE];
};

int cstrata_name_to_handle(int dirfd, const char *path, int flags, int *type, uint8_t *bytes) {
  union handle handle;
  int mount_id;
  handle.head.handle_bytes = CSTRATA_MAX_HANDLE;
  if (name_to_handle_at(dirfd, path, &handle.head, &mount_id, flags) < 0) return -errno;
  *type = handle.head.handle_type;
  memcpy(bytes, handle.head.f_handle, handle.head.handle_bytes);
  return (int)handle.head.handle_bytes;
}

int cstrata_open_by_handle(int mount_fd, int type, const uint8_t *bytes, size_t length, int flags) {
  union handle handle;
  if (length > CSTRATA_MAX_HANDLE) return -EINVAL;
  handle.head.handle_bytes = (unsigned)length;
  handle.head.handle_type = type;
  memcpy(handle.head.f_handle, bytes, length);
  int fd = open_by_handle_at(mount_fd, &handle.head, flags | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int cstrata_ioctl(int fd, unsigned long command, void *argument) {
  int result = ioctl(fd, command, argument);
  return result < 0 ? -errno : result;
}

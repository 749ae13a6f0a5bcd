// File handles and ioctls of inodes. Every function returns -errno and never sets errno.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CSTRATA_MAX_HANDLE 128

// The identity of the file system that holds fd (FS_IOC_GETFSUUID, Linux 6.9).
int cstrata_fs_uuid(int fd, uint8_t uuid[16]);
// The handle of a name (flags: AT_EMPTY_PATH), at most CSTRATA_MAX_HANDLE bytes; returns its length.
int cstrata_name_to_handle(int dirfd, const char *path, int flags, int *type, uint8_t *bytes);
// Opens by handle on the file system of `mount_fd`; needs CAP_DAC_READ_SEARCH of the first namespace.
int cstrata_open_by_handle(int mount_fd, int type, const uint8_t *bytes, size_t length, int flags);
// ioctl(2) with a pointer argument.
int cstrata_ioctl(int fd, unsigned long command, void *argument);

// File-system calls that Glibc's Swift module lacks. Every function returns -errno, never sets errno,
// and retries nothing: EINTR is the caller's to handle (StrataSystem does it in one place).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CSTRATA_RESOLVE_NO_XDEV 0x01
#define CSTRATA_RESOLVE_NO_MAGICLINKS 0x02
#define CSTRATA_RESOLVE_NO_SYMLINKS 0x04
#define CSTRATA_RESOLVE_BENEATH 0x08
#define CSTRATA_RESOLVE_IN_ROOT 0x10

#define CSTRATA_O_PATH 010000000
#define CSTRATA_O_TMPFILE (020000000 | 0200000)
#define CSTRATA_O_DIRECT 040000
#define CSTRATA_O_NOATIME 01000000

// What statx reports: the members that Strata uses, in plain integers.
struct cstrata_stat {
  uint64_t ino;
  uint64_t size;
  uint64_t blocks;
  uint64_t attributes;
  int64_t atime_sec, mtime_sec, ctime_sec, btime_sec;
  uint32_t atime_nsec, mtime_nsec, ctime_nsec, btime_nsec;
  uint32_t mode, nlink, uid, gid, blksize;
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  uint64_t mnt_id;
};

struct cstrata_statfs {
  int64_t type;
  uint64_t bsize, blocks, bfree, bavail, files, ffree, namelen, frsize;
};

int cstrata_openat(int dirfd, const char *path, int flags, unsigned mode);
int cstrata_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int cstrata_statx(int dirfd, const char *path, int flags, struct cstrata_stat *out);
int cstrata_statfs(int fd, struct cstrata_statfs *out);
int cstrata_mkdirat(int dirfd, const char *path, unsigned mode);
int cstrata_mknodat(int dirfd, const char *path, unsigned mode, uint32_t major, uint32_t minor);
int cstrata_symlinkat(const char *target, int dirfd, const char *path);
int cstrata_linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags);
int cstrata_unlinkat(int dirfd, const char *path, int flags);
int cstrata_renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
                      unsigned flags);
ssize_t cstrata_readlinkat(int dirfd, const char *path, char *buffer, size_t size);
int cstrata_fchmodat(int dirfd, const char *path, unsigned mode, int flags);
int cstrata_fchownat(int dirfd, const char *path, uint32_t uid, uint32_t gid, int flags);
// Nanoseconds CSTRATA_UTIME_OMIT or CSTRATA_UTIME_NOW stand for "leave" and "now".
#define CSTRATA_UTIME_NOW 0x3fffffff
#define CSTRATA_UTIME_OMIT 0x3ffffffe
int cstrata_utimensat(int dirfd, const char *path, int64_t asec, int64_t ansec, int64_t msec,
                      int64_t mnsec, int flags);
int cstrata_faccessat(int dirfd, const char *path, int mode, int flags);
ssize_t cstrata_getdents64(int fd, void *buffer, size_t size);

ssize_t cstrata_read(int fd, void *buffer, size_t size);
ssize_t cstrata_write(int fd, const void *buffer, size_t size);
ssize_t cstrata_pread(int fd, void *buffer, size_t size, int64_t offset);
ssize_t cstrata_pwrite(int fd, const void *buffer, size_t size, int64_t offset);
int64_t cstrata_lseek(int fd, int64_t offset, int whence);
int cstrata_ftruncate(int fd, int64_t size);
int cstrata_fsync(int fd);
int cstrata_fdatasync(int fd);
int cstrata_syncfs(int fd);
int cstrata_close(int fd);
int cstrata_dup_cloexec(int fd, int minimum);
int cstrata_ficlone(int destination, int source);
ssize_t cstrata_copy_file_range(int in, int64_t *in_offset, int out, int64_t *out_offset,
                                size_t size);
// Moves pages between a pipe and another descriptor; `offset` is the other's, NULL for none.
ssize_t cstrata_splice(int in, int64_t *in_offset, int out, size_t size);
// A pipe that never blocks and holds `size` bytes.
int cstrata_page_pipe(int ends[2], int size);
int cstrata_fallocate(int fd, int mode, int64_t offset, int64_t length);
int cstrata_sync_file_range_wait(int fd);
int cstrata_sync_file_range_write(int fd, int64_t offset, int64_t length);
int cstrata_inode_flags_get(int fd, uint32_t *flags);
int cstrata_inode_flags_set(int fd, uint32_t flags);
// A file in memory without a name, close-on-exec.
int cstrata_memfd(const char *name);
int cstrata_pipe_cloexec(int *read_end, int *write_end);

// Extended attributes. The path forms follow no final link.
ssize_t cstrata_fgetxattr(int fd, const char *name, void *value, size_t size);
int cstrata_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int cstrata_fremovexattr(int fd, const char *name);
ssize_t cstrata_flistxattr(int fd, char *list, size_t size);
ssize_t cstrata_lgetxattr(const char *path, const char *name, void *value, size_t size);
int cstrata_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int cstrata_lremovexattr(const char *path, const char *name);
ssize_t cstrata_llistxattr(const char *path, char *list, size_t size);
ssize_t cstrata_getxattr(const char *path, const char *name, void *value, size_t size);
int cstrata_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int cstrata_removexattr(const char *path, const char *name);
ssize_t cstrata_listxattr(const char *path, char *list, size_t size);

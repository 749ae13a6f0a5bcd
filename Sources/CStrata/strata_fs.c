#define _GNU_SOURCE
#include "strata_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RETURN(call)                       \
  do {                                     \
    __typeof__(call) result_ = (call);     \
    return result_ < 0 ? -errno : result_; \
  } while (0)

int cstrata_openat(int dirfd, const char *path, int flags, unsigned mode) {
  RETURN(openat(dirfd, path, flags | O_CLOEXEC, mode));
}

int cstrata_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  RETURN((int)syscall(SYS_openat2, dirfd, path, &how, sizeof how));
}

int cstrata_statx(int dirfd, const char *path, int flags, struct cstrata_stat *out) {
  struct statx s;
  if (statx(dirfd, path, flags, STATX_BASIC_STATS | STATX_BTIME | 0x1000 /* STATX_MNT_ID */, &s) < 0)
    return -errno;
  *out = (struct cstrata_stat){
      .ino = s.stx_ino, .size = s.stx_size, .blocks = s.stx_blocks, .attributes = s.stx_attributes,
      .atime_sec = s.stx_atime.tv_sec, .mtime_sec = s.stx_mtime.tv_sec,
      .ctime_sec = s.stx_ctime.tv_sec, .btime_sec = s.stx_btime.tv_sec,
      .atime_nsec = s.stx_atime.tv_nsec, .mtime_nsec = s.stx_mtime.tv_nsec,
      .ctime_nsec = s.stx_ctime.tv_nsec, .btime_nsec = s.stx_btime.tv_nsec,
      .mode = s.stx_mode, .nlink = s.stx_nlink, .uid = s.stx_uid, .gid = s.stx_gid,
      .blksize = s.stx_blksize, .rdev_major = s.stx_rdev_major, .rdev_minor = s.stx_rdev_minor,
      .dev_major = s.stx_dev_major, .dev_minor = s.stx_dev_minor, .mnt_id = s.stx_mnt_id};
  return 0;
}

int cstrata_statfs(int fd, struct cstrata_statfs *out) {
  struct statfs s;
  if (fstatfs(fd, &s) < 0) return -errno;
  *out = (struct cstrata_statfs){
      .type = s.f_type, .bsize = s.f_bsize, .blocks = s.f_blocks, .bfree = s.f_bfree,
      .bavail = s.f_bavail, .files = s.f_files, .ffree = s.f_ffree, .namelen = s.f_namelen,
      .frsize = s.f_frsize};
  return 0;
}

int cstrata_mkdirat(int dirfd, const char *path, unsigned mode) {
  RETURN(mkdirat(dirfd, path, mode));
}
int cstrata_mknodat(int dirfd, const char *path, unsigned mode, uint32_t major, uint32_t minor) {
  RETURN(mknodat(dirfd, path, mode, makedev(major, minor)));
}
int cstrata_symlinkat(const char *target, int dirfd, const char *path) {
  RETURN(symlinkat(target, dirfd, path));
}
int cstrata_linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags) {
  RETURN(linkat(olddirfd, oldpath, newdirfd, newpath, flags));
}
int cstrata_unlinkat(int dirfd, const char *path, int flags) { RETURN(unlinkat(dirfd, path, flags)); }
int cstrata_renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
                      unsigned flags) {
  RETURN((int)syscall(SYS_renameat2, olddirfd, oldpath, newdirfd, newpath, flags));
}
ssize_t cstrata_readlinkat(int dirfd, const char *path, char *buffer, size_t size) {
  RETURN(readlinkat(dirfd, path, buffer, size));
}
int cstrata_fchmodat(int dirfd, const char *path, unsigned mode, int flags) {
  if (flags & AT_EMPTY_PATH) RETURN(fchmod(dirfd, mode));
  RETURN(fchmodat(dirfd, path, mode, flags));
}
int cstrata_fchownat(int dirfd, const char *path, uint32_t uid, uint32_t gid, int flags) {
  RETURN(fchownat(dirfd, path, uid, gid, flags));
}
int cstrata_utimensat(int dirfd, const char *path, int64_t asec, int64_t ansec, int64_t msec,
                      int64_t mnsec, int flags) {
  struct timespec times[2] = {{asec, ansec}, {msec, mnsec}};
  // The raw call: glibc refuses a null path, which is how a descriptor's own times are set.
  RETURN((int)syscall(SYS_utimensat, dirfd, path, times, flags));
}
int cstrata_faccessat(int dirfd, const char *path, int mode, int flags) {
  RETURN(faccessat(dirfd, path, mode, flags));
}
ssize_t cstrata_getdents64(int fd, void *buffer, size_t size) {
  RETURN((ssize_t)syscall(SYS_getdents64, fd, buffer, size));
}

ssize_t cstrata_read(int fd, void *buffer, size_t size) { RETURN(read(fd, buffer, size)); }
ssize_t cstrata_write(int fd, const void *buffer, size_t size) { RETURN(write(fd, buffer, size)); }
ssize_t cstrata_pread(int fd, void *buffer, size_t size, int64_t offset) {
  RETURN(pread(fd, buffer, size, offset));
}
ssize_t cstrata_pwrite(int fd, const void *buffer, size_t size, int64_t offset) {
  RETURN(pwrite(fd, buffer, size, offset));
}
int64_t cstrata_lseek(int fd, int64_t offset, int whence) { RETURN(lseek(fd, offset, whence)); }
int cstrata_ftruncate(int fd, int64_t size) { RETURN(ftruncate(fd, size)); }
int cstrata_fsync(int fd) { RETURN(fsync(fd)); }
int cstrata_fdatasync(int fd) { RETURN(fdatasync(fd)); }
int cstrata_syncfs(int fd) { RETURN(syncfs(fd)); }
int cstrata_close(int fd) { RETURN(close(fd)); }
int cstrata_dup_cloexec(int fd, int minimum) { RETURN(fcntl(fd, F_DUPFD_CLOEXEC, minimum)); }
int cstrata_ficlone(int destination, int source) { RETURN(ioctl(destination, FICLONE, source)); }
ssize_t cstrata_copy_file_range(int in, int64_t *in_offset, int out, int64_t *out_offset,
                                size_t size) {
  RETURN(copy_file_range(in, in_offset, out, out_offset, size, 0));
}
ssize_t cstrata_splice(int in, int64_t *in_offset, int out, size_t size) {
  RETURN(splice(in, in_offset, out, NULL, size, SPLICE_F_NONBLOCK));
}
int cstrata_page_pipe(int ends[2], int size) {
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
  if (fcntl(ends[0], F_SETPIPE_SZ, size) >= 0) return 0;
  int error = errno;
  close(ends[0]);
  close(ends[1]);
  return -error;
}
int cstrata_fallocate(int fd, int mode, int64_t offset, int64_t length) {
  RETURN(fallocate(fd, mode, offset, length));
}
int cstrata_sync_file_range_wait(int fd) {
  RETURN(sync_file_range(
      fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
}
int cstrata_sync_file_range_write(int fd, int64_t offset, int64_t length) {
  RETURN(sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE));
}
int cstrata_inode_flags_get(int fd, uint32_t *flags) {
  int value = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &value) < 0) return -errno;
  *flags = (uint32_t)value;
  return 0;
}
int cstrata_inode_flags_set(int fd, uint32_t flags) {
  int value = (int)flags;
  RETURN(ioctl(fd, FS_IOC_SETFLAGS, &value));
}
int cstrata_memfd(const char *name) { RETURN(memfd_create(name, MFD_CLOEXEC)); }
int cstrata_pipe_cloexec(int *read_end, int *write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  *read_end = ends[0];
  *write_end = ends[1];
  return 0;
}

ssize_t cstrata_fgetxattr(int fd, const char *name, void *value, size_t size) {
  RETURN(fgetxattr(fd, name, value, size));
}
int cstrata_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags) {
  RETURN(fsetxattr(fd, name, value, size, flags));
}
int cstrata_fremovexattr(int fd, const char *name) { RETURN(fremovexattr(fd, name)); }
ssize_t cstrata_flistxattr(int fd, char *list, size_t size) { RETURN(flistxattr(fd, list, size)); }
ssize_t cstrata_lgetxattr(const char *path, const char *name, void *value, size_t size) {
  RETURN(lgetxattr(path, name, value, size));
}
int cstrata_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags) {
  RETURN(lsetxattr(path, name, value, size, flags));
}
int cstrata_lremovexattr(const char *path, const char *name) { RETURN(lremovexattr(path, name)); }
ssize_t cstrata_llistxattr(const char *path, char *list, size_t size) {
  RETURN(llistxattr(path, list, size));
}
ssize_t cstrata_getxattr(const char *path, const char *name, void *value, size_t size) {
  RETURN(getxattr(path, name, value, size));
}
int cstrata_setxattr(const char *path, const char *name, const void *value, size_t size, int flags) {
  RETURN(setxattr(path, name, value, size, flags));
}
int cstrata_removexattr(const char *path, const char *name) { RETURN(removexattr(path, name)); }
ssize_t cstrata_listxattr(const char *path, char *list, size_t size) {
  RETURN(listxattr(path, list, size));
}

// Processes, credentials, mounts and locks: what Glibc's Swift module lacks or makes variadic.
// Every function returns -errno and never sets errno.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CSTRATA_CLONE_FS 0x00000200
#define CSTRATA_CLONE_NEWNS 0x00020000
#define CSTRATA_CLONE_NEWUSER 0x10000000

#define CSTRATA_MS_RDONLY 1
#define CSTRATA_MS_NOSUID 2
#define CSTRATA_MS_NODEV 4
#define CSTRATA_MS_NOEXEC 8
#define CSTRATA_MS_SYNCHRONOUS 16
#define CSTRATA_MS_REMOUNT 32
#define CSTRATA_MS_DIRSYNC 128
#define CSTRATA_MS_NOATIME 1024
#define CSTRATA_MS_NODIRATIME 2048
#define CSTRATA_MS_BIND 4096
#define CSTRATA_MS_REC 16384
#define CSTRATA_MS_PRIVATE (1 << 18)
#define CSTRATA_MNT_DETACH 2

int cstrata_unshare(int flags);
int cstrata_mount(const char *source, const char *target, const char *type, uint64_t flags,
                  const char *data);
int cstrata_umount2(const char *target, int flags);
// open_tree(2) with OPEN_TREE_CLONE of an open directory: its mount, private, without or with those below
// it.
int cstrata_clone_mount(int dirfd, int recursive);

// Real, effective and saved ids of the calling process (all threads).
int cstrata_setresuid(uint32_t ruid, uint32_t euid, uint32_t suid);
int cstrata_setresgid(uint32_t rgid, uint32_t egid, uint32_t sgid);
int cstrata_setgroups_none(void);
// Ids of the calling thread for file-system access only; raw calls, so that libc does not spread them.
uint32_t cstrata_setfsuid(uint32_t uid);
uint32_t cstrata_setfsgid(uint32_t gid);
int cstrata_setgroups_thread(size_t count, const uint32_t *groups);
int cstrata_set_securebits(uint32_t bits);
int cstrata_set_parent_death_signal(int signal);
int cstrata_set_no_new_privileges(void);
// 1 if the capability (number as in linux/capability.h) is effective, else 0.
int cstrata_has_capability(int capability);
int cstrata_set_umask_thread(unsigned mask);
// How many cores this process may run on.
int cstrata_available_cores(void);
int cstrata_current_core(void);
int cstrata_leave_core(int core);
int cstrata_move_to_core(int core);
int cstrata_lower_thread_priority(void);
void cstrata_relax_core(int times);

// Whole-file open-file-description locks. `type`: 0 read, 1 write, 2 unlock. wait = 0: EAGAIN if held.
int cstrata_ofd_lock(int fd, int type, int wait);
// flock(2) operations.
int cstrata_flock(int fd, int operation);

// Starts `path` with `argv`; descriptors 0, 1 and 2 of the child are the three given (-1: /dev/null),
// `cwd` its working directory unless null, `environment` its environment unless null; the `count`
// descriptors of `more` are its 3, 4 and so on. With `ends_with_us` the kernel kills the child when the
// calling thread ends. Returns the pid.
int cstrata_spawn(const char *path, char *const argv[], char *const environment[], const char *cwd,
                  int standard_input, int standard_output, int standard_error, const int *more,
                  int count, int ends_with_us);
// Waits for a child. *status: exit code, or 128 + signal.
int cstrata_wait(int pid, int *status);
// As above if the child has ended: returns 1, else 0.
int cstrata_wait_now(int pid, int *status);
int cstrata_execve(const char *path, char *const argv[], char *const environment[]);
int cstrata_fork(void);
// Closes the descriptors from `first` to `last`.
int cstrata_close_range(unsigned first, unsigned last);
int cstrata_kill(int pid, int signal);
int cstrata_random(void *buffer, size_t size);
int cstrata_raise_descriptor_limit(uint64_t *limit);
uint32_t cstrata_geteuid(void);
uint32_t cstrata_getegid(void);
char **cstrata_environment(void);

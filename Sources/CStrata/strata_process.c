#define _GNU_SOURCE
#include "strata_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define RETURN(call)                       \
  do {                                     \
    __typeof__(call) result_ = (call);     \
    return result_ < 0 ? -errno : result_; \
  } while (0)

int cstrata_unshare(int flags) { RETURN(unshare(flags)); }
int cstrata_mount(const char *source, const char *target, const char *type, uint64_t flags,
                  const char *data) {
  RETURN(mount(source, target, type, flags, data));
}
int cstrata_umount2(const char *target, int flags) { RETURN(umount2(target, flags)); }
int cstrata_clone_mount(int dirfd, int recursive) {
  unsigned below = recursive ? 0x8000 /* AT_RECURSIVE */ : 0;
  int fd = (int)syscall(SYS_open_tree, dirfd, "", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC | AT_EMPTY_PATH | below);
  if (fd < 0) return -errno;
  uint64_t attributes[4] = {0, 0, MS_PRIVATE, 0}; // struct mount_attr
  if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | below, attributes, sizeof attributes) < 0) {
    int error = -errno;
    close(fd);
    return error;
  }
  return fd;
}

int cstrata_setresuid(uint32_t r, uint32_t e, uint32_t s) { RETURN(setresuid(r, e, s)); }
int cstrata_setresgid(uint32_t r, uint32_t e, uint32_t s) { RETURN(setresgid(r, e, s)); }
int cstrata_setgroups_none(void) { RETURN(setgroups(0, NULL)); }
uint32_t cstrata_setfsuid(uint32_t uid) { return (uint32_t)syscall(SYS_setfsuid, uid); }
uint32_t cstrata_setfsgid(uint32_t gid) { return (uint32_t)syscall(SYS_setfsgid, gid); }
int cstrata_setgroups_thread(size_t count, const uint32_t *groups) {
  RETURN((int)syscall(SYS_setgroups, count, groups));
}
int cstrata_set_securebits(uint32_t bits) { RETURN(prctl(PR_SET_SECUREBITS, bits, 0, 0, 0)); }
int cstrata_set_parent_death_signal(int sig) { RETURN(prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0)); }
int cstrata_set_no_new_privileges(void) { RETURN(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }
int cstrata_has_capability(int capability) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (capability < 0 || capability > 63 || syscall(SYS_capget, &header, data) < 0) return 0;
  return (data[capability / 32].effective >> (capability % 32)) & 1;
}
int cstrata_set_umask_thread(unsigned mask) { return (int)umask(mask); }

int cstrata_ofd_lock(int fd, int type, int wait) {
  struct flock lock = {.l_type = type == 0 ? F_RDLCK : type == 1 ? F_WRLCK : F_UNLCK,
                       .l_whence = SEEK_SET};
  RETURN(fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock));
}
int cstrata_flock(int fd, int operation) { RETURN(flock(fd, operation)); }

static void replace(int fd, int target) {
  if (fd == target)
    fcntl(fd, F_SETFD, 0);
  else
    dup2(fd, target);
}

int cstrata_spawn(const char *path, char *const argv[], char *const environment[], const char *cwd,
                  int in, int out, int err, const int *more, int count, int ends_with_us) {
  int report[2];
  pid_t parent = getpid();
  if (pipe2(report, O_CLOEXEC) < 0) return -errno;
  pid_t pid = fork();
  if (pid < 0) {
    int e = errno;
    close(report[0]);
    close(report[1]);
    return -e;
  }
  if (pid == 0) {
    // Only async-signal-safe calls from here to exec. All are moved above their places first, so that
    // none is overwritten before it is used.
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int given[3 + 16] = {in < 0 ? null : in, out < 0 ? null : out, err < 0 ? null : err};
    int failed = count > 16 ? EINVAL : 0;
    if (!failed)
      for (int i = 0; i < count; i++) given[3 + i] = more[i];
    else
      count = 0;
    report[1] = fcntl(report[1], F_DUPFD_CLOEXEC, 3 + count);
    for (int i = 0; i < 3 + count; i++) {
      given[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 3 + count);
      if (given[i] < 0) failed = errno;
    }
    if (!failed && ends_with_us) {
      if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) failed = errno;
      // It may have ended before the kernel was told.
      if (getppid() != parent) _exit(127);
    }
    if (!failed) {
      for (int i = 0; i < 3 + count; i++) replace(given[i], i);
      sigset_t none;
      sigemptyset(&none);
      sigprocmask(SIG_SETMASK, &none, NULL);
      signal(SIGPIPE, SIG_DFL);
      if (cwd != NULL && chdir(cwd) < 0)
        failed = errno;
      else
        execve(path, argv, environment != NULL ? environment : environ);
      failed = failed ? failed : errno;
    }
    (void)!write(report[1], &failed, sizeof failed);
    _exit(127);
  }
  close(report[1]);
  int failed = 0;
  ssize_t n;
  do n = read(report[0], &failed, sizeof failed);
  while (n < 0 && errno == EINTR);
  close(report[0]);
  if (n == sizeof failed) {
    waitpid(pid, NULL, 0);
    return -failed;
  }
  return pid;
}

int cstrata_wait(int pid, int *status) {
  int raw;
  pid_t result;
  do result = waitpid(pid, &raw, 0);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return 0;
}
int cstrata_wait_now(int pid, int *status) {
  int raw;
  pid_t result;
  do result = waitpid(pid, &raw, WNOHANG);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  if (result == 0) return 0;
  *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return 1;
}
int cstrata_execve(const char *path, char *const argv[], char *const environment[]) {
  RETURN(execve(path, argv, environment != NULL ? environment : environ));
}
int cstrata_fork(void) { RETURN(fork()); }
int cstrata_kill(int pid, int sig) { RETURN(kill(pid, sig)); }
int cstrata_random(void *buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = getrandom((char *)buffer + done, size - done, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    done += (size_t)n;
  }
  return 0;
}
int cstrata_close_range(unsigned first, unsigned last) {
  RETURN((int)syscall(SYS_close_range, first, last, 0));
}
int cstrata_raise_descriptor_limit(uint64_t *limit) {
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) < 0) return -errno;
  if (r.rlim_cur < r.rlim_max) {
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) < 0) return -errno;
  }
  *limit = r.rlim_cur;
  return 0;
}
uint32_t cstrata_geteuid(void) { return geteuid(); }
uint32_t cstrata_getegid(void) { return getegid(); }
char **cstrata_environment(void) { return environ; }

int cstrata_available_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return -errno;
  return CPU_COUNT(&set);
}

int cstrata_current_core(void) { return sched_getcpu(); }

int cstrata_leave_core(int core) {
  cpu_set_t set;
  /* The first thread's set is the process's own. */
  if (sched_getaffinity(getpid(), sizeof set, &set) != 0) return -errno;
  if (core >= 0 && core < CPU_SETSIZE) CPU_CLR(core, &set);
  if (CPU_COUNT(&set) == 0) return 0;
  RETURN(sched_setaffinity(0, sizeof set, &set));
}

int cstrata_move_to_core(int core) {
  cpu_set_t before, one;
  if (core < 0 || core >= CPU_SETSIZE) return -EINVAL;
  if (sched_getaffinity(0, sizeof before, &before) != 0) return -errno;
  if (!CPU_ISSET(core, &before)) return -EINVAL;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) return -errno;
  RETURN(sched_setaffinity(0, sizeof before, &before));
}

int cstrata_lower_thread_priority(void) { RETURN(setpriority(PRIO_PROCESS, 0, 19)); }

void cstrata_relax_core(int times) {
  for (int i = 0; i < times; i++) {
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#else
    __asm__ volatile("");
#endif
  }
}

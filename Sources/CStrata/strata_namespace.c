#define _GNU_SOURCE
#include "strata_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Runs a program with its output thrown away; its exit status, or 127.
static int run(const char *program, char *const argv[]) {
  pid_t pid = fork();
  if (pid < 0) return 127;
  if (pid == 0) {
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
      dup2(null, 0);
      dup2(null, 1);
      dup2(null, 2);
    }
    execve(program, argv, environ);
    _exit(127);
  }
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

static int become_root(void) {
  if (setresgid(0, 0, 0) < 0) return -errno;
  if (setresuid(0, 0, 0) < 0) return -errno;
  return 0;
}

int cstrata_enter_user_namespace(const char *uid_program, char *const uid_argv[],
                                 const char *gid_program, char *const gid_argv[]) {
  int go[2];
  if (pipe2(go, O_CLOEXEC) < 0) return -errno;
  pid_t helper = fork();
  if (helper < 0) {
    int e = errno;
    close(go[0]);
    close(go[1]);
    return -e;
  }
  if (helper == 0) {
    // The maps can be written from outside only, and only once the namespace is there.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(go[1]);
    char byte;
    ssize_t n;
    do n = read(go[0], &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1) _exit(0);
    int status = run(uid_program, uid_argv);
    if (status != 0) _exit(1);
    status = run(gid_program, gid_argv);
    _exit(status != 0 ? 2 : 0);
  }
  close(go[0]);
  int result = unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? -errno : 0;
  if (result == 0 && write(go[1], "x", 1) != 1) result = -errno;
  close(go[1]);
  int status;
  while (waitpid(helper, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  if (result < 0) return result;
  if (!WIFEXITED(status)) return 1;
  if (WEXITSTATUS(status) != 0) return WEXITSTATUS(status);
  return become_root();
}

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  ssize_t n = write(fd, text, strlen(text));
  int result = n < 0 ? -errno : 0;
  close(fd);
  return result;
}

int cstrata_enter_user_namespace_single(uint32_t uid, uint32_t gid) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) return -errno;
  char line[64];
  // The kernel demands this before an unprivileged group map.
  int result = write_file("/proc/self/setgroups", "deny");
  if (result < 0 && result != -ENOENT) return result;
  snprintf(line, sizeof line, "0 %u 1\n", uid);
  result = write_file("/proc/self/uid_map", line);
  if (result < 0) return result;
  snprintf(line, sizeof line, "0 %u 1\n", gid);
  result = write_file("/proc/self/gid_map", line);
  if (result < 0) return result;
  return become_root();
}

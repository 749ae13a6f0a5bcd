#define _GNU_SOURCE
#include "strata_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// All below runs in a copy of a process that may have had threads: system calls only.

static int answer(int socket, const struct cstrata_worker_reply *reply, const void *bytes,
                  size_t count, int fd) {
  struct iovec parts[2] = {{(void *)reply, sizeof *reply}, {(void *)bytes, count}};
  union {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = count > 0 ? 2 : 1};
  if (fd >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) return -1;
  return 0;
}

static int stream(int socket, const char *path) {
  struct cstrata_worker_reply reply = {0};
  static char piece[CSTRATA_WORKER_PIECE];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    reply.error = errno;
    return answer(socket, &reply, NULL, 0, -1);
  }
  while (1) {
    ssize_t count = read(fd, piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    reply.error = count < 0 ? errno : 0;
    if (answer(socket, &reply, piece, count > 0 ? (size_t)count : 0, -1) < 0) _exit(0);
    if (count <= 0) break;
  }
  close(fd);
  return 0;
}

static int serve(int socket, const struct cstrata_worker_request *request) {
  struct cstrata_worker_reply reply = {0};
  struct stat status;
  struct statfs system;
  int fd = -1, result = 0;
  switch (request->call) {
    case CSTRATA_WORKER_STATUS:
      result = stat(request->path, &status);
      // The kernel may know the answer by itself; it asks the server of a FUSE mount for this one.
      if (result == 0 && statfs(request->path, &system) < 0 &&
          (errno == ENOTCONN || errno == ECONNABORTED))
        result = -1;
      if (result == 0) {
        reply.mode = status.st_mode;
        reply.uid = status.st_uid;
        reply.gid = status.st_gid;
        reply.size = status.st_size;
      }
      break;
    case CSTRATA_WORKER_OPEN_DIRECTORY:
      result = fd = open(request->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      break;
    case CSTRATA_WORKER_CREATE:
      result = fd = open(request->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
      if (fd >= 0) {
        close(fd);
        fd = -1;
        unlink(request->path);
      }
      break;
    case CSTRATA_WORKER_REMOVE_DIRECTORY:
      result = rmdir(request->path);
      break;
    case CSTRATA_WORKER_READ:
      return stream(socket, request->path);
    default:
      result = -1;
      errno = ENOSYS;
  }
  reply.error = result < 0 ? errno : 0;
  int sent = answer(socket, &reply, NULL, 0, fd);
  if (fd >= 0) close(fd);
  return sent;
}

static void work(int socket) {
  static struct cstrata_worker_request request;
  // Nothing of the caller may be kept open or busy by a worker that hangs: its descriptors and their
  // locks, its terminal, its working directory.
  setsid();
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  if (chdir("/") < 0) _exit(1);
  prctl(PR_SET_NAME, "strata-als", 0, 0, 0);
  if (dup2(socket, 3) < 0) _exit(1);
  close_range(4, ~0U, 0);
  int null = open("/dev/null", O_RDWR);
  for (int target = 0; target < 3; target++)
    if (null < 0 || dup2(null, target) < 0) close(target);
  if (null > 3) close(null);
  while (1) {
    ssize_t count = recv(3, &request, sizeof request, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= (ssize_t)offsetof(struct cstrata_worker_request, path)) _exit(0);
    request.path[sizeof request.path - 1] = 0;
    if (serve(3, &request) < 0) _exit(0);
  }
}

int cstrata_worker_start(int *socket) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
  pid_t child = _Fork();
  if (child == 0) {
    // The grandchild is init's: nobody need wait for one that hangs.
    pid_t worker = _Fork();
    if (worker == 0) work(ends[1]);
    _exit(worker < 0 ? errno : 0);
  }
  int failure = child < 0 ? errno : 0, status = 0;
  close(ends[1]);
  if (child > 0) {
    while (waitpid(child, &status, 0) < 0)
      if (errno != EINTR) {
        failure = errno;
        break;
      }
    if (failure == 0 && WIFEXITED(status)) failure = WEXITSTATUS(status);
    if (failure == 0 && WIFSIGNALED(status)) failure = ECHILD;
  }
  if (failure != 0) {
    close(ends[0]);
    return -failure;
  }
  *socket = ends[0];
  return 0;
}

int cstrata_worker_send(int socket, uint32_t call, const char *path) {
  struct cstrata_worker_request request = {.call = call};
  size_t length = strlen(path);
  if (length >= sizeof request.path) return -ENAMETOOLONG;
  memcpy(request.path, path, length + 1);
  size_t size = offsetof(struct cstrata_worker_request, path) + length + 1;
  return send(socket, &request, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int64_t now_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

ssize_t cstrata_worker_receive(int socket, int milliseconds, struct cstrata_worker_reply *reply,
                               void *buffer, int *fd) {
  int64_t end = now_milliseconds() + milliseconds;
  struct pollfd wait = {.fd = socket, .events = POLLIN};
  *fd = -1;
  while (1) {
    int64_t left = end - now_milliseconds();
    int ready = poll(&wait, 1, left > 0 ? (int)left : 0);
    if (ready > 0) break;
    if (ready == 0) return -ETIMEDOUT;
    if (errno != EINTR) return -errno;
  }
  struct iovec parts[2] = {{reply, sizeof *reply}, {buffer, CSTRATA_WORKER_PIECE}};
  union {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (count < 0) return -errno;
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
    memcpy(fd, CMSG_DATA(head), sizeof *fd);
  // The worker has died.
  if (count < (ssize_t)sizeof *reply) return -ECHILD;
  return count - (ssize_t)sizeof *reply;
}

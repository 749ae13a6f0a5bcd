// A process of its own that makes file-system calls which may never return: a FUSE request whose
// server has read it and does not answer cannot be interrupted, not even by SIGKILL (fuse_dev.c of
// the kernel, request_wait_answer), so a process that must be able to end must not make the call.
// Every function returns -errno and never sets errno.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What the worker is asked for.
enum cstrata_worker_call {
  // stat, and ENOTCONN (ECONNABORTED to a call under way) where the server of the file system has died:
  // the reply has mode, uid, gid and size.
  CSTRATA_WORKER_STATUS = 1,
  // open(O_RDONLY | O_DIRECTORY), readable: the reply carries the descriptor.
  CSTRATA_WORKER_OPEN_DIRECTORY,
  // open(O_RDWR | O_CREAT | O_TRUNC, 0666); where that succeeds the file is closed and unlinked.
  CSTRATA_WORKER_CREATE,
  CSTRATA_WORKER_REMOVE_DIRECTORY,
  // The bytes of a file, in as many replies as it takes; one without bytes is the end.
  CSTRATA_WORKER_READ,
};

struct cstrata_worker_request {
  uint32_t call;
  char path[4096];
};

// The head of a reply; the bytes of a file follow it in the same message.
struct cstrata_worker_reply {
  // A positive errno, or 0.
  int32_t error;
  uint32_t mode, uid, gid;
  int64_t size;
};

#define CSTRATA_WORKER_PIECE 65536

// Starts a worker, which is no child of this process and holds no descriptor but the other end of
// *socket (close-on-exec). It ends when that is closed, or once the call it is in returns.
int cstrata_worker_start(int *socket);
// Sends a request; never waits.
int cstrata_worker_send(int socket, uint32_t call, const char *path);
// Waits for a reply at most so many milliseconds: -ETIMEDOUT. Bytes of a file go to `buffer`, which
// has room for CSTRATA_WORKER_PIECE; *fd is a received descriptor or -1. Returns the number of bytes.
ssize_t cstrata_worker_receive(int socket, int milliseconds, struct cstrata_worker_reply *reply,
                               void *buffer, int *fd);

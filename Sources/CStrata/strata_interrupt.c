#define _GNU_SOURCE
#include "strata_interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static atomic_int held, pending;
// Readable from the first signal on that was put off; nobody ever reads it.
static int wake = -1;

static void die(int number) {
  signal(number, SIG_DFL);
  // Comes when this handler returns.
  raise(number);
}

static void on_end(int number) {
  static _Atomic int64_t first;
  int saved = errno;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t time = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (atomic_load(&held) == 0) {
    die(number);
  } else if (atomic_load(&pending) == 0) {
    atomic_store(&first, time);
    atomic_store(&pending, number);
    uint64_t one = 1;
    (void)!write(wake, &one, sizeof one);
  } else if (time - atomic_load(&first) > 1000) {
    // timeout(1) and a terminal that closes send each signal twice.
    die(number);
  }
  errno = saved;
}

static void on_broken_pipe(int number) {
  // Otherwise the write fails, and whoever wrote undoes what it began.
  if (atomic_load(&held) == 0) die(number);
}

static void on_file_size(int number) { (void)number; }

static int install(int number, void (*handler)(int)) {
  struct sigaction old, new = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigemptyset(&new.sa_mask);
  if (sigaction(number, NULL, &old) < 0) return -errno;
  if (old.sa_handler == SIG_IGN) return 0;
  return sigaction(number, &new, NULL) < 0 ? -errno : 0;
}

int cstrata_interrupt_install(void) {
  if (wake < 0) wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return -errno;
  const int ends[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    int result = install(ends[i], on_end);
    if (result < 0) return result;
  }
  int result = install(SIGPIPE, on_broken_pipe);
  return result < 0 ? result : install(SIGXFSZ, on_file_size);
}

void cstrata_interrupt_hold(int change) { atomic_fetch_add(&held, change); }
int cstrata_interrupt_pending(void) { return atomic_load(&pending); }

int cstrata_interrupt_wait_readable(int fd) {
  if (wake < 0) return 0;
  struct pollfd files[] = {{.fd = fd, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
  while (poll(files, 2, -1) < 0) {
    if (errno != EINTR) return 0;
  }
  return files[1].revents != 0;
}

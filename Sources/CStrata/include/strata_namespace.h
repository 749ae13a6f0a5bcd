// User namespaces: what must happen between fork and exec, where Swift code may not run.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Moves this process, which must have one thread, into a new user and mount namespace, and maps its
// ids by running the two programs (newuidmap and newgidmap, each with its whole argv) as a child that
// stays outside. Waits for both. Returns 0; -errno if the kernel refused; or 1 or 2, the number of the
// program that failed. After a failure the process is of no more use than to say so.
int cstrata_enter_user_namespace(const char *uid_program, char *const uid_argv[],
                                 const char *gid_program, char *const gid_argv[]);

// As above with one id of each kind: the caller becomes user and group 0 inside.
int cstrata_enter_user_namespace_single(uint32_t uid, uint32_t gid);

// Signals that end the process, put off while something is half made. Every function is safe in any
// thread; -errno on failure.
#pragma once

// Handles SIGINT, SIGTERM and SIGHUP, where they are not ignored, and SIGPIPE and SIGXFSZ. To be called
// once, before there are threads. What is executed later has the defaults again.
int cstrata_interrupt_install(void);
// Puts the end off (1) or takes that back (-1). A signal a second after the first ends the process whatever is put off.
void cstrata_interrupt_hold(int change);
// The number of the signal that came while the end was put off, or 0.
int cstrata_interrupt_pending(void);
// 1 as soon as such a signal has come, 0 as soon as `fd` can be read, whichever is first.
int cstrata_interrupt_wait_readable(int fd);

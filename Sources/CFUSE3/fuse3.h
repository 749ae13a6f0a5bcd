#pragma once
// libfuse 3.14 (Debian 12), the low-level API.
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

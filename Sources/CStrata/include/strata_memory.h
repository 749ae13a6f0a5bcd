// Words of memory that other processes see: each is stored and loaded whole, and in the order of the
// program.
#pragma once
#include <stdint.h>

static inline uint64_t cstrata_load(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
static inline void cstrata_store(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

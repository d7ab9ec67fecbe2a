// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Part of each program that has jemalloc (millrace_allocator), which reads this name when
// it starts; MALLOC_CONF in the environment says more. A bounded number of arenas and short
// keeping: a node's memory grows by the batches of blocks and has to shrink after them.
extern "C" {
extern const char* const malloc_conf;
const char* const malloc_conf = "narenas:8,dirty_decay_ms:2000,muzzy_decay_ms:0";
}

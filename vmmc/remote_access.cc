// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface of vmmc/remote_access.h. Nothing here throws.

#include "vmmc/remote_access.h"

#include "vmmc/internal/c_interface.h"

namespace {

using vmmc::internal::Attachment;
using vmmc::internal::null_pointer;
using vmmc::internal::unguarded;
using vmmc::wire::AtomicKind;

template <typename Word>
int change_word(void* proxy, AtomicKind kind, Word operand, Word expected, Word* previous) {
  return unguarded([&](Attachment& held) {
    std::uint64_t before = 0;
    const int status = held.remote_access().change_word(proxy,
                                                        {.kind = kind,
                                                         .width = sizeof(Word),
                                                         .operand = operand,
                                                         .expected = expected,
                                                         .reserved = {}},
                                                        &before);
    if (status == VMMC_OK && previous != nullptr) *previous = static_cast<Word>(before);
    return status;
  });
}

}  // namespace

extern "C" {

int vmmc_fetch(void* destination, const void* proxy, size_t length) {
  return unguarded([&](Attachment& held) {
    if (destination == nullptr) return null_pointer("destination");
    return held.remote_access().fetch(destination, proxy, length);
  });
}

int vmmc_fetch_start(void* destination, const void* proxy, size_t length,
                     vmmc_send_handle* handle) {
  return unguarded([&](Attachment& held) {
    if (destination == nullptr) return null_pointer("destination");
    if (handle == nullptr) return null_pointer("handle");
    return held.remote_access().start_fetch(destination, proxy, length, handle);
  });
}

int vmmc_fetch_add_32(void* proxy, uint32_t addend, uint32_t* previous) {
  return change_word<uint32_t>(proxy, AtomicKind::kFetchAdd, addend, 0, previous);
}
int vmmc_fetch_add_64(void* proxy, uint64_t addend, uint64_t* previous) {
  return change_word<uint64_t>(proxy, AtomicKind::kFetchAdd, addend, 0, previous);
}
int vmmc_swap_32(void* proxy, uint32_t value, uint32_t* previous) {
  return change_word<uint32_t>(proxy, AtomicKind::kSwap, value, 0, previous);
}
int vmmc_swap_64(void* proxy, uint64_t value, uint64_t* previous) {
  return change_word<uint64_t>(proxy, AtomicKind::kSwap, value, 0, previous);
}
int vmmc_compare_swap_32(void* proxy, uint32_t expected, uint32_t desired, uint32_t* previous) {
  return change_word<uint32_t>(proxy, AtomicKind::kCompareSwap, desired, expected, previous);
}
int vmmc_compare_swap_64(void* proxy, uint64_t expected, uint64_t desired, uint64_t* previous) {
  return change_word<uint64_t>(proxy, AtomicKind::kCompareSwap, desired, expected, previous);
}

int vmmc_send_gather(const vmmc_piece* pieces, size_t count, void* proxy) {
  return unguarded([&](Attachment& held) {
    if (pieces == nullptr) return null_pointer("pieces");
    return held.deliberate_update().send_gather(pieces, count, proxy);
  });
}

int vmmc_send_strided(const void* source, size_t source_stride, void* proxy, size_t proxy_stride,
                      size_t block, size_t count) {
  return unguarded([&](Attachment& held) {
    if (source == nullptr) return null_pointer("source");
    return held.deliberate_update().send_strided(source, source_stride, proxy, proxy_stride, block,
                                                 count);
  });
}

}  // extern "C"

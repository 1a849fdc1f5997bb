// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/typed_store.h"

#include <algorithm>

#include "platform/word_copy.h"
#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

// If the source cannot be read, the process is to learn it before a lock is held.
void touch(const std::byte* source, std::size_t length) {
  (void)*static_cast<const volatile std::byte*>(source);
  (void)*static_cast<const volatile std::byte*>(source + length - 1);
}

}  // namespace

[[gnu::cold]] int refuse_typed_store(const vmmc_binding* handle, const void* address,
                                     std::size_t length, std::size_t alignment, int status) {
  const auto* const binding = reinterpret_cast<const Binding*>(handle);
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  if (binding == nullptr || binding->mark.load(std::memory_order_acquire) != Binding::kLive) {
    return fail(VMMC_ERR_BAD_HANDLE, "%p is no binding of this process",
                static_cast<const void*>(handle));
  }
  if (!binding->holds(at, length)) {
    return fail(VMMC_ERR_OUTSIDE_PROXY,
                "%zu bytes at %p are not in the binding, which has %zu from %p", length, address,
                binding->pages.bytes(), binding->pages.data());
  }
  if (at % alignment != 0) {
    return fail(VMMC_ERR_MISALIGNED, "%p is not aligned to its %zu bytes", address, alignment);
  }
  return fail(status, "%s", status_sentence(status));
}

int typed_copy(vmmc_binding* handle, void* address, const void* source, std::size_t length) {
  Binding* const binding = live_binding(handle);
  auto at = reinterpret_cast<std::uintptr_t>(address);
  if (binding == nullptr || !binding->holds(at, length)) {
    return refuse_typed_store(handle, address, length, 1, VMMC_ERR_BAD_HANDLE);
  }
  const auto* from = static_cast<const std::byte*>(source);
  while (length > 0) {
    const std::size_t on_page =
        std::min<std::size_t>(length, wire::kPageSize - at % wire::kPageSize);
    int status = VMMC_OK;
    if (binding->capture == VMMC_CAPTURE_SHARED) {
      platform::copy_words(reinterpret_cast<std::byte*>(at), from, on_page);
      binding->arrived(at, on_page);
    } else {
      touch(from, on_page);
      status = binding->packetizer->copy(*binding, at, from, on_page);
    }
    if (status != VMMC_OK) return refuse_typed_store(handle, address, on_page, 1, status);
    at += on_page;
    from += on_page;
    length -= on_page;
  }
  return VMMC_OK;
}

}  // namespace vmmc::internal

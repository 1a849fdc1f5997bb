// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Typed stores, from the program's handle down to the packetizer.
//
// Threads: any, and signal handlers; no memory is allocated.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "vmmc/internal/automatic/binding.h"
#include "vmmc/internal/automatic/packetizer.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// Why a typed store was not made, as a status with its sentence.
int refuse_typed_store(const vmmc_binding* handle, const void* address, std::size_t length,
                       std::size_t alignment, int status);

inline Binding* live_binding(vmmc_binding* handle) {
  auto* const binding = reinterpret_cast<Binding*>(handle);
  if (binding == nullptr) return nullptr;
  return binding->mark.load(std::memory_order_acquire) == Binding::kLive ? binding : nullptr;
}

// As vmmc_au_store8 ... vmmc_au_store64.
template <typename Word>
int typed_store(vmmc_binding* handle, Word* address, Word value) {
  Binding* const binding = live_binding(handle);
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  int status = VMMC_ERR_BAD_HANDLE;
  if (binding != nullptr && binding->holds(at, sizeof(Word)) && at % sizeof(Word) == 0) [[likely]] {
    if (binding->capture == VMMC_CAPTURE_SHARED) {
      std::atomic_ref<Word>(*address).store(value, std::memory_order_release);
      binding->arrived(at, sizeof(Word));
      return VMMC_OK;
    }
    status = binding->packetizer->store(*binding, address, value);
    if (status == VMMC_OK) [[likely]]
      return status;
  }
  return refuse_typed_store(handle, address, sizeof(Word), sizeof(Word), status);
}

// As vmmc_au_copy.
int typed_copy(vmmc_binding* handle, void* address, const void* source, std::size_t length);

}  // namespace vmmc::internal

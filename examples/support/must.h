// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the larger examples do about errors: say the library's sentence and end the process (vmmcrun
// then ends the others). Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "vmmc/vmmc.h"

namespace examples {

inline constexpr std::uint64_t kPatience = 60'000'000'000;  // ns until a silent peer counts as lost

inline void must(int status, const char* what) {
  if (status == VMMC_OK) return;
  std::fprintf(stderr, "rank %u: %s: %s\n", vmmc_rank(), what, vmmc_last_error());
  std::exit(1);
}

// Memory for `count` objects that is cheapest to export and to send from; freed by vmmc_finalize.
template <typename T>
T* allocate(std::size_t count) {
  void* memory = nullptr;
  must(vmmc_alloc(count * sizeof(T), &memory), "vmmc_alloc");
  return static_cast<T*>(memory);
}

// Exports `bytes` of `memory` under `buffer_id` for every process of the job.
inline void export_buffer(void* memory, std::size_t bytes, std::uint32_t buffer_id) {
  must(vmmc_export(memory, bytes, buffer_id, nullptr), "vmmc_export");
}

// The proxy of the buffer that `rank` exports, or will soon export, under `buffer_id`.
template <typename T>
T* import_buffer(std::uint32_t rank, std::uint32_t buffer_id) {
  vmmc_identity exporter{};
  must(vmmc_identity_of_rank(rank, &exporter), "vmmc_identity_of_rank");
  vmmc_import_options options = VMMC_IMPORT_DEFAULTS;
  options.timeout = kPatience;
  void* proxy = nullptr;
  must(vmmc_import(exporter, buffer_id, &options, &proxy, nullptr), "vmmc_import");
  return static_cast<T*>(proxy);
}

inline void send(const void* source, void* proxy, std::size_t bytes) {
  must(vmmc_send(source, proxy, bytes), "vmmc_send");
}

// Waits until `*word` is `value` or has passed it.
inline void wait_for(const std::uint32_t* word, std::uint32_t value) {
  must(vmmc_wait_32(word, VMMC_AT_LEAST, value, VMMC_WAIT_ADAPTIVE, kPatience), "vmmc_wait_32");
}

}  // namespace examples

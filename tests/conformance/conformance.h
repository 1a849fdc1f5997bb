// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What nearly every conformance test needs: attaching, one buffer from part 0 to the others, short
// names.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/vmmc.h"

namespace vmmc::testing {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
// Of every wait that is to succeed. An end would be no help: in simulated time, while the only process that
// has attached waits for the second, half a minute is over at once; in real time the test's own limit ends
// what hangs.
inline constexpr std::uint64_t kPatience = VMMC_FOREVER;

inline void attach() { EXPECT(vmmc_init(nullptr) == VMMC_OK); }

// The identity of a part of run_processes.
inline vmmc_identity identity_of(std::uint32_t part) {
  vmmc_identity identity{};
  EXPECT(vmmc_identity_of_rank(part, &identity) == VMMC_OK);
  return identity;
}

inline void* allocate(std::size_t length) {
  void* memory = nullptr;
  EXPECT(vmmc_alloc(length, &memory) == VMMC_OK);
  return memory;
}

// Whether VMMC_EXECUTOR_AUTO demands the host executor in this process.
inline bool host_is_demanded() {
  const char* executor = std::getenv("VMMC_EXECUTOR");
  return executor != nullptr && std::strcmp(executor, "host") == 0;
}

// The length of a buffer that needs `length` bytes: whole pages where nothing else can be imported.
inline std::size_t buffer_length(std::size_t length) {
  constexpr std::size_t kWholePages = 4096;
  return host_is_demanded() ? (length + kWholePages - 1) / kWholePages * kWholePages : length;
}

// Memory of buffer_length(length) bytes, exported under `id` with everything allowed.
inline unsigned char* export_new(std::size_t length, std::uint32_t id) {
  void* memory = allocate(buffer_length(length));
  EXPECT(vmmc_export(memory, buffer_length(length), id, nullptr) == VMMC_OK);
  return static_cast<unsigned char*>(memory);
}

struct Proxy {
  unsigned char* address = nullptr;
  std::size_t length = 0;
};

inline Proxy import_by(vmmc_executor executor, std::uint32_t part, std::uint32_t id,
                       std::uint32_t access = VMMC_WRITE) {
  const vmmc_import_options options{access, executor, VMMC_FOREVER};
  void* proxy = nullptr;
  Proxy result;
  EXPECT(vmmc_import(identity_of(part), id, &options, &proxy, &result.length) == VMMC_OK);
  result.address = static_cast<unsigned char*>(proxy);
  return result;
}

// By the executor that $VMMC_EXECUTOR says.
inline Proxy import_from(std::uint32_t part, std::uint32_t id) {
  return import_by(VMMC_EXECUTOR_AUTO, part, id);
}

inline int import_status(vmmc_identity exporter, std::uint32_t id, std::uint32_t access,
                         std::uint64_t timeout) {
  const vmmc_import_options options{access, VMMC_EXECUTOR_AUTO, timeout};
  void* proxy = nullptr;
  return vmmc_import(exporter, id, &options, &proxy, nullptr);
}

// A word of an exported buffer, as the receiver may look at it while it changes.
inline std::uint32_t look(const unsigned char* address) {
  return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(address), __ATOMIC_ACQUIRE);
}

inline void await(const unsigned char* address, std::uint32_t value) {
  EXPECT(vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(address), VMMC_EQUAL, value,
                      VMMC_WAIT_ADAPTIVE, kPatience) == VMMC_OK);
}

inline void send_word(std::uint32_t value, unsigned char* proxy) {
  EXPECT(vmmc_send(&value, proxy, sizeof value) == VMMC_OK);
}

}  // namespace vmmc::testing

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What nearly every conformance test needs: attaching, one buffer from part 0 to the others, short
// names.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/vmmc.h"

namespace vmmc::testing {

inline constexpr std::uint64_t kSecond = 1'000'000'000;

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

// Memory of `length` bytes, exported under `id` with everything allowed.
inline unsigned char* export_new(std::size_t length, std::uint32_t id) {
  void* memory = allocate(length);
  EXPECT(vmmc_export(memory, length, id, nullptr) == VMMC_OK);
  return static_cast<unsigned char*>(memory);
}

struct Proxy {
  unsigned char* address = nullptr;
  std::size_t length = 0;
};

inline Proxy import_from(std::uint32_t part, std::uint32_t id) {
  void* proxy = nullptr;
  Proxy result;
  EXPECT(vmmc_import(identity_of(part), id, nullptr, &proxy, &result.length) == VMMC_OK);
  result.address = static_cast<unsigned char*>(proxy);
  return result;
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
                      VMMC_WAIT_ADAPTIVE, 30 * kSecond) == VMMC_OK);
}

inline void send_word(std::uint32_t value, unsigned char* proxy) {
  EXPECT(vmmc_send(&value, proxy, sizeof value) == VMMC_OK);
}

}  // namespace vmmc::testing

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of shared capture have in common.
#pragma once

#include <sys/mman.h>

#include "tests/conformance/automatic_update.h"

namespace vmmc::testing {

inline unsigned char* ordinary_pages(std::size_t pages) {
  void* memory =
      ::mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

inline Proxy import_all(std::uint32_t id, std::uint32_t access = VMMC_READ | VMMC_WRITE,
                        std::uint32_t executor = VMMC_EXECUTOR_HOST) {
  const vmmc_import_options options{access, executor, kPatience};
  void* proxy = nullptr;
  Proxy result;
  EXPECT(vmmc_import(identity_of(0), id, &options, &proxy, &result.length) == VMMC_OK);
  result.address = static_cast<unsigned char*>(proxy);
  return result;
}

inline vmmc_binding* share(unsigned char* local, unsigned char* proxy, std::size_t pages) {
  return bind(local, proxy, pages * kPage, bind_options(VMMC_CAPTURE_SHARED, VMMC_COMBINE_TIMER));
}

}  // namespace vmmc::testing

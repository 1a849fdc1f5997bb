// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests of everything beyond plain sends: imports with rights of choice, refusals that are
// looked at to the letter, counters.
#pragma once

#include <cstdio>
#include <initializer_list>
#include <string>
#include <vector>

#include "tests/conformance/conformance.h"

namespace vmmc::testing {

inline constexpr std::uint32_t kReadWrite = VMMC_READ | VMMC_WRITE;

inline Proxy import_for(std::uint32_t part, std::uint32_t id, std::uint32_t access = kReadWrite) {
  const vmmc_import_options options{access, VMMC_EXECUTOR_AUTO, kPatience};
  void* proxy = nullptr;
  Proxy result;
  EXPECT(vmmc_import(identity_of(part), id, &options, &proxy, &result.length) == VMMC_OK);
  result.address = static_cast<unsigned char*>(proxy);
  return result;
}

inline vmmc_counters counters() {
  vmmc_counters now{};
  EXPECT(vmmc_get_counters(&now) == VMMC_OK);
  return now;
}

// How an address appears in a sentence.
inline std::string text_of(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

// The call was refused with this status, and its sentence has all of these words.
inline void expect_refused(int status, int due, const std::vector<std::string>& words) {
  const std::string sentence = vmmc_last_error();
  if (status != due) {
    std::fprintf(stderr, "%s instead of %s\n", vmmc_status_name(status), vmmc_status_name(due));
  }
  EXPECT(status == due);
  for (const std::string& word : words) {
    const bool found = sentence.find(word) != std::string::npos;
    if (!found) std::fprintf(stderr, "no \"%s\" in: %s\n", word.c_str(), sentence.c_str());
    EXPECT(found);
  }
}

}  // namespace vmmc::testing

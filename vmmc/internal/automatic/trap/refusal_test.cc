// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/refusal.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <string>

#include "vmmc/internal/memory/memory_test_support.h"

namespace vmmc::internal {
namespace {

TEST_CASE("the sentence names instruction and address, and SIGSEGV is deadly afterwards") {
  static const unsigned char code[] = {0x0f, 0xae, 0x20};
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const int status = run_in_child([&] {
    ::dup2(ends[1], STDERR_FILENO);
    ::signal(SIGSEGV, SIG_IGN);
    refuse_store("is only a test", reinterpret_cast<std::uintptr_t>(code), sizeof code, 0x1234);
    ::raise(SIGSEGV);
    return 0;
  });
  ::close(ends[1]);
  std::string said(1000, '\0');
  said.resize(static_cast<std::size_t>(::read(ends[0], said.data(), said.size())));
  ::close(ends[0]);
  CHECK(killed_by(status, SIGSEGV));
  CHECK(said.starts_with(
      "vmmc: a store to a page bound for automatic update cannot be captured, for it is only a "
      "test: the instruction 0f ae 20 at 0x"));
  CHECK(said.ends_with(", address 0x0000000000001234\n"));
}

}  // namespace
}  // namespace vmmc::internal

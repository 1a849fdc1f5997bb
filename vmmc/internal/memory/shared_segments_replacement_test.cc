// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Pages that become something else: only while no segment has them.

#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "vmmc/internal/memory/shared_segments_fixture.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

PageRange pages_of(const void* first, std::size_t count) {
  return pages_around(reinterpret_cast<std::uintptr_t>(first), count * kPage);
}

TEST_CASE_FIXTURE(Fixture,
                  "pages of the program are replaced, and what replace() says is returned") {
  int calls = 0;
  const PageRange range = pages_of(pages.page(1), 2);
  const auto working = [&] {
    ++calls;
    return SegmentVerdict{};
  };
  CHECK(shared.replace_unshared(range, working).ok());
  CHECK(calls == 1);
  const auto failing = [&] { return cannot_make(range, "different", {"mremap", ENOMEM}); };
  CHECK(shared.replace_unshared(range, failing).status == VMMC_ERR_OUT_OF_MEMORY);
}

TEST_CASE_FIXTURE(Fixture,
                  "pages in a segment are not replaced, nor what is no memory of the program") {
  int calls = 0;
  const auto refusal = [&](PageRange range) {
    return shared.replace_unshared(range, [&] {
      ++calls;
      return SegmentVerdict{};
    });
  };
  cover(2 * kPage + 8, 16);
  CHECK(refusal(pages_of(pages.page(0), 4)).status == VMMC_ERR_IN_USE);
  CHECK(refusal(pages_of(pages.page(2), 1)).detail.find("exported") != std::string::npos);
  CHECK(refusal(pages_of(pages.page(0), 2)).ok());
  release(2 * kPage + 8, 16);
  CHECK(refusal(pages_of(pages.page(2), 1)).ok());
  CHECK(calls == 2);

  auto* const allocated = static_cast<std::byte*>(shared.allocate(3 * kPage).memory);
  CHECK(refusal(pages_of(allocated + kPage, 1)).detail.find("vmmc_alloc") != std::string::npos);
  // Pages of an allocation that have left its segment are still its own.
  const auto lendable = cover_lendable(allocated, kPage);
  CHECK(lendable.bell != nullptr);
  CHECK(shared.release(allocated, kPage, true).ok());
  CHECK(refusal(pages_of(allocated, 1)).status == VMMC_ERR_IN_USE);
  CHECK(refusal(pages_of(nullptr, 1)).status == VMMC_ERR_BAD_MEMORY);
  CHECK(calls == 2);
}

}  // namespace
}  // namespace vmmc::internal

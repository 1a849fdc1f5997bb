// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Bindings to a buffer that the host executor may serve: packets go straight to it, or by nicsim, and
// in their order; shared bindings.

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>

#include "platform/shared_memory.h"
#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/automatic/testing/bound_pages.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

struct Lent {
  const Watchdog watchdog;
  ProgramPages local{4};
  AutomaticRig rig;
  vmmc::platform::SharedMapping buffer;  // as its exporter sees it

  Lent() {
    constexpr std::size_t kBytes = AutomaticRig::kLength + kPage;
    auto memory = vmmc::platform::create_shared_memory("vmmc-test", kBytes);
    REQUIRE(memory.ok());
    buffer = std::move(vmmc::platform::SharedMapping::map(memory.value().get(), kBytes).value());
    rig.import.access = VMMC_READ | VMMC_WRITE;
    rig.space.publish(rig.import);
    REQUIRE(HostExecutor::can_send());
    REQUIRE(rig.host.join(rig.import));
    REQUIRE_FALSE(rig.host.open(rig.import, memory.value().get()));
    rig.say(wire::ImportPhase::kGrantedToHost);
  }
  ~Lent() {
    rig.update.release_all();
    rig.host.close(rig.import);
  }

  std::byte* remote(std::size_t offset = 0) {
    return static_cast<std::byte*>(buffer.data()) + offset;
  }
  std::uint32_t word(std::size_t offset) {
    std::uint32_t value;
    std::memcpy(&value, remote(offset), sizeof value);
    return value;
  }
  vmmc_binding* bind(int capture, int combining = VMMC_COMBINE_SINGLE) {
    return rig.bind(local.at(), 4 * kPage, options_of(capture, combining), 2 * kPage);
  }
};

}  // namespace

TEST_CASE("packets go straight to the buffer, of both captures; those that notify do not") {
  for (const int capture : kCaptures) {
    Lent lent;
    const auto store = [&](std::size_t offset, std::uint32_t value, vmmc_binding* binding) {
      if (capture == VMMC_CAPTURE_TRAP) {
        lent.rig.capture.store(lent.local.word<std::uint32_t>(offset), value);
      } else {
        CHECK(typed_store(binding, lent.local.word<std::uint32_t>(offset), value) == VMMC_OK);
      }
    };
    vmmc_binding* binding = lent.bind(capture);
    store(8, 5, binding);
    CHECK(lent.word(2 * kPage + 8) == 5);
    CHECK(lent.rig.host.automatic_updates() == 1);
    CHECK(lent.rig.queue.posted() == 0);
    CHECK(lent.rig.update.unbind(binding) == VMMC_OK);
    binding =
        lent.rig.bind(lent.local.at(), 4 * kPage, options_of(capture, VMMC_COMBINE_SINGLE, 1));
    store(8, 6, binding);
    CHECK(lent.rig.queue.posted() == 1);
    CHECK(lent.rig.host.automatic_updates() == 1);
  }
}

TEST_CASE("nothing overtakes a packet that nicsim has, whichever import the next one is for") {
  Lent lent;
  AutomaticRig& rig = lent.rig;
  Import second = rig.import;  // the same buffer, which only nicsim may serve this time
  second.slot = AutomaticRig::kSlot + 1;
  second.first = rig.import.first + 2 * AutomaticRig::kLength;
  rig.space.publish(second);
  rig.nicsim.view().set_import_state(second.slot, second.generation, wire::ImportPhase::kGranted);
  vmmc_binding* const direct = rig.bind(lent.local.at(), kPage, options_of(3, VMMC_COMBINE_SINGLE));
  vmmc_binding* by_nicsim = nullptr;
  const vmmc_bind_options single = options_of(3, VMMC_COMBINE_SINGLE);
  REQUIRE(rig.update.bind(lent.local.at(kPage), rig.space.address_of(second.first), kPage, single,
                          &by_nicsim) == VMMC_OK);
  CHECK(typed_store(by_nicsim, lent.local.word<std::uint32_t>(kPage), 1u) == VMMC_OK);
  CHECK(rig.queue.posted() == 1);
  CHECK(typed_store(direct, lent.local.word<std::uint32_t>(0), 2u) == VMMC_OK);
  CHECK(rig.queue.posted() == 2);
  CHECK(lent.word(0) == 0);
  CHECK(rig.update.unbind(by_nicsim) == VMMC_OK);
  CHECK(typed_store(direct, lent.local.word<std::uint32_t>(0), 3u) == VMMC_OK);
  CHECK(rig.queue.posted() == 3);
  while (rig.nicsim.serve(1000) > 0) {
  }
  CHECK(typed_store(direct, lent.local.word<std::uint32_t>(0), 4u) == VMMC_OK);
  CHECK(rig.queue.posted() == 3);
  CHECK(lent.word(0) == 4);
}

TEST_CASE("while somebody watches, and after the end of the import, packets go to nicsim") {
  Lent lent;
  AutomaticRig& rig = lent.rig;
  vmmc_binding* const binding = lent.bind(VMMC_CAPTURE_TYPED);
  std::uint32_t* const word = lent.local.word<std::uint32_t>(0);
  rig.say(wire::ImportPhase::kGranted);
  CHECK(typed_store(binding, word, 1u) == VMMC_OK);
  CHECK(rig.queue.posted() == 1);
  rig.settle();
  rig.say(wire::ImportPhase::kGrantedToHost);
  CHECK(typed_store(binding, word, 2u) == VMMC_OK);
  CHECK(lent.word(2 * kPage) == 2);
  rig.host.close(rig.import);
  CHECK(typed_store(binding, word, 3u) == VMMC_OK);
  CHECK(rig.queue.posted() == 2);
  CHECK(lent.word(2 * kPage) == 2);
}

TEST_CASE("another thread's packets go to nicsim until the record belongs to nobody") {
  Lent lent;
  const auto store = [&](vmmc_binding* binding, std::uint32_t value) {
    CHECK(typed_store(binding, lent.local.word<std::uint32_t>(0), value) == VMMC_OK);
    return lent.rig.queue.posted();
  };
  vmmc_binding* binding = lent.bind(VMMC_CAPTURE_TYPED);
  CHECK(store(binding, 1) == 0);
  std::thread([&] { CHECK(store(binding, 2) == 1); }).join();
  lent.rig.settle();
  CHECK(store(binding, 3) == 1);
  CHECK(lent.rig.update.unbind(binding) == VMMC_OK);
  binding = lent.bind(VMMC_CAPTURE_TYPED, VMMC_COMBINE_TIMER);
  const auto store_and_flush = [&](std::uint32_t value) {
    store(binding, value);
    CHECK(lent.rig.update.flush() == VMMC_OK);
    CHECK(lent.word(2 * kPage) == value);
    CHECK(lent.rig.queue.posted() == 1);
  };
  store_and_flush(4);
  std::thread([&] { store_and_flush(5); }).join();
}

TEST_CASE(
    "a shared binding: the end is said once, with or without stores; unimport makes private") {
  for (const bool unimport : {false, true}) {
    Lent lent;
    AutomaticRig& rig = lent.rig;
    vmmc_binding* const binding = lent.bind(VMMC_CAPTURE_SHARED, VMMC_COMBINE_TIMER);
    CHECK(rig.update.capture_of(binding) == VMMC_CAPTURE_SHARED);
    *lent.local.word<std::uint32_t>(8) = 5;
    CHECK(lent.word(2 * kPage + 8) == 5);
    CHECK(typed_store(binding, lent.local.word<std::uint32_t>(12), 6u) == VMMC_OK);
    CHECK(lent.word(2 * kPage + 12) == 6);
    CHECK(rig.update.flush() == VMMC_OK);
    CHECK(rig.queue.posted() == 0);
    rig.verdict = wire::Status::kUnexported;
    rig.say(wire::ImportPhase::kUnexported);
    if (unimport) CHECK(rig.update.let_go(rig.import) == VMMC_OK);
    *lent.local.word<std::uint32_t>(8) = 7;
    CHECK(lent.word(2 * kPage + 8) == (unimport ? 5 : 7));
    rig.settle();
    CHECK(rig.refused == 1);
    CHECK(rig.queue.take_failure().status == VMMC_ERR_UNEXPORTED);
    CHECK(rig.update.unbind(binding) == VMMC_OK);
    rig.settle();
    CHECK(rig.refused == 1);
    CHECK(*lent.local.word<std::uint32_t>(8) == 7);
  }
}

TEST_CASE("whichever system call of a shared bind or unbind fails, everything is as before") {
  Lent lent;
  AutomaticRig& rig = lent.rig;
  std::memset(lent.local.at(), 0x11, 4 * kPage);
  vmmc_binding* binding = nullptr;
  unsigned failures = 0;
  for (unsigned n = 1; binding == nullptr; ++n) {
    CAPTURE(n);
    const vmmc::tests::FailingSystemCalls faults(n, ENOMEM);
    const int status = rig.update.bind(lent.local.at(), rig.proxy(), 4 * kPage,
                                       options_of(VMMC_CAPTURE_SHARED, 0), &binding);
    if (status == VMMC_OK) continue;
    CHECK(status == VMMC_ERR_OUT_OF_MEMORY);
    CHECK(std::all_of(lent.local.at(), lent.local.at() + 4 * kPage,
                      [](std::byte each) { return each == std::byte{0x11}; }));
    ++failures;
  }
  CHECK(failures >= 4);
  failures = 0;
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    *lent.local.word<std::uint32_t>(4) = n;
    CHECK(lent.word(4) == n);
    const vmmc::tests::FailingSystemCalls faults(n, ENOMEM);
    if (n % 2 == 0 && rig.update.let_go(rig.import) != VMMC_OK) continue;
    if (rig.update.unbind(binding) == VMMC_OK) break;
    ++failures;
  }
  CHECK(failures >= 2);
}

TEST_CASE("what shared capture refuses") {
  Lent lent;
  AutomaticRig& rig = lent.rig;
  vmmc_binding* handle = nullptr;
  const auto refusal = [&](void* memory, int notify = 0) {
    CHECK(rig.update.bind(memory, rig.proxy(), kPage, options_of(2, 0, notify), &handle) ==
          VMMC_ERR_CAPTURE_UNAVAILABLE);
    return std::string(last_error());
  };
  CHECK(refusal(lent.local.at(), 1).find("notify") != std::string::npos);
  CHECK(refusal(rig.segments.allocate(kPage).memory).find("vmmc_alloc") != std::string::npos);
  CHECK(rig.segments.cover(lent.local.at(), kPage).verdict.ok());
  CHECK(refusal(lent.local.at()).find("exported") != std::string::npos);
  rig.segments.release(lent.local.at(), kPage);
  Import writable = rig.import;
  writable.access = VMMC_WRITE;
  rig.space.publish(writable);
  CHECK(refusal(lent.local.at()).find("VMMC_READ") != std::string::npos);
  rig.space.publish(rig.import);
  rig.host.close(rig.import);
  CHECK(refusal(lent.local.at()).find("host executor") != std::string::npos);
  CHECK(handle == nullptr);
}

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What vmmc_bind and typed stores refuse.

#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "vmmc/internal/automatic/testing/bound_pages.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

TEST_CASE("what bind refuses") {
  const Watchdog watchdog;
  AutomaticRig rig;
  ProgramPages local(4);
  vmmc_binding* handle = nullptr;
  const vmmc_bind_options usual = VMMC_BIND_DEFAULTS;
  const auto bind = [&](std::byte* from, std::byte* to, std::size_t length,
                        const vmmc_bind_options& options) {
    return rig.update.bind(from, to, length, options, &handle);
  };
  const auto with = [&](int capture, int combining, std::uint64_t timer) {
    return bind(local.at(), rig.proxy(), kPage, {capture, combining, timer, 0});
  };
  CHECK(bind(local.at(), rig.proxy(), 0, usual) == VMMC_ERR_ZERO_LENGTH);
  CHECK(bind(local.at(4), rig.proxy(), kPage, usual) == VMMC_ERR_MISALIGNED);
  CHECK(bind(local.at(), rig.proxy(4), kPage, usual) == VMMC_ERR_MISALIGNED);
  CHECK(bind(local.at(), rig.proxy(), kPage + 4, usual) == VMMC_ERR_MISALIGNED);
  CHECK(bind(local.at(), rig.proxy(), 0 - kPage, usual) == VMMC_ERR_LENGTH_OVERFLOW);
  CHECK(bind(local.at(), rig.proxy(15 * kPage), 2 * kPage, usual) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(bind(local.at(), rig.proxy(16 * kPage), kPage, usual) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(bind(local.at(), local.at(), kPage, usual) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(bind(nullptr, rig.proxy(), kPage, usual) == VMMC_ERR_BAD_MEMORY);
  CHECK(with(-1, 0, 1) == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(with(4, 0, 1) == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(with(0, -1, 1) == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(with(0, 4, 1) == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(with(0, VMMC_COMBINE_TIMER, 0) == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(with(VMMC_CAPTURE_SHARED, 0, 1) == VMMC_ERR_CAPTURE_UNAVAILABLE);

  rig.say(wire::ImportPhase::kUnexported);
  CHECK(with(0, 0, 1) == VMMC_ERR_UNEXPORTED);
  rig.say(wire::ImportPhase::kPeerDead);
  CHECK(with(0, 0, 1) == VMMC_ERR_PEER_DEAD);
  rig.say(wire::ImportPhase::kGranted);
  Import readable = rig.import;
  readable.access = VMMC_READ;
  rig.space.publish(readable);
  CHECK(with(0, 0, 1) == VMMC_ERR_NOT_WRITABLE);
  rig.space.publish(rig.import);

  rig.capture.refusal = ENOTSUP;
  CHECK(with(0, 0, 1) == VMMC_ERR_CAPTURE_UNAVAILABLE);
  rig.capture.refusal = ENOMEM;
  CHECK(with(0, 0, 1) == VMMC_ERR_OUT_OF_MEMORY);
  rig.capture.refusal = EINVAL;
  CHECK(with(0, 0, 1) == VMMC_ERR_SYSTEM);
  rig.capture.refusal = 0;
  CHECK(handle == nullptr);
  CHECK(!rig.segments.find(local.at(), 8));  // nothing is left of them

  CHECK(bind(local.at(kPage), rig.proxy(), 2 * kPage, usual) == VMMC_OK);
  vmmc_binding* const taken = handle;
  CHECK(bind(local.at(2 * kPage), rig.proxy(), kPage, usual) == VMMC_ERR_ALREADY_BOUND);
  CHECK(bind(local.at(), rig.proxy(), 4 * kPage, usual) == VMMC_ERR_ALREADY_BOUND);
  CHECK(bind(local.at(3 * kPage), rig.proxy(), kPage, usual) == VMMC_OK);
  CHECK(rig.update.capture_of(taken) == VMMC_CAPTURE_TRAP);
  CHECK(rig.update.capture_of(nullptr) == VMMC_ERR_BAD_HANDLE);
  CHECK(rig.update.unbind(nullptr) == VMMC_ERR_BAD_HANDLE);
  CHECK(rig.update.unbind(reinterpret_cast<vmmc_binding*>(local.at())) == VMMC_ERR_BAD_HANDLE);
}

TEST_CASE("what typed stores refuse, and then do not do") {
  const Watchdog watchdog;
  Bound bound(VMMC_CAPTURE_TYPED, VMMC_COMBINE_SINGLE);
  AutomaticRig& rig = bound.rig;
  auto* const last = bound.local.word<std::uint64_t>(4 * kPage - 8);
  const auto store = [&](std::byte* at) {
    return typed_store(bound.handle, reinterpret_cast<std::uint64_t*>(at), std::uint64_t{5});
  };
  CHECK(typed_store<std::uint64_t>(nullptr, last, 5) == VMMC_ERR_BAD_HANDLE);
  CHECK(store(bound.local.at(4 * kPage)) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(store(bound.local.at(4 * kPage - 4)) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(store(bound.local.at() - 8) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(store(bound.local.at(4)) == VMMC_ERR_MISALIGNED);
  CHECK(std::string(last_error()).find("aligned") != std::string::npos);
  CHECK(typed_copy(bound.handle, bound.local.at(4 * kPage - 4), last, 8) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(typed_copy(nullptr, bound.local.at(), last, 8) == VMMC_ERR_BAD_HANDLE);
  CHECK(rig.settle().empty());
  CHECK(*last == 0);
  CHECK(store(bound.local.at(4 * kPage - 8)) == VMMC_OK);
  CHECK(rig.settle().size() == 1);
}

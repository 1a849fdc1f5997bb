// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/simulated_time.h"

#include "vmmc/internal/c_interface.h"
#include "vmmc/internal/clock.h"

namespace {

using vmmc::internal::Attachment;

constexpr std::uint64_t kPicosecondsPerNanosecond = 1000;

}  // namespace

extern "C" {

int vmmc_time_is_simulated(void) {
  Attachment* const attachment = vmmc::internal::attachment();
  return attachment != nullptr && attachment->waiter().time().on() ? 1 : 0;
}

uint64_t vmmc_clock(void) {
  Attachment* const attachment = vmmc::internal::attachment();
  if (attachment == nullptr) return 0;
  vmmc::internal::SimulatedTime& time = attachment->waiter().time();
  return time.on() ? time.now() / kPicosecondsPerNanosecond : vmmc::internal::monotonic_ns();
}

int vmmc_compute(uint64_t ns) {
  return vmmc::internal::unguarded([ns](Attachment& attachment) {
    vmmc::internal::SimulatedTime& time = attachment.waiter().time();
    if (!time.on()) {
      if (attachment.queue().marks()) attachment.queue().meter().declare(ns);
      return static_cast<int>(VMMC_OK);
    }
    time.compute(time.end_of(0, ns));
    return attachment.waiter().nicsim_gone() ? vmmc::internal::fail_nicsim_gone()
                                             : static_cast<int>(VMMC_OK);
  });
}

int vmmc_leave_time(void) {
  return vmmc::internal::unguarded([](Attachment& attachment) {
    attachment.waiter().time().leave();
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_return_to_time(void) {
  return vmmc::internal::unguarded([](Attachment& attachment) {
    attachment.waiter().time().come_back();
    return attachment.waiter().nicsim_gone() ? vmmc::internal::fail_nicsim_gone()
                                             : static_cast<int>(VMMC_OK);
  });
}

}  // extern "C"

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/real_time/channel_refusals.h"

#include "vmmc/internal/error.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

unsigned long long shown(std::uint64_t value) { return value; }

// Whether `value` is one of `least` to `most`; if not, says so.
int check(const char* name, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value >= least && value <= most) return VMMC_OK;
  return fail(VMMC_ERR_BAD_BUDGET, "%s is %llu, and may be %llu to %llu", name, shown(value),
              shown(least), shown(most));
}

}  // namespace

int check_channel(const vmmc_rtz_budget& budget, const vmmc_rtz_options& options) {
  const int checks[] = {
      check("budget.messages", budget.messages, 1, wire::kMostMessages),
      check("budget.period (ns)", budget.period, wire::kShortestPeriod, wire::kLongestPeriod),
      check("budget.longest (bytes)", budget.longest, 1, wire::kLongestDatagram),
      check("budget.deadline (ns)", budget.deadline, 1, wire::kLongestPeriod),
      check("options.depth", options.depth, 1, wire::kMaxChannelDepth)};
  for (const int status : checks) {
    if (status != VMMC_OK) return status;
  }
  if (options.executor >= VMMC_EXECUTOR_AUTO && options.executor <= VMMC_EXECUTOR_HOST) {
    return VMMC_OK;
  }
  return fail(VMMC_ERR_INVALID_ARGUMENT, "%d is no executor", options.executor);
}

int refuse_channel(std::uint32_t id, const wire::ChannelReply& reply) {
  const wire::Status status = reply.header.status;
  const auto number = static_cast<int>(status);
  switch (status) {
    case wire::Status::kNicOvercommitted:
      return fail(
          number,
          "channel %u: real-time channels would use %.1f %% of the network interface's time, "
          "and may use %.1f %%",
          id, static_cast<double>(reply.needed) / 10, static_cast<double>(reply.available) / 10);
    case wire::Status::kDeadlineTooShort:
      return fail(number, "channel %u: a datagram may take %llu ns, and the deadline is %llu ns",
                  id, shown(reply.needed), shown(reply.available));
    case wire::Status::kReservationFull:
      return fail(number, "channel %u needs %llu bytes; %llu are left for real-time channels", id,
                  shown(reply.needed), shown(reply.available));
    case wire::Status::kTooManyChannels:
      return fail(number,
                  "channel %u: %llu real-time channels would be open, and %llu may be, of this "
                  "process or of all",
                  id, shown(reply.needed), shown(reply.available));
    case wire::Status::kDuplicateId:
      return fail(number, "the process has opened channel %u already", id);
    case wire::Status::kPermissionDenied:
      return fail(number, "channel %u: its receiver does not admit this user, node or process", id);
    default:
      return fail_refused(status, "channel %u", id);
  }
}

}  // namespace vmmc::internal

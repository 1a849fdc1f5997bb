// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Why a real-time channel was not opened or connected, with the figures.
#pragma once

#include <cstdint>

#include "nicsim/wire/real_time_channel.h"
#include "vmmc/rtz.h"

namespace vmmc::internal {

// VMMC_OK: these numbers make sense; else BAD_BUDGET or INVALID_ARGUMENT, and which of them does not.
int check_channel(const vmmc_rtz_budget& budget, const vmmc_rtz_options& options);

// What nicsim has refused.
int refuse_channel(std::uint32_t id, const wire::ChannelReply& reply);

}  // namespace vmmc::internal

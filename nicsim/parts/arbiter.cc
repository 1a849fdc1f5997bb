// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/arbiter.h"

namespace vmmc::nicsim::parts {

Arbiter::Arbiter(EventQueue& queue, const model::ArbiterParameters& parameters, Requester& incoming,
                 std::vector<Requester*> outgoing)
    : queue_(queue),
      grant_(from_ns(parameters.grant_ns)),
      incoming_first_(parameters.incoming_first != 0),
      requesters_(std::move(outgoing)) {
  requesters_.insert(requesters_.begin(), &incoming);
}

void Arbiter::look() {
  if (granting_) return;
  const std::size_t count = requesters_.size();
  if (incoming_first_ && requesters_[0]->wants_chip()) {
    granting_ = true;
    queue_.after<&Arbiter::granted>(grant_, *this, 0);
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t requester = (turn_ + i) % count;
    if (!requesters_[requester]->wants_chip()) continue;
    granting_ = true;
    turn_ = (requester + 1) % count;
    queue_.after<&Arbiter::granted>(grant_, *this, requester);
    return;
  }
}

void Arbiter::granted(std::uint64_t requester) {
  ++(requester == 0 ? counters_.incoming_grants : counters_.outgoing_grants);
  granting_ = false;
  requesters_[requester]->chip_granted();
  look();
}

}  // namespace vmmc::nicsim::parts

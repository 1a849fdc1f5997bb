// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests of the parts before it: a backplane that writes down what is injected and carries
// nothing.
#pragma once

#include <vector>

#include "nicsim/parts/backplane_port.h"

namespace vmmc::nicsim::parts::testing {

class RecordingPort final : public BackplanePort {
 public:
  explicit RecordingPort(EventQueue& queue) : queue_(queue) {}

  void inject(const Parcel& parcel) override { injected.push_back({queue_.now(), parcel}); }
  void room_freed(std::uint32_t) override {}
  const Counters& counters() const override { return counters_; }

  struct Injected {
    Time time;
    Parcel parcel;
  };
  std::vector<Injected> injected;

 private:
  EventQueue& queue_;
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts::testing

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What disturbs a measurement on purpose: a bulk transfer through nicsim (1 MiB sends, executor
// nic), and a process that computes on each core. All at normal priority.
//
// Threads and processes: used by the program that measures; its processes die with it. What is not
// switched on sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "bench/support/processes.h"

namespace vmmc::bench {

class Background {
 public:
  // `first_process`: this and the next number are those of the bulk transfer's VMMC processes.
  Background(bool with_bulk, std::uint32_t first_process, std::span<const int> cores);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void switch_to(bool bulk, bool load);
  // Since it began.
  std::uint64_t bulk_bytes() const { return state_->bytes; }

 private:
  struct State {
    std::atomic<bool> bulk;  // switched on
    std::atomic<bool> load;
    std::atomic<std::uint64_t> bytes;
  };
  void receive_bulk(std::uint32_t process);
  void send_bulk(std::uint32_t receiver);
  void compute();

  Shared<State> state_;
  Gate ready_;
  std::vector<pid_t> processes_;
};

}  // namespace vmmc::bench

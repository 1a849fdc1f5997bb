// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a run was asked for, how its results are shown, and its parts.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "platform/histogram.h"
#include "vmmc/vmmc.hpp"

namespace vmmc::bench {

struct Settings {
  std::vector<std::uint32_t> processes = {2, 4, 8, 16, 32, 64};  // all-to-all
  std::vector<vmmc_executor> executors = {VMMC_EXECUTOR_NIC, VMMC_EXECUTOR_HOST};
  std::vector<vmmc_wait_strategy> waits = {VMMC_WAIT_ADAPTIVE, VMMC_WAIT_BLOCK};
  std::uint64_t messages = 200'000;  // of each measurement of all-to-all
  std::uint32_t exports = 10'000;
  std::uint32_t attached = 1000;
  std::uint64_t turns = 20'000;
  std::uint64_t idle = 2'000'000'000;  // ns
  bool json = false;
};

// One result: names, units in them, and numbers or words. A line of text or a JSON object.
class Line {
 public:
  explicit Line(std::string type) : type_(std::move(type)) {}
  Line& add(const char* name, double value);
  Line& add(const char* name, std::uint64_t value);
  Line& add(const char* name, const std::string& value);
  void print(const Settings& settings) const;

 private:
  std::string type_;
  std::vector<std::pair<std::string, std::string>> fields_;  // values as JSON has them
};

void measure_all_to_all(const Settings& settings);
void measure_exports(const Settings& settings);
void measure_processes(const Settings& settings);

const char* executor_name(vmmc_executor executor);
// By which one the sends went, of which the counters say.
const char* executor_used(std::uint64_t nic, std::uint64_t host);

}  // namespace vmmc::bench

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Whether a record can follow those that were checked before it: processes attach before they do anything,
// buffers are there while they are used, operations stay inside them, time does not go back.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "nicsim/recording/format.h"

namespace vmmc::nicsim::recording {

class RecordChecker {
 public:
  explicit RecordChecker(std::uint32_t nodes) : nodes_(nodes) {}

  // nullptr: it can. Else what is wrong with it, a few words.
  const char* problem_of(const Record& record);

  std::uint32_t processes() const { return static_cast<std::uint32_t>(processes_.size()); }

 private:
  struct KnownProcess {
    bool attached = true;
    std::uint64_t next_ticket = 0;
    std::map<std::uint32_t, std::uint64_t> exports;  // lengths
    std::set<std::uint32_t> slots;
  };

  const char* problem_of_control(const Record& record, KnownProcess& process);
  const char* problem_of_import(const Record& record, KnownProcess& process);
  const char* problem_of_transfer(const Record& record) const;
  static const char* problem_of_mark(const Record& record, const KnownProcess& process);
  const std::uint64_t* length_of(std::uint32_t process, std::uint32_t buffer) const;

  const std::uint32_t nodes_;
  std::uint64_t last_time_ = 0;
  std::vector<KnownProcess> processes_;
};

}  // namespace vmmc::nicsim::recording

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Plays a sequence of operations with the workers and with the model, and compares: every status
// and value at once, memory and notifications whenever all is settled.
//
// Settled means: the one process whose transfers may be under way has fenced. It stays unsettled
// during a burst, consecutive sends to other processes, or consecutive stores, of one process; an
// unexport by anybody may come in the middle of sends, because what was sent before is carried out
// first.
//
// Errors: Mismatch, with the operations so far and the first difference.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/random_operations/fleet.h"
#include "tests/random_operations/model.h"
#include "tests/random_operations/operations.h"

namespace vmmc::testing::random_operations {

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Player {
 public:
  explicit Player(Fleet& fleet) : fleet_(fleet) {}

  // From a fresh start of all workers.
  void play(std::uint32_t seed, int operations);

  // How many operations of each kind there were, and how many of them were refused.
  std::string statistics() const;
  std::uint64_t lent() const { return model_.lent(); }

 private:
  enum class Burst { kNone, kSends, kStores };

  void play_each(Generator& generator, int operations);
  void step(Generator& generator, const std::vector<Command>& commands);
  void side_by_side(const Command& importing, const Command& exporting);
  void carry_out(const Command& command);
  void replace(Generator& generator, const Command& command);
  void compare(const Command& command, const Answer& expected, const Answer& actual);
  bool may_go_on(const Command& command) const;
  void follow(Generator& generator, const Command& command);
  bool is_send_to_others(const Command& command) const;
  void settle();
  void check();
  void check_memory(std::uint32_t process);
  void check_log(std::uint32_t process);
  [[noreturn]] void fail(const std::string& what) const;

  Fleet& fleet_;
  Model model_;
  std::vector<std::string> trace_;
  Burst burst_ = Burst::kNone;
  std::uint32_t sender_ = 0;  // whose burst it is
  bool notified_ = false;     // somebody, in this burst
  std::uint64_t done_[64] = {};
  std::uint64_t refused_[64] = {};
};

}  // namespace vmmc::testing::random_operations

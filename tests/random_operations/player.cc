// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/random_operations/player.h"

#include <cstring>
#include <sstream>

namespace vmmc::testing::random_operations {
namespace {

bool is_send(Verb verb) {
  return verb == Verb::kSend || verb == Verb::kSendStart || verb == Verb::kSendNotify ||
         verb == Verb::kGather || verb == Verb::kStrided;
}

std::string text_of(int status) { return vmmc_status_name(status); }

std::vector<Notice> notices_in(const Bytes& bytes) {
  std::vector<Notice> notices(bytes.size() / sizeof(Notice));
  for (std::size_t i = 0; i < notices.size(); ++i) {
    std::memcpy(&notices[i], &bytes[i * sizeof(Notice)], sizeof(Notice));
  }
  return notices;
}

}  // namespace

void Player::play(std::uint32_t seed, int operations) {
  trace_.clear();
  burst_ = Burst::kNone;
  Generator generator(model_, seed);
  try {
    play_each(generator, operations);
  } catch (const Mismatch&) {
    throw;
  } catch (const std::runtime_error& error) {
    fail(error.what());
  }
}

void Player::play_each(Generator& generator, int operations) {
  for (std::uint32_t i = 0; i < kProcesses; ++i) carry_out(generator.reset_of(i));
  check();
  trace_.clear();
  for (int i = 0; i < operations; ++i) step(generator, generator.next());
  settle();
  for (std::uint32_t i = 0; i < kProcesses; ++i) {
    check_memory(i);
    check_log(i);
  }
}

void Player::step(Generator& generator, const std::vector<Command>& commands) {
  const Command& command = commands.front();
  if (!may_go_on(command)) settle();
  ++done_[static_cast<int>(command.verb)];
  if (commands.size() == 2) {
    side_by_side(command, commands.back());
  } else if (command.verb == Verb::kKill) {
    replace(generator, command);
  } else {
    carry_out(command);
  }
  follow(generator, command);
}

void Player::carry_out(const Command& command) {
  trace_.push_back(describe(command));
  Notice taken;
  const Answer expected = model_.apply(command, &taken);
  Bytes payload;
  const Answer actual = fleet_.ask(command, &payload);
  trace_.back() += " -> " + text_of(actual.status);
  compare(command, expected, actual);
  if (command.verb == Verb::kWaitNotification && expected.status == VMMC_OK) {
    const std::vector<Notice> got = notices_in(payload);
    if (got.size() != 1 || got[0] != taken) {
      fail("took " + (got.empty() ? "nothing" : describe(got[0])) + ", expected " +
           describe(taken));
    }
  }
}

// The import may come first, or the export.
void Player::side_by_side(const Command& importing, const Command& exporting) {
  const bool same = importing.process == exporting.process;
  if (same) {  // one thread cannot wait for itself
    carry_out(exporting);
    carry_out(importing);
    return;
  }
  trace_.push_back(describe(importing) + " (waits)");
  fleet_.post(importing);
  carry_out(exporting);
  const Answer expected = model_.apply(importing, nullptr);
  compare(importing, expected, fleet_.take(importing.process, nullptr));
}

void Player::replace(Generator& generator, const Command& command) {
  trace_.push_back(describe(command));
  model_.apply(command, nullptr);
  fleet_.replace(command.process);
  carry_out(generator.reset_of(command.process));  // its answer says that it is attached
}

void Player::compare(const Command& command, const Answer& expected, const Answer& actual) {
  if (expected.status < 0) ++refused_[static_cast<int>(command.verb)];
  if (actual.status != expected.status) {
    fail("answers " + text_of(actual.status) + ", expected " + text_of(expected.status));
  }
  if (actual.status != VMMC_OK) return;
  if (actual.value != expected.value) {
    fail("answers the value " + std::to_string(actual.value) + ", expected " +
         std::to_string(expected.value));
  }
  if (actual.proxy == 0) return;
  model_.learn_proxy(command, actual.proxy);
  const Import& import = model_.process(command.process).imports.at(command.handle);
  if (actual.proxy % kPage != import.target->offset % kPage) fail("the proxy has another offset");
}

// ---- bursts

bool Player::is_send_to_others(const Command& command) const {
  if (!is_send(command.verb)) return false;
  const Import& import = model_.process(command.process).imports.at(command.handle);
  return import.target->owner != command.process;
}

bool Player::may_go_on(const Command& command) const {
  switch (burst_) {
    case Burst::kNone:
      return true;
    case Burst::kSends:
      if (command.verb == Verb::kUnexport) return !notified_;
      return command.process == sender_ && is_send_to_others(command);
    case Burst::kStores:
      return command.process == sender_ && command.verb == Verb::kStore;
  }
  return false;
}

void Player::follow(Generator& generator, const Command& command) {
  const bool store = command.verb == Verb::kStore;
  if (!store && !is_send(command.verb)) {
    settle();
    return;
  }
  if (burst_ == Burst::kNone) notified_ = false;
  burst_ = store ? Burst::kStores : Burst::kSends;
  sender_ = command.process;
  notified_ = notified_ || command.verb == Verb::kSendNotify;
  const bool failed = model_.process(sender_).failure != VMMC_OK;
  const bool to_self = !store && !is_send_to_others(command);
  if (failed || to_self || generator.one_in(3)) settle();
}

void Player::settle() {
  if (burst_ != Burst::kNone) {
    Command fence;
    fence.process = sender_;
    burst_ = Burst::kNone;
    carry_out(fence);
  }
  check();
}

// ---- comparisons

void Player::check() {
  for (const std::uint32_t process : model_.take_touched()) check_memory(process);
  for (std::uint32_t i = 0; i < kProcesses; ++i) {
    if (!model_.process(i).handled.empty()) check_log(i);
  }
}

void Player::check_memory(std::uint32_t process) {
  Command command;
  command.verb = Verb::kHash;
  command.process = process;
  const Bytes& expected = model_.process(process).memory;
  const std::uint64_t half = hash_bytes(expected.data(), kPrivateBytes, 0);
  const std::uint64_t whole = hash_bytes(&expected[kPrivateBytes], kAllocatedBytes, half);
  if (fleet_.ask(command, nullptr).value == whole) return;
  command.verb = Verb::kRead;
  Bytes actual;
  fleet_.ask(command, &actual);
  std::uint64_t first = 0;
  while (first < kArenaBytes && actual[first] == expected[first]) ++first;
  if (first == kArenaBytes) fail("memory that changes after the fence");
  std::uint64_t last = kArenaBytes - 1;
  std::uint64_t wrong = 0;
  while (actual[last] == expected[last]) --last;
  for (std::uint64_t i = first; i <= last; ++i) wrong += actual[i] != expected[i];
  fail("memory of process " + std::to_string(process) + " differs in " + std::to_string(wrong) +
       " bytes, from " + std::to_string(first) + " to " + std::to_string(last) + "; the first is " +
       std::to_string(actual[first]) + ", expected " + std::to_string(expected[first]));
}

void Player::check_log(std::uint32_t process) {
  const std::vector<Notice> expected = model_.take_handled(process);
  Command command;
  command.verb = Verb::kLog;
  command.process = process;
  command.count = static_cast<std::uint32_t>(expected.size());
  Bytes payload;
  fleet_.ask(command, &payload);
  const std::vector<Notice> actual = notices_in(payload);
  if (actual == expected) return;
  std::string text = "the handlers of process " + std::to_string(process) + " got\n";
  for (const Notice& notice : actual) text += "    " + describe(notice) + "\n";
  text += "  expected\n";
  for (const Notice& notice : expected) text += "    " + describe(notice) + "\n";
  fail(text);
}

void Player::fail(const std::string& what) const {
  std::string text;
  for (const std::string& line : trace_) text += "  " + line + "\n";
  throw Mismatch(text + "  " + what);
}

std::string Player::statistics() const {
  std::ostringstream out;
  out << "  by the host executor " << model_.lent() << " imports;";
  for (int verb = 0; verb < 64; ++verb) {
    if (done_[verb] == 0) continue;
    out << "  " << name_of(static_cast<Verb>(verb)) << " " << done_[verb];
    if (refused_[verb] > 0) out << " (" << refused_[verb] << " refused)";
  }
  return out.str();
}

}  // namespace vmmc::testing::random_operations

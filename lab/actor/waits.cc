// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/actor/waits.h"

#include <ctime>

namespace vmmc::lab {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000;

const char* name_of(vmmc_comparison comparison) {
  switch (comparison) {
    case VMMC_EQUAL:
      return "VMMC_EQUAL";
    case VMMC_NOT_EQUAL:
      return "VMMC_NOT_EQUAL";
    case VMMC_AT_LEAST:
      break;
  }
  return "VMMC_AT_LEAST";
}

}  // namespace

std::uint64_t longest_wait() {
  return vmmc_time_is_simulated() != 0 ? VMMC_FOREVER : kMostWait * kMillisecond;
}

std::uint64_t timeout_of(const Command& command, std::uint64_t fallback) {
  if (!command.has("timeout_ms")) return fallback;
  return command.number("timeout_ms", 0, kMostWait) * kMillisecond;
}

std::string AwaitedWord::as_call() const {
  const std::string time =
      timeout == VMMC_FOREVER ? "VMMC_FOREVER" : std::to_string(timeout / kMillisecond) + " ms";
  return print("vmmc_wait_32(buffer + %llu, %s, %u, VMMC_WAIT_ADAPTIVE, %s)",
               static_cast<unsigned long long>(offset), name_of(comparison), value, time.c_str());
}

int AwaitedWord::wait() const {
  return vmmc_wait_32(word, comparison, value, VMMC_WAIT_ADAPTIVE, timeout);
}

std::uint32_t AwaitedWord::found() const { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

AwaitedWord awaited_word(Actor& actor, const Command& command) {
  const Buffer& buffer = actor.buffer(command);
  const std::uint64_t offset = command.number("offset", 0, buffer.bytes, 0);
  check_inside(offset, sizeof(std::uint32_t), buffer.bytes);
  if (offset % sizeof(std::uint32_t) != 0) throw Nonsense("the offset is not a multiple of 4");
  const auto comparison = static_cast<vmmc_comparison>(
      command.choice("comparison", {"equal", "not_equal", "at_least"}, 0));
  return {reinterpret_cast<const std::uint32_t*>(buffer.memory + offset), offset, comparison,
          static_cast<std::uint32_t>(command.number("value", 0, UINT32_MAX)), timeout_of(command)};
}

std::uint32_t load_word(const unsigned char* place) {
  return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(place), __ATOMIC_ACQUIRE);
}

void store_word(unsigned char* place, std::uint32_t value) {
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(place), value, __ATOMIC_RELEASE);
}

void end_with_fence(Answer& answer) {
  if (answer.status != VMMC_OK) {
    answer.members["sentence"] = vmmc_last_error();
    (void)vmmc_fence();
  } else {
    answer.status = vmmc_fence();
  }
}

void let_pass(std::uint64_t ns) {
  if (vmmc_time_is_simulated() != 0) {
    (void)vmmc_compute(ns);
  } else if (ns > 0) {
    const timespec time{static_cast<std::time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
    (void)::nanosleep(&time, nullptr);
  }
}

}  // namespace vmmc::lab

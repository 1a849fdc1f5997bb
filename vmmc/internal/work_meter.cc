// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/work_meter.h"

#include <time.h>

#include <algorithm>
#include <utility>

namespace vmmc::internal {
namespace {

std::atomic<std::uint64_t> attachments{0};

std::uint64_t processor_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(used.tv_nsec);
}

std::uint64_t least_time_of_a_reading() {
  constexpr int kReadings = 32;
  std::uint64_t least = UINT64_MAX;
  for (int i = 0; i < kReadings; ++i) {
    const std::uint64_t before = processor_time();
    least = std::min(least, processor_time() - before);
  }
  return least;
}

}  // namespace

struct WorkMeter::Own {
  std::uint64_t attachment = 0;
  std::uint32_t thread = 0;
  bool runs = false;
  std::uint64_t since = 0;     // processor time at which it was started
  std::uint64_t measured = 0;  // since the last mark
  std::uint64_t declared = 0;  // the same
};

WorkMeter::Own& WorkMeter::own_of_thread() {
  [[gnu::tls_model("initial-exec")]] static thread_local constinit Own own;
  return own;
}

WorkMeter::Own& WorkMeter::own() {
  Own& own = own_of_thread();
  if (own.attachment != attachment_) {
    own = {};
    own.thread = threads_.fetch_add(1, std::memory_order_relaxed) + 1;
    own.attachment = attachment_;
  }
  return own;
}

void WorkMeter::start() {
  attachment_ = attachments.fetch_add(1, std::memory_order_relaxed) + 1;
  reading_ns_ = least_time_of_a_reading();
  on_ = true;
  go();
}

void WorkMeter::stop() {
  Own& mine = own();
  if (!mine.runs) return;
  const std::uint64_t now = processor_time();
  mine.runs = false;
  if (now > mine.since + reading_ns_) mine.measured += now - mine.since - reading_ns_;
}

void WorkMeter::go() {
  Own& mine = own();
  mine.runs = true;
  mine.since = processor_time();
}

void WorkMeter::declare(std::uint64_t ns) {
  Own& mine = own();
  mine.measured = 0;
  mine.declared += ns;
  if (mine.runs) mine.since = processor_time();
}

bool WorkMeter::enter_handler() {
  const bool ran = own().runs;
  stop();
  return ran;
}

void WorkMeter::leave_handler(bool ran) {
  if (ran) return go();
  own().runs = false;
}

std::uint64_t WorkMeter::take() {
  Own& mine = own();
  return std::exchange(mine.measured, 0) + std::exchange(mine.declared, 0);
}

std::uint32_t WorkMeter::thread() { return own().thread; }

}  // namespace vmmc::internal

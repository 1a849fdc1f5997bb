// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting for a word of an exported buffer.
//
// Threads and processes: any thread and signal handlers; no lock, no memory allocated.
#pragma once

#include <cstdint>

#include "vmmc/internal/error.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// nicsim is told which word it is, so that it wakes us for those bytes only; if somebody else
// watches, or the word is in no segment, for any arrival.
class WordWakes {
 public:
  WordWakes(Waiter& waiter, const SharedSegments& segments, const void* word)
      : waiter_(waiter), segments_(segments), word_(word) {}
  ~WordWakes() {
    if (watching_) waiter_.end_watch();
  }
  WordWakes(const WordWakes&) = delete;
  WordWakes& operator=(const WordWakes&) = delete;

  SleepRequest request(wire::WakeRequest& request) {
    if (!watching_) watching_ = waiter_.begin_watch();
    SleepRequest asked{.reasons = reasons(request)};
    const auto place = segments_.find_bell(word_);
    if (!place) return asked;
    asked.bell = place->bell;
    asked.ring_for = watching_ ? wire::kRingForWatch : wire::kRingForAny;
    if (watching_) place->bell->watch_offset.store(place->offset, std::memory_order_relaxed);
    return asked;
  }

 private:
  std::uint32_t reasons(wire::WakeRequest& request) const {
    if (!watching_) return wire::kWakeOnArrival;
    const auto position = segments_.find(word_, wire::kWordSize);
    if (!position) return wire::kWakeOnArrival;
    request.watch_segment.store(position->segment, std::memory_order_relaxed);
    request.watch_offset.store(position->offset, std::memory_order_relaxed);
    return wire::kWakeOnWatch;
  }

  Waiter& waiter_;
  const SharedSegments& segments_;
  const void* word_;
  bool watching_ = false;
};

template <typename Word>
bool holds(Word seen, vmmc_comparison comparison, Word value) {
  switch (comparison) {
    case VMMC_EQUAL:
      return seen == value;
    case VMMC_NOT_EQUAL:
      return seen != value;
    case VMMC_AT_LEAST:
      break;
  }
  return seen >= value;
}

// As vmmc_wait_32 and vmmc_wait_64. The constants have been checked.
template <typename Word>
int wait_for_word(Waiter& waiter, const SharedSegments& segments, const Word* word,
                  vmmc_comparison comparison, Word value, vmmc_wait_strategy strategy,
                  std::uint64_t timeout) {
  if (word == nullptr) return fail(VMMC_ERR_INVALID_ARGUMENT, "word is a null pointer");
  if (reinterpret_cast<std::uintptr_t>(word) % sizeof(Word) != 0) {
    return fail(VMMC_ERR_MISALIGNED, "%p is not aligned to %zu bytes",
                static_cast<const void*>(word), sizeof(Word));
  }
  const auto look = [=] {
    return holds(__atomic_load_n(word, __ATOMIC_ACQUIRE), comparison, value);
  };
  const int status = waiter.wait_until(look, strategy, timeout, WordWakes(waiter, segments, word));
  if (status == VMMC_OK) return status;
  return fail(status, "waiting for the word at %p: %s", static_cast<const void*>(word),
              status_sentence(status));
}

}  // namespace vmmc::internal

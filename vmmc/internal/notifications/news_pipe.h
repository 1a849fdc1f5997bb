// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Sleeping until there is news of the notification queue: nicsim's byte on the pipe, nicsim's end, or
// word from another thread of the process.
//
//   news = pipe.news();
//   ... look at everything that matters; nothing to do ...
//   pipe.sleep(news, timeout, still);   // then look again
//
// Threads and processes
//   Any number of threads sleep; announce(), drain() and news() also in signal handlers. One of the
//   sleepers, the watcher, polls the pipe; the others sleep on the futex `news`.
//
// Invariants
//   Whoever takes bytes out of the pipe announces. Whoever stops watching announces, so that another
//   sleeper watches. So nobody sleeps on the futex while nobody watches.
//
// What a crash at any instruction leaves behind: nothing; descriptors close.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "platform/file_descriptor.h"
#include "platform/futex.h"
#include "platform/result.h"
#include "vmmc/internal/simulated_time.h"

namespace vmmc::internal {

class NewsPipe {
 public:
  // The reading end, which does not block.
  // In simulated time the sleepers park instead.
  explicit NewsPipe(platform::FileDescriptor pipe, SimulatedTime* time = nullptr)
      : time_(time), pipe_(std::move(pipe)) {}

  // Before the first sleep.
  std::optional<platform::SystemError> start();

  int fd() const { return pipe_.get(); }
  std::uint32_t news() const { return news_.load(std::memory_order_seq_cst); }

  // Everybody who sleeps wakes and looks again. Leaves errno unchanged.
  void announce();

  // The same for sleepers whose ends the calling thread is about to wait for.
  void announce_end();

  // Empties the pipe. True: there was something in it, or nicsim's end was found; the caller
  // announces. Leaves errno unchanged.
  bool drain();

  // nicsim's end of the pipe is closed, and drain() has seen it.
  bool hung_up() const { return hung_up_.load(std::memory_order_acquire); }

  // Sleeps until there is news since `news`, `timeout` ns at most; may return early. still() is
  // asked after the pipe has been emptied and before the sleep: it arms the queue, and says whether
  // the sleeper still has nothing to do.
  template <typename Still>
  void sleep(std::uint32_t news, std::uint64_t timeout, Still still) {
    if (simulated()) {
      drain();
      if (still() && !hung_up()) park(news, timeout);
      return;
    }
    if (watched_.exchange(true, std::memory_order_seq_cst)) {
      followers_.fetch_add(1, std::memory_order_seq_cst);
      if (still()) platform::futex_wait(news_, news, timeout);
      followers_.fetch_sub(1, std::memory_order_seq_cst);
      return;
    }
    drain();
    if (still() && news_.load(std::memory_order_seq_cst) == news && !hung_up()) poll(timeout);
    watched_.store(false, std::memory_order_seq_cst);
    announce_to_followers();
  }

  // The same for one who does not care for the pipe now.
  void sleep_for_news(std::uint32_t news) {
    if (simulated()) return park(news, UINT64_MAX);
    followers_.fetch_add(1, std::memory_order_seq_cst);
    platform::futex_wait(news_, news, UINT64_MAX);
    followers_.fetch_sub(1, std::memory_order_seq_cst);
  }

  // In a forked child.
  void abandon() {
    pipe_.reset();
    wake_.reset();
  }

 private:
  bool simulated() const { return time_ != nullptr && time_->on(); }
  void park(std::uint32_t news, std::uint64_t timeout);
  void poll(std::uint64_t timeout);
  void announce_to_followers();

  SimulatedTime* const time_;
  platform::FileDescriptor pipe_;
  platform::FileDescriptor wake_;  // eventfd: wakes the watcher
  std::atomic<std::uint32_t> news_{0};
  std::atomic<std::uint32_t> followers_{0};
  std::atomic<bool> watched_{false};
  std::atomic<bool> hung_up_{false};
};

}  // namespace vmmc::internal

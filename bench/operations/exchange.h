// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Two processes that take turns: what both need before an operation can be measured between them.
//
//   page 0   one counter of each process: the turns
//   page 1   what stores to bound pages and notifying sends change
//   from 2   bytes to fetch, a counter for atomic operations
//
// Errors: every failure, and a wait of more than a minute, ends the process with a sentence.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>

#include "vmmc/vmmc.hpp"

namespace vmmc::bench {

template <typename T>
T must(result<T> outcome, const char* what) {
  if (outcome) {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return std::move(outcome).value();
    }
  }
  std::fprintf(stderr, "%s: %s\n", what, last_error());
  std::exit(1);
}

class Exchange {
 public:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kTurn = 0;
  static constexpr std::size_t kFlag = kPage;
  static constexpr std::size_t kCounter = 2 * kPage;
  static constexpr std::size_t kData = 3 * kPage;
  static constexpr std::size_t kDataBytes = 1 << 20;

  // Attaches, exports and imports; meets the other process. `handler` may be null.
  Exchange(vmmc_delivery delivery, vmmc_handler handler, void* argument)
      : attachment_(must(attachment::attach(options(delivery)), "vmmc_init")),
        memory_(must(memory::allocate(kData + kDataBytes), "vmmc_alloc")),
        id_(next_id_++),
        buffer_(must(
            receive_buffer::export_memory(memory_.bytes(), id_, export_options(handler, argument)),
            "vmmc_export")),
        proxy_(must(proxy::import(must(identity_of_rank(1 - rank()), "identity"), id_,
                                  {VMMC_READ | VMMC_WRITE, VMMC_EXECUTOR_AUTO, kPatience}),
                    "vmmc_import")) {}
  // Nobody leaves while the other may still use his memory.
  ~Exchange() {
    meet();
    must(attachment_.finalize(), "vmmc_finalize");
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const proxy& remote() const { return proxy_; }
  std::span<std::byte> local() const { return memory_.bytes(); }
  std::uint64_t& word(std::size_t offset) const {
    return *reinterpret_cast<std::uint64_t*>(memory_.bytes().data() + offset);
  }

  void await(std::size_t offset, std::uint64_t value) const {
    must(wait(word(offset), VMMC_EQUAL, value, VMMC_WAIT_ADAPTIVE,
              std::chrono::nanoseconds(kPatience)),
         "waiting for the other process");
  }
  void send(std::size_t offset, std::uint64_t value) const {
    must(proxy_.send(value, offset), "vmmc_send");
  }

  // Both processes have come here. Rank 1 says so second, and sends nothing before: a handler that
  // runs there by signal must not find a send interrupted.
  void meet() {
    ++turn_;
    if (rank() == 0) send(kTurn, turn_);
    await(kTurn, turn_);
    if (rank() == 1) send(kTurn, turn_);
  }

 private:
  static constexpr std::uint64_t kPatience = 60'000'000'000;

  static vmmc_init_options options(vmmc_delivery delivery) {
    vmmc_init_options chosen = init_defaults;
    chosen.delivery = delivery;
    return chosen;
  }
  static vmmc_export_options export_options(vmmc_handler handler, void* argument) {
    vmmc_export_options chosen = export_defaults;
    chosen.handler = handler;
    chosen.handler_argument = argument;
    return chosen;
  }

  attachment attachment_;
  memory memory_;
  // Of this exchange: who is quicker must not import what the other is about to leave.
  static inline std::uint32_t next_id_ = 1;
  const std::uint32_t id_;
  receive_buffer buffer_;
  proxy proxy_;
  std::uint64_t turn_ = 0;
};

}  // namespace vmmc::bench

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Random stores through several bindings to one buffer, some typed, some captured: against a model
// that knows where each packet begins and ends; and, where some have to be deferred, against all
// that local memory ever held.

#include <doctest/doctest.h>

#include <random>

#include "vmmc/internal/automatic/testing/automatic_rig.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::size_t kPage = wire::kPageSize;
constexpr std::size_t kPagesEach = 2;
constexpr std::size_t kBindings = 3;
constexpr std::size_t kBytesEach = kPagesEach * kPage;
constexpr std::size_t kBytes = kBindings * kBytesEach;

// Written from vmmc/automatic_update.h alone.
class Model {
 public:
  std::vector<SeenPacket> packets;

  void store(std::size_t offset, const std::vector<std::byte>& bytes, int combining) {
    if (combining == VMMC_COMBINE_OFF) {
      close();
      for (std::size_t i = 0; i < bytes.size();) {
        const std::size_t end = std::min(bytes.size(), i + 4 - (offset + i) % 4);
        const auto at = bytes.begin();
        packets.push_back({offset + i, {at + std::ptrdiff_t(i), at + std::ptrdiff_t(end)}});
        i = end;
      }
      return;
    }
    const bool follows = open_ && packets.back().offset + packets.back().bytes.size() == offset;
    if (!follows) {
      close();
      packets.push_back({offset, {}});
      open_ = true;
    }
    packets.back().bytes.insert(packets.back().bytes.end(), bytes.begin(), bytes.end());
    const bool page_ends = (offset + bytes.size()) % kPage == 0;
    if (combining == VMMC_COMBINE_SINGLE || page_ends) close();
  }
  void close() { open_ = false; }

 private:
  bool open_ = false;
};

// What the local pages hold after each of the stores that were made.
class History {
 public:
  // Each word by itself, where each is to be a packet.
  void store(std::size_t offset, const std::vector<std::byte>& bytes, int combining) {
    const std::size_t unit = combining == VMMC_COMBINE_OFF ? 4 : bytes.size();
    for (std::size_t i = 0; i < bytes.size(); i += unit) {
      const auto at = bytes.begin() + std::ptrdiff_t(i);
      stores_.push_back({offset + i, {at, at + std::ptrdiff_t(unit)}});
    }
  }

  // Whether after each packet the remote pages hold what the local ones held at some time, and never
  // at an earlier time than before.
  bool explains(const std::vector<SeenPacket>& packets) {
    auto next = stores_.begin();
    for (const SeenPacket& packet : packets) {
      write(remote_, local_, packet);
      while (different_ != 0) {
        if (next == stores_.end()) return false;
        write(local_, remote_, *next++);
      }
    }
    return true;
  }

 private:
  using Pages = std::vector<std::byte>;

  // Keeps count of the bytes in which the two differ.
  void write(Pages& pages, const Pages& others, const SeenPacket& store) {
    for (std::size_t i = 0; i < store.bytes.size(); ++i) {
      std::byte& byte = pages[store.offset + i];
      const std::byte other = others[store.offset + i];
      different_ -= byte != other;
      byte = store.bytes[i];
      different_ += byte != other;
    }
  }

  std::vector<SeenPacket> stores_;
  Pages local_ = Pages(kBytes);
  Pages remote_ = Pages(kBytes);
  std::size_t different_ = 0;
};

class RandomStores {
 public:
  RandomStores(std::uint32_t seed, bool deferring) : deferring_(deferring), random_(seed) {
    for (std::size_t i = 0; i < kBindings; ++i) {
      // Without a timer nobody else is at work, so nothing need be deferred.
      combining_[i] = static_cast<int>(deferring ? random_() % 4 : 1 + random_() % 3);
      const vmmc_bind_options options = {VMMC_CAPTURE_TRAP, combining_[i], 3'600'000'000'000, 0};
      handles_[i] = rig_.bind(local_.at(i * kBytesEach), kBytesEach, options, i * kBytesEach);
    }
    rig_.nicsim.start(seed);
  }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      while (!deferring_ && under_way() > wire::kSendSlots / 2) ::sched_yield();
      switch (random_() % 16) {
        case 0:
          CHECK(rig_.update.flush() == VMMC_OK);
          model_.close();
          break;
        case 1:
          deferring_ ? store_while_sending() : copy();
          break;
        default:
          random_() % 2 == 0 ? store_typed() : store_captured();
      }
    }
  }

  void check() {
    CHECK(rig_.update.flush() == VMMC_OK);
    rig_.nicsim.stop();
    CHECK(rig_.malformed == 0);
    CHECK(std::memcmp(rig_.remote.data(), local_.at(), kBytes) == 0);
    if (deferring_) {
      REQUIRE(history_.explains(rig_.packets));
      return;
    }
    REQUIRE(rig_.packets.size() == model_.packets.size());
    for (std::size_t i = 0; i < rig_.packets.size(); ++i) {
      CAPTURE(i);
      REQUIRE(rig_.packets[i].offset == model_.packets[i].offset);
      REQUIRE(rig_.packets[i].bytes == model_.packets[i].bytes);
    }
  }

 private:
  std::uint64_t under_way() {
    return rig_.queue.posted() - rig_.nicsim.channel().send_status.completed.load();
  }

  // Often right behind the last store.
  std::size_t place(std::size_t length, std::size_t alignment) {
    std::size_t at = random_() % 3 == 0 ? random_() % kBytes : next_;
    at = at % kBytes / alignment * alignment;
    if (at / kPage != (at + length - 1) / kPage) at = at / kPage * kPage;
    next_ = at + length;
    return at;
  }
  std::vector<std::byte> bytes(std::size_t length) {
    std::vector<std::byte> made(length);
    for (std::byte& byte : made) byte = static_cast<std::byte>(random_());
    return made;
  }
  int combining_at(std::size_t at) const { return combining_[at / kBytesEach]; }

  void note(std::size_t at, const std::vector<std::byte>& made) {
    model_.store(at, made, combining_at(at));
    if (deferring_) history_.store(at, made, combining_at(at));
  }

  // What is sent once more is sent in the units of typed stores.
  void store_captured() {
    const std::size_t length = deferring_ ? 8 : 1 + random_() % 64;
    const std::size_t at = place(length, deferring_ ? 8 : 1);
    const auto made = bytes(length);
    rig_.capture.store_bytes(local_.at(at), made.data(), length);
    note(at, made);
  }

  template <typename Word>
  void store_word() {
    const std::size_t at = place(sizeof(Word), sizeof(Word));
    const auto made = bytes(sizeof(Word));
    Word value;
    std::memcpy(&value, made.data(), sizeof value);
    CHECK(typed_store(handles_[at / kBytesEach], local_.word<Word>(at), value) == VMMC_OK);
    note(at, made);
  }
  void store_typed() {
    switch (deferring_ ? 3 : random_() % 4) {
      case 0:
        return store_word<std::uint8_t>();
      case 1:
        return store_word<std::uint16_t>();
      case 2:
        return store_word<std::uint32_t>();
      default:
        return store_word<std::uint64_t>();
    }
  }

  // One store for each page.
  void copy() {
    const std::size_t length = 1 + random_() % kPage;
    std::size_t at = random_() % (kBytesEach - length) + random_() % kBindings * kBytesEach;
    const auto made = bytes(length);
    CHECK(typed_copy(handles_[at / kBytesEach], local_.at(at), made.data(), length) == VMMC_OK);
    for (auto from = made.begin(); from != made.end();) {
      const auto part =
          std::min<std::ptrdiff_t>(made.end() - from, std::ptrdiff_t(kPage - at % kPage));
      note(at, {from, from + part});
      from += part;
      at += std::size_t(part);
    }
    next_ = at;
  }

  // As a signal handler does that interrupted a send.
  void store_while_sending() {
    SendQueue::Slot slot;
    REQUIRE(rig_.queue.begin(slot) == VMMC_OK);
    for (std::uint32_t i = random_() % 10; i > 0; --i) store_captured();
    rig_.queue.abandon();
  }

  const bool deferring_;
  std::mt19937 random_;
  ProgramPages local_{kBindings * kPagesEach};
  AutomaticRig rig_;
  vmmc_binding* handles_[kBindings] = {};
  int combining_[kBindings] = {};
  Model model_;
  History history_;
  std::size_t next_ = 0;
};

}  // namespace

namespace {

void check_runs(bool deferring) {
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  for (std::uint32_t i = 0; i < rounds(20); ++i) {
    CAPTURE(i);
    RandomStores stores(seed + i, deferring);
    stores.run(2000);
    stores.check();
  }
}

}  // namespace

TEST_CASE("packets are those of the model, in the order of the stores") {
  const Watchdog watchdog;
  check_runs(false);
}

TEST_CASE("the remote pages are always what the local ones were, and later is never earlier") {
  const Watchdog watchdog;
  check_runs(true);
}

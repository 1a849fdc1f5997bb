// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The packet that stores are combined into: at most one, on one page.
//
//   empty --put--> open --put (a store that follows directly)--> open
//                  open --close, or the end of the page--> closed --pop ...--> empty
//
// Kept are the bytes, not only where they stand in local memory: a captured store changes memory
// before anybody hears of it, so what stands there when the packet is closed may be newer than the
// packet. Sent in its place it would arrive before stores that were made before it: of A = 1,
// B = 1, A = 2 a receiver could see the second A without B.
//
// Threads: one at a time (Packetizer has the lock). No allocation.
//
// Invariants
//   bytes_ holds the packet's bytes at their places in the page. begin_ is 0 if it is empty; next_
//   is 0 unless it is open, and else the address right behind it, never the start of a page.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "nicsim/wire/version.h"

namespace vmmc::internal {

// What becomes one packet.
enum class PacketUnit : std::uint8_t {
  kRun,    // stores that follow each other directly
  kStore,  // each store
  kWord,   // each word of 4 bytes that a store touches, of which the bytes that were stored
};

class CombiningBuffer {
 public:
  struct Packet {
    std::uintptr_t address;  // of the first byte in local memory
    const std::byte* bytes;
    std::size_t length;
  };

  bool empty() const { return begin_ == 0; }
  bool closed() const { return begin_ != 0 && next_ == 0; }
  bool follows(std::uintptr_t address) const { return address == next_; }

  // Adds a store. REQUIRES: it lies on one page, and the buffer is empty or it follows. `Copy` is a
  // function like memcpy.
  template <typename Copy>
  void put(std::uintptr_t address, const std::byte* bytes, std::size_t length, PacketUnit unit,
           Copy copy) {
    copy(place_of(address), bytes, length);
    if (empty()) {
      begin_ = address;
      unit_ = unit;
    }
    next_ = address + length;
    if (unit_ != PacketUnit::kRun || next_ % wire::kPageSize == 0) close();
  }

  // The quick way to add a store, where it may be taken: put() would not close the packet.
  template <typename Word>
  bool can_join(std::uintptr_t address) const {
    return address == next_ && (address + sizeof(Word)) % wire::kPageSize != 0;
  }
  template <typename Word>
  void join(Word value) {
    std::memcpy(place_of(next_), &value, sizeof value);
    next_ += sizeof value;
  }

  void close() {
    if (next_ == 0) return;
    end_ = next_;
    next_ = 0;
  }

  // Where the bytes of a store that was just put are.
  const std::byte* bytes_at(std::uintptr_t address) const {
    return bytes_ + address % wire::kPageSize;
  }

  // What goes next. REQUIRES: closed().
  Packet front() const {
    std::uintptr_t end = end_;
    if (unit_ == PacketUnit::kWord) {
      end = std::min(end, begin_ / wire::kWordSize * wire::kWordSize + wire::kWordSize);
    }
    return {begin_, bytes_at(begin_), end - begin_};
  }
  void pop() {
    begin_ += front().length;
    if (begin_ == end_) clear();
  }
  void clear() { begin_ = end_ = next_ = 0; }

 private:
  std::byte* place_of(std::uintptr_t address) { return bytes_ + address % wire::kPageSize; }

  std::uintptr_t next_ = 0;
  std::uintptr_t begin_ = 0;
  std::uintptr_t end_ = 0;  // of a closed packet
  PacketUnit unit_ = PacketUnit::kRun;
  alignas(wire::kCacheLineSize) std::byte bytes_[wire::kPageSize];
};

}  // namespace vmmc::internal

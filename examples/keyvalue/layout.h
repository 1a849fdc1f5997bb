// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What stands where in the server's memory: the part of the example that knows nothing of VMMC.
//
//   Session   words and reports with which clients begin and end, never touched by a get or a put
//   heads     one word for each slot: the slot's version, and the block that holds its record
//   blocks    one record each; there are as many as slots and clients together
//
// A slot that was never used has version 0 and the block of its own number, which is empty.
//
// Units: bytes. Threads: no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace examples::keyvalue {

// A slot's version and block in the word that compare-and-swap changes. Versions count the changes
// of the slot, of which 2^40 take weeks at the least.
struct Head {
  std::uint64_t version = 0;
  std::uint32_t block = 0;

  static constexpr unsigned kBlockBits = 24;

  constexpr std::uint64_t word() const { return version << kBlockBits | block; }
  static constexpr Head of(std::uint64_t word) {
    return {word >> kBlockBits, static_cast<std::uint32_t>(word & ((1u << kBlockBits) - 1))};
  }
};

// A key's value, or that it was deleted. An empty key: nothing was ever put here.
struct Record {
  std::string_view key;
  std::string_view value;
  bool deleted = false;
};

struct RecordHeader {
  std::uint32_t key_bytes;
  std::uint32_t value_bytes;
  std::uint32_t deleted;
  std::uint32_t reserved;
};

// Writes the record, which must fit; returns how many bytes it has.
inline std::size_t encode(const Record& record, std::span<std::byte> place) {
  const RecordHeader header{static_cast<std::uint32_t>(record.key.size()),
                            static_cast<std::uint32_t>(record.value.size()),
                            record.deleted ? 1u : 0u, 0};
  std::byte* const text = place.data() + sizeof header;
  std::memcpy(place.data(), &header, sizeof header);
  record.key.copy(reinterpret_cast<char*>(text), record.key.size());
  record.value.copy(reinterpret_cast<char*>(text) + record.key.size(), record.value.size());
  return sizeof header + record.key.size() + record.value.size();
}

// The record in a block; it refers to the block's bytes. None if they are no record.
inline std::optional<Record> decode(std::span<const std::byte> block) {
  RecordHeader header;
  std::memcpy(&header, block.data(), sizeof header);
  const std::size_t room = block.size() - sizeof header;
  if (header.key_bytes > room || header.value_bytes > room - header.key_bytes) return {};
  const auto* text = reinterpret_cast<const char*>(block.data() + sizeof header);
  return Record{
      {text, header.key_bytes}, {text + header.key_bytes, header.value_bytes}, header.deleted != 0};
}

// What a client tells the server at its end. Times in ns.
struct Report {
  std::uint64_t gets, puts, deletes;
  std::uint64_t time;  // of all of them
  std::uint64_t get_p50, get_p99, put_p50, put_p99;
  std::uint64_t stale_looks, lost_swaps;  // see store.h
  std::uint64_t fetches;
  std::uint64_t present;  // 1
};

struct Session {
  alignas(64) std::uint32_t done;     // clients that have reported; the server sleeps on it
  alignas(64) std::uint32_t arrived;  // clients that have imported the table
  std::uint32_t loaded;               // clients that have put their share of the first values
};

class Layout {
 public:
  Layout(std::uint32_t slots, std::uint32_t clients, std::uint32_t record_bytes)
      : slots_(slots), clients_(clients), record_bytes_(record_bytes) {}

  std::uint32_t slots() const { return slots_; }
  std::uint32_t clients() const { return clients_; }
  std::size_t record_bytes() const { return record_bytes_; }

  std::size_t report_at(std::uint32_t client) const {
    return sizeof(Session) + client * sizeof(Report);
  }
  std::size_t head_at(std::uint32_t slot) const {
    return report_at(clients_) + slot * sizeof(std::uint64_t);
  }
  std::size_t record_at(std::uint32_t block) const {
    return head_at(slots_) + block * record_bytes();
  }
  std::size_t bytes() const { return record_at(slots_ + clients_); }

  // The head of a slot that was never used, and the block that a client begins with.
  Head first_head(std::uint32_t slot) const { return {0, slot}; }
  std::uint32_t first_spare(std::uint32_t client) const { return slots_ + client; }

  // Makes zeroed memory of bytes() an empty table.
  void prepare(std::byte* table) const {
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
      const std::uint64_t word = first_head(slot).word();
      std::memcpy(table + head_at(slot), &word, sizeof word);
    }
  }

  // Where a key may be: attempts 0, 1, ... slots() - 1 name every slot once.
  std::uint32_t slot_of(std::uint64_t hash, std::uint32_t attempt) const {
    return static_cast<std::uint32_t>((hash % slots_ + attempt) % slots_);
  }

  bool fits(std::size_t key_bytes, std::size_t value_bytes) const {
    const std::size_t room = record_bytes_ - sizeof(RecordHeader);
    return key_bytes <= room && value_bytes <= room - key_bytes;
  }

 private:
  std::uint32_t slots_;
  std::uint32_t clients_;
  std::uint32_t record_bytes_;
};

// FNV-1a; its high bits are folded in, because neighbouring keys differ little in the low ones.
inline std::uint64_t hash_of(std::string_view key) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : key) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  return hash ^ hash >> 32;
}

}  // namespace examples::keyvalue

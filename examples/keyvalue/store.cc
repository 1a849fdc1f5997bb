// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/keyvalue/store.h"

#include <atomic>
#include <stdexcept>
#include <string>

#include "examples/support/must.h"

namespace examples::keyvalue {
namespace {

constexpr vmmc_import_options kReadAndWrite{VMMC_READ | VMMC_WRITE, VMMC_EXECUTOR_AUTO, kPatience};

}  // namespace

Store::Store(const Layout& layout, vmmc::identity server, std::uint32_t client)
    : layout_(layout),
      table_(vmmc::proxy::import(server, kBufferId, kReadAndWrite).value()),
      landing_(vmmc::memory::allocate(kHeadBytes + layout.record_bytes()).value()),
      outgoing_(layout.record_bytes()),
      spare_(layout.first_spare(client)) {
  for (std::uint32_t slot = 0; slot < layout.slots(); ++slot) {
    last_seen_.push_back(layout.first_head(slot).word());
  }
}

// The current record of a slot. Record and head are fetched by one wait: the order in which the two
// are carried out is all that counts.
Record Store::read(std::uint32_t slot) {
  const auto head = landing_.bytes().first(sizeof(std::uint64_t));
  const auto record = landing_.bytes().subspan(kHeadBytes, layout_.record_bytes());
  std::uint64_t& expected = last_seen_[slot];
  for (;;) {
    const std::size_t block_at = layout_.record_at(Head::of(expected).block);
    const auto record_fetched = table_.fetch_start(record, block_at).value();
    const auto head_fetched = table_.fetch_start(head, layout_.head_at(slot)).value();
    record_fetched.wait().value();
    head_fetched.wait().value();
    const std::uint64_t seen =
        std::atomic_ref(landing_.as<std::uint64_t>()[0]).load(std::memory_order_acquire);
    if (seen == expected) break;
    expected = seen;
    ++stale_looks_;
  }
  const auto decoded = decode(record);
  if (!decoded) throw std::runtime_error("slot " + std::to_string(slot) + " holds no record");
  return *decoded;
}

// The slot that is the key's or, unused, would become it. None: all slots have other keys.
std::optional<Store::Place> Store::find(std::string_view key) {
  const std::uint64_t hash = hash_of(key);
  for (std::uint32_t attempt = 0; attempt < layout_.slots(); ++attempt) {
    const std::uint32_t slot = layout_.slot_of(hash, attempt);
    const Record record = read(slot);
    if (record.key.empty() || record.key == key) return Place{slot, last_seen_[slot], record};
  }
  return {};
}

Reply Store::get(std::string_view key) {
  const auto place = find(key);
  if (!place) return {Status::kAbsent, 0, {}};
  const std::uint64_t version = Head::of(place->head).version;
  if (place->record.key.empty() || place->record.deleted) return {Status::kAbsent, version, {}};
  return {Status::kDone, version, place->record.value};
}

Reply Store::put(std::string_view key, std::string_view value) {
  if (!layout_.fits(key.size(), value.size())) return {Status::kTooLong, 0, {}};
  return replace({key, value, false});
}

Reply Store::remove(std::string_view key) {
  if (!layout_.fits(key.size(), 0)) return {Status::kAbsent, 0, {}};
  return replace({key, {}, true});
}

Reply Store::replace(const Record& record) {
  const std::size_t bytes = encode(record, outgoing_);
  table_.send(std::span(outgoing_).first(bytes), layout_.record_at(spare_)).value();
  for (;;) {
    const auto place = find(record.key);
    if (!place) return {record.deleted ? Status::kAbsent : Status::kFull, 0, {}};
    const Head before = Head::of(place->head);
    if (record.deleted && (place->record.key.empty() || place->record.deleted)) {
      return {Status::kAbsent, before.version, {}};
    }
    const Head after{before.version + 1, spare_};
    const std::uint64_t found =
        table_.compare_swap<std::uint64_t>(layout_.head_at(place->slot), place->head, after.word())
            .value();
    if (found == place->head) {
      last_seen_[place->slot] = after.word();
      spare_ = before.block;
      return {Status::kDone, after.version, {}};
    }
    last_seen_[place->slot] = found;
    ++lost_swaps_;
  }
}

}  // namespace examples::keyvalue

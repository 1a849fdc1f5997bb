// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/handler_table.h"

#include <new>

namespace vmmc::internal {

HandlerTable::Slot* HandlerTable::slot(std::uint64_t cookie) const {
  const std::uint32_t index = cookie % kCapacity;
  Chunk* const chunk = chunks_[index / kChunk].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : &(*chunk)[index % kChunk];
}

// Puts the slots of a new chunk into the empty list of free ones.
bool HandlerTable::grow() {
  std::unique_ptr<Chunk> chunk(new (std::nothrow) Chunk);
  if (chunk == nullptr) return false;
  const std::uint32_t first = chunk_count_ * kChunk;
  for (std::uint32_t i = 0; i + 1 < kChunk; ++i) (*chunk)[i].next_free = first + i + 1;
  first_free_ = first;
  chunks_[chunk_count_].store(chunk.get(), std::memory_order_release);
  owned_[chunk_count_++] = std::move(chunk);
  return true;
}

int HandlerTable::add(const NotificationHandler& handler, std::uint64_t* cookie) {
  if (first_free_ == kNone) {
    if (chunk_count_ == chunks_.size()) return VMMC_ERR_TOO_MANY_EXPORTS;
    if (!grow()) return VMMC_ERR_OUT_OF_MEMORY;
  }
  const std::uint32_t index = first_free_;
  Slot& free = *slot(index);
  first_free_ = free.next_free;
  *cookie = ++free.generation << kIndexBits | index;
  // Release: who reads one of these too early finds the cookie changed (find()).
  free.handler.store(handler.handler, std::memory_order_release);
  free.argument.store(handler.argument, std::memory_order_release);
  free.buffer.store(handler.buffer, std::memory_order_release);
  free.buffer_id.store(handler.buffer_id, std::memory_order_release);
  free.cookie.store(*cookie, std::memory_order_release);
  return VMMC_OK;
}

void HandlerTable::retire(std::uint64_t cookie) {
  Slot* const used = slot(cookie);
  if (cookie == 0 || used == nullptr || used->cookie.load(std::memory_order_relaxed) != cookie) {
    return;
  }
  used->cookie.store(0, std::memory_order_seq_cst);
  used->next_free = first_free_;
  first_free_ = cookie % kCapacity;
}

bool HandlerTable::find(std::uint64_t cookie, NotificationHandler& handler) const {
  const Slot* const found = slot(cookie);
  if (cookie == 0 || found == nullptr) return false;
  if (found->cookie.load(std::memory_order_acquire) != cookie) return false;
  handler.handler = found->handler.load(std::memory_order_acquire);
  handler.argument = found->argument.load(std::memory_order_acquire);
  handler.buffer = found->buffer.load(std::memory_order_acquire);
  handler.buffer_id = found->buffer_id.load(std::memory_order_acquire);
  return found->cookie.load(std::memory_order_relaxed) == cookie;
}

void HandlerTable::begin_wait(std::uint64_t cookie) {
  if (Slot* const found = slot(cookie)) found->waits.fetch_add(1, std::memory_order_acq_rel);
}

void HandlerTable::end_wait(std::uint64_t cookie) {
  if (Slot* const found = slot(cookie)) found->waits.fetch_sub(1, std::memory_order_acq_rel);
}

bool HandlerTable::awaited(std::uint64_t cookie) const {
  const Slot* const found = slot(cookie);
  return found != nullptr && found->waits.load(std::memory_order_acquire) != 0;
}

}  // namespace vmmc::internal

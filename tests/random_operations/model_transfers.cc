// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/random_operations/model.h"

namespace vmmc::testing::random_operations {

// ---- transfers

int Model::admit(const Command& c, std::uint64_t length, std::uint32_t access) const {
  if (length == 0) return VMMC_ERR_ZERO_LENGTH;
  const Import& import = processes_[c.process].imports.at(c.handle);
  if (!import.held) return VMMC_ERR_OUTSIDE_PROXY;
  const Export& target = *import.target;
  if (c.remote >= target.length || length > target.length - c.remote) {
    return VMMC_ERR_OUTSIDE_PROXY;
  }
  const std::uint32_t missing = access & ~import.access;
  if ((missing & VMMC_WRITE) != 0) return VMMC_ERR_NOT_WRITABLE;
  if (missing != 0) return VMMC_ERR_NOT_READABLE;
  return target.ended;
}

// Deliberate and automatic updates alike.
void Model::update(Import& import, std::uint64_t offset, const unsigned char* bytes,
                   std::uint64_t length) {
  Export& target = *import.target;
  Bytes& memory = processes_[target.owner].memory;
  std::uint64_t i = 0;
  while (i < length) {
    const std::uint64_t position = offset + i;
    auto next = target.redirections.upper_bound(position);
    std::uint64_t end = next == target.redirections.end() ? target.length : next->first;
    std::uint64_t to = target.offset + position;
    Redirection* elsewhere = nullptr;
    if (next != target.redirections.begin()) {
      auto& [first, redirection] = *std::prev(next);
      if (position < first + redirection.length) {
        elsewhere = &redirection;
        end = first + redirection.length;
        to = redirection.destination + (position - first);
      }
    }
    const std::uint64_t part = std::min(length - i, end - position);
    std::memcpy(&memory[to], bytes + i, part);
    if (elsewhere != nullptr) {
      elsewhere->arrived += part;
    } else if (target.redirectable) {
      std::fill_n(target.arrived.begin() + static_cast<std::ptrdiff_t>(position), part, true);
    }
    i += part;
  }
  touched_.insert(target.owner);
}

Answer Model::send(const Command& c) {
  const bool strided = c.verb == Verb::kStrided;
  const std::uint64_t extent = strided ? (c.count - 1) * c.remote_stride + c.length : c.length;
  if (const int refused = admit(c, extent, VMMC_WRITE); refused != VMMC_OK) return status(refused);
  Process& sender = processes_[c.process];
  Import& import = sender.imports.at(c.handle);
  Bytes bytes;
  if (strided) {
    for (std::uint32_t i = 0; i < c.count; ++i) {
      update(import, c.remote + i * c.remote_stride, &sender.memory[c.offset + i * c.local_stride],
             c.length);
    }
    return status(VMMC_OK);
  }
  if (c.verb == Verb::kGather) {
    for (const Piece& piece : pieces_of(c)) {
      bytes.insert(bytes.end(), &sender.memory[piece.offset],
                   &sender.memory[piece.offset] + piece.length);
    }
  } else {
    bytes.assign(&sender.memory[c.offset], &sender.memory[c.offset] + c.length);
  }
  update(import, c.remote, bytes.data(), bytes.size());
  if (c.verb == Verb::kSendNotify) {
    notify(import, {import.target->id, static_cast<std::uint32_t>(c.operand), import.target->offset,
                    c.remote, c.length, c.process % 2, c.process});
  }
  return status(VMMC_OK);
}

Answer Model::fetch(const Command& c) {
  if (const int refused = admit(c, c.length, VMMC_READ); refused != VMMC_OK) return status(refused);
  Process& reader = processes_[c.process];
  const Export& target = *reader.imports.at(c.handle).target;
  std::memmove(&reader.memory[c.offset], &processes_[target.owner].memory[target.offset + c.remote],
               c.length);
  touched_.insert(c.process);
  return status(VMMC_OK);
}

Answer Model::change_word(const Command& c) {
  const int refused = admit(c, c.width, VMMC_READ | VMMC_WRITE);
  if (refused != VMMC_OK) return status(refused);
  const Export& target = *processes_[c.process].imports.at(c.handle).target;
  const std::uint64_t at = target.offset + c.remote;
  if (at % c.width != 0) return status(VMMC_ERR_MISALIGNED);
  unsigned char* const word = &processes_[target.owner].memory[at];
  const std::uint64_t mask = c.width == 4 ? UINT32_MAX : UINT64_MAX;
  std::uint64_t before = 0;
  std::memcpy(&before, word, c.width);
  std::uint64_t after = c.operand;
  if (static_cast<AtomicVerb>(c.kind) == AtomicVerb::kAdd) after = before + c.operand;
  const bool stays =
      static_cast<AtomicVerb>(c.kind) == AtomicVerb::kCompareSwap && before != (c.expected & mask);
  if (stays) after = before;
  std::memcpy(word, &after, c.width);
  touched_.insert(target.owner);
  return {VMMC_OK, 0, before, 0};
}

// ---- redirection

Answer Model::redirect(const Command& c) {
  if (c.length == 0) return status(VMMC_ERR_ZERO_LENGTH);
  const ExportPointer buffer = find_export(c.process, c.buffer_id);
  if (buffer == nullptr) return status(VMMC_ERR_UNKNOWN_EXPORT);
  if (!buffer->redirectable) return status(VMMC_ERR_NOT_REDIRECTABLE);
  if (c.remote >= buffer->length || c.length > buffer->length - c.remote) {
    return status(VMMC_ERR_OUTSIDE_PROXY);
  }
  for (const auto& [first, other] : buffer->redirections) {
    if (overlap(first, other.length, c.remote, c.length)) return status(VMMC_ERR_OVERLAP);
  }
  buffer->redirections[c.remote] = {c.length, c.offset};
  Bytes& memory = processes_[c.process].memory;
  std::uint64_t copied = 0;
  for (std::uint64_t i = 0; i < c.length; ++i) {
    if (!buffer->arrived[c.remote + i]) continue;
    buffer->arrived[c.remote + i] = false;
    memory[c.offset + i] = memory[buffer->offset + c.remote + i];
    ++copied;
  }
  touched_.insert(c.process);
  return {VMMC_OK, 0, copied, 0};
}

Answer Model::end_redirection(const Command& c) {
  const ExportPointer buffer = find_export(c.process, c.buffer_id);
  if (buffer == nullptr) return status(VMMC_ERR_UNKNOWN_EXPORT);
  const auto found = buffer->redirections.find(c.remote);
  if (found == buffer->redirections.end()) return status(VMMC_ERR_UNKNOWN_REDIRECTION);
  const std::uint64_t arrived = found->second.arrived;
  buffer->redirections.erase(found);
  return {VMMC_OK, 0, arrived, 0};
}

// ---- automatic update

Answer Model::bind(const Command& c) {
  Process& process = processes_[c.process];
  const Import& import = process.imports.at(c.handle);
  if (c.length == 0) return status(VMMC_ERR_ZERO_LENGTH);
  const bool aligned = c.offset % kPage == 0 && c.length % kPage == 0 &&
                       (import.target->offset + c.remote) % kPage == 0;
  if (!aligned) return status(VMMC_ERR_MISALIGNED);
  if (const int refused = admit(c, c.length, VMMC_WRITE); refused != VMMC_OK) {
    return status(refused);
  }
  for (const auto& [number, other] : process.bindings) {
    if (overlap(other.offset, other.length, c.offset, c.length)) {
      return status(VMMC_ERR_ALREADY_BOUND);
    }
  }
  process.bindings[c.number] = {
      c.handle, c.offset, c.length, c.remote, c.kind != VMMC_CAPTURE_TYPED, c.flag != 0};
  return status(VMMC_OK);
}

Answer Model::store(const Command& c) {
  Process& process = processes_[c.process];
  for (std::uint64_t i = 0; i < c.length; ++i) {
    process.memory[c.offset + i] = pattern(c.operand, i);
  }
  touched_.insert(c.process);
  for (const auto& [number, pages] : process.bindings) {
    const bool seen = c.number == 0 ? pages.trap : c.number == number;
    if (seen && overlap(pages.offset, pages.length, c.offset, c.length)) propagate(c, pages);
  }
  return status(VMMC_OK);
}

void Model::propagate(const Command& c, const BoundPages& pages) {
  Process& process = processes_[c.process];
  Import& import = process.imports.at(pages.import);
  if (const int ended = import.target->ended; ended != VMMC_OK) {
    if (!import.silent && process.failure == VMMC_OK) process.failure = ended;
    import.silent = true;
    return;
  }
  const std::uint64_t first = std::max(c.offset, pages.offset);
  const std::uint64_t end = std::min(c.offset + c.length, pages.offset + pages.length);
  const std::uint64_t remote = pages.remote + (first - pages.offset);
  update(import, remote, &process.memory[first], end - first);
  for (std::uint64_t i = 0; pages.notify && i < end - first; i += 4) {
    notify(import,
           {import.target->id, 0, import.target->offset, remote + i, 4, c.process % 2, c.process});
  }
}

// ---- registration and notifications

Answer Model::register_memory(const Command& c) {
  auto& registrations = processes_[c.process].registrations;
  if (c.length == 0) return status(VMMC_ERR_ZERO_LENGTH);
  for (const auto& [offset, length] : registrations) {
    if (overlap(offset, length, c.offset, c.length)) return status(VMMC_ERR_OVERLAP);
  }
  registrations[c.offset] = c.length;
  return status(VMMC_OK);
}

Answer Model::unregister_memory(const Command& c) {
  const bool known = processes_[c.process].registrations.erase(c.offset) == 1;
  return status(known ? VMMC_OK : VMMC_ERR_UNKNOWN_REGISTRATION);
}

void Model::notify(const Import& import, const Notice& notice) {
  const Export& target = *import.target;
  if (!target.handler || !target.accepts) return;
  Process& receiver = processes_[target.owner];
  if (receiver.blocks > 0) {
    receiver.queued.push_back(notice);
  } else {
    receiver.handled.push_back(notice);
  }
}

Answer Model::unblock(const Command& c) {
  Process& process = processes_[c.process];
  if (process.blocks > 0) --process.blocks;
  if (process.blocks > 0) return status(0);
  process.handled.insert(process.handled.end(), process.queued.begin(), process.queued.end());
  process.queued.clear();
  return status(1);
}

Answer Model::accept(const Command& c) {
  const ExportPointer buffer = find_export(c.process, c.buffer_id);
  if (buffer == nullptr) return status(VMMC_ERR_UNKNOWN_EXPORT);
  if (!buffer->handler) return status(VMMC_ERR_NO_NOTIFICATIONS);
  buffer->accepts = c.flag != 0;
  return status(VMMC_OK);
}

Answer Model::wait_notification(const Command& c, Notice* taken) {
  const ExportPointer buffer = find_export(c.process, c.buffer_id);
  if (buffer == nullptr) return status(VMMC_ERR_UNKNOWN_EXPORT);
  if (!buffer->handler) return status(VMMC_ERR_NO_NOTIFICATIONS);
  auto& queued = processes_[c.process].queued;
  const auto found = std::find_if(queued.begin(), queued.end(),
                                  [&](const Notice& n) { return n.buffer_id == c.buffer_id; });
  if (found == queued.end()) return status(VMMC_ERR_TIMEOUT);
  *taken = *found;
  queued.erase(found);
  return status(VMMC_OK);
}

}  // namespace vmmc::testing::random_operations

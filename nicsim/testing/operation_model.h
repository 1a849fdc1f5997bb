// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For the random test of the engine: what its operations mean, said in the simplest way, a byte at a
// time, and without pages, tables or queues in shared memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "nicsim/wire/control.h"
#include "nicsim/wire/send_descriptor.h"

namespace vmmc::nicsim::testing {

using Bytes = std::vector<std::byte>;

struct ModelClient;

struct ModelBuffer {
  enum class State { kOpen, kUnexported, kPeerDead };
  struct Redirection {
    std::uint64_t length;
    std::uint64_t to;  // in the owner's segment
    std::uint64_t direct = 0;
  };

  ModelClient* owner;
  std::uint32_t id;
  std::uint64_t first;  // in the owner's segment
  std::uint64_t length;
  std::uint32_t flags;
  bool accepts = true;
  bool closing = false;
  State state = State::kOpen;
  std::map<std::uint64_t, Redirection> redirections = {};
  std::vector<bool> arrived = std::vector<bool>(length);

  // The redirection that the byte belongs to, and where it begins.
  std::pair<const std::uint64_t, Redirection>* redirection_of(std::uint64_t offset) {
    for (auto& entry : redirections) {
      if (offset >= entry.first && offset < entry.first + entry.second.length) return &entry;
    }
    return nullptr;
  }
};

struct ModelImport {
  std::shared_ptr<ModelBuffer> buffer;
  std::uint32_t access;
  bool held = true;
};

struct ModelOperation {
  std::shared_ptr<ModelImport> import;
  wire::Operation operation;
  wire::LocalPlace place;
  bool malformed = false;
  bool bad_local = false;
  bool notify = false;
  std::uint64_t offset = 0;  // in the buffer
  std::uint64_t length = 0;
  std::uint64_t local = 0;  // in the staging area, the segment or the client's other memory
  std::uint64_t message_length = 0;
  std::uint32_t immediate = 0;
  std::byte inline_data[wire::kInlineBytes] = {};
  wire::AtomicOperands atomic{};
  std::uint64_t previous = 0;
  bool carried_out = false;  // but for its notification
};

struct ModelNotification {
  std::uint64_t cookie;
  std::uint64_t offset;
  std::uint64_t length;
  std::uint32_t sender;
  std::uint32_t immediate;
};

struct ModelClient {
  std::uint32_t id = 0;
  Bytes segment;
  Bytes staging;
  Bytes other;
  bool accepts = true;
  std::map<std::uint32_t, std::shared_ptr<ModelBuffer>> buffers;
  std::deque<ModelOperation> queue;
  std::uint64_t completed = 0;
  std::deque<ModelNotification> notifications;  // not taken yet, those without room included

  std::uint64_t asked() const { return completed + queue.size(); }
  Bytes& memory(wire::LocalPlace place) {
    return place == wire::LocalPlace::kStaged    ? staging
           : place == wire::LocalPlace::kSegment ? segment
                                                 : other;
  }
};

inline std::uint32_t needed(wire::Operation operation) {
  return operation == wire::Operation::kFetch    ? wire::kAccessRead
         : operation == wire::Operation::kAtomic ? wire::kAccessRead | wire::kAccessWrite
                                                 : wire::kAccessWrite;
}

inline wire::Status verdict(const ModelOperation& asked) {
  if (asked.malformed) return wire::Status::kMalformed;
  if (!asked.import->held) return wire::Status::kUnknownImport;
  const ModelBuffer& buffer = *asked.import->buffer;
  if (asked.offset + asked.length > buffer.length) return wire::Status::kOutsideProxy;
  const std::uint32_t missing = needed(asked.operation) & ~asked.import->access;
  if ((missing & wire::kAccessWrite) != 0) return wire::Status::kNotWritable;
  if (missing != 0) return wire::Status::kNotReadable;
  if (asked.operation == wire::Operation::kAtomic &&
      (buffer.first + asked.offset) % asked.length != 0) {
    return wire::Status::kMisaligned;
  }
  if (asked.bad_local) return wire::Status::kBadSource;
  if (buffer.state == ModelBuffer::State::kUnexported) return wire::Status::kUnexported;
  if (buffer.state == ModelBuffer::State::kPeerDead) return wire::Status::kPeerDead;
  return wire::Status::kOk;
}

inline void update(ModelClient& sender, const ModelOperation& asked) {
  ModelBuffer& buffer = *asked.import->buffer;
  const std::byte* const source = asked.place == wire::LocalPlace::kInline
                                      ? asked.inline_data
                                      : &sender.memory(asked.place)[asked.local];
  for (std::uint64_t i = 0; i < asked.length; ++i) {
    const std::uint64_t offset = asked.offset + i;
    if (auto* const entry = buffer.redirection_of(offset)) {
      buffer.owner->segment[entry->second.to + offset - entry->first] = source[i];
      ++entry->second.direct;
    } else {
      buffer.owner->segment[buffer.first + offset] = source[i];
      buffer.arrived[offset] = true;
    }
  }
}

inline void change(ModelOperation& asked) {
  const ModelBuffer& buffer = *asked.import->buffer;
  std::byte* const word = &buffer.owner->segment[buffer.first + asked.offset];
  std::uint64_t value = 0;
  std::memcpy(&value, word, asked.length);
  asked.previous = value;
  std::uint64_t expected = 0;
  std::memcpy(&expected, &asked.atomic.expected, asked.length);
  if (asked.atomic.kind == wire::AtomicKind::kFetchAdd) value += asked.atomic.operand;
  if (asked.atomic.kind == wire::AtomicKind::kSwap ||
      (asked.atomic.kind == wire::AtomicKind::kCompareSwap && value == expected)) {
    value = asked.atomic.operand;
  }
  std::memcpy(word, &value, asked.length);
}

// All but the notification.
inline void carry_out(ModelClient& sender, ModelOperation& asked) {
  const ModelBuffer& buffer = *asked.import->buffer;
  if (asked.operation == wire::Operation::kAtomic) {
    change(asked);
  } else if (asked.operation == wire::Operation::kFetch) {
    std::memcpy(&sender.memory(asked.place)[asked.local],
                &buffer.owner->segment[buffer.first + asked.offset], asked.length);
  } else {
    update(sender, asked);
  }
  asked.carried_out = true;
}

// True if the receiver is to be notified, as things are now.
inline bool notifies(const ModelOperation& asked) {
  const ModelBuffer& buffer = *asked.import->buffer;
  return asked.notify && asked.import->held && buffer.state == ModelBuffer::State::kOpen &&
         (buffer.flags & wire::kExportNotifies) != 0 && buffer.accepts && buffer.owner->accepts;
}

inline void notify(const ModelClient& sender, const ModelOperation& asked) {
  const ModelBuffer& buffer = *asked.import->buffer;
  const std::uint64_t before = std::min(asked.message_length - asked.length, asked.offset);
  buffer.owner->notifications.push_back({std::uint64_t{buffer.id} << 8, asked.offset - before,
                                         asked.length + before, sender.id, asked.immediate});
}

inline wire::Status redirect_verdict(ModelBuffer& buffer, std::uint64_t offset,
                                     std::uint64_t length) {
  if (buffer.closing) return wire::Status::kUnknownExport;
  if ((buffer.flags & wire::kExportRedirectable) == 0) return wire::Status::kNotRedirectable;
  for (std::uint64_t i = offset; i < offset + length; ++i) {
    if (buffer.redirection_of(i) != nullptr) return wire::Status::kOverlap;
  }
  return wire::Status::kOk;
}

// The number of bytes that had arrived, and were copied.
inline std::uint64_t redirect(ModelBuffer& buffer, std::uint64_t offset, std::uint64_t length,
                              std::uint64_t to) {
  std::uint64_t copied = 0;
  for (std::uint64_t i = 0; i < length; ++i) {
    if (!buffer.arrived[offset + i]) continue;
    buffer.owner->segment[to + i] = buffer.owner->segment[buffer.first + offset + i];
    buffer.arrived[offset + i] = false;
    ++copied;
  }
  buffer.redirections[offset] = {length, to};
  return copied;
}

// An unexport waits until each importer has come as far as it had asked.
struct ModelUnexport {
  std::shared_ptr<ModelBuffer> buffer;
  std::vector<std::pair<ModelClient*, std::uint64_t>> senders;
};
using ModelUnexports = std::list<ModelUnexport>;

// Ends those that have nothing to wait for. Their number.
inline std::size_t settle_model(ModelUnexports& waiting) {
  const std::size_t before = waiting.size();
  for (ModelUnexport& wait : waiting) {
    std::erase_if(wait.senders,
                  [](const auto& sender) { return sender.first->completed >= sender.second; });
    if (!wait.senders.empty()) continue;
    wait.buffer->state = ModelBuffer::State::kUnexported;
    wait.buffer->owner->buffers.erase(wait.buffer->id);
  }
  waiting.remove_if([](const auto& wait) { return wait.senders.empty(); });
  return before - waiting.size();
}

inline bool is_awaited(const ModelUnexports& waiting, const ModelClient& sender) {
  return std::any_of(waiting.begin(), waiting.end(), [&](const auto& wait) {
    return std::any_of(wait.senders.begin(), wait.senders.end(),
                       [&](const auto& waited) { return waited.first == &sender; });
  });
}

}  // namespace vmmc::nicsim::testing

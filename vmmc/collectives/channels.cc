// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/collectives/channels.h"

#include <algorithm>
#include <cstring>

#include "vmmc/internal/error.h"

namespace vmmc::collectives {

int send_stamped(Mesh& mesh, std::uint32_t peer, const Slots& slots, std::size_t slot,
                 const void* source, std::size_t bytes, std::uint64_t stamp) {
  const int status = mesh.send(peer, source, slots.slot(slot), bytes);
  return status != VMMC_OK ? status : mesh.send_word(peer, stamp, slots.word(slot));
}

int await_stamped(Mesh& mesh, std::uint32_t peer, const Slots& slots, std::size_t slot,
                  std::uint64_t stamp, const std::byte** bytes) {
  const std::uint64_t unmarked = stamp & ~std::uint64_t{kMarkMask};
  const int status = mesh.await(slots.word(slot), unmarked, peer);
  if (status != VMMC_OK) return status;
  *bytes = mesh.at(slots.slot(slot));
  if (mesh.word_at(slots.word(slot)) == stamp) return VMMC_OK;
  return mesh.disagree(peer);
}

int Streams::send(Way way, std::uint32_t k, const void* source, std::size_t bytes,
                  std::uint32_t mark) {
  const std::uint32_t stream = index(way, k);
  const std::uint32_t receiver = peer(way, k);
  const std::uint64_t number = ++sent_[stream];
  if (number > kDepth) {
    const std::size_t credits = layout_.credits + stream * kWord;
    const int status = mesh_.await(credits, number - kDepth, receiver);
    if (status != VMMC_OK) return status;
  }
  return send_stamped(mesh_, receiver, layout_.streams, slot(stream, number), source, bytes,
                      make_stamp(number, mark));
}

int Streams::receive(Way way, std::uint32_t k, std::uint32_t mark, const std::byte** bytes) {
  const std::uint32_t stream = index(way, k);
  const std::uint64_t number = ++taken_[stream];
  return await_stamped(mesh_, source_of(way, k), layout_.streams, slot(stream, number),
                       make_stamp(number, mark), bytes);
}

int Streams::release(Way way, std::uint32_t k) {
  const std::uint32_t stream = index(way, k);
  if (taken_[stream] - credited_[stream] < kDepth / 2) return VMMC_OK;
  credited_[stream] = taken_[stream];
  return mesh_.send_word(source_of(way, k), taken_[stream], layout_.credits + stream * kWord);
}

struct Lanes::Step {
  std::uint32_t lane;
  std::uint32_t receiver, sender;
  std::size_t block;
  std::uint64_t chunks;        // of the block
  std::uint64_t first_number;  // of the first chunk
  std::uint32_t mark;

  std::size_t slot(std::uint64_t chunk) const {
    return std::size_t{lane} * kDepth + chunk % kDepth;
  }
  std::uint64_t stamp(std::uint64_t chunk) const { return make_stamp(first_number + chunk, mark); }
};

int Lanes::exchange(const std::byte* outgoing, std::byte* incoming, std::size_t block,
                    std::uint32_t mark) {
  const std::uint32_t rank = mesh_.rank();
  const std::uint32_t size = mesh_.size();
  const std::uint64_t chunks = (block - 1) / layout_.chunk_bytes + 1;
  const std::uint64_t at_first = std::min<std::uint64_t>(chunks, kDepth);
  std::memcpy(incoming + rank * block, outgoing + rank * block, block);
  for (std::uint32_t s = 1; s <= kLanes && s < size; ++s) {
    if (const int status = grant(rank_below(rank, s, size), at_first); status != VMMC_OK) {
      return status;
    }
  }
  for (std::uint32_t s = 1; s < size; ++s) {
    const Step step{(s - 1) % kLanes,
                    rank_above(rank, s, size),
                    rank_below(rank, s, size),
                    block,
                    chunks,
                    numbered_ + 1,
                    mark};
    int status = run(step, outgoing + step.receiver * block, incoming + step.sender * block);
    if (status != VMMC_OK) return status;
    numbered_ += chunks;
    if (s + kLanes >= size) continue;
    status = grant(rank_below(rank, s + kLanes, size), at_first);
    if (status != VMMC_OK) return status;
  }
  return VMMC_OK;
}

// Grants are cumulative over all calls, and a block is granted exactly as many chunks as it has.
int Lanes::grant(std::uint32_t sender, std::uint64_t chunks) {
  granted_[sender] += chunks;
  return mesh_.send_word(sender, granted_[sender], layout_.grants + mesh_.rank() * kWord);
}

int Lanes::run(const Step& step, const std::byte* outgoing, std::byte* incoming) {
  for (std::uint64_t chunk = 0; chunk < step.chunks; ++chunk) {
    const std::size_t offset = chunk * layout_.chunk_bytes;
    const std::size_t bytes = std::min(layout_.chunk_bytes, step.block - offset);
    int status = send_chunk(step, chunk, outgoing + offset, bytes);
    if (status == VMMC_OK) status = receive_chunk(step, chunk, incoming + offset, bytes);
    if (status != VMMC_OK) return status;
  }
  return VMMC_OK;
}

int Lanes::send_chunk(const Step& step, std::uint64_t chunk, const std::byte* source,
                      std::size_t bytes) {
  const std::uint64_t needed = ++sent_[step.receiver];
  const int status = mesh_.await(layout_.grants + step.receiver * kWord, needed, step.receiver);
  if (status != VMMC_OK) return status;
  return send_stamped(mesh_, step.receiver, layout_.lanes, step.slot(chunk), source, bytes,
                      step.stamp(chunk));
}

int Lanes::receive_chunk(const Step& step, std::uint64_t chunk, std::byte* target,
                         std::size_t bytes) {
  const std::byte* received = nullptr;
  const int status = await_stamped(mesh_, step.sender, layout_.lanes, step.slot(chunk),
                                   step.stamp(chunk), &received);
  if (status != VMMC_OK) return status;
  std::memcpy(target, received, bytes);
  // The slots are granted again two by two; see Streams.
  constexpr std::uint64_t kBatch = kDepth / 2;
  const std::uint64_t taken = chunk + 1;
  if (taken % kBatch != 0 || taken + kBatch >= step.chunks) return VMMC_OK;
  return grant(step.sender, std::min(kBatch, step.chunks - taken - kBatch));
}

}  // namespace vmmc::collectives

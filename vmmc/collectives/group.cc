// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/collectives/group.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "vmmc/internal/error.h"

namespace vmmc::collectives {
namespace {

// What a call is, in its mark.
enum Operation : std::uint32_t { kBroadcast = 1, kReduce, kAllreduce, kAllToAll };

// The buffer that is exported for farewell() alone: the words of a barrier.
constexpr std::size_t farewell_bytes(std::uint32_t size) {
  return kHeaderBytes + distances(size) * kWord;
}

}  // namespace

Group::Group(std::uint32_t buffer_id, const vmmc_group_options& options)
    : layout_(vmmc_size(), options.chunk_bytes),
      data_({buffer_id, layout_.total, options.timeout, options.strategy}),
      farewell_({buffer_id + 1, farewell_bytes(vmmc_size()), options.timeout, options.strategy}),
      streams_(data_, layout_),
      exchanges_(data_, layout_),
      lanes_(data_, layout_),
      scratch_(options.chunk_bytes) {}

int Group::open() {
  int status = data_.open();
  if (status == VMMC_OK) status = farewell_.open();
  if (status == VMMC_OK) status = barrier();
  if (status != VMMC_OK) return fail("vmmc_group_create", status);
  data_.all_are_open();
  farewell_.all_are_open();
  return VMMC_OK;
}

// A rank that made the next group under the same ids must not find a buffer of this one. So:
//   1. give the proxies up: what we have sent is carried out
//   2. barrier: that is true of all ranks, nobody sends to our buffer any more
//   3. take the buffer back
//   4. barrier: that is true of all ranks, their ids are free
// The barriers need another buffer. It is imported only here, where all ranks have made this group
// and therefore ended the one before; and a rank leaves the second barrier when all that is sent to
// it has arrived, and gives up its own proxies, with the same effect as in 1, before the buffer.
int Group::farewell() {
  data_.unimport_all();
  int status = farewell_.barrier(kHeaderBytes, 1);
  if (status != VMMC_OK) return fail("vmmc_group_destroy", status);
  data_.close();
  status = farewell_.barrier(kHeaderBytes, 2);
  if (status != VMMC_OK) return fail("vmmc_group_destroy", status);
  farewell_.close();
  return VMMC_OK;
}

int Group::check(const char* operation) {
  if (failure_ != VMMC_OK) return internal::fail(failure_, "%s", sentence_.text());
  const int alarm = data_.check_alarm();
  return alarm == VMMC_OK ? VMMC_OK : fail(operation, alarm);
}

int Group::fail(const char* operation, int status) {
  const Sentence reason;
  failure_ = internal::fail(status, "%s: %s", operation, reason.text());
  sentence_ = Sentence();
  data_.raise_alarm(status);
  farewell_.raise_alarm(status);
  data_.close();
  farewell_.close();
  return internal::fail(status, "%s", sentence_.text());
}

int Group::barrier() { return data_.barrier(layout_.barrier, ++barriers_); }

int Group::broadcast(std::byte* data, std::size_t bytes, std::uint32_t root) {
  return broadcast_chunks(data, bytes, root, make_mark({kBroadcast, bytes, root}));
}

int Group::broadcast_chunks(std::byte* data, std::size_t bytes, std::uint32_t root,
                            std::uint32_t mark) {
  const TreeNode node(data_.rank(), root, size());
  for (std::size_t offset = 0; offset < bytes; offset += layout_.chunk_bytes) {
    const std::size_t length = std::min(layout_.chunk_bytes, bytes - offset);
    std::byte* const chunk = data + offset;
    if (!node.is_root()) {
      const std::uint32_t k = node.parent_distance();
      const std::byte* received = nullptr;
      int status = streams_.receive(Way::kUp, k, mark, &received);
      if (status != VMMC_OK) return status;
      std::memcpy(chunk, received, length);
      status = streams_.release(Way::kUp, k);
      if (status != VMMC_OK) return status;
    }
    const int status = node.visit_children_backwards(
        [&](std::uint32_t k) { return streams_.send(Way::kUp, k, chunk, length, mark); });
    if (status != VMMC_OK) return status;
  }
  return VMMC_OK;
}

struct Group::Reduction {
  const std::byte* contribution;
  std::byte* result;  // of the root
  std::size_t bytes;
  std::size_t element;
  Combine combine;
  std::uint32_t mark;
};

int Group::reduce(const std::byte* contribution, std::byte* result, std::size_t count,
                  vmmc_type type, vmmc_operation operation, std::uint32_t root) {
  const std::size_t element = size_of(type);
  return reduce_chunks(
      {contribution, result, count * element, element, combine_of(type, operation),
       make_mark({kReduce, count, std::uint64_t{type}, std::uint64_t{operation}, root})},
      root);
}

int Group::reduce_chunks(const Reduction& reduction, std::uint32_t root) {
  const TreeNode node(data_.rank(), root, size());
  for (std::size_t offset = 0; offset < reduction.bytes; offset += layout_.chunk_bytes) {
    const std::size_t length = std::min(layout_.chunk_bytes, reduction.bytes - offset);
    const int status = reduce_chunk(reduction, node, offset, length);
    if (status != VMMC_OK) return status;
  }
  return VMMC_OK;
}

int Group::reduce_chunk(const Reduction& reduction, const TreeNode& node, std::size_t offset,
                        std::size_t bytes) {
  const std::byte* const ours = reduction.contribution + offset;
  std::byte* const combined = node.is_root() ? reduction.result + offset : scratch_.data();
  if (!node.is_leaf() || node.is_root()) std::memmove(combined, ours, bytes);
  const int status = node.visit_children([&](std::uint32_t k) {
    const std::byte* received = nullptr;
    const int error = streams_.receive(Way::kDown, k, reduction.mark, &received);
    if (error != VMMC_OK) return error;
    reduction.combine(combined, received, bytes / reduction.element);
    return streams_.release(Way::kDown, k);
  });
  if (status != VMMC_OK || node.is_root()) return status;
  return streams_.send(Way::kDown, node.parent_distance(), node.is_leaf() ? ours : combined, bytes,
                       reduction.mark);
}

// What recursive doubling works with.
struct Group::Exchanged {
  alignas(8) std::array<std::byte, kExchangeBytes> value;
  std::size_t bytes;
  std::size_t count;
  Combine combine;
  std::uint32_t mark;
};

// Small: recursive doubling, log2 n steps. Large: up and down the tree, which moves the fewest bytes
// in all; with one nicsim for all ranks it is the sum that costs, not the busiest link. Both
// combine in the order of the tree.
int Group::allreduce(const std::byte* contribution, std::byte* result, std::size_t count,
                     vmmc_type type, vmmc_operation operation) {
  const std::size_t bytes = count * size_of(type);
  const Combine combine = combine_of(type, operation);
  const std::uint32_t mark =
      make_mark({kAllreduce, count, std::uint64_t{type}, std::uint64_t{operation}});
  if (bytes > kExchangeBytes) {
    const int status =
        reduce_chunks({contribution, result, bytes, size_of(type), combine, mark}, 0);
    return status != VMMC_OK ? status : broadcast_chunks(result, bytes, 0, mark);
  }
  Exchanged exchanged;
  exchanged.bytes = bytes;
  exchanged.count = count;
  exchanged.combine = combine;
  exchanged.mark = mark;
  std::memcpy(exchanged.value.data(), contribution, bytes);
  const int status = exchange_all(exchanged);
  if (status == VMMC_OK) std::memcpy(result, exchanged.value.data(), bytes);
  return status;
}

// The first p ranks (tree.h) double; each of the others hands its contribution to the rank p below
// it before that, and gets the result afterwards.
int Group::exchange_all(Exchanged& exchanged) {
  const std::uint32_t rounds = doublings(size());
  const std::uint32_t before = rounds;
  const std::uint32_t after = rounds + 1;
  const std::uint32_t inner = 1u << rounds;
  const std::uint32_t rank = data_.rank();
  const std::uint32_t mark = exchanged.mark;
  std::byte* const value = exchanged.value.data();
  const std::byte* received = nullptr;
  int status = VMMC_OK;
  exchanges_.begin();
  if (rank >= inner) {
    status = exchanges_.send(rank - inner, before, value, exchanged.bytes, mark);
    if (status == VMMC_OK) status = exchanges_.receive(rank - inner, after, mark, &received);
    if (status == VMMC_OK) std::memcpy(value, received, exchanged.bytes);
    return status;
  }
  const bool has_outer = size() - rank > inner;
  if (has_outer) {
    status = exchanges_.receive(rank + inner, before, mark, &received);
    if (status == VMMC_OK) exchanged.combine(value, received, exchanged.count);
  }
  for (std::uint32_t round = 0; status == VMMC_OK && round < rounds; ++round) {
    status = exchange_round(exchanged, round);
  }
  if (status != VMMC_OK || !has_outer) return status;
  return exchanges_.send(rank + inner, after, value, exchanged.bytes, mark);
}

// Both partners combine the lower one's value with the higher one's, in this order and by the same
// instructions: the results are equal in every bit.
int Group::exchange_round(Exchanged& exchanged, std::uint32_t round) {
  const std::uint32_t partner = data_.rank() ^ (1u << round);
  std::byte* const ours = exchanged.value.data();
  int status = exchanges_.send(partner, round, ours, exchanged.bytes, exchanged.mark);
  const std::byte* theirs = nullptr;
  if (status == VMMC_OK) status = exchanges_.receive(partner, round, exchanged.mark, &theirs);
  if (status != VMMC_OK) return status;
  if (data_.rank() < partner) {
    exchanged.combine(ours, theirs, exchanged.count);
    return VMMC_OK;
  }
  alignas(8) std::array<std::byte, kExchangeBytes> lower;
  std::memcpy(lower.data(), theirs, exchanged.bytes);
  exchanged.combine(lower.data(), ours, exchanged.count);
  std::memcpy(ours, lower.data(), exchanged.bytes);
  return VMMC_OK;
}

int Group::all_to_all(const std::byte* outgoing, std::byte* incoming, std::size_t block) {
  return lanes_.exchange(outgoing, incoming, block, make_mark({kAllToAll, block}));
}

}  // namespace vmmc::collectives

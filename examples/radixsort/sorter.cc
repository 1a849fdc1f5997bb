// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/radixsort/sorter.h"

#include <algorithm>
#include <chrono>

#include "examples/support/must.h"

namespace examples::radixsort {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint32_t kGroup = 10;  // buffer id; the arrays have their numbers

// Ends the process on an error at once: the destructors would wait for the other ranks.
template <typename T>
T must(vmmc::result<T> outcome, const char* what) {
  examples::must(outcome ? VMMC_OK : outcome.error().value(), what);
  return std::move(outcome).value();
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::size_t bytes_of(const Blocks& blocks) {
  const std::size_t page = vmmc_page_size();
  return (blocks.length() * sizeof(Key) + page - 1) / page * page;
}

vmmc::group make_group() {
  vmmc_group_options options = vmmc::group_defaults;
  options.timeout = kPatience;
  return must(vmmc::group::create(kGroup, options), "vmmc_group_create");
}

}  // namespace

Sorter::Sorter(const Blocks& blocks, unsigned bits, const vmmc_bind_options& binding)
    : blocks_(blocks),
      bits_(bits),
      rank_(vmmc::rank()),
      plain_stores_(binding.capture != VMMC_CAPTURE_TYPED),
      gathered_(must(vmmc::memory::allocate(bytes_of(blocks)), "vmmc_alloc")),
      arrays_(make_arrays()),
      group_(make_group()) {
  for (std::uint32_t number = 0; number < arrays_.size(); ++number) {
    for (std::uint32_t rank = 0; rank < blocks_.ranks(); ++rank) {
      if (rank == rank_) continue;
      arrays_[number].others.push_back(make_remote(number, rank, binding));
    }
  }
}

std::vector<Sorter::Array> Sorter::make_arrays() const {
  std::vector<Array> arrays;
  for (const std::uint32_t number : {0u, 1u}) {
    auto memory = must(vmmc::memory::allocate(bytes_of(blocks_)), "vmmc_alloc");
    auto exported =
        must(vmmc::receive_buffer::export_memory(memory.bytes(), number), "vmmc_export");
    const auto keys = memory.as<Key>();
    arrays.push_back({std::move(memory), std::move(exported), keys, {}});
  }
  return arrays;
}

Sorter::Remote Sorter::make_remote(std::uint32_t number, std::uint32_t rank,
                                   const vmmc_bind_options& options) const {
  vmmc_import_options access = vmmc::import_defaults;
  access.access = VMMC_READ | VMMC_WRITE;
  access.timeout = kPatience;
  const auto exporter = must(vmmc::identity_of_rank(rank), "vmmc_identity_of_rank");
  auto proxy = must(vmmc::proxy::import(exporter, number, access), "vmmc_import");
  auto image = must(vmmc::memory::allocate(bytes_of(blocks_)), "vmmc_alloc");
  auto binding = must(vmmc::binding::bind(image.bytes(), proxy, 0, options), "vmmc_bind");
  const auto keys = must(binding.as<Key>(), "vmmc_bind");
  return {std::move(proxy), std::move(image), std::move(binding), keys};
}

const Sorter::Remote& Sorter::remote(const Array& array, std::uint32_t rank) const {
  return array.others[rank < rank_ ? rank : rank - 1];
}

std::vector<std::uint32_t> Sorter::exchange(const Histogram& histogram) const {
  std::vector<std::uint32_t> outgoing;
  for (std::uint32_t rank = 0; rank < blocks_.ranks(); ++rank) {
    outgoing.insert(outgoing.end(), histogram.begin(), histogram.end());
  }
  std::vector<std::uint32_t> all(outgoing.size());
  must(group_.all_to_all(std::span<const std::uint32_t>(outgoing), std::span(all)),
       "vmmc_all_to_all");
  return all;
}

Costs Sorter::sort(Way way, std::uint64_t seed) {
  const std::span<Key> mine = arrays_[source_].keys;
  for (std::uint32_t i = 0; i < blocks_.count(rank_); ++i) {
    mine[i] = key_at(seed, blocks_.first(rank_) + i);
  }
  must(group_.barrier(), "vmmc_barrier");  // the first pass is timed without this
  Costs costs;
  for (unsigned shift = 0; shift < 32; shift += bits_) run_pass(way, {shift, bits_}, costs);
  must(group_.allreduce(std::span(costs.passes), VMMC_MAX), "vmmc_allreduce");
  must(group_.allreduce(std::span(costs.permutations), VMMC_MAX), "vmmc_allreduce");
  costs.transfers = must(group_.allreduce(costs.transfers, VMMC_SUM), "vmmc_allreduce");
  return costs;
}

void Sorter::run_pass(Way way, Digit digit, Costs& costs) {
  const auto start = Clock::now();
  const Array& target = arrays_[1 - source_];
  const auto keys = arrays_[source_].keys.first(blocks_.count(rank_));
  const Histogram histogram = count_digits(keys, digit);
  const auto positions = first_positions(exchange(histogram), digit, rank_);

  must(vmmc::fence(), "vmmc_fence");  // what is counted from here on moves keys
  const auto permutation = Clock::now();
  const auto before = must(vmmc::counters(), "vmmc_get_counters");
  if (way == Way::kDeliberate) {
    permute_deliberately(keys, target, digit, histogram, positions);
  } else {
    permute_automatically(keys, target, digit, positions);
  }
  must(vmmc::fence(), "vmmc_fence");
  costs.transfers +=
      must(vmmc::counters(), "vmmc_get_counters").transfers_sent - before.transfers_sent;
  costs.permutations.push_back(milliseconds_since(permutation));

  must(group_.barrier(), "vmmc_barrier");
  source_ = 1 - source_;
  costs.passes.push_back(milliseconds_since(start));
}

void Sorter::permute_deliberately(std::span<const Key> keys, const Array& target, Digit digit,
                                  const Histogram& histogram,
                                  std::span<const std::uint32_t> positions) {
  const auto gathered = gathered_.as<Key>();
  gather(keys, digit, histogram, gathered);
  for (const Run& run : plan_runs(positions, histogram, blocks_)) {
    const auto source = gathered.subspan(run.gathered, run.count);
    if (run.to.rank == rank_) {
      std::copy(source.begin(), source.end(), &target.keys[run.to.index]);
    } else {
      must(
          remote(target, run.to.rank).proxy.send(std::as_bytes(source), run.to.index * sizeof(Key)),
          "vmmc_send");
    }
  }
}

void Sorter::permute_automatically(std::span<const Key> keys, const Array& target, Digit digit,
                                   std::vector<std::uint32_t> positions) const {
  for (const Key key : keys) {
    const Place to = blocks_.place_of(positions[digit.of(key)]++);
    if (to.rank == rank_) {
      target.keys[to.index] = key;
    } else if (plain_stores_) {
      remote(target, to.rank).keys.data()[to.index] = key;
    } else {
      must(remote(target, to.rank).keys[to.index].store(key), "vmmc_au_store32");
    }
  }
}

bool Sorter::holds(std::span<const Key> expected) const {
  bool equal = true;
  const Array& array = arrays_[source_];
  for (std::uint32_t rank = 0; rank_ == 0 && rank < blocks_.ranks(); ++rank) {
    const auto right = blocks_.of(expected, rank);
    std::vector<Key> found(right.size());
    if (rank == 0) {
      std::copy_n(array.keys.begin(), found.size(), found.begin());
    } else if (!found.empty()) {
      must(remote(array, rank).proxy.fetch(std::as_writable_bytes(std::span(found))), "vmmc_fetch");
    }
    equal = equal && std::equal(found.begin(), found.end(), right.begin());
  }
  must(group_.barrier(), "vmmc_barrier");
  return equal;
}

}  // namespace examples::radixsort

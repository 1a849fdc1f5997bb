// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Every operation gives what one process alone computes.
#include <unistd.h>

#include <limits>
#include <random>

#include "vmmc/collectives/testing/ranks.h"
#include "vmmc/collectives/testing/serial.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kSizes[] = {1, 2, 3, 5, 8, 16};
constexpr vmmc_group_options kDefaults = VMMC_GROUP_DEFAULTS;
// So small that a few KiB are many chunks.
constexpr vmmc_group_options kSmallChunks = {VMMC_FOREVER, 1024, VMMC_WAIT_ADAPTIVE};

}  // namespace

TEST_CASE("reductions of every type and operation, with every root") {
  const std::uint64_t seed = random_seed();
  for (const std::uint32_t size : kSizes) {
    run_group(size, kSmallChunks, [&](vmmc_group* group) {
      std::mt19937_64 random(seed);
      for (const vmmc_type type : kTypes) {
        for (const vmmc_operation operation : operations_of(type)) {
          const std::uint32_t root = static_cast<std::uint32_t>(random() % size);
          const bool in_place = random() % 2 == 0;
          for (const std::size_t count : {1u, 3u, 128u, 300u}) {
            check_typed_reduction(group, random(), count, type, operation, root, in_place);
            check_typed_reduction(group, random(), count, type, operation, size, in_place);
          }
        }
      }
      for (std::uint32_t root = 0; root < size; ++root) {
        check_reduction<double>(group, random(), 1000, VMMC_DOUBLE, VMMC_SUM, root, false);
      }
    });
  }
}

TEST_CASE("broadcast from every root, all-to-all, of lengths around those of chunks") {
  const std::uint64_t seed = random_seed();
  for (const std::uint32_t size : kSizes) {
    run_group(size, kSmallChunks, [&](vmmc_group* group) {
      for (std::uint32_t root = 0; root < size; ++root) {
        for (const std::size_t length : {1u, 8u, 1023u, 1024u, 1025u, 9000u}) {
          check_broadcast(group, seed + length, length, root);
        }
      }
      for (const std::size_t length : {1u, 7u, 1024u, 1025u, 4096u, 5000u, 6145u}) {
        check_all_to_all(group, seed + length, length);
      }
    });
  }
}

TEST_CASE("messages of several MiB") {
  const std::uint64_t seed = random_seed();
  for (const std::uint32_t size : {1u, 2u, 3u, 5u}) {
    run_group(size, kDefaults, [&](vmmc_group* group) {
      constexpr std::size_t kMegabyte = 1 << 20;
      check_broadcast(group, seed, 3 * kMegabyte + 5, size - 1);
      check_all_to_all(group, seed, kMegabyte + 11);
      check_reduction<double>(group, seed, kMegabyte / 2 + 3, VMMC_DOUBLE, VMMC_SUM, size / 2,
                              false);
      check_reduction<float>(group, seed, kMegabyte / 2 + 3, VMMC_FLOAT, VMMC_SUM, size, true);
    });
  }
}

// Slots are used again and again while some ranks are late, and never overwritten too early.
TEST_CASE("hundreds of random calls one after the other, without a barrier between them") {
  const std::uint64_t seed = random_seed();
  for (const std::uint32_t size : kSizes) {
    run_group(size, kSmallChunks, [&](vmmc_group* group) {
      std::mt19937_64 random(seed);  // the same in all ranks
      std::mt19937_64 own(seed + vmmc_rank());
      for (int call = 0; call < 400; ++call) {
        const std::uint64_t kind = random() % 5;
        const std::uint64_t data = random();
        const std::uint32_t root = static_cast<std::uint32_t>(random() % size);
        const std::size_t length = 1 + random() % (random() % 8 == 0 ? 20'000 : 200);
        const vmmc_type type = kTypes[random() % std::size(kTypes)];
        const auto operations = operations_of(type);
        const vmmc_operation operation = operations[random() % operations.size()];
        if (own() % 50 == 0) ::usleep(own() % 2000);
        if (kind == 0) EXPECT(vmmc_barrier(group) == VMMC_OK);
        if (kind == 1) check_broadcast(group, data, length, root);
        if (kind == 2) check_typed_reduction(group, data, length, type, operation, root, false);
        if (kind == 3) check_typed_reduction(group, data, length, type, operation, size, true);
        if (kind == 4) check_all_to_all(group, data, length);
      }
    });
  }
}

TEST_CASE("the same small operation a thousand times") {
  for (const std::uint32_t size : {2u, 3u, 5u, 8u}) {
    run_group(size, kDefaults, [&](vmmc_group* group) {
      std::mt19937_64 own(vmmc_rank());
      for (std::uint64_t i = 1; i <= 1000; ++i) {
        std::uint64_t sum = i * (vmmc_rank() + 1);
        EXPECT(vmmc_allreduce(group, &sum, &sum, 1, VMMC_UINT64, VMMC_SUM) == VMMC_OK);
        EXPECT(sum == i * size * (size + 1) / 2);
      }
      for (std::uint64_t i = 1; i <= 1000; ++i) {
        std::uint64_t value = vmmc_rank() == i % size ? i : 0;
        EXPECT(vmmc_broadcast(group, &value, sizeof value, i % size) == VMMC_OK);
        EXPECT(value == i);
        if (own() % 100 == 0) ::usleep(500);
      }
    });
  }
}

TEST_CASE("no rank leaves a barrier before all have come") {
  for (const std::uint32_t size : kSizes) {
    run_ranks(size, [&](Part& part) {
      vmmc_group* const group = create_group();
      std::mt19937_64 own(vmmc_rank());
      for (std::uint64_t i = 1; i <= 200; ++i) {
        if (own() % 20 == 0) ::usleep(own() % 1000);
        part.value(0).fetch_add(1);
        EXPECT(vmmc_barrier(group) == VMMC_OK);
        EXPECT(part.value(0).load() >= i * size);
      }
      EXPECT(vmmc_group_destroy(group) == VMMC_OK);
    });
  }
}

TEST_CASE("results of an allreduce are equal in every bit on all ranks, also of several NaNs") {
  const std::uint64_t seed = random_seed();
  for (const std::uint32_t size : {2u, 3u, 8u}) {
    run_group(size, kSmallChunks, [&](vmmc_group* group) {
      for (const std::size_t count : {1u, 2u, 7u, 128u, 1000u}) {
        for (const vmmc_operation operation : operations_of(VMMC_DOUBLE)) {
          std::vector<std::uint64_t> bits(count);
          for (std::size_t i = 0; i < count; ++i) {
            bits[i] = scramble(seed, vmmc_rank(), i);
            if (bits[i] % 2 == 0) bits[i] |= std::uint64_t{0x7ff8} << 48;
          }
          EXPECT(vmmc_allreduce(group, bits.data(), bits.data(), count, VMMC_DOUBLE, operation) ==
                 VMMC_OK);
          std::vector<std::uint64_t> lowest(count), highest(count);
          EXPECT(vmmc_allreduce(group, bits.data(), lowest.data(), count, VMMC_UINT64, VMMC_MIN) ==
                 VMMC_OK);
          EXPECT(vmmc_allreduce(group, bits.data(), highest.data(), count, VMMC_UINT64, VMMC_MAX) ==
                 VMMC_OK);
          EXPECT(lowest == highest);
        }
      }
    });
  }
}

TEST_CASE("64 processes") {
  const std::uint64_t seed = random_seed();
  run_group(64, kDefaults, [&](vmmc_group* group) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      EXPECT(vmmc_barrier(group) == VMMC_OK);
      check_reduction<double>(group, seed + i, 10, VMMC_DOUBLE, VMMC_SUM, 64, false);
    }
    check_reduction<std::int32_t>(group, seed, 10'000, VMMC_INT32, VMMC_SUM, 64, false);
  });
}

TEST_CASE("groups one after the other under the same ids, and two at once") {
  for (const std::uint32_t size : {1u, 2u, 5u, 8u}) {
    run_ranks(size, [&](Part&) {
      vmmc_group* const other = create_group(nullptr, kGroupId + 2);
      for (std::uint64_t i = 0; i < 30; ++i) {
        vmmc_group* const group = create_group(&kSmallChunks);
        check_broadcast(group, i, 5000, static_cast<std::uint32_t>(i % size));
        check_broadcast(other, i, 50, static_cast<std::uint32_t>(i % size));
        if (i % 3 == 0) check_all_to_all(group, i, 3000);
        EXPECT(vmmc_group_destroy(group) == VMMC_OK);
      }
      EXPECT(vmmc_fence() == VMMC_OK);
      EXPECT(vmmc_group_destroy(other) == VMMC_OK);
    });
  }
}

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kMegabyte = 1 << 20;
constexpr std::size_t kPage = 4096;

// Private memory of whole pages, as malloc may have it or not.
unsigned char* map_private(std::size_t length) {
  void* memory =
      ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

void fill(unsigned char* bytes, std::size_t length, std::mt19937& random) {
  const std::size_t step = 1 + length / 3000;
  for (std::size_t i = 0; i < length; i += step) bytes[i] = static_cast<unsigned char>(random());
}

// What has moved since the last time.
class Meter {
 public:
  struct Moved {
    std::uint64_t hits, misses, evictions, in_place, staged;
  };
  Moved moved() {
    const vmmc_counters now = counters();
    const Moved result{now.registration_hits - before_.registration_hits,
                       now.registration_misses - before_.registration_misses,
                       now.registration_evictions - before_.registration_evictions,
                       now.segment_transfers - before_.segment_transfers,
                       now.staged_transfers - before_.staged_transfers};
    before_ = now;
    return result;
  }

 private:
  vmmc_counters before_ = counters();
};

bool operator==(const Meter::Moved& a, const Meter::Moved& b) {
  return a.hits == b.hits && a.misses == b.misses && a.evictions == b.evictions &&
         a.in_place == b.in_place && a.staged == b.staged;
}

// A target of its own, and sends to it that are looked at. nicsim carries them out: it is for it that
// memory is pinned.
struct Target {
  explicit Target(std::size_t length)
      : memory(export_new(length, 1)), proxy(import_by(VMMC_EXECUTOR_NIC, 0, 1, kReadWrite)) {}

  void expect_sent(const unsigned char* source, std::size_t length) {
    EXPECT(vmmc_send(source, proxy.address, length) == VMMC_OK);
    EXPECT(vmmc_fence() == VMMC_OK);
    EXPECT(std::memcmp(memory, source, length) == 0);
  }
  void expect_fetched(unsigned char* destination, std::size_t length) {
    EXPECT(vmmc_fetch(destination, proxy.address, length) == VMMC_OK);
    EXPECT(std::memcmp(memory, destination, length) == 0);
  }

  unsigned char* memory;
  Proxy proxy;
};

}  // namespace

TEST_CASE("S9.8 S9.11 registering pins nothing; the first large transfer of a part pins it") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  Target target(4 * kMegabyte);
                  std::mt19937 random(1);
                  unsigned char* region = map_private(4 * kMegabyte);
                  unsigned char* other = map_private(4 * kMegabyte);
                  fill(region, 4 * kMegabyte, random);
                  EXPECT(vmmc_register(region, 4 * kMegabyte) == VMMC_OK);
                  Meter meter;
                  EXPECT(counters().pinned_bytes == 0);
                  target.expect_sent(region, 65'536);  // not large
                  target.expect_fetched(region, 65'536);
                  EXPECT((meter.moved() == Meter::Moved{0, 0, 0, 0, 2}));
                  EXPECT(counters().pinned_bytes == 0);
                  target.expect_sent(region + 5, 65'537);
                  EXPECT((meter.moved() == Meter::Moved{0, 1, 0, 1, 0}));
                  EXPECT(counters().pinned_bytes == kMegabyte);
                  target.expect_sent(region, 900'000);
                  EXPECT((meter.moved() == Meter::Moved{1, 0, 0, 1, 0}));
                  target.expect_fetched(region + kMegabyte - 10, 100'000);  // two chunks, one new
                  EXPECT((meter.moved() == Meter::Moved{0, 1, 0, 2, 0}));
                  EXPECT(counters().pinned_bytes == 2 * kMegabyte);
                  target.expect_fetched(region, 2 * kMegabyte);
                  EXPECT((meter.moved() == Meter::Moved{1, 0, 0, 2, 0}));
                  // Memory that is not registered, and memory that is shared anyway, do not count.
                  target.expect_sent(other, 100'000);
                  target.expect_sent(target.memory + 2 * kMegabyte, 100'000);
                  EXPECT((meter.moved() == Meter::Moved{0, 0, 0, 1, 2}));
                  EXPECT(vmmc_unregister(region) == VMMC_OK);
                  EXPECT(counters().pinned_bytes == 0);
                  target.expect_sent(region, 100'000);
                  EXPECT((meter.moved() == Meter::Moved{0, 0, 0, 0, 2}));
                }});
}

TEST_CASE("S9.8 started transfers of registered memory, and what the program stores in between") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  Target target(3 * kMegabyte);
                  std::vector<unsigned char> region(3 * kMegabyte);
                  EXPECT(vmmc_register(region.data() + 7, region.size() - 7) == VMMC_OK);
                  for (unsigned round = 1; round <= 30; ++round) {
                    std::fill(region.begin(), region.end(), static_cast<unsigned char>(round));
                    vmmc_send_handle sent = 0;
                    EXPECT(vmmc_send_start(region.data(), target.proxy.address, region.size(),
                                           &sent) == VMMC_OK);
                    EXPECT(vmmc_send_wait(sent) == VMMC_OK);
                    EXPECT(std::memcmp(target.memory, region.data(), region.size()) == 0);
                    std::memset(target.memory, static_cast<int>(round + 100), region.size());
                    vmmc_send_handle fetched = 0;
                    EXPECT(vmmc_fetch_start(region.data(), target.proxy.address, region.size(),
                                            &fetched) == VMMC_OK);
                    EXPECT(vmmc_send_wait(fetched) == VMMC_OK);
                    EXPECT(std::memcmp(target.memory, region.data(), region.size()) == 0);
                  }
                  EXPECT(vmmc_unregister(region.data() + 7) == VMMC_OK);
                  EXPECT(std::memcmp(target.memory, region.data(), region.size()) == 0);
                }});
}

TEST_CASE("S9.9 S9.11 the part that was used longest ago is unpinned for another one") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  Target target(3 * kMegabyte);
                  unsigned char* region = map_private(4 * kMegabyte);
                  EXPECT(vmmc_register(region, 4 * kMegabyte) == VMMC_OK);
                  EXPECT(vmmc_set_pin_limit(2 * kMegabyte + kPage) == VMMC_OK);
                  Meter meter;
                  const auto use = [&](std::size_t chunk, std::size_t chunks = 1) {
                    target.expect_sent(region + chunk * kMegabyte, chunks * kMegabyte);
                    EXPECT(counters().pinned_bytes <= 2 * kMegabyte);
                    const Meter::Moved moved = meter.moved();
                    EXPECT(moved.hits + moved.misses == 1);
                    return moved;
                  };
                  EXPECT(use(0).misses == 1);
                  EXPECT(use(1).misses == 1);
                  EXPECT((use(2) == Meter::Moved{0, 1, 1, 1, 0}));  // 0 leaves
                  EXPECT((use(1) == Meter::Moved{1, 0, 0, 1, 0}));
                  EXPECT((use(0) == Meter::Moved{0, 1, 1, 1, 0}));  // 2 leaves, not 1
                  EXPECT(use(1).hits == 1);
                  EXPECT(use(0).hits == 1);
                  EXPECT((use(2, 2) == Meter::Moved{0, 1, 2, 2, 0}));  // both leave
                  EXPECT(use(3).hits == 1);
                  EXPECT((use(1, 2) == Meter::Moved{0, 1, 1, 2, 0}));  // 3 leaves: 2 is needed
                  EXPECT(use(2).hits == 1);
                  // More than the limit: nothing is pinned or unpinned for it.
                  EXPECT((use(0, 3) == Meter::Moved{0, 1, 0, 2, 16}));
                  EXPECT(use(1).hits == 1);
                  EXPECT(vmmc_set_pin_limit(kMegabyte) == VMMC_OK);
                  EXPECT(counters().pinned_bytes == kMegabyte);
                  EXPECT(meter.moved().evictions == 1);
                  EXPECT(use(1).hits == 1);  // the one that was used last stays
                  EXPECT(vmmc_set_pin_limit(0) == VMMC_OK);
                  EXPECT(counters().pinned_bytes == 0);
                  EXPECT(meter.moved().evictions == 1);
                  EXPECT((use(1) == Meter::Moved{0, 1, 0, 0, 16}));
                }});
}

TEST_CASE("S9.10 what cannot be pinned is sent and fetched by a copy, without an error") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  Target target(3 * kMegabyte);
                  std::mt19937 random(2);
                  unsigned char* region = map_private(3 * kMegabyte);
                  EXPECT(vmmc_register(region, 3 * kMegabyte) == VMMC_OK);
                  rlimit before{};
                  EXPECT(::getrlimit(RLIMIT_FSIZE, &before) == 0);
                  const rlimit limit{kMegabyte / 2, before.rlim_max};
                  EXPECT(::setrlimit(RLIMIT_FSIZE, &limit) == 0);  // no memory to be shared
                  Meter meter;
                  for (int round = 0; round < 10; ++round) {
                    fill(region, 3 * kMegabyte, random);
                    target.expect_sent(region, 3 * kMegabyte);
                    fill(target.memory, 3 * kMegabyte, random);
                    target.expect_fetched(region, 3 * kMegabyte);
                  }
                  const Meter::Moved moved = meter.moved();
                  EXPECT((moved.misses == 20 && moved.hits == 0 && moved.evictions == 0));
                  EXPECT((moved.in_place == 0 && moved.staged == 20 * 48));
                  EXPECT(counters().pinned_bytes == 0);
                  EXPECT(vmmc_fence() == VMMC_OK);
                  EXPECT(::setrlimit(RLIMIT_FSIZE, &before) == 0);
                  EXPECT(vmmc_unregister(region) == VMMC_OK);
                  EXPECT(vmmc_register(region, 3 * kMegabyte) == VMMC_OK);
                  target.expect_sent(region, 3 * kMegabyte);
                  EXPECT(counters().pinned_bytes == 3 * kMegabyte);
                }});
}

TEST_CASE("S9.8 S9.9 regions that are exported, allocated or redirected to are left to those") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  Target target(2 * kMegabyte);
                  unsigned char* region = map_private(2 * kMegabyte);
                  EXPECT(vmmc_export(region + kMegabyte, kMegabyte, 2, nullptr) == VMMC_OK);
                  EXPECT(vmmc_register(region, 2 * kMegabyte) == VMMC_OK);
                  auto* allocated = static_cast<unsigned char*>(allocate(kMegabyte));
                  EXPECT(vmmc_register(allocated, kMegabyte) == VMMC_OK);
                  Meter meter;
                  target.expect_sent(allocated, kMegabyte);
                  EXPECT((meter.moved() == Meter::Moved{1, 0, 0, 1, 0}));
                  target.expect_sent(region, 2 * kMegabyte);
                  EXPECT((meter.moved() == Meter::Moved{0, 1, 0, 2, 0}));
                  EXPECT(counters().pinned_bytes == kMegabyte);
                  EXPECT(vmmc_unexport(2) == VMMC_OK);
                  std::memset(region, 7, 2 * kMegabyte);
                  target.expect_sent(region, 2 * kMegabyte);  // now all of it is the cache's
                  EXPECT((meter.moved() == Meter::Moved{0, 1, 0, 2, 0}));
                  EXPECT(counters().pinned_bytes == 2 * kMegabyte);
                  EXPECT(vmmc_export(region, 2 * kMegabyte, 2, nullptr) == VMMC_OK);
                  EXPECT(vmmc_unregister(region) == VMMC_OK);
                  const Proxy own = import_from(0, 2);
                  send_word(9, own.address + kMegabyte);
                  await(region + kMegabyte, 9);
                  EXPECT(region[0] == 7);
                }});
}

namespace {

constexpr std::size_t kRegions = 24;
constexpr std::size_t kLimit = 3 * kMegabyte;

// Many regions, by turns, under a limit that holds few of them; other threads store into the parts
// that are not sent.
void use_regions_by_turns(unsigned seed) {
  attach();
  std::mt19937 random(seed);
  Target target(1'600'000);
  std::array<std::vector<unsigned char>, kRegions> regions;
  std::array<std::atomic<std::uint64_t>*, kRegions> counted{};
  for (std::size_t i = 0; i < kRegions; ++i) {
    regions[i].resize(100'000 + random() % 1'500'000);
    const auto start = reinterpret_cast<std::uintptr_t>(regions[i].data());
    counted[i] = new (regions[i].data() + (8 - start % 8)) std::atomic<std::uint64_t>{0};
    EXPECT(vmmc_register(regions[i].data() + i, regions[i].size() - i) == VMMC_OK);
  }
  EXPECT(vmmc_set_pin_limit(kLimit) == VMMC_OK);
  std::atomic<bool> over{false};
  std::uint64_t stores = 0;
  std::thread writer([&] {
    for (; !over; ++stores) counted[stores % kRegions]->fetch_add(1);
  });
  for (int round = 0; round < 150; ++round) {
    std::vector<unsigned char>& region = regions[random() % kRegions];
    const std::size_t from = 64 + random() % 20'000;
    const std::size_t length = 65'537 + random() % (region.size() - from - 65'537);
    fill(region.data() + from, length, random);
    if (random() % 2 == 0) {
      target.expect_sent(region.data() + from, length);
    } else {
      fill(target.memory, length, random);
      target.expect_fetched(region.data() + from, length);
    }
    EXPECT(counters().pinned_bytes <= kLimit);
  }
  over = true;
  writer.join();
  EXPECT(counters().registration_evictions > 20);
  EXPECT(counters().registration_hits + counters().registration_misses == 150);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kRegions; ++i) {
    EXPECT(vmmc_unregister(regions[i].data() + i) == VMMC_OK);
    sum += counted[i]->load();
  }
  EXPECT(sum == stores);
  EXPECT(counters().pinned_bytes == 0);
}

}  // namespace

TEST_CASE("S9.9 S9.10 with many regions and a small limit every byte is right") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim, {[seed](Part&) { use_regions_by_turns(seed); }});
}

TEST_CASE("S9.8 several threads send from regions that come and go") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        constexpr std::size_t kLength = 300'000;
        EXPECT(vmmc_set_pin_limit(2 * kMegabyte) == VMMC_OK);
        unsigned char* target = export_new(4 * kLength, 1);
        const Proxy proxy = import_for(0, 1);
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < 4; ++t) {
          threads.emplace_back([&, t] {
            std::vector<unsigned char> region(kLength);
            for (unsigned round = 1; round <= 40; ++round) {
              const int status = vmmc_register(region.data(), kLength);
              EXPECT(status == VMMC_OK);
              for (int turn = 0; turn < 2; ++turn) {
                const auto value = static_cast<unsigned char>(round * 2 + turn + t);
                std::fill(region.begin(), region.end(), value);
                EXPECT(vmmc_send(region.data(), proxy.address + t * kLength, kLength) == VMMC_OK);
                std::fill(region.begin(), region.end(), static_cast<unsigned char>(0));
                EXPECT(vmmc_fetch(region.data(), proxy.address + t * kLength, kLength) == VMMC_OK);
                EXPECT(std::memcmp(region.data(), target + t * kLength, kLength) == 0);
                EXPECT(region[kLength / 2] == value);
              }
              EXPECT(vmmc_unregister(region.data()) == VMMC_OK);
            }
          });
        }
        for (std::thread& thread : threads) thread.join();
        EXPECT(counters().pinned_bytes == 0);
        EXPECT(vmmc_fence() == VMMC_OK);
      }});
}

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Buffers are taken back and exported again, while other processes go on sending to them.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

TEST_CASE("S2.8 after unexport no byte arrives, and what was sent before it has") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(8, 1);
                           part.meet();
                           while (look(memory) < 1000) keep_looking();
                           EXPECT(vmmc_unexport(1) == VMMC_OK);
                           const std::uint32_t last = look(memory);
                           part.meet();  // the writer has seen the refusal by now
                           EXPECT(look(memory) == last);
                           EXPECT(vmmc_unexport(1) == VMMC_ERR_UNKNOWN_EXPORT);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           Proxy proxy = import_from(0, 1);
                           int status = VMMC_OK;
                           for (std::uint32_t i = 1; status == VMMC_OK; ++i) {
                             status = vmmc_send(&i, proxy.address, sizeof i);
                           }
                           EXPECT(status == VMMC_ERR_UNEXPORTED);
                           const int fence = vmmc_fence();
                           EXPECT(fence == VMMC_OK || fence == VMMC_ERR_UNEXPORTED);
                           part.meet();
                         }});
}

TEST_CASE("S2.9 a proxy of an earlier export never reaches the later one of the same id") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(64, 1);
                           part.meet();
                           part.meet();
                           EXPECT(vmmc_unexport(1) == VMMC_OK);
                           EXPECT(vmmc_export(memory, buffer_length(64), 1, nullptr) == VMMC_OK);
                           part.meet();
                           part.meet();
                           EXPECT(look(memory) == 0);
                           await(memory + 4, 2);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           Proxy old = import_from(0, 1);
                           part.meet();
                           part.meet();
                           const std::uint32_t word = 1;
                           EXPECT(vmmc_send(&word, old.address, 4) == VMMC_ERR_UNEXPORTED);
                           Proxy fresh = import_from(0, 1);
                           EXPECT(vmmc_send(&word, old.address, 4) == VMMC_ERR_UNEXPORTED);
                           part.meet();
                           send_word(2, fresh.address + 4);
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

namespace {

constexpr int kOver = 0;        // index of Part::value
constexpr int kGeneration = 1;  // of the buffer, raised before each export
constexpr int kRefusals = 2;    // that writers have seen
constexpr std::size_t kRoom = 98 * 4096;
constexpr std::uint32_t kRounds = 150;

using Write = std::function<int(const Proxy&, std::uint32_t value)>;

// Imports the buffer again and again and writes to it until it is refused.
void write_always(Part& part, const std::function<Write()>& prepare) {
  attach();
  const Write write = prepare();
  part.meet();
  std::uint32_t value = 0;
  while (part.value(kOver).load() == 0) {
    const vmmc_import_options options{kReadWrite, VMMC_EXECUTOR_AUTO, kSecond / 50};
    Proxy proxy;
    void* address = nullptr;
    const int imported = vmmc_import(identity_of(0), 1, &options, &address, &proxy.length);
    if (imported == VMMC_ERR_TIMEOUT) continue;
    EXPECT(imported == VMMC_OK);
    proxy.address = static_cast<unsigned char*>(address);
    int status = VMMC_OK;
    while (status == VMMC_OK) status = write(proxy, ++value);
    EXPECT(status == VMMC_ERR_UNEXPORTED);
    part.value(kRefusals).fetch_add(1);
    const int fence = vmmc_fence();
    EXPECT(fence == VMMC_OK || fence == VMMC_ERR_UNEXPORTED);
    EXPECT(vmmc_unimport(address) == VMMC_OK);
  }
}

// Of every kind of transfer that changes remote memory one writer. Each has a part of the buffer.
Write words() {
  return [](const Proxy& proxy, std::uint32_t value) {
    return vmmc_send(&value, proxy.address, sizeof value);
  };
}

Write started_in_place() {
  auto* source = static_cast<unsigned char*>(allocate(kRoom));
  return [source](const Proxy& proxy, std::uint32_t value) {
    std::memset(source, static_cast<int>(value & 255), kRoom - 64);
    vmmc_send_handle handle = 0;
    const int status = vmmc_send_start(source, proxy.address + 64, kRoom - 64, &handle);
    return status == VMMC_OK ? vmmc_send_wait(handle) : status;
  };
}

Write staged_and_gathered() {
  auto source = std::vector<unsigned char>(150'000);
  return [source](const Proxy& proxy, std::uint32_t value) mutable {
    std::fill(source.begin(), source.end(), static_cast<unsigned char>(value));
    const vmmc_piece pieces[] = {{source.data(), 1000}, {source.data() + 1000, 149'000}};
    return vmmc_send_gather(pieces, 2, proxy.address + 64);
  };
}

Write atomic_additions() {
  return [](const Proxy& proxy, std::uint32_t value) {
    return vmmc_fetch_add_64(proxy.address + 8, value, nullptr);
  };
}

bool has_arrived(const unsigned char* memory) {
  return look(memory) != 0 || look(memory + 8) != 0 || look(memory + 64) != 0 ||
         look(memory + kRoom - 8) != 0;
}

// Takes the buffer back in the middle of all that, and looks whether something comes all the same.
void take_back_and_look(Part& part, bool allocated) {
  attach();
  alignas(4096) static unsigned char ordinary[kRoom];
  auto* memory = allocated ? static_cast<unsigned char*>(allocate(kRoom)) : ordinary;
  EXPECT(vmmc_export(memory, kRoom, 1, nullptr) == VMMC_OK);
  part.meet();
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    while (!has_arrived(memory)) ::sched_yield();
    const std::uint64_t refusals = part.value(kRefusals).load();
    EXPECT(vmmc_unexport(1) == VMMC_OK);
    const std::vector<unsigned char> content(memory, memory + kRoom);
    // At times until a writer has had to stop.
    while (round % 8 == 0 && part.value(kRefusals).load() == refusals) ::usleep(50);
    for (int look_again = 0; look_again < 3; ++look_again) {
      EXPECT(std::memcmp(memory, content.data(), kRoom) == 0);
      ::sched_yield();
    }
    std::memset(memory, 0, kRoom);
    EXPECT(vmmc_export(memory, kRoom, 1, nullptr) == VMMC_OK);
  }
  part.value(kOver).store(1);
  EXPECT(vmmc_unexport(1) == VMMC_OK);
}

}  // namespace

TEST_CASE("S2.8 S2.9 taken back and exported again, round after round, under continuous writing" *
          doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  for (const bool allocated : {true, false}) {
    CAPTURE(allocated);
    run_processes(nicsim, {[=](Part& part) { take_back_and_look(part, allocated); },
                           [](Part& part) { write_always(part, words); },
                           [](Part& part) { write_always(part, started_in_place); },
                           [](Part& part) { write_always(part, staged_and_gathered); },
                           [](Part& part) { write_always(part, atomic_additions); }});
  }
}

TEST_CASE("S2.8 what was sent before the unexport is carried out first") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kRoom, 1);
                           for (std::uint32_t round = 1; round <= 100; ++round) {
                             part.meet();
                             part.meet();  // sent, and not waited for
                             EXPECT(vmmc_unexport(1) == VMMC_OK);
                             const auto is_due = [round](unsigned char byte) {
                               return byte == static_cast<unsigned char>(round);
                             };
                             EXPECT(std::all_of(memory, memory + kRoom, is_due));
                             part.meet();
                             EXPECT(vmmc_export(memory, kRoom, 1, nullptr) == VMMC_OK);
                           }
                         },
                         [](Part& part) {
                           attach();
                           auto* source = static_cast<unsigned char*>(allocate(kRoom));
                           for (std::uint32_t round = 1; round <= 100; ++round) {
                             const Proxy proxy = import_from(0, 1);
                             part.meet();
                             std::memset(source, static_cast<int>(round), kRoom);
                             vmmc_send_handle handles[8];
                             for (std::size_t i = 0; i < 8; ++i) {
                               const std::size_t at = i * kRoom / 8;
                               EXPECT(vmmc_send_start(source + at, proxy.address + at, kRoom / 8,
                                                      &handles[i]) == VMMC_OK);
                             }
                             part.meet();
                             part.meet();
                             for (const auto handle : handles) {
                               EXPECT(vmmc_send_wait(handle) == VMMC_OK);
                             }
                             EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
                           }
                         }});
}

namespace {

constexpr std::size_t kWords = 1024;  // of a buffer that says its generation in the first one
constexpr std::size_t kKept = 6;      // proxies of former generations that a writer goes on using

// Exports generation after generation, and looks into each for words of another one.
void export_generations(Part& part) {
  attach();
  auto* memory = reinterpret_cast<unsigned char*>(allocate(4 * kWords));
  part.meet();
  for (std::uint32_t generation = 1; generation <= 300; ++generation) {
    std::memset(memory, 0, 4 * kWords);
    std::memcpy(memory, &generation, sizeof generation);
    part.value(kGeneration).store(generation);
    EXPECT(vmmc_export(memory, 4 * kWords, 1, nullptr) == VMMC_OK);
    for (std::size_t i = 1; look(memory + 4) == 0 || i < 20 * kWords; ++i) {
      const std::uint32_t word = look(memory + 4 * (i % kWords));
      EXPECT(word == 0 || word == generation);
    }
    EXPECT(vmmc_unexport(1) == VMMC_OK);
  }
  part.value(kOver).store(1);
}

// Fills the buffer by way of this proxy, if it is still one.
int write_generation(const Proxy& proxy, std::uint32_t generation) {
  const std::vector<std::uint32_t> words(kWords - 1, generation);
  std::uint32_t ignored = 0;
  const int statuses[] = {
      vmmc_send(words.data(), proxy.address + 4, 4),
      vmmc_send(words.data(), proxy.address + 4, 4 * words.size()),
      vmmc_swap_32(proxy.address + 4 * (generation % (kWords - 1) + 1), generation, &ignored)};
  for (const int status : statuses) {
    EXPECT(status == VMMC_OK || status == VMMC_ERR_UNEXPORTED);
  }
  return statuses[2];
}

void write_through_old_proxies(Part& part) {
  struct Held {
    Proxy proxy;
    std::uint32_t generation;
  };
  attach();
  std::vector<Held> held;
  part.meet();
  while (part.value(kOver).load() == 0) {
    const bool current = !held.empty() && held.back().generation == part.value(kGeneration).load();
    const vmmc_import_options options{kReadWrite, VMMC_EXECUTOR_AUTO, kSecond / 100};
    Proxy proxy;
    void* address = nullptr;
    std::uint32_t generation = 0;
    if (!current && vmmc_import(identity_of(0), 1, &options, &address, &proxy.length) == VMMC_OK) {
      proxy.address = static_cast<unsigned char*>(address);
      if (vmmc_fetch(&generation, address, 4) == VMMC_OK) held.push_back({proxy, generation});
    }
    for (std::size_t i = 0; i < held.size(); ++i) {
      const int status = write_generation(held[i].proxy, held[i].generation);
      EXPECT(i + 1 == held.size() || status == VMMC_ERR_UNEXPORTED);
      std::uint32_t fetched = held[i].generation;
      const int fetch = vmmc_fetch(&fetched, held[i].proxy.address, 4);
      EXPECT(fetched == held[i].generation);
      EXPECT(i + 1 == held.size() || fetch == VMMC_ERR_UNEXPORTED);
    }
    if (held.size() <= kKept) continue;
    EXPECT(vmmc_unimport(held.front().proxy.address) == VMMC_OK);
    held.erase(held.begin());
  }
  const int fence = vmmc_fence();
  EXPECT(fence == VMMC_OK || fence == VMMC_ERR_UNEXPORTED);
}

}  // namespace

TEST_CASE("S2.9 proxies of former generations never reach a later one, however they are used" *
          doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  run_processes(nicsim, {export_generations, write_through_old_proxies, write_through_old_proxies});
}

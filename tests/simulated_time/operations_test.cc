// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Every way to move bytes does in simulated time what it does in real time, and takes the same time on
// each run.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/simulated_time/simulated_run.h"

namespace vmmc::testing {
namespace {

constexpr std::size_t kLength = 300'000;
constexpr std::size_t kFlag = kLength;  // a word behind the bytes

unsigned char pattern(std::size_t i) { return static_cast<unsigned char>(i * 7 + i / 251); }

std::vector<unsigned char> bytes(std::size_t length) {
  std::vector<unsigned char> result(length);
  for (std::size_t i = 0; i < length; ++i) result[i] = pattern(i);
  return result;
}

vmmc_counters counters() {
  vmmc_counters result{};
  EXPECT(vmmc_get_counters(&result) == VMMC_OK);
  return result;
}

// Part 0 sends as `send` says, and a flag behind it; part 1 checks with `check`.
void one_way(const std::function<void(unsigned char* proxy)>& send,
             const std::function<void(const unsigned char* memory)>& check) {
  const Notes notes = simulate_again_and_again(2, [&](Part& part, Notebook& notebook) {
    if (part.number() == 1) {
      unsigned char* const memory = export_new(kLength + 64, 1);
      await(memory + kFlag, 1);
      check(memory);
    } else {
      const Proxy to = import_from(1, 1);
      send(to.address);
      notebook.note(part, vmmc_clock());
      send_word(1, to.address + kFlag);
      EXPECT(vmmc_fence() == VMMC_OK);
    }
    notebook.note(part, vmmc_clock());
  });
  CHECK(notes[0].size() == 2);
}

void check_pattern(const unsigned char* memory, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) EXPECT(memory[i] == pattern(i));
}

TEST_CASE("from private memory, small, staged and large") {
  for (const std::size_t length : {30u, 9000u, 300'000u}) {
    CAPTURE(length);
    one_way(
        [=](unsigned char* proxy) {
          auto source = bytes(length);
          EXPECT(vmmc_send(source.data(), proxy, length) == VMMC_OK);
          std::fill(source.begin(), source.end(), 0xff);  // it is the program's again
        },
        [=](const unsigned char* memory) { check_pattern(memory, length); });
  }
}

TEST_CASE("S12.7 a blocking send returns when its source has been read, before its bytes arrive") {
  const Notes notes = simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    const Everybody all(part, 2);
    if (part.number() == 0) {
      EXPECT(vmmc_compute(1'000'000) == VMMC_OK);
      send_word(1, all.proxy(1));
    } else {
      await(all.memory(), 1);
    }
    notebook.note(part, vmmc_clock());
  });
  CHECK(notes[0].at(0) < notes[1].at(0));
}

TEST_CASE("from the library's memory") {
  one_way(
      [](unsigned char* proxy) {
        auto* const source = static_cast<unsigned char*>(allocate(kLength));
        std::ranges::copy(bytes(kLength), source);
        EXPECT(vmmc_send(source, proxy, kLength) == VMMC_OK);
        std::memset(source, 0xff, kLength);
      },
      [](const unsigned char* memory) { check_pattern(memory, kLength); });
}

TEST_CASE("in pieces") {
  one_way(
      [](unsigned char* proxy) {
        const auto source = bytes(20'000);
        const vmmc_piece pieces[] = {
            {source.data(), 3}, {source.data() + 3, 9997}, {source.data() + 10'000, 10'000}};
        EXPECT(vmmc_send_gather(pieces, 3, proxy) == VMMC_OK);
      },
      [](const unsigned char* memory) { check_pattern(memory, 20'000); });
  one_way(
      [](unsigned char* proxy) {
        const auto source = bytes(10'000);
        EXPECT(vmmc_send_strided(source.data(), 100, proxy, 200, 100, 100) == VMMC_OK);
      },
      [](const unsigned char* memory) {
        for (std::size_t i = 0; i < 10'000; ++i) {
          EXPECT(memory[i / 100 * 200 + i % 100] == pattern(i));
        }
      });
}

TEST_CASE("thousands of sends that nobody waits for fill the queue") {
  constexpr std::uint32_t kSends = 1500;
  one_way(
      [](unsigned char* proxy) {
        for (std::uint32_t i = 0; i < kSends; ++i) {
          vmmc_send_handle handle{};
          EXPECT(vmmc_send_start(&i, proxy + 4 * i, sizeof i, &handle) == VMMC_OK);
        }
        EXPECT(counters().queue_full_waits > 0);
      },
      [](const unsigned char* memory) {
        for (std::uint32_t i = 0; i < kSends; ++i) EXPECT(look(memory + 4 * i) == i);
      });
}

TEST_CASE("many staged sends wait for room") {
  one_way(
      [](unsigned char* proxy) {
        const auto source = bytes(3000);
        for (int i = 0; i < 300; ++i) {
          vmmc_send_handle handle{};
          EXPECT(vmmc_send_start(source.data(), proxy, source.size(), &handle) == VMMC_OK);
        }
      },
      [](const unsigned char* memory) { check_pattern(memory, 3000); });
}

TEST_CASE(
    "S12.8 a fetch and an atomic operation close the packet of stores that nothing else would") {
  simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    const Everybody all(part, 2);
    if (part.number() == 0) {
      void* const local = allocate(4096);
      vmmc_bind_options options = VMMC_BIND_DEFAULTS;
      options.capture = VMMC_CAPTURE_TYPED;
      options.combining = VMMC_COMBINE_BLOCK;
      vmmc_binding* binding = nullptr;
      EXPECT(vmmc_bind(local, all.proxy(1), 4096, &options, &binding) == VMMC_OK);
      std::uint32_t found = 0;
      EXPECT(vmmc_au_store32(binding, static_cast<std::uint32_t*>(local), 41) == VMMC_OK);
      EXPECT(vmmc_fetch(&found, all.proxy(1), sizeof found) == VMMC_OK);
      EXPECT(vmmc_au_store32(binding, static_cast<std::uint32_t*>(local) + 2, 42) == VMMC_OK);
      EXPECT(vmmc_fetch_add_32(all.proxy(1) + 16, 1, &found) == VMMC_OK);
      EXPECT(vmmc_unbind(binding) == VMMC_OK);
    } else {
      await(all.memory() + 16, 1);
    }
    notebook.note(part, vmmc_clock());
  });
}

TEST_CASE("redirected") {
  simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    if (part.number() == 1) {
      void* const memory = allocate(8192);
      vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
      options.redirectable = 1;
      EXPECT(vmmc_export(memory, 8192, 1, &options) == VMMC_OK);
      auto* const elsewhere = static_cast<unsigned char*>(allocate(4096));
      EXPECT(vmmc_redirect(1, 1024, 2048, elsewhere, nullptr) == VMMC_OK);
      await(static_cast<unsigned char*>(memory) + 8188, 1);
      for (std::size_t i = 0; i < 2048; ++i) EXPECT(elsewhere[i] == pattern(i + 1024));
      notebook.note(part, vmmc_clock());
    } else {
      const Proxy to = import_from(1, 1);
      const auto source = bytes(4096);
      EXPECT(vmmc_send(source.data(), to.address, 4096) == VMMC_OK);
      send_word(1, to.address + 8188);
    }
  });
}

TEST_CASE("what was under way before an unexport has arrived, and nothing comes afterwards") {
  simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    if (part.number() == 1) {
      unsigned char* const memory = export_new(kLength, 1);
      export_new(4096, 2);
      await(memory, 1);
      EXPECT(vmmc_unexport(1) == VMMC_OK);
      const std::uint64_t unexported = vmmc_clock();
      notebook.note(part, unexported);
      const std::uint32_t last = look(memory);
      EXPECT(vmmc_compute(10'000'000) == VMMC_OK);
      EXPECT(look(memory) == last);
      EXPECT(vmmc_compute(1000) == VMMC_OK);
      EXPECT(vmmc_clock() >= unexported + 10'001'000);  // it still takes part
      notebook.note(part, vmmc_clock());
    } else {
      const Proxy to = import_from(1, 1);
      const auto source = bytes(100'000);
      int status = VMMC_OK;
      std::uint32_t sent = 0;
      while (status == VMMC_OK) {
        ++sent;
        status = vmmc_send(&sent, to.address, sizeof sent);
        if (status == VMMC_OK) status = vmmc_send(source.data(), to.address + 4096, source.size());
        if (status == VMMC_OK) status = vmmc_fence();
      }
      EXPECT(status == VMMC_ERR_UNEXPORTED);
      notebook.note(part, sent);
      notebook.note(part, vmmc_clock());
    }
  });
}

TEST_CASE("a proxy is given back with sends under way") {
  simulate(2, [](Part& part, Notebook&) {
    const Everybody all(part, 2, 65'536);
    const Proxy second = import_from(all.next(), 1);
    const auto source = bytes(50'000);
    vmmc_send_handle handle{};
    EXPECT(vmmc_send_start(source.data(), second.address + 4096, source.size(), &handle) ==
           VMMC_OK);
    EXPECT(vmmc_unimport(second.address) == VMMC_OK);
    send_word(1, all.proxy(all.next()));
    await(all.memory(), 1);
  });
}

// Stores of `words` consecutive words, and what they cost in packets.
std::uint64_t packets_of(std::uint32_t words, vmmc_combining combining) {
  const Notes notes = simulate_again_and_again(2, [=](Part& part, Notebook& notebook) {
    const Everybody all(part, 2);
    if (part.number() == 1) {
      await(all.memory() + 2048, 1);
      for (std::uint32_t i = 0; i < words; ++i) EXPECT(look(all.memory() + 4 * i) == i + 1);
      return;
    }
    auto* const local = static_cast<unsigned char*>(allocate(Everybody::kPageBytes));
    const vmmc_bind_options options{VMMC_CAPTURE_TYPED, static_cast<int>(combining), 4000, 0};
    vmmc_binding* binding = nullptr;
    EXPECT(vmmc_bind(local, all.proxy(1), Everybody::kPageBytes, &options, &binding) == VMMC_OK);
    for (std::uint32_t i = 0; i < words; ++i) {
      EXPECT(vmmc_au_store32(binding, reinterpret_cast<std::uint32_t*>(local) + i, i + 1) ==
             VMMC_OK);
    }
    EXPECT(vmmc_flush() == VMMC_OK);
    notebook.note(part, vmmc_clock());
    send_word(1, all.proxy(1) + 2048);
    EXPECT(vmmc_unbind(binding) == VMMC_OK);
    EXPECT(vmmc_fence() == VMMC_OK);
    notebook.note(part, counters().packets_sent - 1);
  });
  return notes[0].at(1);
}

TEST_CASE("S12.8 automatic updates are combined as the binding says") {
  CHECK(packets_of(16, VMMC_COMBINE_SINGLE) == 16);
  CHECK(packets_of(16, VMMC_COMBINE_BLOCK) == 1);
  CHECK(packets_of(16, VMMC_COMBINE_TIMER) == 1);
}

// Thousands of single stores: the outgoing FIFO and the send queue fill up, here and there.
void store_in_bursts(std::uint32_t senders, vmmc_capture capture) {
  simulate_again_and_again(2, [=](Part& part, Notebook& notebook) {
    constexpr std::uint32_t kStores = 2000;
    const Everybody all(part, 2);
    auto* const local = static_cast<unsigned char*>(allocate(Everybody::kPageBytes));
    const vmmc_bind_options options{capture, VMMC_COMBINE_SINGLE, 4000, 0};
    vmmc_binding* binding = nullptr;
    EXPECT(vmmc_bind(local, all.proxy(all.next()), Everybody::kPageBytes, &options, &binding) ==
           VMMC_OK);
    if (part.number() < senders) {
      for (std::uint32_t i = 1; i <= kStores; ++i) {
        if (capture == VMMC_CAPTURE_TYPED) {
          EXPECT(vmmc_au_store32(binding, reinterpret_cast<std::uint32_t*>(local), i) == VMMC_OK);
        } else {
          *reinterpret_cast<volatile std::uint32_t*>(local) = i;
        }
      }
      EXPECT(vmmc_fence() == VMMC_OK);
    }
    if (senders == 2 || part.number() == 1) await(all.memory(), kStores);
    notebook.note(part, vmmc_clock());
  });
}

TEST_CASE("bursts of automatic updates in one direction") {
  store_in_bursts(1, VMMC_CAPTURE_TYPED);
  store_in_bursts(1, VMMC_CAPTURE_TRAP);
}
TEST_CASE("bursts of automatic updates in both directions") {
  store_in_bursts(2, VMMC_CAPTURE_TYPED);
  store_in_bursts(2, VMMC_CAPTURE_TRAP);
}

TEST_CASE("a combined packet waits for its timer") {
  simulate(2, [](Part& part, Notebook&) {
    const Everybody all(part, 2);
    auto* const local = static_cast<unsigned char*>(allocate(Everybody::kPageBytes));
    const vmmc_bind_options options{VMMC_CAPTURE_TRAP, VMMC_COMBINE_TIMER, 50'000, 0};
    vmmc_binding* binding = nullptr;
    EXPECT(vmmc_bind(local, all.proxy(all.next()), Everybody::kPageBytes, &options, &binding) ==
           VMMC_OK);
    reinterpret_cast<volatile std::uint32_t*>(local)[0] = 1;
    await(all.memory(), 1);
  });
}

TEST_CASE("a packet that a process has left open does not outlive its pages") {
  const NicsimProcess nicsim({"--model", "shrimp-2"});
  const auto leave_open = [](Part& part) {
    attach();
    unsigned char* const memory = export_new(4096, 1);
    const Proxy self = import_from(part.number(), 1);
    void* const local = allocate(4096);
    const vmmc_bind_options options{VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK, 50'000, 0};
    vmmc_binding* binding = nullptr;
    EXPECT(vmmc_bind(local, self.address, 4096, &options, &binding) == VMMC_OK);
    EXPECT(vmmc_au_store32(binding, static_cast<std::uint32_t*>(local), 1) == VMMC_OK);
    EXPECT(vmmc_compute(1'000'000) == VMMC_OK);
    (void)memory;
    part.die();
  };
  for (int i = 0; i < 3; ++i) run_processes(nicsim, {leave_open});
  run_processes(nicsim, {[](Part&) {
                  attach();
                  EXPECT(vmmc_compute(1'000'000) == VMMC_OK);
                  EXPECT(vmmc_flush() == VMMC_OK);
                  unsigned char* const memory = export_new(4096, 1);
                  const Proxy self = import_from(0, 1);
                  send_word(3, self.address);
                  await(memory, 3);
                  EXPECT(vmmc_finalize() == VMMC_OK);
                }});
}

}  // namespace
}  // namespace vmmc::testing

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the operations of two processes take under the model of SHRIMP: the figures that it is fitted to,
// to the nanosecond, on each run.

#include <doctest/doctest.h>

#include <functional>
#include <utility>

#include "tests/simulated_time/simulated_run.h"

namespace vmmc::testing {
namespace {

constexpr std::uint32_t kRounds = 20;

// The time of one way, in ns: `store` lets a word appear at the other's word 0.
void bounce(Part& part, Notebook& notebook, const Everybody& all,
            const std::function<void(std::uint32_t)>& store) {
  std::uint64_t start = 0;
  for (std::uint32_t round = 0; round <= kRounds; ++round) {
    if (round == 1) start = vmmc_clock();  // the first one: who comes later is waited for
    for (std::uint32_t turn = 0; turn < 2; ++turn) {
      if (turn == part.number()) {
        store(round + 1);
      } else {
        await(all.memory(), round + 1);
      }
    }
  }
  if (part.number() == 0) notebook.note(part, (vmmc_clock() - start + kRounds) / (2 * kRounds));
}

TEST_CASE("a word by deliberate update takes 7.6 us") {
  const Notes notes = simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    const Everybody all(part, 2);
    bounce(part, notebook, all,
           [&](std::uint32_t value) { send_word(value, all.proxy(1 - part.number())); });
  });
  CHECK(notes[0].at(0) == 7600);
}

void bind_and_bounce(Part& part, Notebook& notebook, vmmc_capture capture) {
  const Everybody all(part, 2);
  auto* const local = static_cast<unsigned char*>(allocate(Everybody::kPageBytes));
  const vmmc_bind_options options{capture, VMMC_COMBINE_SINGLE, 50000, 0};
  vmmc_binding* binding = nullptr;
  EXPECT(vmmc_bind(local, all.proxy(1 - part.number()), Everybody::kPageBytes, &options,
                   &binding) == VMMC_OK);
  bounce(part, notebook, all, [&](std::uint32_t value) {
    auto* const word = reinterpret_cast<std::uint32_t*>(local);
    if (capture == VMMC_CAPTURE_TYPED) {
      EXPECT(vmmc_au_store32(binding, word, value) == VMMC_OK);
    } else {
      *static_cast<volatile std::uint32_t*>(word) = value;
    }
  });
}

TEST_CASE("a word by automatic update takes 4.75 us, however the store is captured") {
  for (const vmmc_capture capture : {VMMC_CAPTURE_TRAP, VMMC_CAPTURE_TYPED}) {
    CAPTURE(capture);
    const Notes notes = simulate_again_and_again(
        2, [&](Part& part, Notebook& notebook) { bind_and_bounce(part, notebook, capture); });
    CHECK(notes[0].at(0) == 4750);
  }
}

TEST_CASE("shared capture needs real time") {
  simulate(2, [](Part& part, Notebook&) {
    const Everybody all(part, 2);
    void* const local = allocate(Everybody::kPageBytes);
    const vmmc_bind_options options{VMMC_CAPTURE_SHARED, VMMC_COMBINE_SINGLE, 50000, 0};
    vmmc_binding* binding = nullptr;
    EXPECT(vmmc_bind(local, all.proxy(1 - part.number()), Everybody::kPageBytes, &options,
                     &binding) == VMMC_ERR_CAPTURE_UNAVAILABLE);
  });
}

TEST_CASE("so does the host executor") {
  simulate(2, [](Part& part, Notebook&) {
    const Everybody all(part, 2);
    const vmmc_import_options options{VMMC_WRITE, VMMC_EXECUTOR_HOST, VMMC_FOREVER};
    void* proxy = nullptr;
    EXPECT(vmmc_import(identity_of(all.next()), 1, &options, &proxy, nullptr) ==
           VMMC_ERR_EXECUTOR_UNAVAILABLE);
  });
}

TEST_CASE("a long transfer has SHRIMP's 23 MB/s") {
  constexpr std::size_t kLength = std::size_t{1} << 20;
  const Notes notes = simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    const Everybody all(part, 2, 2 * kLength);
    auto* const source = static_cast<unsigned char*>(allocate(kLength));
    std::memset(source, 'x', kLength);
    send_word(1, all.proxy(1 - part.number()));
    await(all.memory(), 1);
    const std::uint64_t start = vmmc_clock();
    if (part.number() == 0) {
      EXPECT(vmmc_send(source, all.proxy(1) + kLength, kLength) == VMMC_OK);
      EXPECT(vmmc_fence() == VMMC_OK);
      send_word(2, all.proxy(1));
    } else {
      await(all.memory(), 2);
      EXPECT(all.memory()[kLength] == 'x');
      EXPECT(all.memory()[2 * kLength - 1] == 'x');
    }
    const std::uint64_t took = vmmc_clock() - start;
    notebook.note(part, (kLength * 1000 + took / 2) / took);  // MB/s
  });
  CHECK(notes[0].at(0) == 23);  // and a fraction
}

TEST_CASE("fetches, atomic operations and notifications take the same time on each run") {
  const Notes notes = simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    void* const memory = allocate(Everybody::kPageBytes);
    vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
    options.handler = vmmc_no_action;
    EXPECT(vmmc_export(memory, Everybody::kPageBytes, 7, &options) == VMMC_OK);
    const Proxy other = import_by(VMMC_EXECUTOR_AUTO, 1 - part.number(), 7, VMMC_READ | VMMC_WRITE);
    if (part.number() == 0) {
      std::uint64_t start = vmmc_clock();
      const auto note = [&] {
        const std::uint64_t now = vmmc_clock();
        notebook.note(part, now - std::exchange(start, now));
      };
      std::uint64_t word = 1;
      EXPECT(vmmc_fetch(&word, other.address + 64, sizeof word) == VMMC_OK);
      EXPECT(word == 0);
      note();
      EXPECT(vmmc_fetch_add_64(other.address + 64, 5, &word) == VMMC_OK);
      EXPECT(word == 0);
      note();
      EXPECT(vmmc_swap_32(other.address + 64, 9, nullptr) == VMMC_OK);
      note();
      EXPECT(vmmc_send_notify("hello", other.address + 128, 5, 77) == VMMC_OK);
    } else {
      vmmc_notification notification{};
      EXPECT(vmmc_wait_notification(7, VMMC_FOREVER, &notification) == VMMC_OK);
      EXPECT(notification.immediate == 77);
      EXPECT(std::memcmp(static_cast<char*>(memory) + 128, "hello", 5) == 0);
      notebook.note(part, vmmc_clock());
    }
  });
  REQUIRE(notes[0].size() == 3);
  CHECK(notes[0][0] > 4750);  // there and back
  CHECK(notes[0][1] > 4750);
  REQUIRE(notes[1].size() == 1);
}

TEST_CASE("a parameter of the model is in the result") {
  const auto program = [](Part& part, Notebook& notebook) {
    const Everybody all(part, 2);
    bounce(part, notebook, all,
           [&](std::uint32_t value) { send_word(value, all.proxy(1 - part.number())); });
  };
  std::uint64_t slow = 0;
  {
    std::vector<std::string> arguments = simulated(2);
    arguments.insert(arguments.end(), {"--param", "library.send_ns=1800"});
    const NicsimProcess nicsim(arguments);
    Notebook notebook;
    const auto body = [&](Part& part) {
      attach();
      program(part, notebook);
      EXPECT(vmmc_finalize() == VMMC_OK);
    };
    run_processes(nicsim, {body, body});
    slow = notebook.read(2)[0].at(0);
  }
  CHECK(slow == 8600);
}

}  // namespace
}  // namespace vmmc::testing

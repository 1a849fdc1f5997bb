// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Real processes in simulated time, and what they note: the same run again and again.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/conformance/conformance.h"

namespace vmmc::testing {

// What each part has noted, in its order.
using Notes = std::vector<std::vector<std::uint64_t>>;

// Where they note it: memory made before the fork.
class Notebook {
 public:
  Notebook() {
    void* const memory =
        ::mmap(nullptr, sizeof(Pages), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    pages_ = static_cast<Pages*>(memory);
  }
  ~Notebook() { ::munmap(pages_, sizeof(Pages)); }
  Notebook(const Notebook&) = delete;
  Notebook& operator=(const Notebook&) = delete;

  void note(const Part& part, std::uint64_t value) {
    Page& page = (*pages_)[part.number()];
    EXPECT(page.count < page.values.size());
    page.values[page.count++] = value;
  }
  Notes read(std::size_t parts) const {
    Notes notes;
    for (std::size_t i = 0; i < parts; ++i) {
      const Page& page = (*pages_)[i];
      notes.emplace_back(page.values.begin(),
                         page.values.begin() + static_cast<std::ptrdiff_t>(page.count));
    }
    return notes;
  }

 private:
  struct Page {
    std::size_t count;
    std::array<std::uint64_t, 120> values;
  };
  using Pages = std::array<Page, kMaxParts>;
  Pages* pages_;
};

struct RunOptions {
  std::string model = "shrimp-2";
  std::uint64_t delays = 0;  // seed: each part attaches up to 20 ms of real time later; 0: at once
  bool in_the_background = false;  // nicsim has the lowest priority
};

inline std::vector<std::string> simulated(std::size_t parts,
                                          const std::string& model = "shrimp-2") {
  return {"--model", model, "--expect", std::to_string(parts)};
}

using Program = std::function<void(Part&, Notebook&)>;

// All parts run `program`, attached when it begins.
inline Notes simulate(std::size_t parts, const Program& program, const RunOptions& options = {}) {
  const NicsimProcess nicsim(simulated(parts, options.model));
  if (options.in_the_background) REQUIRE(::setpriority(PRIO_PROCESS, nicsim.pid(), 19) == 0);
  Notebook notebook;
  std::mt19937_64 random(options.delays);
  std::vector<std::function<void(Part&)>> bodies;
  for (std::size_t i = 0; i < parts; ++i) {
    const auto delay = static_cast<useconds_t>(options.delays == 0 ? 0 : random() % 20'000);
    bodies.emplace_back([&, delay](Part& part) {
      ::usleep(delay);
      attach();
      EXPECT(vmmc_time_is_simulated() == 1);
      program(part, notebook);
      EXPECT(vmmc_finalize() == VMMC_OK);
    });
  }
  run_processes(nicsim, bodies);
  return notebook.read(parts);
}

// Processes that keep the machine busy as long as this lives.
class Load {
 public:
  explicit Load(int processes) {
    for (int i = 0; i < processes; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::alarm(50);
        for (std::atomic<std::uint64_t> work{0};;) work.fetch_add(1, std::memory_order_relaxed);
      }
      children_.push_back(child);
    }
  }
  ~Load() {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

 private:
  std::vector<pid_t> children_;
};

// Whatever the order in which the parts start, and however busy the machine is.
inline Notes simulate_again_and_again(std::size_t parts, const Program& program) {
  const Notes first = simulate(parts, program);
  const std::uint64_t seed = std::random_device{}() | 1u;
  MESSAGE("seed " << seed);
  CHECK(simulate(parts, program, {.delays = seed}) == first);
  const Load load(2);
  CHECK(simulate(parts, program, {.delays = seed + 1, .in_the_background = true}) == first);
  return first;
}

// Word 0 of buffer 1 of each part is a flag for the one before it in the ring: parts meet in simulated
// time alone.
class Everybody {
 public:
  // Collective, with buffers of `length` bytes.
  Everybody(const Part& part, std::uint32_t parts, std::size_t length = kPageBytes)
      : me_(part.number()), memory_(export_new(length, 1)) {
    for (std::uint32_t other = 0; other < parts; ++other) {
      proxies_.push_back(import_by(VMMC_EXECUTOR_AUTO, other, 1, VMMC_READ | VMMC_WRITE).address);
    }
  }

  static constexpr std::size_t kPageBytes = 4096;

  unsigned char* memory() const { return memory_; }
  unsigned char* proxy(std::uint32_t part) const { return proxies_[part]; }
  std::uint32_t next() const { return (me_ + 1) % static_cast<std::uint32_t>(proxies_.size()); }

 private:
  std::uint32_t me_;
  unsigned char* memory_;
  std::vector<unsigned char*> proxies_;
};

}  // namespace vmmc::testing

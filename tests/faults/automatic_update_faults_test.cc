// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Automatic update while somebody is killed, forks or detaches: those who remain go on.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "tests/conformance/automatic_update.h"
#include "tests/faults/lone_program.h"
#include "tests/faults/process_view.h"

using namespace vmmc::testing;

namespace {

using Body = std::function<void(Part&)>;

constexpr int kVictim = 0;  // indices of Part::value: a process to be killed
constexpr int kDone = 1;    // it has been
constexpr int kNext = 2;    // what comes after that
constexpr int kLast = 3;    // the last value of the counters

// Two counters on two pages. The storing process counts up the first, then the second, so that
// nobody ever sees the second ahead.
constexpr std::size_t kLeader = 64;
constexpr std::size_t kFollower = kPage + 512;

void count_to(unsigned char* local, std::uint32_t n) {
  word_at(local, kLeader) = n;
  word_at(local, kFollower) = n;
}

void expect_in_order(unsigned char* memory) {
  const std::uint32_t follower = look(memory + kFollower);
  EXPECT(look(memory + kLeader) >= follower);
}

vmmc_bind_options some_options(int round) {
  return bind_options(VMMC_CAPTURE_TRAP, kCombinings[round % 4]);
}

void be_killed_some_time(Part& part) {
  part.expect_to_be_killed();
  part.value(kVictim).store(static_cast<std::uint64_t>(::getpid()));
}

// Kills the victim after `microseconds`.
Body killer(unsigned microseconds) {
  return [microseconds](Part& part) {
    part.meet();
    while (part.value(kVictim).load() == 0) ::usleep(100);
    ::usleep(microseconds);
    EXPECT(::kill(static_cast<pid_t>(part.value(kVictim).load()), SIGKILL) == 0);
    ::usleep(2'000);
    part.value(kDone).store(1);
  };
}

// A nicsim that serves every round and has forgotten them all in the end.
class Rounds {
 public:
  Rounds() { MESSAGE("seed " << seed_); }
  ~Rounds() {
    CHECK(comes_true([&] { return count_descriptors(nicsim.pid()) == descriptors_; }));
    CHECK(nicsim.terminate() == 0);
  }
  unsigned moment() { return 200 + random_() % 8'000; }

  NicsimProcess nicsim;

 private:
  unsigned seed_ = std::random_device{}();
  std::mt19937 random_{seed_};
  std::size_t descriptors_ = settled_descriptors(nicsim.pid());
};

}  // namespace

TEST_CASE("the receiver is killed: stores go on, locally, and those to others arrive") {
  Rounds rounds;
  for (int round = 0; round < 12; ++round) {
    run_processes(rounds.nicsim, {killer(rounds.moment()),
                                  [](Part& part) {  // the receiver
                                    attach();
                                    unsigned char* memory = export_new(2 * kPage, 1);
                                    part.meet();
                                    be_killed_some_time(part);
                                    for (;;) expect_in_order(memory);
                                  },
                                  [](Part& part) {  // another receiver
                                    attach();
                                    unsigned char* memory = export_new(2 * kPage, 1);
                                    part.meet();
                                    while (part.value(kNext).load() == 0) {
                                      expect_in_order(memory);
                                      std::this_thread::yield();
                                    }
                                    EXPECT(look(memory + kLeader) == word_at(memory, 0));
                                    EXPECT(look(memory + kFollower) == word_at(memory, 0));
                                    EXPECT(look(memory + kPage - 4) == 1);
                                  },
                                  [round](Part& part) {  // the one that stores
                                    attach();
                                    const Proxy dying = import_from(1, 1);
                                    const Proxy living = import_from(2, 1);
                                    auto* local = static_cast<unsigned char*>(allocate(4 * kPage));
                                    unsigned char* local_of_living = local + 2 * kPage;
                                    vmmc_binding* lost =
                                        bind(local, dying.address, 2 * kPage, some_options(round));
                                    bind(local_of_living, living.address, 2 * kPage,
                                         some_options(round / 4));
                                    part.meet();
                                    std::uint32_t n = 0;
                                    int status = VMMC_OK;
                                    while (status == VMMC_OK) {
                                      for (int i = 0; i < 20; ++i) {
                                        count_to(local, ++n);
                                        count_to(local_of_living, n);
                                      }
                                      status = vmmc_fence();
                                    }
                                    EXPECT(status == VMMC_ERR_PEER_DEAD);
                                    count_to(local, ++n);
                                    count_to(local_of_living, n);
                                    EXPECT(vmmc_fence() == VMMC_OK);
                                    EXPECT(word_at(local, kLeader) == n);
                                    EXPECT(word_at(local, kFollower) == n);
                                    word_at(local_of_living, 0) = n;
                                    EXPECT(vmmc_unbind(lost) == VMMC_OK);
                                    // The page may be bound anew, to another buffer.
                                    bind(local, living.address, kPage, some_options(round + 1));
                                    word_at(local, kPage - 4) = 1;
                                    EXPECT(vmmc_fence() == VMMC_OK);
                                    part.value(kNext).store(1);
                                  }});
  }
}

TEST_CASE("the storing process is killed: what the receiver has is a prefix, and stays") {
  Rounds rounds;
  for (int round = 0; round < 12; ++round) {
    run_processes(rounds.nicsim, {killer(rounds.moment()),
                                  [](Part& part) {  // the receiver
                                    attach();
                                    unsigned char* memory = export_new(2 * kPage, 1);
                                    part.meet();
                                    while (part.value(kDone).load() == 0) {
                                      expect_in_order(memory);
                                      std::this_thread::yield();
                                    }
                                    const auto importers = [] {
                                      std::size_t count = 1;
                                      EXPECT(vmmc_importers(1, nullptr, 0, &count) == VMMC_OK);
                                      return count;
                                    };
                                    EXPECT(comes_true([&] { return importers() == 0; }));
                                    const std::uint32_t leader = look(memory + kLeader);
                                    const std::uint32_t follower = look(memory + kFollower);
                                    EXPECT(leader == follower || leader == follower + 1);
                                    // A successor stores to the same buffer.
                                    part.value(kNext).store(1);
                                    await(memory, 1);
                                    EXPECT(look(memory + kLeader) == leader);
                                    EXPECT(look(memory + kFollower) == follower);
                                  },
                                  [round](Part& part) {  // the one that stores
                                    attach();
                                    const Proxy proxy = import_from(1, 1);
                                    auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
                                    bind(local, proxy.address, 2 * kPage, some_options(round));
                                    part.meet();
                                    be_killed_some_time(part);
                                    for (std::uint32_t n = 1;; ++n) count_to(local, n);
                                  },
                                  [round](Part& part) {  // its successor
                                    part.meet();
                                    while (part.value(kNext).load() == 0) ::usleep(100);
                                    attach();
                                    const Proxy proxy = import_from(1, 1);
                                    auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
                                    bind(local, proxy.address, 2 * kPage, some_options(round));
                                    word_at(local, 0) = 1;
                                    EXPECT(vmmc_fence() == VMMC_OK);
                                  }});
  }
}

TEST_CASE(
    "nicsim is killed while threads store: they go on, locally; a new one serves the same pages") {
  for (int round = 0; round < 4; ++round) {
    NicsimProcess first;
    NicsimProcess second;
    const pid_t pid = first.pid();
    run_processes(
        first, {[=, &second](Part&) {
          attach();
          export_new(2 * kPage, 1);
          const Proxy proxy = import_from(0, 1);
          static unsigned char pages[3 * kPage];
          unsigned char* local = pages + (0 - reinterpret_cast<std::uintptr_t>(pages)) % kPage;
          vmmc_binding* binding = bind(local, proxy.address, 2 * kPage, some_options(round));
          std::atomic<bool> over{false};
          std::atomic<std::uint32_t> stored[2] = {};
          std::thread threads[2];
          for (std::size_t i = 0; i < 2; ++i) {
            threads[i] = std::thread([&, i] {
              while (!over.load())
                word_at(local, i * kPage + 8 * i) = stored[i].load() + 1, ++stored[i];
            });
          }
          ::usleep(5'000);
          EXPECT(::kill(pid, SIGKILL) == 0);
          int status = VMMC_OK;
          while (status == VMMC_OK) status = vmmc_fence();
          EXPECT(status == VMMC_ERR_NICSIM_GONE);
          for (const auto& count : stored) {
            const std::uint32_t now = count.load();
            while (count.load() - now < 10) ::usleep(100);
          }
          over.store(true);
          for (std::thread& thread : threads) thread.join();
          EXPECT(word_at(local, 0) == stored[0].load());
          EXPECT(word_at(local, kPage + 8) == stored[1].load());
          if (round % 2 == 0) EXPECT(vmmc_unbind(binding) == VMMC_OK);
          EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
          word_at(local, 0) = word_at(local, 0) + 1;

          ::setenv("VMMC_SOCKET", second.socket().c_str(), 1);
          attach();
          unsigned char* memory = export_new(2 * kPage, 1);
          bind(local, import_from(0, 1).address, 2 * kPage, some_options(round + 1));
          word_at(local, 0) = word_at(local, 0) + 1;
          EXPECT(vmmc_fence() == VMMC_OK);
          EXPECT(word_at(memory, 0) == stored[0].load() + 2);
          EXPECT(word_at(memory, kPage + 8) == 0);
        }});
  }
}

TEST_CASE("finalize sends what is stored and ends the bindings; after it they can be made again") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kTimes = 8;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(2 * kPage, 1);
                           for (std::uint32_t time = 1; time <= kTimes; ++time) {
                             part.meet();
                             EXPECT(look(memory) == time);
                             EXPECT(look(memory + kPage) == time);
                             EXPECT(look(memory + 100) == 0);
                             part.meet();
                           }
                         },
                         [](Part& part) {
                           static unsigned char pages[3 * kPage];
                           unsigned char* local =
                               pages + (0 - reinterpret_cast<std::uintptr_t>(pages)) % kPage;
                           std::size_t descriptors = 0;
                           for (std::uint32_t time = 1; time <= kTimes; ++time) {
                             attach();
                             const Proxy proxy = import_from(0, 1);
                             vmmc_binding* trapped =
                                 bind(local, proxy.address, kPage,
                                      bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK));
                             vmmc_binding* typed =
                                 bind(local + kPage, proxy.address + kPage, kPage,
                                      bind_options(VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK));
                             word_at(local, 0) = time;
                             store(typed, VMMC_CAPTURE_TYPED, local + kPage, time);
                             EXPECT(vmmc_finalize() == VMMC_OK);
                             EXPECT(vmmc_unbind(trapped) == VMMC_ERR_NOT_ATTACHED);
                             EXPECT(vmmc_flush() == VMMC_ERR_NOT_ATTACHED);
                             EXPECT(word_at(local, 0) == time);
                             word_at(local, 100) = time;
                             if (time == 1) descriptors = count_descriptors(0);
                             part.meet();
                             part.meet();
                             attach();
                             EXPECT(vmmc_unbind(trapped) == VMMC_ERR_BAD_HANDLE);
                             EXPECT(vmmc_binding_capture(typed) == VMMC_ERR_BAD_HANDLE);
                             EXPECT(vmmc_finalize() == VMMC_OK);
                           }
                           EXPECT(count_descriptors(0) == descriptors);
                         }});
}

TEST_CASE("a process forks while it stores: the child has private pages, the parent's are bound") {
  constexpr int kChildren = 10;
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part& part) {
                 attach();
                 unsigned char* memory = export_new(2 * kPage, 1);
                 part.meet();
                 while (part.value(kDone).load() == 0) {
                   expect_in_order(memory);
                   std::this_thread::yield();
                 }
                 EXPECT(look(memory) == 0);
                 EXPECT(look(memory + kLeader) == part.value(kLast).load());
                 EXPECT(look(memory + kFollower) == part.value(kLast).load());
               },
               [](Part& part) {
                 attach();
                 const Proxy proxy = import_from(0, 1);
                 auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
                 vmmc_binding* binding = bind(local, proxy.address, 2 * kPage,
                                              bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_TIMER));
                 part.meet();
                 std::atomic<bool> over{false};
                 std::atomic<std::uint32_t> n{0};
                 std::thread storing([&] {
                   while (!over.load()) count_to(local, ++n);
                 });
                 for (int i = 0; i < kChildren; ++i) {
                   const std::uint32_t before = n.load();
                   while (n.load() - before < 20) ::usleep(100);
                   const pid_t child = ::fork();
                   if (child == 0) {
                     ::alarm(30);
                     const std::uint32_t at_fork = look(local + kFollower);
                     EXPECT(at_fork >= before);
                     word_at(local, 0) = 7;
                     count_to(local, 5);
                     EXPECT(look(local + kLeader) == 5);
                     auto* word = reinterpret_cast<std::uint32_t*>(local);
                     EXPECT(vmmc_au_store32(binding, word, 8) == VMMC_ERR_FORKED);
                     EXPECT(vmmc_binding_capture(binding) == VMMC_ERR_FORKED);
                     EXPECT(vmmc_flush() == VMMC_ERR_FORKED);
                     EXPECT(vmmc_unbind(binding) == VMMC_ERR_FORKED);
                     // It may attach itself. The parent's handles stay the parent's.
                     be_alone();
                     attach();
                     EXPECT(vmmc_unbind(binding) == VMMC_ERR_BAD_HANDLE);
                     EXPECT(vmmc_binding_capture(binding) == VMMC_ERR_BAD_HANDLE);
                     EXPECT(vmmc_au_store32(binding, word, 8) == VMMC_ERR_BAD_HANDLE);
                     EXPECT(*word == 7);
                     unsigned char* memory = export_new(kPage, 1);
                     const vmmc_identity self = vmmc_self();
                     void* own = nullptr;
                     EXPECT(vmmc_import(self, 1, nullptr, &own, nullptr) == VMMC_OK);
                     vmmc_binding* fresh = bind(
                         local, own, kPage, bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK));
                     word_at(local, 0) = 9;
                     EXPECT(vmmc_fence() == VMMC_OK);
                     EXPECT(look(memory) == 9);
                     EXPECT(vmmc_unbind(fresh) == VMMC_OK);
                     ::_exit(vmmc_finalize() == VMMC_OK ? 0 : 1);
                   }
                   int status = -1;
                   EXPECT(::waitpid(child, &status, 0) == child);
                   EXPECT(status == 0);
                   EXPECT(look(local) == 0);
                 }
                 over.store(true);
                 storing.join();
                 EXPECT(vmmc_unbind(binding) == VMMC_OK);
                 EXPECT(vmmc_fence() == VMMC_OK);
                 part.value(kLast).store(n.load());
                 part.value(kDone).store(1);
               }});
}

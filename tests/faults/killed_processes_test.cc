// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// kill -9 of processes at random moments, while others work: those go on, and nothing stays behind.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "tests/conformance/conformance.h"
#include "tests/faults/process_view.h"
#include "tests/faults/raw_client.h"

using namespace vmmc::testing;

namespace {

using Body = std::function<void(Part&)>;

// Parts of each round: the two that work all the time, the one that is killed, those around it.
constexpr std::uint32_t kVictim = 2;
constexpr std::uint32_t kFirstSurvivor = 3;
constexpr int kVictimPid = 0;  // index of Part::value
constexpr int kOver = 1;       // the work may end
constexpr std::uint32_t kLastTurn = UINT32_MAX;
constexpr std::uint32_t kMegabyte = 1 << 20;

// Two parts that send to each other until the round is over, and look at what they get.
Body worker(std::uint32_t other) {
  return [other](Part& part) {
    attach();
    unsigned char* memory = export_new(8192, 900);
    Proxy proxy = import_from(other, 900);
    part.meet();
    std::vector<unsigned char> data(8188);
    for (std::uint32_t turn = 1;; ++turn) {
      const bool last = part.value(kOver).load() != 0;
      std::fill(data.begin(), data.end(), static_cast<unsigned char>(turn));
      EXPECT(vmmc_send(data.data(), proxy.address, data.size()) == VMMC_OK);
      send_word(last ? kLastTurn : turn, proxy.address + data.size());
      const auto* flag = reinterpret_cast<std::uint32_t*>(memory + data.size());
      EXPECT(vmmc_wait_32(flag, VMMC_AT_LEAST, turn, VMMC_WAIT_ADAPTIVE, 30 * kSecond) == VMMC_OK);
      if (last) break;
      if (look(memory + data.size()) == kLastTurn) {
        // The other waits for this, or has ended already.
        vmmc_send(&kLastTurn, proxy.address + data.size(), sizeof kLastTurn);
        (void)vmmc_fence();
        return;
      }
      EXPECT(memory[0] == static_cast<unsigned char>(turn) ||
             memory[0] == static_cast<unsigned char>(turn + 1));
    }
    EXPECT(vmmc_fence() == VMMC_OK);
  };
}

// Says that it is ready to be killed, and goes on with `body` until then.
Body victim(const Body& prepare, const Body& body) {
  return [=](Part& part) {
    attach();
    prepare(part);
    part.expect_to_be_killed();
    part.value(kVictimPid).store(static_cast<std::uint64_t>(::getpid()));
    for (;;) body(part);
  };
}

// Kills the victim after `microseconds`.
Body killer(unsigned microseconds) {
  return [microseconds](Part& part) {
    part.meet();
    while (part.value(kVictimPid).load() == 0) ::usleep(100);
    ::usleep(microseconds);
    EXPECT(::kill(static_cast<pid_t>(part.value(kVictimPid).load()), SIGKILL) == 0);
    ::usleep(2'000);
    part.value(kOver).store(1);
  };
}

void nothing(Part&) {}

// Sends until there is nobody any more; every refusal must be one of those that are due.
void send_until_dead(Part&, const Proxy& proxy, bool may_be_unexported) {
  std::vector<unsigned char> data(60'000, 5);
  for (std::size_t n = 1;; n = (n * 5 + 1) % data.size()) {
    int status = vmmc_send(data.data(), proxy.address, std::min(n + 1, proxy.length));
    if (status == VMMC_OK) status = vmmc_fence();
    if (status == VMMC_ERR_PEER_DEAD) return;
    EXPECT(status == VMMC_OK || (may_be_unexported && status == VMMC_ERR_UNEXPORTED));
    if (status == VMMC_ERR_UNEXPORTED) return;
  }
}

std::set<std::string> names_in(const char* folder) {
  std::set<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (name.find("vmmc") != std::string::npos || name.find("nicsim") != std::string::npos) {
      names.insert(entry.path());
    }
  }
  return names;
}

// Tests beside this one have files for a while; what is left behind stays.
bool nothing_new(const std::set<std::string>& before, const char* folder) {
  std::vector<std::string> fresh;
  const auto now = names_in(folder);
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                      std::back_inserter(fresh));
  for (int i = 0; i < 6000; ++i) {
    std::error_code gone;
    std::erase_if(fresh, [&](const auto& path) { return !std::filesystem::exists(path, gone); });
    if (fresh.empty()) return true;
    ::usleep(10'000);
  }
  MESSAGE("left behind: " << fresh.front());
  return false;
}

// A nicsim that is watched from before the first fault to after the last.
class Scene {
 public:
  Scene() { MESSAGE("seed " << seed_); }
  ~Scene() {
    const pid_t pid = nicsim.pid();
    CHECK(comes_true([&] { return count_descriptors(pid) == descriptors_; }));
    CHECK(comes_true([&] { return kibibytes(pid, "RssShmem:") == 0; }));
    if (!kSanitized) {
      MESSAGE("nicsim's memory: " << resident_ << " KiB at first, " << kibibytes(pid, "VmRSS:")
                                  << " KiB in the end");
      CHECK(kibibytes(pid, "VmRSS:") < resident_ + 4096);
    }
    CHECK(nicsim.terminate() == 0);
    CHECK(count_processes_with(nicsim.socket()) == 0);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
    CHECK(nothing_new(in_shm_, "/dev/shm"));
    CHECK(nothing_new(in_tmp_, "/tmp"));
  }

  unsigned moment() { return 200 + random_() % 8'000; }

  // One round: the workers, the victim, the others, and the killer.
  void play(Body the_victim, std::vector<Body> others) {
    std::vector<Body> parts{worker(1), worker(0), std::move(the_victim)};
    for (Body& other : others) parts.push_back(std::move(other));
    parts.push_back(killer(moment()));
    run_processes(nicsim, std::move(parts));
  }

 private:
  const unsigned seed_ = std::random_device{}();
  std::mt19937 random_{seed_};
  const std::set<std::string> in_shm_ = names_in("/dev/shm");
  const std::set<std::string> in_tmp_ = names_in("/tmp");

 public:
  NicsimProcess nicsim;

 private:
  const std::size_t descriptors_ = settled_descriptors(nicsim.pid());
  const std::size_t resident_ = kibibytes(nicsim.pid(), "VmRSS:");
};

constexpr int kRounds = 8;

}  // namespace

TEST_CASE("a sender killed in the middle of its sends disturbs neither receiver nor nicsim") {
  Scene scene;
  for (int round = 0; round < kRounds; ++round) {
    scene.play(victim(nothing,
                      [](Part&) {
                        static const Proxy proxy = import_from(kFirstSurvivor, 1);
                        static auto* allocated = static_cast<unsigned char*>(allocate(kMegabyte));
                        static std::vector<unsigned char> heap(kMegabyte, 3);
                        for (std::size_t n = 1;; n = n * 5 % 999'983) {
                          vmmc_send_handle handle;
                          vmmc_send(heap.data(), proxy.address, 1 + n);
                          vmmc_send_start(allocated, proxy.address, 1 + n, &handle);
                          vmmc_send_start(heap.data(), proxy.address, 1 + n % 3000, &handle);
                        }
                      }),
               {[](Part& part) {
                 attach();
                 unsigned char* memory = export_new(kMegabyte, 1);
                 part.meet();
                 while (part.value(kOver).load() == 0) ::usleep(100);
                 // nothing arrives any more once the buffer is taken back
                 EXPECT(vmmc_unexport(1) == VMMC_OK);
                 const std::uint32_t before = look(memory);
                 ::usleep(1'000);
                 EXPECT(look(memory) == before);
                 EXPECT(vmmc_export(memory, kMegabyte, 1, nullptr) == VMMC_OK);
               }});
  }
}

TEST_CASE("senders to a killed receiver are told, and send to others") {
  Scene scene;
  for (int round = 0; round < kRounds; ++round) {
    const Body sender = [](Part& part) {
      attach();
      const Proxy proxy = import_from(kVictim, 1);
      export_new(64, 2);
      const Proxy mine = import_from(part.number(), 2);
      part.meet();
      send_until_dead(part, proxy, false);
      const std::uint32_t value = 1;
      EXPECT(vmmc_send(&value, proxy.address, 4) == VMMC_ERR_PEER_DEAD);
      send_word(7, mine.address);
      EXPECT(vmmc_fence() == VMMC_OK);
      EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
      EXPECT(vmmc_send(&value, proxy.address, 4) == VMMC_ERR_OUTSIDE_PROXY);
    };
    scene.play(victim([](Part&) { export_new(kMegabyte, 1); }, [](Part&) { ::pause(); }),
               {sender, sender});
  }
}

TEST_CASE("an importer killed while its imports wait is forgotten") {
  Scene scene;
  for (int round = 0; round < kRounds; ++round) {
    scene.play(victim(nothing,
                      [](Part&) {
                        for (std::uint32_t id = 1; id < 40; ++id) {
                          vmmc_import_request request;
                          vmmc_import_start(identity_of(kFirstSurvivor), id, nullptr, &request);
                        }
                        import_status(identity_of(kFirstSurvivor), 50, VMMC_WRITE, VMMC_FOREVER);
                      }),
               {[](Part& part) {
                 attach();
                 part.meet();
                 // some of them before the importer dies, most of them after
                 for (std::uint32_t id = 1; id < 40; ++id) {
                   export_new(4096, id);
                   ::usleep(200);
                 }
                 while (part.value(kOver).load() == 0) ::usleep(100);
                 export_new(4096, 50);
                 for (std::uint32_t id = 1; id < 40; ++id) EXPECT(vmmc_unexport(id) == VMMC_OK);
               }});
  }
}

TEST_CASE("an exporter killed while it takes buffers back does not hold up their importers") {
  Scene scene;
  for (int round = 0; round < kRounds; ++round) {
    const Body importer = [](Part& part) {
      attach();
      part.meet();
      for (;;) {
        void* proxy = nullptr;
        std::size_t length = 0;
        const vmmc_import_options options{VMMC_WRITE, VMMC_EXECUTOR_AUTO, kSecond / 20};
        const int status = vmmc_import(identity_of(kVictim), 1, &options, &proxy, &length);
        if (status == VMMC_ERR_TIMEOUT && part.value(kOver).load() != 0) break;
        if (status == VMMC_ERR_TIMEOUT) continue;
        EXPECT(status == VMMC_OK);
        send_until_dead(part, {static_cast<unsigned char*>(proxy), length}, true);
        EXPECT(vmmc_unimport(proxy) == VMMC_OK);
      }
      EXPECT(vmmc_fence() == VMMC_OK);
    };
    scene.play(victim(nothing,
                      [](Part&) {
                        static auto* memory = static_cast<unsigned char*>(allocate(kMegabyte));
                        EXPECT(vmmc_export(memory, kMegabyte, 1, nullptr) == VMMC_OK);
                        ::usleep(300);
                        EXPECT(vmmc_unexport(1) == VMMC_OK);
                      }),
               {importer, importer});
  }
}

TEST_CASE("an import that waits for a killed exporter gets the buffer of its successor") {
  Scene scene;
  run_processes(scene.nicsim, {[](Part& part) {
                                 attach();
                                 part.meet();
                                 part.value(kOver).store(1);
                                 import_from(1, 5);  // of the one that is killed, or of the next
                                 part.meet();
                               },
                               [](Part& part) {
                                 attach();
                                 part.meet();
                                 while (part.value(kOver).load() == 0) ::usleep(100);
                                 ::usleep(5'000);
                                 part.value(2).store(1);
                                 part.die();
                               },
                               [](Part& part) {
                                 part.meet();
                                 while (part.value(2).load() == 0) ::usleep(100);
                                 ::setenv("VMMC_PROCESS", "1", 1);
                                 ::setenv("VMMC_NODE", "1", 1);
                                 int status = VMMC_ERR_PROCESS_ID_IN_USE;
                                 while (status == VMMC_ERR_PROCESS_ID_IN_USE) {
                                   status = vmmc_init(nullptr);
                                 }
                                 EXPECT(status == VMMC_OK);
                                 export_new(4096, 5);
                                 part.meet();  // it stays until that has been imported
                               }});
}

TEST_CASE("the process id of one that ended with requests under way is free for its successor") {
  using namespace vmmc;
  NicsimProcess nicsim;
  for (int round = 0; round < 20; ++round) {
    RawClient next(nicsim.socket());
    {
      RawClient first(nicsim.socket());
      first.attach();
      REQUIRE(first.identity.process == 0);
      ::kill(nicsim.pid(), SIGSTOP);
      for (int i = 0; i < 20; ++i) {
        REQUIRE(
            first.send(wire::UnexportRequest{first.header(wire::MessageType::kUnexport), 1, 0}));
      }
    }
    REQUIRE(next.send(
        wire::AttachRequest{next.header(wire::MessageType::kAttach), wire::kAnyNode, 0, 0, 0, 0}));
    ::kill(nicsim.pid(), SIGCONT);
    const auto reply = next.receive_header();
    REQUIRE(reply.has_value());
    CHECK(reply->status == wire::Status::kOk);
  }
}

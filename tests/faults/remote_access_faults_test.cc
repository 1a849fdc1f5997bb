// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// kill -9 of exporters, of those who ask, of those who redirect, and of nicsim, in the middle of
// fetches, atomic operations, sends of pieces, redirections and registrations.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/asker.h"
#include "tests/faults/process_view.h"

using namespace vmmc::testing;

namespace {

using Body = std::function<void(Part&)>;

constexpr std::size_t kRoom = Asker::kRoom;
constexpr int kVictimPid = 0;  // indices of Part::value
constexpr int kOver = 1;
constexpr int kReady = 2;

// Works with itself in all ways until the round is over: nobody's death may disturb it.
void bystander(Part& part) {
  attach();
  export_for_askers(7);
  Asker asker(import_for(part.number(), 7));
  part.meet();
  for (unsigned turn = 0; part.value(kOver).load() == 0 || turn < Asker::kCalls; ++turn) {
    EXPECT(asker.call(turn) == VMMC_OK);
  }
  EXPECT(vmmc_fence() == VMMC_OK);
}

// Goes on with `body` until it is killed.
Body victim(const std::function<std::function<void(unsigned turn)>()>& prepare) {
  return [=](Part& part) {
    attach();
    const auto work = prepare();
    part.meet();
    part.expect_to_be_killed();
    part.value(kVictimPid).store(static_cast<std::uint64_t>(::getpid()));
    for (unsigned turn = 0;; ++turn) work(turn);
  };
}

Body killer(unsigned microseconds) {
  return [microseconds](Part& part) {
    part.meet();
    while (part.value(kVictimPid).load() == 0) ::usleep(100);
    ::usleep(microseconds);
    EXPECT(::kill(static_cast<pid_t>(part.value(kVictimPid).load()), SIGKILL) == 0);
    ::usleep(3'000);
    part.value(kOver).store(1);
  };
}

// A nicsim that must be as at first when all is over.
class Scene {
 public:
  Scene() { MESSAGE("seed " << seed_); }
  ~Scene() {
    CHECK(comes_true([&] { return count_descriptors(nicsim.pid()) == descriptors_; }));
    CHECK(comes_true([&] { return kibibytes(nicsim.pid(), "RssShmem:") == 0; }));
    CHECK(nicsim.terminate() == 0);
  }

  unsigned moment() { return 200 + random_() % 8'000; }

  NicsimProcess nicsim;

 private:
  const unsigned seed_ = std::random_device{}();
  std::mt19937 random_{seed_};
  const std::size_t descriptors_ = settled_descriptors(nicsim.pid());
};

constexpr int kRounds = 8;

void nothing_more(unsigned) { ::pause(); }

}  // namespace

TEST_CASE("S4.10 the exporter is killed: those who ask are told, by every call, and go on") {
  Scene scene;
  const Body exporter = victim([] {
    export_for_askers(1);
    return nothing_more;
  });
  const Body asks_until_dead = [](Part& part) {
    attach();
    const Proxy proxy = import_for(0, 1);
    Asker asker(proxy);
    part.meet();
    unsigned turn = part.number();
    int status = VMMC_OK;
    for (; status == VMMC_OK; ++turn) status = asker.call(turn);
    EXPECT(status == VMMC_ERR_PEER_DEAD);
    EXPECT(std::string(vmmc_last_error()).find("has ended") != std::string::npos);
    for (unsigned i = 0; i < Asker::kCalls; ++i) EXPECT(asker.call(i) == VMMC_ERR_PEER_DEAD);
    const int fence = vmmc_fence();  // of gathers and strided sends
    EXPECT(fence == VMMC_OK || fence == VMMC_ERR_PEER_DEAD);
    EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
    export_for_askers(2);
    Asker own(import_for(part.number(), 2));
    for (unsigned i = 0; i < Asker::kCalls; ++i) EXPECT(own.call(i) == VMMC_OK);
  };
  for (int round = 0; round < kRounds; ++round) {
    run_processes(scene.nicsim,
                  {exporter, asks_until_dead, asks_until_dead, bystander, killer(scene.moment())});
  }
}

TEST_CASE("one who asks is killed: exporter and others go on, and the buffer can be taken back") {
  Scene scene;
  const Body exporter = [](Part& part) {
    attach();
    unsigned char* memory = export_for_askers(1);
    part.meet();
    while (part.value(kOver).load() == 0) ::usleep(100);
    EXPECT(vmmc_unexport(1) == VMMC_OK);
    const std::vector<unsigned char> content(memory, memory + kRoom);
    ::usleep(1'000);
    EXPECT(std::memcmp(memory, content.data(), kRoom) == 0);
    EXPECT(std::count(memory + kRoom / 2, memory + kRoom, 0x5a) == kRoom / 2);
    EXPECT(vmmc_export(memory, kRoom, 1, nullptr) == VMMC_OK);
    Asker own(import_for(0, 1));
    for (unsigned i = 0; i < Asker::kCalls; ++i) EXPECT(own.call(i) == VMMC_OK);
  };
  const Body asks = victim([] {
    static Asker asker(import_for(0, 1));
    // Started fetches that nobody waits for are under way at its death.
    static std::vector<unsigned char> room(kRoom);
    const Proxy proxy = import_for(0, 1);
    return [proxy](unsigned turn) {
      vmmc_send_handle handle = 0;
      for (std::size_t i = 0; i < 8; ++i) {
        EXPECT(vmmc_fetch_start(&room[i * 100'000], proxy.address, 100'000, &handle) == VMMC_OK);
      }
      EXPECT(asker.call(turn) == VMMC_OK);
    };
  });
  for (int round = 0; round < kRounds; ++round) {
    run_processes(scene.nicsim, {exporter, asks, bystander, killer(scene.moment())});
  }
}

namespace {

void redirect_and_end(unsigned turn) {
  static std::vector<unsigned char> room(2 * kRoom);
  const std::size_t length = 1 + turn * std::size_t{7919} % (kRoom / 2);
  unsigned char* const place = room.data() + turn % 5000;
  EXPECT(vmmc_redirect(1, turn % 1000, length, place, nullptr) == VMMC_OK);
  if (turn % 3 == 0) ::usleep(100);
  EXPECT(vmmc_end_redirection(1, turn % 1000, nullptr) == VMMC_OK);
}

}  // namespace

TEST_CASE("S4.10 one who redirects is killed: senders are told, and nothing stays in nicsim") {
  Scene scene;
  const Body receiver = victim([] {
    export_for_askers(1, true);
    return redirect_and_end;
  });
  const Body sends_until_dead = [](Part& part) {
    attach();
    const Proxy proxy = import_for(0, 1);
    std::vector<unsigned char> data(300'000);
    part.meet();
    int status = VMMC_OK;
    for (std::size_t n = 1; status == VMMC_OK; n = n * 5 % 299'993) {
      status = vmmc_send(data.data(), proxy.address + n, n);
      if (status == VMMC_OK && n % 4 == 0) status = vmmc_fence();
    }
    EXPECT(status == VMMC_ERR_PEER_DEAD);
  };
  for (int round = 0; round < kRounds; ++round) {
    run_processes(scene.nicsim, {receiver, sends_until_dead, bystander, killer(scene.moment())});
  }
}

TEST_CASE("S6.1 a sender to redirected memory is killed: the receiver goes on redirecting") {
  Scene scene;
  const Body sender = victim([] {
    static const Proxy proxy = import_for(0, 1);
    static std::vector<unsigned char> data(300'000);
    return [](unsigned turn) {
      EXPECT(vmmc_send(data.data(), proxy.address, 1 + turn * 7919u % 300'000) == VMMC_OK);
    };
  });
  const Body receiver = [](Part& part) {
    attach();
    export_for_askers(1, true);
    part.meet();
    for (unsigned turn = 0; part.value(kOver).load() == 0; ++turn) redirect_and_end(turn);
    std::vector<unsigned char> place(1000);
    std::size_t copied = 0;
    EXPECT(vmmc_redirect(1, 0, 1000, place.data(), &copied) == VMMC_OK);
    const Proxy own = import_for(0, 1);
    const std::vector<unsigned char> bytes(1000, 9);
    EXPECT(vmmc_send(bytes.data(), own.address, 1000) == VMMC_OK);
    EXPECT(vmmc_fence() == VMMC_OK);
    EXPECT(place == bytes);
  };
  for (int round = 0; round < kRounds; ++round) {
    run_processes(scene.nicsim, {receiver, sender, bystander, killer(scene.moment())});
  }
}

namespace {

// While nicsim stands still, `asks` puts a request to it and part 0 or the one who asks is killed;
// so the death comes between a request and its answer. nicsim learns of both at once.
void die_between_request_and_answer(Scene& scene, bool kill_exporter,
                                    const std::function<int(Asker&, const Proxy&)>& ask) {
  const pid_t nicsim = scene.nicsim.pid();
  const auto die_when_asked = [](Part& part) {
    while (part.value(kReady).load() == 0) ::usleep(100);
    ::usleep(3'000);
    part.value(kOver).store(1);
    part.die();
  };
  run_processes(scene.nicsim, {[=](Part& part) {
                                 attach();
                                 export_for_askers(1);
                                 part.meet();
                                 part.meet();
                                 if (kill_exporter) die_when_asked(part);
                                 while (part.value(kOver).load() == 0) ::usleep(100);
                                 EXPECT(vmmc_unexport(1) == VMMC_OK);
                               },
                               [=](Part& part) {
                                 attach();
                                 const Proxy proxy = import_for(0, 1);
                                 Asker asker(proxy);
                                 part.meet();
                                 EXPECT(::kill(nicsim, SIGSTOP) == 0);
                                 part.meet();
                                 part.value(kReady).store(1);
                                 if (!kill_exporter) {
                                   std::thread([&] { ask(asker, proxy); }).detach();
                                   die_when_asked(part);
                                 }
                                 const int status = ask(asker, proxy);
                                 EXPECT(status == VMMC_OK || status == VMMC_ERR_PEER_DEAD);
                               },
                               [=](Part& part) {
                                 part.meet();
                                 part.meet();
                                 while (part.value(kOver).load() == 0) ::usleep(100);
                                 ::usleep(1'000);
                                 EXPECT(::kill(nicsim, SIGCONT) == 0);
                               }});
}

}  // namespace

TEST_CASE("killed between a request and its answer, the exporter or the one who asks") {
  Scene scene;
  for (const bool kill_exporter : {true, false}) {
    for (unsigned call = 0; call < Asker::kCalls; ++call) {
      die_between_request_and_answer(scene, kill_exporter, [call](Asker& asker, const Proxy&) {
        return asker.call(call + Asker::kCalls * 13);
      });
    }
    die_between_request_and_answer(scene, kill_exporter, [](Asker&, const Proxy& proxy) {
      return vmmc_unimport(proxy.address);
    });
  }
  // One who redirects, or asks for importers, is its own exporter.
  const std::function<int(Asker&, const Proxy&)> own_calls[] = {
      [](Asker&, const Proxy&) {
        static std::vector<unsigned char> place(100'000);
        return vmmc_redirect(9, 5, 100'000, place.data(), nullptr);
      },
      [](Asker&, const Proxy&) { return vmmc_end_redirection(9, 500'000, nullptr); },
      [](Asker&, const Proxy&) {
        std::size_t count = 0;
        return vmmc_importers(9, nullptr, 0, &count);
      }};
  for (const auto& call : own_calls) {
    run_processes(scene.nicsim,
                  {[&, nicsim = scene.nicsim.pid()](Part& part) {
                     attach();
                     export_for_askers(9, true);
                     void* place = allocate(100);
                     EXPECT(vmmc_redirect(9, 500'000, 100, place, nullptr) == VMMC_OK);
                     const Proxy own = import_for(0, 9);
                     Asker asker(own);
                     EXPECT(::kill(nicsim, SIGSTOP) == 0);
                     std::thread([&] { call(asker, own); }).detach();
                     ::usleep(3'000);
                     part.value(kReady).store(1);
                     part.die();
                   },
                   [nicsim = scene.nicsim.pid()](Part& part) {
                     while (part.value(kReady).load() == 0) ::usleep(100);
                     ::usleep(2'000);
                     EXPECT(::kill(nicsim, SIGCONT) == 0);
                   }});
  }
}

TEST_CASE("S6.2 nicsim is killed while every call waits for it, and under load") {
  for (unsigned round = 0; round < Asker::kCalls + 3; ++round) {
    NicsimProcess nicsim;
    const pid_t pid = nicsim.pid();
    const bool standing = round < Asker::kCalls;  // it does not answer any more before its end
    const Body asks = [=](Part& part) {
      attach();
      unsigned char* memory = export_for_askers(1, true);
      Asker asker(import_for(part.number(), 1));
      std::vector<unsigned char> place(50'000, 3);
      EXPECT(vmmc_redirect(1, 100, place.size(), place.data(), nullptr) == VMMC_OK);
      for (unsigned turn = 0; turn < Asker::kCalls; ++turn) EXPECT(asker.call(turn) == VMMC_OK);
      part.meet();
      while (standing && part.value(kReady).load() == 0) ::usleep(100);
      std::thread other([] {
        int status = VMMC_OK;
        static std::vector<unsigned char> room(kRoom);
        while (status == VMMC_OK) {
          status = vmmc_redirect(1, 200'000, 1000, room.data(), nullptr);
          if (status == VMMC_OK) status = vmmc_end_redirection(1, 200'000, nullptr);
        }
        EXPECT(status == VMMC_ERR_NICSIM_GONE);
      });
      int status = VMMC_OK;
      unsigned turn = round;
      for (; status == VMMC_OK; turn += standing ? Asker::kCalls : 1) status = asker.call(turn);
      EXPECT(status == VMMC_ERR_NICSIM_GONE);
      other.join();
      std::memset(place.data(), 4, place.size());  // it is the program's own, whatever happens
      EXPECT(std::count(memory + kRoom / 2, memory + kRoom, 0x5a) == kRoom / 2);
      EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
      EXPECT(std::count(place.begin(), place.end(), 4) == 50'000);
    };
    run_processes(nicsim, {asks, asks, [=](Part& part) {
                             part.meet();
                             if (standing) EXPECT(::kill(pid, SIGSTOP) == 0);
                             part.value(kReady).store(1);
                             ::usleep(30'000 + round * 777);
                             EXPECT(::kill(pid, SIGKILL) == 0);
                           }});
  }
}

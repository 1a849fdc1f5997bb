// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Programs that find no nicsim start one.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "platform/unix_socket.h"
#include "tests/conformance/conformance.h"
#include "tests/faults/lone_program.h"
#include "tests/faults/process_view.h"

using namespace vmmc::testing;
namespace platform = vmmc::platform;

namespace {

using Body = std::function<void(Part&)>;

// A short private directory: socket paths are limited to 107 bytes.
struct Directory {
  char path[32] = "/tmp/vmmc-XXXXXX";
  Directory() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

bool somebody_serves(const std::string& socket) {
  return platform::connect_unix_socket(socket).ok();
}

void nicsim_has_left(const std::string& socket) {
  CHECK(comes_true([&] { return count_processes_with(socket) == 0; }));
  CHECK_FALSE(somebody_serves(socket));
  if (socket[0] != '@') CHECK_FALSE(std::filesystem::exists(socket));
}

// nicsim for those who look for one to start.
const bool kNicsimIsNamed = [] {
  ::setenv("VMMC_NICSIM", nicsim_binary().c_str(), 1);
  return true;
}();

// Programs that all begin at once must find each other.
void race(const std::string& socket) {
  constexpr std::uint32_t kRacers = 16;
  const Body racer = [](Part& part) {
    be_alone();  // nicsim chooses the number: twice the same would be two nicsims
    part.meet();
    attach();
    EXPECT(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
    const std::uint32_t own = vmmc_self().process;
    EXPECT(own < kRacers);
    EXPECT(part.value(static_cast<int>(own)).exchange(1) == 0);
    unsigned char* memory = export_new(4096, 1);
    part.meet();
    const std::uint32_t next = (own + 1) % kRacers;
    void* proxy = nullptr;
    EXPECT(vmmc_import({0, next}, 1, nullptr, &proxy, nullptr) == VMMC_OK);
    send_word(own + 1, static_cast<unsigned char*>(proxy));
    await(memory, (own + kRacers - 1) % kRacers + 1);
    part.meet();
  };
  const Body counter = [socket](Part& part) {
    part.meet();
    part.meet();
    // Those that came too late may be about to end.
    EXPECT(comes_true([&] { return count_processes_with(socket) == 1; }));
    part.meet();
  };
  std::vector<Body> parts(kRacers, racer);
  parts.push_back(counter);
  run_processes(socket, std::move(parts));
}

}  // namespace

TEST_CASE("programs that race to start a nicsim end up with one, which leaves with the last") {
  REQUIRE(kNicsimIsNamed);
  for (int round = 0; round < 10; ++round) {
    const std::string socket = fresh_name();
    race(socket);
    nicsim_has_left(socket);
  }
  const Directory directory;
  const std::string path = std::string(directory.path) + "/socket";
  for (int round = 0; round < 10; ++round) {
    race(path);
    nicsim_has_left(path);
  }
}

TEST_CASE("programs that come while a nicsim leaves get the next one") {
  const std::string socket = fresh_name();
  const Body visitor = [](Part& part) {
    be_alone();
    for (int visit = 0; visit < 40; ++visit) {
      attach();
      export_new(4096, 1);
      EXPECT(vmmc_finalize() == VMMC_OK);
      ::usleep(part.number() * 300);
    }
  };
  run_processes(socket, {visitor, visitor, visitor});
  nicsim_has_left(socket);
}

TEST_CASE("a nicsim that was started keeps nothing of the program") {
  const std::string socket = fresh_name();
  run_processes(socket, {[](Part&) {
                  be_alone();
                  int pipe[2];
                  EXPECT(::pipe(pipe) == 0);  // inherited by whoever does not close it
                  const pid_t program = ::fork();
                  if (program == 0) {
                    sigset_t all;
                    ::sigfillset(&all);
                    ::sigprocmask(SIG_BLOCK, &all, nullptr);
                    attach();
                    EXPECT(::write(pipe[1], "r", 1) == 1);
                    for (;;) ::pause();
                  }
                  ::close(pipe[1]);
                  char byte = 0;
                  EXPECT(::read(pipe[0], &byte, 1) == 1);
                  attach();
                  ::kill(program, SIGKILL);
                  EXPECT(::waitpid(program, nullptr, 0) == program);
                  pollfd end{pipe[0], POLLIN, 0};
                  EXPECT(::poll(&end, 1, 10'000) == 1);
                  EXPECT(::read(pipe[0], &byte, 1) == 0);
                  export_new(4096, 1);  // nicsim has stayed for us
                }});
  nicsim_has_left(socket);
}

TEST_CASE("a nicsim that was started does not hear the signals of the program's terminal") {
  const std::string socket = fresh_name();
  run_processes(socket, {[](Part&) {
                  EXPECT(::setpgid(0, 0) == 0);
                  be_alone();
                  attach();
                  for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGTERM}) {
                    ::signal(number, SIG_IGN);
                    EXPECT(::kill(0, number) == 0);
                  }
                  ::usleep(100'000);
                  export_new(4096, 1);
                  import_from(0, 1);
                  EXPECT(vmmc_finalize() == VMMC_OK);
                }});
  nicsim_has_left(socket);
}

TEST_CASE("a program without standard input and output starts one as well") {
  const std::string socket = fresh_name();
  run_processes(socket, {[](Part&) {
                  be_alone();
                  for (int fd = 0; fd < 3; ++fd) ::close(fd);
                  if (vmmc_init(nullptr) != VMMC_OK) ::_exit(5);
                  if (vmmc_finalize() != VMMC_OK) ::_exit(6);
                }});
  nicsim_has_left(socket);
}

TEST_CASE("without a nicsim to start the program is told what was looked for") {
  const std::string socket = fresh_name();
  const auto refused = [&](const char* nicsim, bool never_start,
                           const std::vector<std::string>& expected) {
    return [=](Part&) {
      be_alone();
      ::setenv("VMMC_NICSIM", nicsim, 1);
      std::string sentence;
      EXPECT(init_at(socket, never_start, &sentence) == VMMC_ERR_NO_NICSIM);
      EXPECT(mentions(sentence, socket));
      for (const std::string& word : expected) EXPECT(mentions(sentence, word));
      EXPECT(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
      EXPECT(vmmc_fence() == VMMC_ERR_NOT_ATTACHED);
    };
  };
  run_processes(socket, {refused("/no/such/nicsim", false, {"/no/such/nicsim", "VMMC_NICSIM"}),
                         refused("/", false, {"\"/\"", "no program"}),
                         refused("/etc/passwd", false, {"/etc/passwd", "no program"}),
                         refused("/bin/false", false, {"/false", "started"}),
                         refused("/bin/true", false, {"/true", "started"}),
                         refused(nicsim_binary().c_str(), true, {"no nicsim runs"}), [](Part&) {
                           be_alone();
                           const std::string place = "/no/such/place/socket";
                           std::string sentence;
                           EXPECT(init_at(place, false, &sentence) == VMMC_ERR_NO_NICSIM);
                           EXPECT(mentions(sentence, place));
                         }});
  CHECK_FALSE(somebody_serves(socket));
}

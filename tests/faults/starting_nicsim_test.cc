// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Programs that find no nicsim start one; and whom they meet where one should be.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <thread>
#include <vector>

#include "nicsim/wire/control.h"
#include "platform/unix_socket.h"
#include "tests/conformance/conformance.h"
#include "tests/faults/process_view.h"

using namespace vmmc::testing;
namespace wire = vmmc::wire;
namespace platform = vmmc::platform;

namespace {

using Body = std::function<void(Part&)>;

std::string fresh_name() { return "@vmmc-test-" + random_name(); }

// A short private directory: socket paths are limited to 107 bytes.
struct Directory {
  char path[32] = "/tmp/vmmc-XXXXXX";
  Directory() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    ::usleep(10'000);
  }
  return false;
}

bool somebody_serves(const std::string& socket) {
  return platform::connect_unix_socket(socket).ok();
}

void nicsim_has_left(const std::string& socket) {
  CHECK(comes_true([&] { return count_processes_with(socket) == 0; }));
  CHECK_FALSE(somebody_serves(socket));
  if (socket[0] != '@') CHECK_FALSE(std::filesystem::exists(socket));
}

// Environment of a part that starts a nicsim as a program by hand would.
void be_alone() {
  for (const char* name : {"VMMC_PROCESS", "VMMC_NODE", "VMMC_RANK", "VMMC_SIZE"}) {
    ::unsetenv(name);
  }
}

// What vmmc_init says, in words; and that it ends.
int init_at(const std::string& socket, bool never_start, std::string* sentence) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.socket = socket.c_str();
  options.never_start = never_start ? 1 : 0;
  const int status = vmmc_init(&options);
  *sentence = vmmc_last_error();
  return status;
}

bool mentions(const std::string& sentence, const std::string& what) {
  if (sentence.find(what) != std::string::npos) return true;
  std::fprintf(stderr, "no \"%s\" in: %s\n", what.c_str(), sentence.c_str());
  return false;
}

// nicsim for those who look for one to start.
const bool named = [] {
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
    EXPECT(count_processes_with(socket) == 1);
    part.meet();
  };
  std::vector<Body> parts(kRacers, racer);
  parts.push_back(counter);
  run_processes(socket, std::move(parts));
}

}  // namespace

TEST_CASE("programs that race to start a nicsim end up with one, which leaves with the last") {
  REQUIRE(named);
  for (int round = 0; round < 4; ++round) {
    const std::string socket = fresh_name();
    timespec a,b,c;
    clock_gettime(CLOCK_MONOTONIC,&a);
    race(socket);
    clock_gettime(CLOCK_MONOTONIC,&b);
    nicsim_has_left(socket);
    clock_gettime(CLOCK_MONOTONIC,&c);
    printf("DBG abs race %ld ms left %ld ms\n", (b.tv_sec-a.tv_sec)*1000+(b.tv_nsec-a.tv_nsec)/1000000,(c.tv_sec-b.tv_sec)*1000+(c.tv_nsec-b.tv_nsec)/1000000);
  }
  const Directory directory;
  const std::string path = std::string(directory.path) + "/socket";
  for (int round = 0; round < 4; ++round) {
    CAPTURE(round);
    timespec a,b,c;
    clock_gettime(CLOCK_MONOTONIC,&a);
    race(path);
    clock_gettime(CLOCK_MONOTONIC,&b);
    nicsim_has_left(path);
    clock_gettime(CLOCK_MONOTONIC,&c);
    printf("DBG path race %ld ms left %ld ms\n", (b.tv_sec-a.tv_sec)*1000+(b.tv_nsec-a.tv_nsec)/1000000,(c.tv_sec-b.tv_sec)*1000+(c.tv_nsec-b.tv_nsec)/1000000);
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
                           std::vector<std::string> expected) {
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
                         refused(nicsim_binary().c_str(), true, {"no nicsim runs"}),
                         [](Part&) {
                           be_alone();
                           const std::string place = "/no/such/place/socket";
                           std::string sentence;
                           EXPECT(init_at(place, false, &sentence) == VMMC_ERR_NO_NICSIM);
                           EXPECT(mentions(sentence, place));
                         }});
  CHECK_FALSE(somebody_serves(socket));
}

namespace {

// Serves one after the other at `socket`, in a thread, until it ends.
class FakeServer {
 public:
  using Conversation = std::function<void(int socket)>;
  explicit FakeServer(const std::string& socket, Conversation conversation) {
    auto listener = platform::listen_unix_socket(socket);
    REQUIRE(listener.ok());
    listener_ = std::move(listener.value());
    thread_ = std::thread([this, conversation] {
      while (!over_) {
        pollfd ready{listener_.get(), POLLIN, 0};
        if (::poll(&ready, 1, 10) != 1) continue;
        const platform::FileDescriptor client(::accept(listener_.get(), nullptr, nullptr));
        if (client.valid()) conversation(client.get());
      }
    });
  }
  ~FakeServer() {
    over_ = true;
    thread_.join();
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

 private:
  platform::FileDescriptor listener_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

void read_request(int client) {
  std::array<std::byte, wire::kMaxMessageBytes> buffer;
  (void)platform::receive_message(client, buffer);
}

template <typename Reply>
void answer(int client, const Reply& reply) {
  read_request(client);
  (void)platform::send_message(client, std::as_bytes(std::span(&reply, 1)));
}

// Attaching to the fake server fails with this, whether one might be started or not.
Body meets(const std::string& socket, int status, std::vector<std::string> words) {
  return [=](Part&) {
    be_alone();
    std::string sentence;
    const int result = init_at(socket, true, &sentence);
    if (result != status) std::fprintf(stderr, "%s\n", vmmc_status_name(result));
    EXPECT(result == status);
    for (const std::string& word : words) EXPECT(mentions(sentence, word));
    EXPECT(vmmc_finalize() == VMMC_ERR_NOT_ATTACHED);
  };
}

wire::AttachReply reply_of(std::uint16_t version, wire::Status status) {
  wire::AttachReply reply{};
  reply.header = {wire::kMagic, version, wire::MessageType::kAttach, 0, status};
  return reply;
}

}  // namespace

TEST_CASE("a nicsim of another version is named, and so are we") {
  const std::string socket = fresh_name();
  const FakeServer server(socket, [](int client) {
    answer(client, wire::PlainReply{reply_of(4711, wire::Status::kVersionMismatch).header});
  });
  const std::string ours = "version " + std::to_string(wire::kVersion);
  run_processes(socket,
                {meets(socket, VMMC_ERR_VERSION, {ours + " ", "version 4711", socket})});
}

TEST_CASE("a server that talks nonsense is no nicsim") {
  for (const int size : {1, 16, 40, 4000}) {
    CAPTURE(size);
    const std::string socket = fresh_name();
    const FakeServer server(socket, [size](int client) {
      read_request(client);
      const std::vector<std::byte> bytes(static_cast<std::size_t>(size), std::byte{0x41});
      (void)platform::send_message(client, bytes);
    });
    run_processes(socket, {meets(socket, VMMC_ERR_MALFORMED, {socket, "no nicsim"})});
  }
  const std::string socket = fresh_name();
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const FakeServer server(socket, [&](int client) {
    read_request(client);
    const auto reply = reply_of(wire::kVersion, wire::Status::kOk);
    (void)platform::send_message(client, std::as_bytes(std::span(&reply, 1)), pipe);
  });
  run_processes(socket, {meets(socket, VMMC_ERR_MALFORMED, {socket, "no channel"})});
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("servers that say nothing, hang up or do not accept end in an error") {
  const std::string silent = fresh_name();
  const std::string rude = fresh_name();
  const std::string busy = fresh_name();
  const FakeServer silent_server(silent, [](int client) {
    pollfd hang_up{client, 0, 0};
    ::poll(&hang_up, 1, 20'000);
  });
  const FakeServer rude_server(rude, [](int) {});
  auto listener = platform::listen_unix_socket(busy);
  REQUIRE(listener.ok());
  REQUIRE(::listen(listener.value().get(), 0) == 0);
  const auto first_in_line = platform::connect_unix_socket(busy);
  REQUIRE(first_in_line.ok());
  run_processes(silent, {meets(silent, VMMC_ERR_SYSTEM, {silent, "no answer"}),
                         meets(rude, VMMC_ERR_NO_NICSIM, {rude}),
                         [&](Part&) {
                           be_alone();
                           std::string sentence;
                           EXPECT(init_at(rude, false, &sentence) == VMMC_ERR_NO_NICSIM);
                           EXPECT(mentions(sentence, rude));
                         },
                         meets(busy, VMMC_ERR_SYSTEM, {busy})});
}

TEST_CASE("the server of another user is a stranger") {
  const std::string socket = fresh_name();
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t stranger = ::fork();
  if (stranger == 0) {
    ::alarm(60);
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(0);
    const auto listener = platform::listen_unix_socket(socket);
    if (!listener.ok()) ::_exit(1);
    (void)!::write(ready[1], "r", 1);
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char byte = 0;
  const bool serves = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (serves) {
    run_processes(socket, {meets(socket, VMMC_ERR_STRANGER, {socket, "65534"})});
  } else {
    MESSAGE("cannot become another user here; not tested");
  }
  ::kill(stranger, SIGKILL);
  CHECK(::waitpid(stranger, nullptr, 0) == stranger);
}

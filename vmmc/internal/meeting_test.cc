// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/meeting.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "platform/shared_memory.h"
#include "platform/unix_socket.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/nicsim_starter.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
using vmmc::platform::FileDescriptor;
namespace fs = std::filesystem;
namespace wire = vmmc::wire;

namespace {

// Sets an environment variable until the end of the scope; nullptr unsets it.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    if (had_) before_ = before;
    set(value);
  }
  ~Environment() { set(had_ ? before_.c_str() : nullptr); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void set(const char* value) {
    if (value == nullptr) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, value, 1);
    }
  }
  const char* const name_;
  bool had_;
  std::string before_;
};

// A directory that ends with the scope.
struct TemporaryDirectory {
  TemporaryDirectory() {
    std::string name = fs::temp_directory_path() / "vmmc-test-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = fs::canonical(name);
  }
  ~TemporaryDirectory() { fs::remove_all(path); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  // A file with these permissions, in a directory of its own below this one.
  std::string make(const std::string& directory, fs::perms permissions) const {
    fs::create_directories(path / directory);
    const fs::path file = path / directory / "nicsim";
    std::ofstream(file) << "#!/bin/sh\n";
    fs::permissions(file, permissions);
    return file;
  }
  std::string directory(const std::string& name) const { return path / name; }

  fs::path path;
};

constexpr auto kProgram = fs::perms::owner_all;
constexpr auto kText = fs::perms::owner_read | fs::perms::owner_write;

int parse(const char* text, std::uint32_t* number) {
  const Environment variable("VMMC_TEST_NUMBER", text);
  return number_from_environment("VMMC_TEST_NUMBER", 4711, number);
}

}  // namespace

TEST_CASE("a number in the environment is taken; without one, what stands in for it") {
  std::uint32_t number = 0;
  CHECK(parse(nullptr, &number) == VMMC_OK);
  CHECK(number == 4711);
  CHECK(parse("", &number) == VMMC_OK);
  CHECK(number == 4711);
  CHECK(parse("0", &number) == VMMC_OK);
  CHECK(number == 0);
  CHECK(parse("007", &number) == VMMC_OK);
  CHECK(number == 7);
  CHECK(parse("4294967294", &number) == VMMC_OK);
  CHECK(number == 4294967294);
}

TEST_CASE("what is no number below 2^32 - 1 is refused with the variable and its value") {
  for (const char* text : {"4294967295", "4294967296", "99999999999999999999", "-1", "+1", " 1",
                           "1 ", "1.0", "0x10", "1e3", "one", "-", "1\n"}) {
    CAPTURE(text);
    std::uint32_t number = 0;
    CHECK(parse(text, &number) == VMMC_ERR_INVALID_ARGUMENT);
    CHECK(std::string_view(last_error()).find("$VMMC_TEST_NUMBER") != std::string_view::npos);
    CHECK(std::string_view(last_error()).find(text) != std::string_view::npos);
  }
}

TEST_CASE("$VMMC_NICSIM names the program, and nothing else is tried") {
  const TemporaryDirectory temporary;
  const std::string program = temporary.make("path", kProgram);
  const Environment path("PATH", temporary.directory("path").c_str());
  const auto named = [](const std::string& value) {
    const Environment variable("VMMC_NICSIM", value.c_str());
    return find_nicsim();
  };
  const std::string other = temporary.make("other", kProgram);
  CHECK(named(other) == other);
  CHECK(named(temporary.directory("other/../other/nicsim")) == other);
  CHECK(named(fs::relative(other)) == other);  // stays right when the directory changes
  CHECK(named(temporary.directory("nowhere")) == "");
  CHECK(named(temporary.make("text", kText)) == "");
  CHECK(named(temporary.directory("other")) == "");  // a directory
  CHECK(named("nicsim-of-no-directory") == "");
  CHECK(named("") == program);
}

TEST_CASE("the first program called nicsim in $PATH is taken; directories and texts are not") {
  const TemporaryDirectory temporary;
  const Environment variable("VMMC_NICSIM", nullptr);
  const auto in_path = [](const std::string& value) {
    const Environment path("PATH", value.c_str());
    return find_nicsim();
  };
  const std::string first = temporary.make("first", kProgram);
  const std::string second = temporary.make("second", kProgram);
  temporary.make("text", kText);
  fs::create_directories(temporary.path / "directory" / "nicsim");
  const std::string good = temporary.directory("first") + ":" + temporary.directory("second");
  CHECK(in_path(good) == first);
  CHECK(in_path(temporary.directory("nowhere") + ":" + good) == first);
  CHECK(in_path(temporary.directory("text") + ":" + good) == first);
  CHECK(in_path(temporary.directory("directory") + ":" + good) == first);
  CHECK(in_path("::" + good + ":") == first);
  CHECK(in_path(temporary.directory("second")) == second);
  CHECK(in_path("") == "");
  CHECK(in_path(":") == "");
  fs::current_path(temporary.path / "first");
  CHECK(in_path(".:") == "");  // whatever lies where the program happens to be is not started
  CHECK(in_path("../first") == "");
  fs::current_path("/");
  const Environment none("PATH", nullptr);
  CHECK(find_nicsim() == "");
}

// Run by the next case, in a copy of this program.
TEST_CASE("the copy finds what the environment says" * doctest::skip()) {
  CHECK(find_nicsim() == std::getenv("VMMC_TEST_EXPECTED"));
}

TEST_CASE("a nicsim beside the running program goes before $PATH; a directory does not count") {
  const Watchdog watchdog;
  const TemporaryDirectory temporary;
  const std::string beside = temporary.make("beside", kProgram);
  const std::string in_path = temporary.make("path", kProgram);
  fs::create_directories(temporary.path / "directory" / "nicsim");
  const auto run_copy = [&](const std::string& directory, const std::string& expected) {
    const std::string copy = temporary.directory(directory + "/program");
    fs::copy_file("/proc/self/exe", copy);
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("VMMC_TEST_EXPECTED", expected.c_str(), 1);
      ::setenv("PATH", temporary.directory("path").c_str(), 1);
      ::unsetenv("VMMC_NICSIM");
      ::unsetenv("XML_OUTPUT_FILE");
      ::unsetenv("TESTBRIDGE_TEST_ONLY");
      ::execl(copy.c_str(), copy.c_str(), "--no-skip", "--test-case=the copy finds*", nullptr);
      ::_exit(127);
    }
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    return status;
  };
  CHECK(run_copy("beside", beside) == 0);
  CHECK(run_copy("directory", in_path) == 0);
}

namespace {

std::string random_name() {
  static const std::string prefix = "@vmmc-test-" + std::to_string(std::random_device()()) + "-" +
                                    std::to_string(std::random_device()());
  static int count = 0;
  return prefix + std::to_string(++count);
}

// A server that gets one client's request and does with it what the test says.
class Server {
 public:
  using Answer = std::function<void(int client, const wire::AttachRequest& request)>;

  explicit Server(Answer answer)
      : name(random_name()), listener_(vmmc::platform::listen_unix_socket(name)) {
    REQUIRE(listener_.ok());
    thread_ = std::thread([this, answer = std::move(answer)] { serve(answer); });
  }
  ~Server() { thread_.join(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string name;

 private:
  void serve(const Answer& answer) {
    pollfd input{listener_.value().get(), POLLIN, 0};
    if (::poll(&input, 1, 20'000) != 1) return;
    const FileDescriptor client(::accept4(input.fd, nullptr, nullptr, SOCK_CLOEXEC));
    wire::AttachRequest request{};
    (void)vmmc::platform::receive_message(client.get(),
                                          std::as_writable_bytes(std::span(&request, 1)));
    answer(client.get(), request);
    listener_.value().reset();  // who tries again finds nobody
  }

  vmmc::platform::Result<FileDescriptor> listener_;
  std::thread thread_;
};

template <typename Message>
void reply(int client, const Message& message, const std::vector<int>& descriptors = {},
           std::size_t bytes = sizeof(Message)) {
  (void)vmmc::platform::send_message(client, std::as_bytes(std::span(&message, 1)).first(bytes),
                                     descriptors);
}

wire::AttachReply good_reply() {
  wire::AttachReply message{};
  message.header = {wire::kMagic, wire::kVersion, wire::MessageType::kAttach, 0, wire::Status::kOk};
  message.node = 2;
  message.process = 17;
  message.nodes = 4;
  return message;
}

// As nicsim that refuses.
Server::Answer refuse(wire::Status status, std::uint16_t version = wire::kVersion) {
  return [=](int client, const wire::AttachRequest&) {
    wire::PlainReply message{};
    message.header = {wire::kMagic, version, wire::MessageType::kAttach, 0, status};
    reply(client, message);
  };
}

int meet(const std::string& socket, Meeting& meeting, std::uint32_t node = VMMC_ANY,
         std::uint32_t process = VMMC_ANY) {
  const vmmc_init_options options{socket.c_str(), node, process, 1, VMMC_DELIVER_BY_THREAD, 0};
  return meet_nicsim(options, meeting);
}

int meet(const std::string& socket) {
  Meeting meeting;
  return meet(socket, meeting);
}

bool mentions(std::string_view text) {
  INFO(last_error());
  return std::string_view(last_error()).find(text) != std::string_view::npos;
}

}  // namespace

TEST_CASE("the meeting brings the channel, the doorbell and what nicsim says") {
  const Watchdog watchdog;
  wire::AttachRequest seen{};
  std::uint64_t probe = 0;
  Meeting meeting;
  {
    Server server([&](int client, const wire::AttachRequest& request) {
      seen = request;
      std::memcpy(&probe, reinterpret_cast<const void*>(request.probe_address), sizeof probe);
      auto channel = vmmc::platform::create_shared_memory("channel", wire::kChannelBytes);
      const FileDescriptor doorbell(::eventfd(0, EFD_CLOEXEC));
      const FileDescriptor pipe(::eventfd(0, EFD_CLOEXEC));
      reply(client, good_reply(), {channel.value().get(), doorbell.get(), pipe.get()});
    });
    CHECK(meet(server.name, meeting, 2, 17) == VMMC_OK);
    CHECK(meeting.place == server.name);
  }
  CHECK(seen.header.magic == wire::kMagic);
  CHECK(seen.header.version == wire::kVersion);
  CHECK(seen.header.type == wire::MessageType::kAttach);
  CHECK(seen.node == 2);
  CHECK(seen.process == 17);
  CHECK(seen.probe_value == probe);
  CHECK(meeting.reply.nodes == 4);
  CHECK(meeting.channel.valid());
  CHECK(meeting.doorbell.valid());
  timeval limit{1, 1};
  socklen_t size = sizeof limit;
  REQUIRE(::getsockopt(meeting.socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, &size) == 0);
  CHECK(limit.tv_sec + limit.tv_usec == 0);  // the control thread may sleep for ever
}

TEST_CASE("the environment stands in for options that are not given, and only for those") {
  const Watchdog watchdog;
  wire::AttachRequest seen{};
  const auto look = [&](int client, const wire::AttachRequest& request) {
    seen = request;
    refuse(wire::Status::kTooManyProcesses)(client, request);
  };
  const Environment node("VMMC_NODE", "3");
  const Environment process("VMMC_PROCESS", "5");
  CHECK(meet(Server(look).name) == VMMC_ERR_TOO_MANY_PROCESSES);
  CHECK(seen.node == 3);
  CHECK(seen.process == 5);
  Meeting meeting;
  CHECK(meet(Server(look).name, meeting, 1, 0) == VMMC_ERR_TOO_MANY_PROCESSES);
  CHECK(seen.node == 1);
  CHECK(seen.process == 0);
  Server server(look);
  const Environment socket("VMMC_SOCKET", server.name.c_str());
  const Environment bad("VMMC_NODE", "three");
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.never_start = 1;
  CHECK(meet_nicsim(options, meeting) == VMMC_ERR_INVALID_ARGUMENT);
  options.node = 0;
  CHECK(meet_nicsim(options, meeting) == VMMC_ERR_TOO_MANY_PROCESSES);
}

TEST_CASE("a refusal is told with its reason") {
  const Watchdog watchdog;
  CHECK(meet(Server(refuse(wire::Status::kVersionMismatch, 999)).name) == VMMC_ERR_VERSION);
  CHECK(mentions("speaks version 999"));
  CHECK(meet(Server(refuse(wire::Status::kUserNotAllowed)).name) == VMMC_ERR_USER_NOT_ALLOWED);
  Meeting meeting;
  CHECK(meet(Server(refuse(wire::Status::kNoSuchNode)).name, meeting, 9) == VMMC_ERR_NO_SUCH_NODE);
  CHECK(mentions("node 9"));
  CHECK(meet(Server(refuse(wire::Status::kProcessIdInUse)).name, meeting, 0, 8) ==
        VMMC_ERR_PROCESS_ID_IN_USE);
  CHECK(mentions("process 8"));
}

TEST_CASE("nobody there is said so, also by a server that leaves at that moment") {
  const Watchdog watchdog;
  CHECK(meet(random_name()) == VMMC_ERR_NO_NICSIM);
  CHECK(meet("/nowhere/nicsim") == VMMC_ERR_NO_NICSIM);
  CHECK(meet(Server([](int, const wire::AttachRequest&) {}).name) == VMMC_ERR_NO_NICSIM);
}

TEST_CASE("a name that is no name is refused") {
  CHECK(meet(std::string(200, 'x')) == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(meet("@" + std::string(107, 'x')) == VMMC_ERR_INVALID_ARGUMENT);
}

TEST_CASE("a server that is no nicsim, or gives no channel, is refused") {
  const Watchdog watchdog;
  const auto refused = [](Server::Answer answer) {
    Server server(std::move(answer));
    return meet(server.name) == VMMC_ERR_MALFORMED;
  };
  CHECK(refused([](int client, const wire::AttachRequest&) { reply(client, 'x'); }));
  CHECK(refused([](int client, const wire::AttachRequest&) {
    auto message = good_reply();
    message.header.magic ^= 1;
    reply(client, message);
  }));
  CHECK(refused([](int client, const wire::AttachRequest&) { reply(client, good_reply()); }));
  CHECK(refused([](int client, const wire::AttachRequest&) {
    const FileDescriptor doorbell(::eventfd(0, EFD_CLOEXEC));
    reply(client, good_reply(), {doorbell.get(), doorbell.get(), doorbell.get()});
  }));
  CHECK(refused([](int client, const wire::AttachRequest&) {  // too small: SIGBUS later
    auto channel = vmmc::platform::create_shared_memory("channel", wire::kPageSize);
    const FileDescriptor doorbell(::eventfd(0, EFD_CLOEXEC));
    reply(client, good_reply(), {channel.value().get(), doorbell.get(), doorbell.get()});
  }));
  CHECK(refused([](int client, const wire::AttachRequest&) {
    auto channel = vmmc::platform::create_shared_memory("channel", wire::kChannelBytes);
    reply(client, good_reply(), {channel.value().get()});
  }));
}

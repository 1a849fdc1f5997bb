// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// How vmmcstat ends: each reason has its exit code and one sentence.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json/array.hpp>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "nicsim/wire/control.h"
#include "nicsim/wire/trace_record.h"
#include "platform/unix_socket.h"
#include "tests/support/processes/nicsim_process.h"
#include "tests/vmmcstat/vmmcstat_run.h"
#include "tools/vmmcstat/exit_code.h"

using namespace vmmc;
using namespace vmmc::testing;

namespace {

void check_fails(const StatRun& run, int exit_code, const std::string& part) {
  CAPTURE(run.errors);
  CHECK(run.exit_code == exit_code);
  CHECK(run.output.empty());
  CHECK(run.errors.starts_with("vmmcstat: "));
  CHECK(run.errors.find(part) != std::string::npos);
  CHECK(std::count(run.errors.begin(), run.errors.end(), '\n') == 1);
}

struct Directory {
  char path[32] = "/tmp/vmmcstat-XXXXXX";
  std::string file;
  Directory() {
    REQUIRE(::mkdtemp(path) != nullptr);
    file = std::string(path) + "/trace";
  }
  ~Directory() {
    ::unlink(file.c_str());
    ::rmdir(path);
  }
  // -1: there is none.
  off_t bytes() const {
    struct stat status {};
    return ::stat(file.c_str(), &status) == 0 ? status.st_size : -1;
  }
};

// A server that says one thing, or hangs up.
class OddServer {
 public:
  explicit OddServer(const std::function<std::optional<wire::PlainReply>(wire::PlainReply)>& answer)
      : listener_(std::move(platform::listen_unix_socket(name).value())),
        thread_([this, answer] { serve(answer); }) {}
  ~OddServer() { thread_.join(); }
  OddServer(const OddServer&) = delete;
  OddServer& operator=(const OddServer&) = delete;

  const std::string name = "@vmmc-test-" + random_name();

 private:
  void serve(const std::function<std::optional<wire::PlainReply>(wire::PlainReply)>& answer) {
    pollfd poll{listener_.get(), POLLIN, 0};
    if (::poll(&poll, 1, 20'000) != 1) return;
    const platform::FileDescriptor socket(::accept(listener_.get(), nullptr, nullptr));
    wire::PlainReply request{};
    (void)platform::receive_message(socket.get(), std::as_writable_bytes(std::span(&request, 1)));
    if (const auto reply = answer(request)) {
      (void)platform::send_message(socket.get(), std::as_bytes(std::span(&*reply, 1)));
    }
  }

  platform::FileDescriptor listener_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("nobody there, and nobody there any more") {
  check_fails(run_vmmcstat("@vmmc-test-" + random_name(), "--once"), vmmc::stat::kExitNoNicsim,
              "no nicsim runs at @vmmc-test-");
  check_fails(run_vmmcstat("/no/such/socket", "--json"), vmmc::stat::kExitNoNicsim,
              "/no/such/socket");
  OddServer server([](auto) { return std::nullopt; });
  check_fails(run_vmmcstat(server.name, "--json"), vmmc::stat::kExitNicsimDied, "has ended");
}

TEST_CASE("nicsim dies between two looks") {
  NicsimProcess nicsim;
  std::atomic<bool> over{false};
  std::thread killer([&] {
    // Until the one that looks twice has done so once.
    const auto both_look = [&] {
      return run_vmmcstat(nicsim.socket(), "--json").output.find("\"observers\":2") !=
             std::string::npos;
    };
    while (!over && !both_look()) continue;
    nicsim.kill();
  });
  const StatRun run = run_vmmcstat(nicsim.socket(), "--json --interval 5");
  over = true;
  killer.join();
  check_fails(run, vmmc::stat::kExitNicsimDied, "has ended");
}

TEST_CASE("another version, another user") {
  OddServer other_version([](wire::PlainReply reply) {
    reply.header.version = wire::kVersion + 3;
    reply.header.status = wire::Status::kVersionMismatch;
    return std::optional(reply);
  });
  check_fails(run_vmmcstat(other_version.name, "--json"), vmmc::stat::kExitOtherVersion,
              "speaks wire version " + std::to_string(wire::kVersion + 3));
  OddServer other_user([](wire::PlainReply reply) {
    reply.header.status = wire::Status::kUserNotAllowed;
    return std::optional(reply);
  });
  check_fails(run_vmmcstat(other_user.name, "trace start"), vmmc::stat::kExitOtherUser,
              "another user");
  OddServer stranger([](wire::PlainReply reply) {
    reply.header.magic = 7;
    return std::optional(reply);
  });
  check_fails(run_vmmcstat(stranger.name, "--json"), vmmc::stat::kExitFailure, "no nicsim");
  OddServer nonsense([](wire::PlainReply reply) { return std::optional(reply); });
  check_fails(run_vmmcstat(nonsense.name, "--json"), vmmc::stat::kExitFailure, "makes no sense");
}

TEST_CASE("what is refused before anybody has attached is among the errors") {
  NicsimProcess nicsim;
  const auto ask = [&](std::uint16_t version, std::span<const std::byte> rest) {
    const auto socket = platform::connect_unix_socket(nicsim.socket());
    REQUIRE(socket.ok());
    wire::PlainReply request{};
    request.header = {wire::kMagic, version, wire::MessageType::kAttach, 1, wire::Status::kOk};
    std::vector<std::byte> message(sizeof request);
    std::memcpy(message.data(), &request, sizeof request);
    message.insert(message.end(), rest.begin(), rest.end());
    REQUIRE(platform::send_message(socket.value().get(), message).ok());
    wire::PlainReply reply{};
    REQUIRE(platform::receive_message(socket.value().get(),
                                      std::as_writable_bytes(std::span(&reply, 1)))
                .ok());
    return reply.header.status;
  };
  const std::array<std::byte, 8> more{};
  CHECK(ask(wire::kVersion + 1, {}) == wire::Status::kVersionMismatch);
  CHECK(ask(wire::kVersion, more) == wire::Status::kMalformed);
  const auto snapshot = json_of(nicsim.socket());
  std::set<std::string> statuses;
  for (const auto& each : snapshot.at("errors").as_array()) {
    CHECK(each.as_object().at("what") == "attach");
    statuses.insert(std::string(each.as_object().at("status").as_string()));
  }
  CHECK(statuses == std::set<std::string>{"VERSION", "MALFORMED"});
}

TEST_CASE("the trace: start, save, stop, and what is refused") {
  NicsimProcess nicsim;
  Directory directory;
  const std::string& socket = nicsim.socket();
  const auto run = [&](const std::string& arguments) { return run_vmmcstat(socket, arguments); };
  check_fails(run("trace save " + directory.file), vmmc::stat::kExitTraceIsOff, "no trace");
  CHECK(directory.bytes() == -1);  // nothing is left of the attempt
  check_fails(run("trace stop " + directory.file), vmmc::stat::kExitTraceIsOff, "no trace is on");
  CHECK(directory.bytes() == -1);
  CHECK(run("trace start --records 3000").exit_code == 0);
  check_fails(run("trace start"), vmmc::stat::kExitTraceIsOn, "on already");
  const StatRun saved = run("trace save " + directory.file);
  CHECK(saved.exit_code == 0);
  CHECK(saved.output.find(" records saved to " + directory.file) != std::string::npos);
  CHECK(directory.bytes() ==
        static_cast<off_t>(wire::kTraceHeaderBytes + 4096 * sizeof(wire::TraceRecord)));
  // It goes on if it cannot be saved.
  check_fails(run("trace stop " + directory.file), vmmc::stat::kExitFileExists, "--overwrite");
  check_fails(run("trace stop /no/such/place"), vmmc::stat::kExitFailure, "/no/such/place");
  check_fails(run("trace start"), vmmc::stat::kExitTraceIsOn, "on already");
  CHECK(run("trace stop " + directory.file + " --overwrite").exit_code == 0);
  check_fails(run("trace stop"), vmmc::stat::kExitTraceIsOff, "no trace is on");
  CHECK(run("trace save --overwrite " + directory.file).exit_code == 0);
  CHECK(run("trace start").exit_code == 0);
  CHECK(run("trace stop").exit_code == 0);
}

TEST_CASE("every view is printed once where there is no terminal") {
  NicsimProcess nicsim;
  for (const char* view : {"", "overview", "processes", "exports", "imports", "bindings",
                           "channels", "pages", "errors", "latencies"}) {
    CAPTURE(view);
    const StatRun plain = run_vmmcstat(nicsim.socket(), view);
    CHECK(plain.exit_code == 0);
    CHECK(plain.output.starts_with("nicsim " VMMC_VERSION_STRING ": "));
    CHECK(plain.output.find(", at " + nicsim.socket() + "\n") != std::string::npos);
    CHECK(plain.output.find('\033') == std::string::npos);
    CHECK(run_vmmcstat(nicsim.socket(), std::string(view) + " --once").exit_code == 0);
  }
}

TEST_CASE("standard output that takes nothing is an error") {
  NicsimProcess nicsim;
  check_fails(run_vmmcstat(nicsim.socket(), "--json >/dev/full"), vmmc::stat::kExitFailure,
              "standard output");
}

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// vmmcstat on a terminal: its picture fits, follows the machine, and the terminal is left as it was.
#include "tests/vmmcstat/terminal.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "tests/conformance/conformance.h"
#include "tools/vmmcstat/exit_code.h"

using namespace vmmc::testing;

namespace {

std::vector<std::string> command(const NicsimProcess& nicsim) {
  return {"tools/vmmcstat/vmmcstat", "--socket", nicsim.socket(), "--interval", "0.1"};
}

void check_left_as_it_was(const Terminal& terminal, const termios& before) {
  CHECK_FALSE(terminal.alternate());
  CHECK(terminal.cursor_is_seen());
  const termios after = terminal.settings();
  CHECK(after.c_lflag == before.c_lflag);
  CHECK(after.c_iflag == before.c_iflag);
  CHECK(after.c_oflag == before.c_oflag);
}

// The settings of a new terminal.
termios usual_settings() {
  Terminal terminal({"/bin/true"}, 24, 80);
  (void)terminal.finish();
  return terminal.settings();
}

// A process with a buffer, which it imports itself; it stays until it is killed.
class Client {
 public:
  explicit Client(const NicsimProcess& nicsim) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::alarm(100);
      vmmc_init_options options = VMMC_INIT_DEFAULTS;
      options.socket = nicsim.socket().c_str();
      options.process = 7;
      void* memory = nullptr;
      void* proxy = nullptr;
      const bool good = vmmc_init(&options) == VMMC_OK && vmmc_alloc(4096, &memory) == VMMC_OK &&
                        vmmc_export(memory, 4096, 1234567, nullptr) == VMMC_OK &&
                        vmmc_import({0, 7}, 1234567, nullptr, &proxy, nullptr) == VMMC_OK;
      (void)!::write(ready[1], good ? "y" : "n", 1);
      for (;;) ::pause();
    }
    char answer = 'n';
    REQUIRE(::read(ready[0], &answer, 1) == 1);
    REQUIRE(answer == 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Client() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

 private:
  pid_t child_;
};

}  // namespace

TEST_CASE("every view fits 24 lines of 80 columns, follows the machine, and q ends it") {
  const termios before = usual_settings();
  NicsimProcess nicsim;
  Terminal terminal(command(nicsim), 24, 80);
  CHECK(terminal.wait_for("0 processes, 0 exports, 0 imports"));
  CHECK(terminal.alternate());
  CHECK_FALSE(terminal.cursor_is_seen());
  {
    const Client client(nicsim);
    CHECK(terminal.wait_for("1 processes, 1 exports, 1 imports"));
    // By its key, each view; the one that is shown is marked.
    for (const std::string view :
         {"p:processes", "x:exports", "i:imports", "b:bindings", "c:channels", "g:pages",
          "e:errors", "l:latencies", "o:overview"}) {
      CAPTURE(view);
      terminal.type(view.substr(0, 1));
      CHECK(terminal.wait_for("[" + view + "]"));
    }
    terminal.type("x");
    CHECK(terminal.wait_for("1234567"));
  }
  CHECK(terminal.wait_for("0 processes, 0 exports, 0 imports"));
  CHECK_FALSE(terminal.wrapped());
  const int pictures = terminal.pictures();
  CHECK(terminal.wait_for([&](const Terminal& now) { return now.pictures() > pictures + 2; }));
  terminal.type("q");
  CHECK(terminal.finish() == 0);
  check_left_as_it_was(terminal, before);
}

TEST_CASE("Ctrl-C ends it, and the terminal is as before") {
  const termios before = usual_settings();
  NicsimProcess nicsim;
  Terminal terminal(command(nicsim), 24, 80);
  REQUIRE(terminal.wait_for("0 processes"));
  terminal.type("\x03");
  CHECK(terminal.finish() == 0);
  check_left_as_it_was(terminal, before);
}

TEST_CASE("another size: the next picture fits, however small") {
  NicsimProcess nicsim;
  const Client client(nicsim);
  Terminal terminal(command(nicsim), 40, 132);
  REQUIRE(terminal.wait_for("1 processes,"));
  for (const auto& size :
       {std::pair<unsigned short, unsigned short>{24, 80}, {10, 40}, {3, 20}, {1, 1}, {50, 200}}) {
    const unsigned short rows = size.first;
    const unsigned short columns = size.second;
    CAPTURE(rows);
    // What was on its way when the size changed may not fit.
    terminal.resize(rows, columns);
    const int pictures = terminal.pictures();
    CHECK(terminal.wait_for([&](const Terminal& now) { return now.pictures() > pictures + 1; }));
    terminal.forget_wrapping();
    const int more = terminal.pictures();
    CHECK(terminal.wait_for([&](const Terminal& now) { return now.pictures() > more + 1; }));
    CHECK_FALSE(terminal.wrapped());
  }
  CHECK(terminal.wait_for("1 processes,"));
  terminal.type("q");
  CHECK(terminal.finish() == 0);
}

TEST_CASE("nicsim ends meanwhile: said on the ordinary screen, with its own exit code") {
  const termios before = usual_settings();
  NicsimProcess nicsim;
  Terminal terminal(command(nicsim), 24, 80);
  REQUIRE(terminal.wait_for("0 processes"));
  nicsim.kill();
  CHECK(terminal.finish() == vmmc::stat::kExitNicsimDied);
  check_left_as_it_was(terminal, before);
  CAPTURE(terminal.plain());
  CHECK(terminal.plain().find("has ended") != std::string::npos);
}

TEST_CASE("in simulated time the clock and the model are shown, and looking stops nothing") {
  NicsimProcess nicsim({"--nodes", "1x2", "--model", "shrimp-2"});
  Terminal terminal(command(nicsim), 24, 80);
  CHECK(terminal.wait_for("shrimp-2"));
  const Client client(nicsim);
  CHECK(terminal.wait_for("1 processes,"));
  CHECK_FALSE(terminal.wrapped());
  terminal.type("q");
  CHECK(terminal.finish() == 0);
}

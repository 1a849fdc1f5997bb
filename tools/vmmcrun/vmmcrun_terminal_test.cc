// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// End to end on a terminal.
#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tools/vmmcrun/job_under_test.h"

namespace vmmc::run {
namespace {

JobUnderTest::Setting on_a_terminal() {
  JobUnderTest::Setting setting;
  setting.terminal = true;
  return setting;
}

TEST_CASE("rank 0 reads from the terminal and is not stopped") {
  JobUnderTest job(
      {"-n", "2", "/bin/sh", "-c", "if [ $VMMC_RANK = 0 ]; then read line; echo \"<$line>\"; fi"},
      on_a_terminal());
  job.type("question\n");
  CHECK(job.wait_for("<question>"));
  CHECK(job.finish().exit_code == 0);
  CHECK(job.living().empty());
}

TEST_CASE("Ctrl-C reaches every rank once") {
  JobUnderTest job({"-n", "3", "/bin/sh", "-c",
                    "count=0; trap 'count=$((count+1)); echo got $count' INT; "
                    "trap 'echo total $count; exit 0' USR1; " +
                        kWait},
                   on_a_terminal());
  REQUIRE(job.wait_for("up", 3));
  job.type("\x03");
  REQUIRE(job.wait_for("got 1", 3));
  job.signal(SIGUSR1);
  CHECK(job.wait_for("total 1", 3));
  CHECK(job.finish().exit_code == 0);
  CHECK(job.living().empty());
}

TEST_CASE("Ctrl-C ends a program that does not handle it, and a second one what ignores it") {
  JobUnderTest plain({"-n", "2", "/bin/sh", "-c", kWait}, on_a_terminal());
  REQUIRE(plain.wait_for("up", 2));
  plain.type("\x03");
  CHECK(plain.finish().exit_code == 128 + SIGINT);
  CHECK(plain.living().empty());
  JobUnderTest stubborn({"-n", "2", "/bin/sh", "-c", "trap 'echo got' INT; trap '' TERM; " + kWait},
                        on_a_terminal());
  REQUIRE(stubborn.wait_for("up", 2));
  stubborn.type("\x03");
  REQUIRE(stubborn.wait_for("got", 2));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // sooner, it were the same request
  stubborn.type("\x03");
  CHECK(stubborn.finish().exit_code != 0);
  CHECK(stubborn.living().empty());
}

TEST_CASE("the end of the terminal ends the job, even of one rank") {
  for (const char* ranks : {"1", "2"}) {
    JobUnderTest job(script({"-n", ranks}, "echo up; exec sleep 1000"), on_a_terminal());
    REQUIRE(job.wait_for("up", std::stoi(ranks)));
    job.stop_reading();
    CHECK(job.all_gone());
  }
}

TEST_CASE("Ctrl-Z stops every rank and fg continues it") {
  auto setting = on_a_terminal();
  setting.wrapper = {"/bin/bash", "-c",
                     "set -m; \"$@\"; echo stopped $?; fg > /dev/null; echo ended $?", "bash"};
  JobUnderTest job(script({"-n", "3"}, "trap 'echo continued; exit 0' CONT; " + kWait), setting);
  REQUIRE(job.wait_for("up", 3));
  job.type("\x1a");
  REQUIRE(job.wait_for("stopped 147"));
  CHECK(job.wait_for("continued", 3));
  CHECK(job.wait_for("ended 0"));
  job.finish();
  CHECK(job.living().empty());
}

TEST_CASE("Ctrl-Z does not stop a job that nobody could continue") {
  JobUnderTest job(script({"-n", "2"}, "trap 'echo asked; exit 0' USR1; " + kWait),
                   on_a_terminal());
  REQUIRE(job.wait_for("up", 2));
  job.type("\x1a");
  REQUIRE(job.wait_for("^Z"));  // the echo; until then the terminal may discard output
  job.signal(SIGUSR1);
  CHECK(job.wait_for("asked", 2));
  CHECK(job.finish().exit_code == 0);
}

}  // namespace
}  // namespace vmmc::run

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// End to end: how jobs end, and what signals do.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tools/vmmcrun/job_under_test.h"

namespace vmmc::run {
namespace {

// After this time a second request to stop is one.
constexpr std::chrono::milliseconds kLaterRequest(300);
// Of what a machine that stands still at the wrong moment spoils.
constexpr int kAttempts = 10;

TEST_CASE("the first rank that fails decides the exit code and stops the others") {
  const auto result =
      run(script({"-n", "4"}, "if [ $VMMC_RANK = 2 ]; then exit 3; fi; exec sleep 1000"));
  CHECK(result.exit_code == 3);
  CHECK(result.error == "vmmcrun: rank 2 ended with exit status 3; stopping the others\n");
}

TEST_CASE("death by a signal counts as 128 + signal") {
  const auto result =
      run(script({"-n", "3"}, "if [ $VMMC_RANK = 1 ]; then kill -SEGV $$; fi; exec sleep 1000"));
  CHECK(result.exit_code == 128 + SIGSEGV);
  CHECK(contains(result.error, "vmmcrun: rank 1 was killed by signal 11 ("));
}

TEST_CASE("ranks that are stopped get SIGTERM and time to clean up") {
  // The time is half a second: none, if the machine stands still for so long.
  bool clean = false;
  for (int attempt = 0; attempt < kAttempts && !clean; ++attempt) {
    JobUnderTest job(script({"-n", "2"},
                            "if [ $VMMC_RANK = 0 ]; then trap 'exit 9' USR1; else trap '' USR1; "
                            "trap 'sleep 0.1; echo clean; exit 0' TERM; fi; " +
                                kWait));
    REQUIRE(job.wait_for("up\n", 2));
    job.signal(SIGUSR1);
    const auto result = job.finish();
    CHECK(result.exit_code == 9);
    CHECK(job.living().empty());
    clean = contains(result.output, "clean\n");
  }
  CHECK(clean);
}

TEST_CASE(
    "ranks that ignore SIGTERM, are stopped or have hidden children are killed all the same") {
  const auto result =
      run(script({"-n", "4"},
                 "case $VMMC_RANK in 0) sleep 0.3; exit 5;; 1) trap '' TERM;; 2) kill -STOP $$;; "
                 "3) setsid sleep 1000 & (trap '' TERM; sleep 1000) & ;; esac; "
                 "while :; do sleep 0.02; done"));
  CHECK(result.exit_code == 5);
}

TEST_CASE("what ranks leave behind is killed when the job ends well") {
  const auto result = run(script(
      {"-n", "2"}, "sleep 1000 & setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &)"));
  CHECK(result.exit_code == 0);
  CHECK(result.error == "");
}

TEST_CASE("a rank that ends early does not end the others") {
  const auto result =
      run(script({"-n", "2"}, "if [ $VMMC_RANK = 0 ]; then exit 0; fi; sleep 0.5; echo late"));
  CHECK(result.exit_code == 0);
  CHECK(result.output == "late\n");
}

TEST_CASE("signals reach every rank and its children") {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
    CAPTURE(number);
    const std::string trap = "trap 'echo got; exit 0' " + std::to_string(number) + "; ";
    JobUnderTest job(script({"-n", "2"}, "(" + trap + kWait + ") & " + trap + kWait));
    REQUIRE(job.wait_for("up\n", 4));
    job.signal(number);
    const auto result = job.finish();
    CHECK(result.exit_code == 0);
    CHECK(contains(result.output, "got\n"));
    CHECK(job.living().empty());
  }
}

TEST_CASE("a rank that dies of a forwarded signal decides the exit code") {
  JobUnderTest job(script({"-n", "2"}, kWait));
  REQUIRE(job.wait_for("up\n", 2));
  job.signal(SIGTERM);
  CHECK(job.finish().exit_code == 128 + SIGTERM);
  CHECK(job.living().empty());
}

TEST_CASE("the second SIGINT kills ranks that ignore the first") {
  JobUnderTest job(script({"-n", "2", "--prefix"}, "trap 'echo got' INT TERM; " + kWait));
  REQUIRE(job.wait_for("up\n", 2));
  job.signal(SIGINT);
  REQUIRE(job.wait_for("got\n", 2));
  std::this_thread::sleep_for(kLaterRequest);
  job.signal(SIGINT);
  const auto result = job.finish();
  CHECK(result.exit_code != 0);
  CHECK(contains(result.error, "asked to stop a second time"));
  CHECK(job.living().empty());
}

TEST_CASE("a program that is not there or cannot be run") {
  CHECK(run({"-n", "2", "/nowhere/program"}).exit_code == 127);
  CHECK(run({"-n", "2", "vmmcrun-test-no-such-program"}).exit_code == 127);
  const auto result = run({"-n", "2", "/etc/passwd"});
  CHECK(result.exit_code == 126);
  CHECK(result.error == "vmmcrun: cannot run /etc/passwd: Permission denied\n");
}

TEST_CASE("a wrong command line starts nothing") {
  const auto result = run({"-n", "none", "/bin/true"});
  CHECK(result.exit_code == 2);
  CHECK(result.error.starts_with("vmmcrun: -n none"));
}

TEST_CASE("a nicsim that does not start ends the job with its reason") {
  auto result = run({"-n", "2", "/bin/echo", "never"}, {.fake = "refuse"});
  CHECK(result.exit_code == 125);
  CHECK(result.output == "");
  CHECK(contains(result.error, "[nicsim] no room for another node\n"));
  CHECK(contains(result.error, "ended with exit status 3 before it was ready\n"));
  result = run({"-n", "2", "/bin/echo", "never"}, {.fake = "silent"});
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "did not say that it was ready\n"));
  result = run({"--nicsim", "/nowhere/nicsim", "-n", "2", "/bin/echo", "never"});
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "cannot start /nowhere/nicsim: No such file or directory"));
}

TEST_CASE("a nicsim that dies ends the job") {
  const auto result = run(script({"-n", "3"}, "exec sleep 1000"), {.fake = "die"});
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "was killed by signal 9 (Killed); stopping the ranks\n"));
}

TEST_CASE("a nicsim that does not listen to SIGTERM is killed") {
  CHECK(run({"-n", "1", "/bin/true"}, {.fake = "deaf"}).exit_code == 0);
}

TEST_CASE("a signal while nicsim starts ends everything") {
  JobUnderTest job({"-n", "1", "/bin/echo", "never"}, {.fake = "slow"});
  while (job.living().size() < 3) {
  }
  job.signal(SIGTERM);
  const auto result = job.finish();
  CHECK(result.exit_code == 128 + SIGTERM);
  CHECK(result.output == "");
  CHECK(job.living().empty());
}

TEST_CASE("kill -9 of vmmcrun leaves nobody, not even hidden grandchildren") {
  JobUnderTest job(
      script({"-n", "3", "--prefix"}, "setsid sleep 1000 & trap '' TERM HUP; " + kWait));
  REQUIRE(job.wait_for("up\n", 3));
  CHECK(job.living().size() >= 3 * 2 + 3);
  job.signal(SIGKILL);
  CHECK(job.all_gone());
  CHECK(job.finish().exit_code == 128 + SIGKILL);
}

TEST_CASE("kill -9 of vmmcrun's second process leaves nobody either") {
  JobUnderTest job(script({"-n", "2"}, "setsid sleep 1000 & echo $PPID up; exec sleep 1000"));
  REQUIRE(job.wait_for("up\n", 2));
  ::kill(std::stoi(job.output()), SIGKILL);
  const auto result = job.finish();
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "was killed by signal 9"));
  CHECK(job.living().empty());
}

TEST_CASE("a reader that does not read holds up neither signals nor the end") {
  JobUnderTest job(script({"-n", "2", "--prefix"}, "echo up; exec yes"));
  REQUIRE(job.wait_for("up\n", 2));
  job.signal(SIGTERM);
  job.signal(SIGKILL);
  CHECK(job.all_gone());
}

TEST_CASE("a SIGTERM sent twice in a moment, as timeout(1) does, leaves the ranks their time") {
  // If the machine stands still in that moment, they are two requests.
  bool clean = false;
  for (int attempt = 0; attempt < kAttempts && !clean; ++attempt) {
    JobUnderTest job(script({"-n", "2"}, "trap 'sleep 0.1; echo clean; exit 0' TERM; " + kWait));
    REQUIRE(job.wait_for("up\n", 2));
    job.signal(SIGTERM);
    REQUIRE(::usleep(1000) == 0);
    job.signal(SIGTERM);
    const auto result = job.finish();
    clean = result.exit_code == 0 && lines(result.output).count("clean") == 2;
  }
  CHECK(clean);
}

TEST_CASE("a signal that vmmcrun was told to ignore does nothing") {
  JobUnderTest job(script({"-n", "1"}, "echo up; sleep 0.3; echo end"),
                   {.wrapper = {"/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"}});
  REQUIRE(job.wait_for("up\n"));
  job.signal(SIGHUP);
  const auto result = job.finish();
  CHECK(result.exit_code == 0);
  CHECK(contains(result.output, "end\n"));
}

TEST_CASE("a large job that fails while it starts does not start the rest") {
  const auto result = run(script({"-n", "5000"}, "[ $VMMC_RANK = 3 ] && exit 7; exec sleep 1000"));
  CHECK(result.exit_code == 7);
  CHECK(contains(result.error, "rank 3 ended with exit status 7; stopping the others\n"));
}

TEST_CASE("no zombies gather while a job runs") {
  const auto result = run(script({"-n", "1"},
                                 "for i in 1 2 3 4 5 6 7 8; do (/bin/true &); done; sleep 0.1; "
                                 "while cat /proc/[0-9]*/stat 2>/dev/null | "
                                 "grep -q \") Z $PPID \"; do sleep 0.05; done"));
  CHECK(result.exit_code == 0);
}

TEST_CASE("when nobody reads the output, one signal ends vmmcrun after its ranks") {
  JobUnderTest job(script({"-n", "1", "--prefix"}, "echo up; head -c 150000 /dev/zero"));
  REQUIRE(job.wait_for("up\n"));
  while (job.living().size() > 2) ::usleep(1000);  // vmmcrun is two processes
  job.signal(SIGTERM);
  CHECK(job.all_gone());
}

}  // namespace
}  // namespace vmmc::run

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// End to end: the real vmmcrun, shell scripts as ranks, a fake nicsim.
#include <doctest/doctest.h>
#include <signal.h>

#include <set>
#include <sstream>

#include "tools/vmmcrun/job_under_test.h"

namespace vmmc::run {
namespace {

using Setting = JobUnderTest::Setting;

// vmmcrun OPTIONS... /bin/sh -c SCRIPT
std::vector<std::string> script(std::vector<std::string> options, const std::string& text) {
  options.insert(options.end(), {"/bin/sh", "-c", text});
  return options;
}

JobResult run(std::vector<std::string> arguments, const Setting& setting = Setting()) {
  JobUnderTest job(std::move(arguments), setting);
  JobResult result = job.finish();
  CHECK(job.living().empty());  // at once, not after a while
  return result;
}

std::multiset<std::string> lines(const std::string& text) {
  std::multiset<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.insert(line);
  return all;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

// A script for ranks that say that they are there and wait.
const std::string kWait = "echo up; while :; do sleep 0.05; done";

TEST_CASE("every rank gets its place in the environment") {
  const auto result = run(
      script({"-n", "5", "--nodes", "2"}, "echo $VMMC_RANK $VMMC_SIZE $VMMC_NODE $VMMC_PROCESS"));
  CHECK(result.exit_code == 0);
  CHECK(result.error == "");
  CHECK(lines(result.output) ==
        std::multiset<std::string>{"0 5 0 0", "1 5 1 1", "2 5 0 2", "3 5 1 3", "4 5 0 4"});
}

TEST_CASE("each job has a socket of its own") {
  const auto arguments = script({"-n", "1"}, "echo $VMMC_SOCKET");
  const std::string first = run(arguments).output;
  const std::string second = run(arguments).output;
  CHECK(first.starts_with("@vmmc-job-"));
  CHECK(first.size() == std::string("@vmmc-job-").size() + 32 + 1);
  CHECK(first != second);
}

TEST_CASE("nicsim gets the job's socket and the nodes") {
  const auto result = run(script({"-n", "1", "--nodes", "2x3"}, "echo $VMMC_SOCKET"),
                          {.environment = {"FAKE_NICSIM=show"}});
  const std::string socket = result.output.substr(0, result.output.size() - 1);
  CHECK(result.error.starts_with("[nicsim] --socket " + socket +
                                 " --foreground --nodes 2x3 --ready-fd "));
}

TEST_CASE("--socket names a nicsim that runs already") {
  const auto result = run(script({"-n", "1", "--socket", "@vmmc-test-other"}, "echo $VMMC_SOCKET"),
                          {.environment = {"VMMC_NICSIM=/nowhere"}, .fake_nicsim = false});
  CHECK(result.exit_code == 0);
  CHECK(result.output == "@vmmc-test-other\n");
}

TEST_CASE("$VMMC_NICSIM is used without --nicsim") {
  const auto result =
      run({"-n", "1", "/bin/true"},
          {.environment = {"VMMC_NICSIM=" + runfile("fake_nicsim"), "FAKE_NICSIM=show"},
           .fake_nicsim = false});
  CHECK(result.exit_code == 0);
  CHECK(contains(result.error, "[nicsim] --socket"));
}

TEST_CASE("arguments reach the program unchanged") {
  const auto result = run({"-n", "1", "--", "/bin/sh", "-c", "printf '<%s>' \"$@\"", "name", "-n",
                           "--prefix", "", "a b"});
  CHECK(result.output == "<-n><--prefix><><a b>");
}

TEST_CASE("rank 0 has the standard input and the others have none") {
  const auto result = run(script({"-n", "3", "--prefix"}, "cat"), {.input = "question\n"});
  CHECK(result.exit_code == 0);
  CHECK(result.output == "[0] question\n");
}

TEST_CASE("--prefix marks every line of both streams, also an unfinished last one") {
  const auto result =
      run(script({"-n", "2", "--prefix"}, "echo a; echo b >&2; printf last; printf fault >&2"));
  CHECK(result.exit_code == 0);
  CHECK(lines(result.output) ==
        std::multiset<std::string>{"[0] a", "[0] last", "[1] a", "[1] last"});
  CHECK(lines(result.error) ==
        std::multiset<std::string>{"[0] b", "[0] fault", "[1] b", "[1] fault"});
}

TEST_CASE("--prefix never tears a line, however it was written") {
  const std::string text =
      "long=$(printf '%05000d' 0); i=0; while [ $i -lt 40 ]; do "
      "printf a; printf 'b%s' $long; echo c; i=$((i+1)); done";
  const auto result = run(script({"-n", "4", "--prefix"}, text));
  CHECK(result.exit_code == 0);
  const auto all = lines(result.output);
  CHECK(all.size() == 160);
  for (int rank = 0; rank < 4; ++rank) {
    const std::string line = "[" + std::to_string(rank) + "] ab" + std::string(5000, '0') + "c";
    CHECK(all.count(line) == 40);
  }
}

TEST_CASE("with --prefix a reader that goes away ends the ranks by SIGPIPE") {
  JobUnderTest job(script({"-n", "2", "--prefix"}, "while :; do echo y; done"));
  REQUIRE(job.wait_for("y"));
  job.stop_reading();
  const auto result = job.finish();
  CHECK(result.exit_code == 128 + SIGPIPE);
  CHECK(job.living().empty());
}

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
  JobUnderTest job(script({"-n", "2"},
                          "if [ $VMMC_RANK = 0 ]; then trap 'exit 9' USR1; else trap '' USR1; "
                          "trap 'sleep 0.1; echo clean; exit 0' TERM; fi; " +
                              kWait));
  REQUIRE(job.wait_for("up\n", 2));
  job.signal(SIGUSR1);
  const auto result = job.finish();
  CHECK(result.exit_code == 9);
  CHECK(contains(result.output, "clean\n"));
  CHECK(job.living().empty());
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
  auto result = run({"-n", "2", "/bin/echo", "never"}, {.environment = {"FAKE_NICSIM=refuse"}});
  CHECK(result.exit_code == 125);
  CHECK(result.output == "");
  CHECK(contains(result.error, "[nicsim] no room for another node\n"));
  CHECK(contains(result.error, "ended with exit status 3 before it was ready\n"));
  result = run({"-n", "2", "/bin/echo", "never"}, {.environment = {"FAKE_NICSIM=silent"}});
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "did not say that it was ready\n"));
  result =
      run({"--nicsim", "/nowhere/nicsim", "-n", "2", "/bin/echo", "never"}, {.fake_nicsim = false});
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "cannot start /nowhere/nicsim: No such file or directory"));
}

TEST_CASE("a nicsim that dies ends the job") {
  const auto result =
      run(script({"-n", "3"}, "exec sleep 1000"), {.environment = {"FAKE_NICSIM=die"}});
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "was killed by signal 9 (Killed); stopping the ranks\n"));
}

TEST_CASE("a nicsim that does not listen to SIGTERM is killed") {
  CHECK(run({"-n", "1", "/bin/true"}, {.environment = {"FAKE_NICSIM=deaf"}}).exit_code == 0);
}

TEST_CASE("a signal while nicsim starts ends everything") {
  JobUnderTest job({"-n", "1", "/bin/echo", "never"}, {.environment = {"FAKE_NICSIM=slow"}});
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

}  // namespace
}  // namespace vmmc::run

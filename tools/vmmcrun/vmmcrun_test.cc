// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// End to end: what ranks get, and where their output goes.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <set>

#include "tools/vmmcrun/job_under_test.h"

namespace vmmc::run {
namespace {

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

TEST_CASE("the ranks of a job attach to its nicsim as who they are") {
  const auto result = run({"-n", "5", "--nodes", "1x2", runfile("attach_probe")});
  CHECK(result.exit_code == 0);
  CHECK(result.error == "");
  CHECK(lines(result.output) ==
        std::multiset<std::string>{"process 0 on node 0 of 2", "process 1 on node 1 of 2",
                                   "process 2 on node 0 of 2", "process 3 on node 1 of 2",
                                   "process 4 on node 0 of 2"});
}

TEST_CASE("two jobs at the same time do not meet") {
  JobUnderTest first({"-n", "2", runfile("attach_probe"), "wait"});
  REQUIRE(first.wait_for("process", 2));
  CHECK(run({"-n", "2", runfile("attach_probe")}).exit_code == 0);
  CHECK(first.living().size() == 5);  // two ranks, nicsim, and vmmcrun, which is two
  first.signal(SIGTERM);
  CHECK(first.finish().exit_code == 128 + SIGTERM);
}

TEST_CASE("nicsim gets the file to record to") {
  const auto result = run(script({"-n", "1", "--record", "a file"}, "true"), {.fake = "show"});
  CHECK(contains(result.error + result.output, " --record a file"));
}

TEST_CASE("nicsim gets the job's socket and the nodes") {
  const auto result =
      run(script({"-n", "1", "--nodes", "2x3"}, "echo $VMMC_SOCKET"), {.fake = "show"});
  const std::string socket = result.output.substr(0, result.output.size() - 1);
  CHECK(result.error.starts_with("[nicsim] --socket " + socket +
                                 " --foreground --nodes 2x3 --ready-fd "));
}

TEST_CASE("nicsim gets the timing model, its parameters and the number of processes") {
  const auto result =
      run(script({"-n", "3", "--model", "shrimp-2", "--param", "a=1", "--param", "b=2"}, "exit 0"),
          {.fake = "show"});
  CHECK(contains(result.error, " --model shrimp-2 --expect 3 --param a=1 --param b=2\n"));
}

TEST_CASE("in simulated time the ranks attach as in real time") {
  const auto result = run({"-n", "3", "--model", "shrimp-2", runfile("attach_probe")});
  CHECK(result.exit_code == 0);
  CHECK(lines(result.output).size() == 3);
}

TEST_CASE("a model that nicsim does not know ends the job") {
  const auto result = run(script({"-n", "2", "--model", "sundial"}, "exit 0"));
  CHECK(result.exit_code == 125);
  CHECK(contains(result.error, "sundial"));
}

TEST_CASE("--socket names a nicsim that runs already, even that of a job around this one") {
  const std::string inner =
      runfile("vmmcrun") + " -n 3 --socket $VMMC_SOCKET " + runfile("attach_probe");
  const auto result = run(script({"-n", "1"}, "VMMC_NICSIM=/nowhere " + inner));
  CHECK(result.exit_code == 0);
  CHECK(lines(result.output) == std::multiset<std::string>{"process 0 on node 0 of 4",
                                                           "process 1 on node 1 of 4",
                                                           "process 2 on node 2 of 4"});
}

TEST_CASE("$VMMC_NICSIM is used without --nicsim") {
  const auto result =
      run({"-n", "1", "/bin/true"},
          {.environment = {"VMMC_NICSIM=" + runfile("fake_nicsim"), "FAKE_NICSIM=show"}});
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

TEST_CASE("no byte of a large output is lost") {
  const std::string text = "head -c 20000000 /dev/zero | tr '\\0' x | fold -w 99; echo; echo end";
  for (const bool prefix : {false, true}) {
    CAPTURE(prefix);
    const auto options = prefix ? std::vector<std::string>{"-n", "2", "--prefix"}
                                : std::vector<std::string>{"-n", "2"};
    const auto result = run(script(options, text));
    CHECK(result.exit_code == 0);
    CHECK(std::count(result.output.begin(), result.output.end(), 'x') == 40'000'000);
    CHECK(std::count(result.output.begin(), result.output.end(), '\n') ==
          2 * (20'000'000 / 99 + 2));
  }
}

TEST_CASE("what a rank prints before it fails is not lost") {
  const auto result =
      run(script({"-n", "2", "--prefix"},
                 "[ $VMMC_RANK = 1 ] && exec sleep 1000; head -c 60000 /dev/zero | tr '\\0' x; "
                 "kill -KILL $$"));
  CHECK(result.exit_code == 128 + SIGKILL);
  CHECK(result.output == "[0] " + std::string(60000, 'x') + "\n");
}

}  // namespace
}  // namespace vmmc::run

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Runs the real vmmcrun as a child, for its end-to-end tests, with the real nicsim unless a test
// asks for a fake one that misbehaves.
//
// Threads and processes
//   Reaps its child. Every process of the job carries a random mark in its environment, by which it
//   is found again, wherever it has gone. A watchdog (alarm) kills a test that hangs.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "platform/file_descriptor.h"

namespace vmmc::run {

struct JobResult {
  int exit_code;  // 128 + signal if vmmcrun itself was killed
  std::string output;
  std::string error;
};

class JobUnderTest {
 public:
  struct Setting {
    std::vector<std::string> environment{};  // "NAME=value"
    std::string input{};                     // standard input, unless there is a terminal
    std::string fake{};                      // fake_nicsim behaves this way; empty: the real nicsim
    std::vector<std::string> wrapper{};      // a command that gets vmmcrun's as its last arguments
    bool terminal = false;  // standard input, output and error are a terminal of its own, whose
                            // session vmmcrun (or the wrapper) leads
  };

  // vmmcrun ARGUMENTS...
  explicit JobUnderTest(std::vector<std::string> arguments)
      : JobUnderTest(std::move(arguments), Setting()) {}
  JobUnderTest(std::vector<std::string> arguments, const Setting& setting);
  ~JobUnderTest();  // kills what is left
  JobUnderTest(const JobUnderTest&) = delete;
  JobUnderTest& operator=(const JobUnderTest&) = delete;

  pid_t process() const { return process_; }
  void signal(int number) const;
  void type(const std::string& text) const;  // on the terminal

  // Reads output (of the terminal too) until `text` has come `times` times; false if it ends
  // before.
  bool wait_for(const std::string& text, int times = 1);

  const std::string& output() const { return result_.output; }  // read so far

  // Waits for vmmcrun's end.
  JobResult finish();

  // Processes of the job that are alive (not zombies).
  std::vector<pid_t> living() const;
  // Waits for living() to become empty.
  bool all_gone() const;

  void stop_reading() { output_.reset(); }

 private:
  bool read_more();

  std::string mark_;
  pid_t process_ = -1;
  platform::FileDescriptor output_;
  platform::FileDescriptor error_;
  JobResult result_{};
};

// Where Bazel has put a file of this package.
std::string runfile(const std::string& name);

// OPTIONS... /bin/sh -c TEXT: every rank is a shell script.
std::vector<std::string> script(std::vector<std::string> options, const std::string& text);

// A script for ranks that say that they are there and wait.
inline const std::string kWait = "echo up; while :; do sleep 0.05; done";

// Runs a job to its end, at which no process of it may be left.
JobResult run(std::vector<std::string> arguments,
              const JobUnderTest::Setting& setting = JobUnderTest::Setting());

std::multiset<std::string> lines(const std::string& text);

bool contains(const std::string& text, const std::string& part);

}  // namespace vmmc::run

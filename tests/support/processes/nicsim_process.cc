// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/support/processes/nicsim_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace vmmc::testing {

std::string random_name() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("getrandom");
  }
  std::string name;
  for (const unsigned char byte : bytes) {
    name += "0123456789abcdef"[byte >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  return name;
}

std::string nicsim_binary() {
  const char* path = std::getenv("VMMC_NICSIM");
  return path != nullptr ? path : "nicsim/nicsim";
}

NicsimProcess::NicsimProcess(std::vector<std::string> arguments)
    : socket_("@vmmc-test-" + random_name()) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const std::string binary = nicsim_binary();
  const std::string ready_fd = std::to_string(ready[1]);
  std::vector<std::string> words{binary,         "--socket",   socket_,
                                 "--foreground", "--ready-fd", ready_fd};
  words.insert(words.end(), arguments.begin(), arguments.end());
  if (const char* model = std::getenv("VMMC_TEST_MODEL"); model != nullptr) {
    words.insert(words.end(), {"--model", model});
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::fcntl(ready[1], F_SETFD, 0);
    ::execv(binary.c_str(), argv.data());
    ::_exit(127);
  }
  ::close(ready[1]);
  char byte = 0;
  const ssize_t got = ::read(ready[0], &byte, 1);
  (void)!::read(ready[0], &byte, 1);  // it closes its end: all that it has open now, it keeps
  ::close(ready[0]);
  if (got != 1) throw std::runtime_error("nicsim did not start: " + binary);
}

NicsimProcess::~NicsimProcess() { kill(); }

void NicsimProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

int NicsimProcess::terminate() {
  ::kill(pid_, SIGTERM);
  return wait();
}

int NicsimProcess::wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

}  // namespace vmmc::testing

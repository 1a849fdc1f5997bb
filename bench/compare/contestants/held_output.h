// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Holds back what the measuring loops print, until a contestant can say how it was measured.
//
// Threads: one. Crash: what was held is lost, so that no result appears that was not confirmed.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace contestant {

class HeldOutput {
 public:
  HeldOutput() : real_(stdout) {
    FILE* held = ::open_memstream(&text_, &length_);
    if (held == nullptr) std::abort();
    stdout = held;
  }
  HeldOutput(const HeldOutput&) = delete;
  HeldOutput& operator=(const HeldOutput&) = delete;

  // Prints the JSON object that was held, if there is one, with more members. Once.
  void release(const std::string& members) {
    std::fclose(stdout);
    stdout = real_;
    const std::string object(text_, length_);
    std::free(text_);
    const std::size_t end = object.rfind('}');
    if (end == std::string::npos) return;
    std::printf("%s,%s}\n", object.substr(0, end).c_str(), members.c_str());
  }

 private:
  FILE* real_;
  char* text_ = nullptr;
  std::size_t length_ = 0;
};

}  // namespace contestant

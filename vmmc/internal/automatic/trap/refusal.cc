// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/refusal.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace vmmc::internal {
namespace {

// printf allocates and locks.
class Sentence {
 public:
  void add(std::string_view text) {
    for (char letter : text) {
      if (length_ < text_.size()) text_[length_++] = letter;
    }
  }
  void add_hex(std::uint64_t number, int digits) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (int i = digits - 1; i >= 0; --i) add(kDigits.substr((number >> (4 * i)) & 15, 1));
  }
  void write() const {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text_.data(), length_);
  }

 private:
  std::array<char, 400> text_;
  std::size_t length_ = 0;
};

}  // namespace

void refuse_store(const char* why, std::uintptr_t instruction, std::size_t length,
                  std::uintptr_t address) {
  Sentence sentence;
  sentence.add("vmmc: a store to a page bound for automatic update cannot be captured, for it ");
  sentence.add(why);
  sentence.add(": the instruction");
  for (std::size_t i = 0; i < length; ++i) {
    sentence.add(" ");
    sentence.add_hex(reinterpret_cast<const unsigned char*>(instruction)[i], 2);
  }
  sentence.add(" at 0x");
  sentence.add_hex(instruction, 16);
  sentence.add(", address 0x");
  sentence.add_hex(address, 16);
  sentence.add("\n");
  sentence.write();
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace vmmc::internal

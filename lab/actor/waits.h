// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Waits that commands name: for a word of a buffer, with or without an end.
#pragma once

#include <string>
#include <string_view>

#include "lab/actor/actor.h"

namespace vmmc::lab {

static_assert(VMMC_READ == 1 && VMMC_WRITE == 2);
// `access`: r, w or rw, as VMMC_READ | VMMC_WRITE.
std::uint32_t access_of(const Command& command, std::string_view fallback);

// A minute; in simulated time, which would be over at once while the others wait to be told what to do, no
// end at all.
std::uint64_t longest_wait();

// `timeout_ms` as ns; without it `fallback`.
std::uint64_t timeout_of(const Command& command, std::uint64_t fallback = longest_wait());

struct AwaitedWord {
  const std::uint32_t* word;
  std::uint64_t offset;
  vmmc_comparison comparison;
  std::uint32_t value;
  std::uint64_t timeout;

  std::string as_call() const;
  int wait() const;
  std::uint32_t found() const;
};
// `buffer`, `offset` (0), `value`, `comparison` (equal), `timeout_ms`.
AwaitedWord awaited_word(Actor& actor, const Command& command);

std::uint32_t load_word(const unsigned char* place);
void store_word(unsigned char* place, std::uint32_t value);

// The command's last call: waits for all that was sent. An earlier error stays the answer's, and what the
// fence has to say of the same trouble is not left for a later one.
void end_with_fence(Answer& answer);

// Between two looks at something that changes by itself: in real time as long as it is, in simulated time
// as the model says.
void let_pass(std::uint64_t ns);

}  // namespace vmmc::lab

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A sender that does not wait for its receiver, a receiver that does not keep up, and a process that ends in
// the middle: compute, stream, consume, abort.

#include <unistd.h>

#include <algorithm>

#include "lab/actor/table.h"
#include "lab/actor/waits.h"

namespace vmmc::lab {
namespace {

constexpr std::uint64_t kWord = sizeof(std::uint32_t);
constexpr std::uint64_t kMostInterval = 1'000'000'000;  // ns

Answer compute(Actor&, const Command& command) {
  const std::uint64_t ns = command.number("ns", 0, kMostWait * 1'000'000);
  let_pass(ns);
  return {print("vmmc_compute(%llu)", static_cast<unsigned long long>(ns)), VMMC_OK, {}};
}

struct Shape {
  std::uint64_t messages, bytes, interval;
};
// The content is whole words, and the count stands behind it.
Shape shape_of(const Command& command) {
  const Shape shape{command.number("messages", 1, kMostCount),
                    command.number("bytes", kWord, kMostBytes - kWord),
                    command.number("interval_ns", 0, kMostInterval, 0)};
  if (shape.bytes % kWord != 0) throw Nonsense("\"bytes\" is not a multiple of 4");
  return shape;
}

void fill(unsigned char* memory, const Shape& shape, std::uint32_t number) {
  for (std::uint64_t at = 0; at <= shape.bytes; at += kWord) store_word(memory + at, number);
}

// Where the consumer says how many messages it has read; without one nobody waits for it.
class Credit {
 public:
  Credit(Actor& actor, const Command& command) {
    if (!command.has("credit")) return;
    word_ = actor.buffer(command, "credit").memory;
    window_ = static_cast<std::uint32_t>(command.number("window", 1, kMostCount, 1));
    store_word(word_, 0);
  }
  std::string as_call() const {
    if (word_ == nullptr) return "";
    return print("vmmc_wait_32(credit, VMMC_AT_LEAST, n - %u), ", window_);
  }
  // Until message `number` may be sent.
  int await(std::uint32_t number) const {
    if (word_ == nullptr || number <= window_) return VMMC_OK;
    return vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(word_), VMMC_AT_LEAST,
                        number - window_, VMMC_WAIT_ADAPTIVE, longest_wait());
  }

 private:
  unsigned char* word_ = nullptr;
  std::uint32_t window_ = 0;  // messages that may be unread
};

Answer stream(Actor& actor, const Command& command) {
  const Proxy& proxy = actor.proxy(command);
  const Shape shape = shape_of(command);
  const Credit credit(actor, command);
  unsigned char* const source = actor.source(shape.bytes + kWord);
  Answer answer{print("for (n = 1..%llu) %svmmc_send(message n, %s, %llu)",
                      static_cast<unsigned long long>(shape.messages), credit.as_call().c_str(),
                      proxy.name.c_str(), static_cast<unsigned long long>(shape.bytes + kWord)),
                source == nullptr ? VMMC_ERR_OUT_OF_MEMORY : VMMC_OK,
                {}};
  std::uint32_t sent = 0;
  while (answer.status == VMMC_OK && sent < shape.messages) {
    fill(source, shape, sent + 1);
    answer.status = credit.await(sent + 1);
    if (answer.status != VMMC_OK) break;
    answer.status = vmmc_send(source, proxy.address, shape.bytes + kWord);
    if (answer.status != VMMC_OK) break;
    ++sent;
    let_pass(shape.interval);
  }
  end_with_fence(answer);
  answer.members["sent"] = sent;
  return answer;
}

struct Seen {
  std::uint32_t last = 0;  // number that has been counted last
  std::uint64_t seen = 0;
  std::uint64_t torn = 0;
};

// Whether all words of the content are those of message `number`.
bool is_whole(const unsigned char* memory, std::uint64_t bytes, std::uint32_t number) {
  for (std::uint64_t at = 0; at < bytes; at += kWord) {
    if (load_word(memory + at) != number) return false;
  }
  return true;
}

// With `credit` it says there what it has read: the place may be used again.
int look(const Buffer& buffer, const Shape& shape, const Proxy* credit, Seen& seen) {
  const std::uint32_t count = load_word(buffer.memory + shape.bytes);
  if (count == seen.last) return VMMC_OK;
  seen.last = count;
  ++seen.seen;
  if (!is_whole(buffer.memory, shape.bytes, count)) ++seen.torn;
  return credit == nullptr ? VMMC_OK : vmmc_send(&count, credit->address, sizeof count);
}

int consume_all(const Buffer& buffer, const Shape& shape, const Proxy* credit, Seen& seen) {
  unsigned char* const count = buffer.memory + shape.bytes;
  int status = vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(count), VMMC_NOT_EQUAL, 0,
                            VMMC_WAIT_ADAPTIVE, longest_wait());
  if (status != VMMC_OK) return status;
  const std::uint64_t end = vmmc_clock() + kMostWait * 1'000'000;
  for (;;) {
    status = look(buffer, shape, credit, seen);
    if (status != VMMC_OK || seen.last >= shape.messages) return status;
    if (vmmc_clock() >= end) return VMMC_ERR_TIMEOUT;
    let_pass(std::max<std::uint64_t>(shape.interval, 100));
  }
}

Answer consume(Actor& actor, const Command& command) {
  const Buffer& buffer = actor.buffer(command);
  const Shape shape = shape_of(command);
  check_inside(shape.bytes, kWord, buffer.bytes);
  const Proxy* const credit = command.has("credit") ? &actor.proxy(command, "credit") : nullptr;
  store_word(buffer.memory + shape.bytes, 0);
  actor.announce();
  Seen seen;
  Answer answer{"while (count < " + std::to_string(shape.messages) + ") look at the buffer" +
                    (credit == nullptr ? "" : "; vmmc_send(&count, " + credit->name + ", 4)"),
                consume_all(buffer, shape, credit, seen),
                {}};
  // The last credit is at the producer before this command is answered: a later stream, which begins with no
  // credit, must not find one of this stream.
  if (credit != nullptr) end_with_fence(answer);
  answer.members["seen"] = seen.seen;
  answer.members["overwritten"] = shape.messages - std::min(seen.seen, shape.messages);
  answer.members["torn"] = seen.torn;
  return answer;
}

// With `buffer`: when a word of it has come.
Answer abort_process(Actor& actor, const Command& command) {
  if (command.has("buffer")) (void)awaited_word(actor, command).wait();
  ::_exit(0);
}

}  // namespace

Table stream_commands() {
  return {{"compute", compute},
          {"stream", stream},
          {"consume", consume, true},
          {"abort", abort_process}};
}

}  // namespace vmmc::lab

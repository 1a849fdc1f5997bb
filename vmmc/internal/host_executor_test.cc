// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/host_executor.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <vector>

#include "vmmc/internal/testing/host_rig.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/signal_storm.h"
#include "vmmc/internal/testing/single_step.h"

using namespace vmmc;
using namespace vmmc::internal;
using namespace vmmc::internal::testing;
using wire::ImportPhase;

namespace {

host_executor::record& record_of(const Import& import) {
  return host_executor::records[import.slot];
}

bool store(const Import& import, std::uint64_t offset, std::uint64_t word) {
  return host_executor::try_store(record_of(import), offset, word);
}

std::uint64_t word_at(const HostRig::Buffer& buffer, std::uint64_t offset) {
  std::uint64_t word;
  std::memcpy(&word, buffer.memory.data() + offset, sizeof word);
  return word;
}

std::vector<std::byte> random_bytes(std::mt19937& random, std::size_t length) {
  std::vector<std::byte> bytes(length);
  for (std::byte& byte : bytes) byte = std::byte(random());
  return bytes;
}

}  // namespace

TEST_CASE_FIXTURE(HostRig, "sends of every size and alignment reach their bytes and no others") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  std::vector<std::byte> expected(kLength + wire::kPageSize);
  std::uint64_t sent = 0;
  std::uint64_t bytes = 0;
  const auto check_send = [&](std::uint64_t offset, std::size_t length) {
    const auto source = random_bytes(random, length + 16);
    const std::byte* const first = source.data() + random() % 16;
    REQUIRE(host.send(at(import, offset), first, length));
    std::memcpy(expected.data() + offset, first, length);
    ++sent;
    bytes += length;
    REQUIRE(std::memcmp(buffer.memory.data(), expected.data(), expected.size()) == 0);
  };
  for (std::size_t length = 1; length <= 80; ++length) {
    for (std::uint64_t offset = 0; offset < 9; ++offset) check_send(512 + offset, length);
  }
  for (const std::size_t length : {255u, 256u, 257u, 1023u, 2049u, 4095u, 4097u, 9999u}) {
    for (std::uint64_t offset = 0; offset < 9; ++offset) check_send(4090 + offset, length);
  }
  for (std::size_t length = 1; length <= 17; ++length) check_send(kLength - length, length);
  check_send(0, kLength);
  CHECK(counts(import).transfers == sent);
  CHECK(counted_bytes(import) == bytes);
}

TEST_CASE_FIXTURE(HostRig, "words are stored inline by their owner, and by no way else") {
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  CHECK_FALSE(store(import, 8, 1));  // nobody owns it yet
  REQUIRE(send(import, 8, 2));
  CHECK(store(import, 8, 3));
  CHECK(word_at(buffer, 8) == 3);
  CHECK_FALSE(store(import, 12, 4));  // not aligned
  CHECK(host_executor::try_store(record_of(import), 12, std::uint32_t{5}));
  CHECK(host_executor::try_store(record_of(import), 18, std::uint16_t{6}));
  CHECK(host_executor::try_store(record_of(import), 21, std::uint8_t{7}));
  CHECK(buffer.memory.data()[12] == std::byte{5});
  CHECK(buffer.memory.data()[18] == std::byte{6});
  CHECK(buffer.memory.data()[21] == std::byte{7});
  CHECK(counts(import).transfers == 5);
  CHECK(counted_bytes(import) == 16 + 4 + 2 + 1);
  const std::uint64_t last = 8;
  CHECK(host.try_send(&last, proxy(import, kLength - 8), 8));
  CHECK(word_at(buffer, kLength - 8) == 8);
  for (std::uint64_t beyond = 1; beyond <= 8; ++beyond) {
    CHECK_FALSE(host.try_send(&last, proxy(import, kLength - 8 + beyond), 8));
  }
  CHECK_FALSE(host.try_send(&last, proxy(import) - 8, 8));
  CHECK_FALSE(host.try_send(&last, proxy(import), 0));
  CHECK_FALSE(host.try_send(nullptr, proxy(import), 8));
  CHECK(host.try_send(&last, proxy(import), 4));  // not inline, but here
  CHECK(buffer.bell().armed == 0);
}

TEST_CASE_FIXTURE(HostRig, "fetches of every size and alignment bring what is there") {
  const std::uint32_t seed = choose_seed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Buffer buffer = make_buffer();
  const auto content = random_bytes(random, kLength);
  std::memcpy(buffer.memory.data(), content.data(), kLength);
  const Import import = open(buffer);
  std::vector<std::byte> destination(5000 + 32);
  std::uint64_t fetched = 0;
  for (const std::size_t length : {1u, 2u, 3u, 4u, 7u, 8u, 9u, 31u, 64u, 100u, 4096u, 5000u}) {
    for (std::uint64_t offset = 0; offset < 9; ++offset) {
      std::fill(destination.begin(), destination.end(), std::byte{0xee});
      std::byte* const to = destination.data() + 8 + random() % 8;
      REQUIRE(host.fetch(at(import, 4000 + offset), to, length));
      REQUIRE(std::memcmp(to, content.data() + 4000 + offset, length) == 0);
      CHECK(to[-1] == std::byte{0xee});
      CHECK(to[length] == std::byte{0xee});
      ++fetched;
    }
  }
  CHECK(host.fetches() == fetched);
  CHECK(counts(import).transfers == 0);
}

TEST_CASE_FIXTURE(HostRig, "each atomic operation changes its word and says what was there") {
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  const auto change = [&](wire::AtomicKind kind, std::uint8_t width, std::uint64_t operand,
                          std::uint64_t expected) {
    std::uint64_t previous = 99;
    REQUIRE(host.change_word(at(import, 16), {kind, width, operand, expected, {}}, &previous));
    return previous;
  };
  CHECK(change(wire::AtomicKind::kFetchAdd, 8, std::uint64_t{5} << 32, 0) == 0);
  CHECK(change(wire::AtomicKind::kFetchAdd, 8, 2, 0) == std::uint64_t{5} << 32);
  CHECK(change(wire::AtomicKind::kSwap, 4, 7, 0) == 2);
  CHECK(change(wire::AtomicKind::kCompareSwap, 4, 9, 6) == 7);
  CHECK(word_at(buffer, 16) == (std::uint64_t{5} << 32) + 7);
  CHECK(change(wire::AtomicKind::kCompareSwap, 4, 9, 7) == 7);
  CHECK(word_at(buffer, 16) == (std::uint64_t{5} << 32) + 9);
  CHECK(host.atomics() == 5);
  CHECK(host.bytes_of_atomics() == 2 * 8 + 3 * 4);
  CHECK(counts(import).transfers == 5);  // nicsim does not tell them apart
}

TEST_CASE_FIXTURE(HostRig, "scattered bytes arrive as one message") {
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  std::uint8_t next = 0;
  auto fill = [&](std::byte* to, std::size_t n) {
    while (n-- > 0) *to++ = std::byte(next++);
  };
  for (const std::size_t length : {1u, 7u, 2047u, 2048u, 2049u, 9000u}) {
    next = 0;
    REQUIRE(host.send_filled(at(import, 3), length, fill));
    for (std::size_t i = 0; i < length; ++i) {
      REQUIRE(buffer.memory.data()[3 + i] == std::byte(static_cast<std::uint8_t>(i)));
    }
    CHECK(buffer.memory.data()[2] == std::byte{0});
  }
  CHECK(counts(import).transfers == 6);
}

TEST_CASE_FIXTURE(HostRig, "an import can be served while nicsim says so") {
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  REQUIRE(send(import, 8, 1));
  for (const ImportPhase phase : {ImportPhase::kGranted, ImportPhase::kUnexported,
                                  ImportPhase::kPeerDead, ImportPhase::kFree}) {
    say(import, phase);
    std::uint64_t word = 0;
    CHECK_FALSE(send(import, 8, 2));
    CHECK_FALSE(store(import, 8, 2));
    CHECK_FALSE(host.fetch(at(import, 8), reinterpret_cast<std::byte*>(&word), 8));
    CHECK_FALSE(host.change_word(at(import, 8), {wire::AtomicKind::kSwap, 8, 2, 0, {}}, &word));
    CHECK(word_at(buffer, 8) == 1);
  }
  say(import, ImportPhase::kGrantedToHost);
  CHECK(store(import, 8, 3));
  CHECK(send(import, 8, 4));
  CHECK(word_at(buffer, 8) == 4);
  close(import);
}

TEST_CASE_FIXTURE(HostRig, "what nicsim has to do for an import closes it until that is done") {
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  const Import other = open(make_buffer(), 6, 8);
  REQUIRE(send(import, 0, 1));
  REQUIRE(send(other, 0, 1));
  post(import);
  post(import);
  CHECK_FALSE(send(import, 0, 2));
  CHECK_FALSE(store(import, 0, 2));
  CHECK(store(other, 0, 2));
  CHECK(nicsim.serve(1) == 1);
  CHECK_FALSE(send(import, 0, 2));
  CHECK_FALSE(store(import, 0, 2));
  CHECK(nicsim.serve(1) == 1);
  CHECK_FALSE(store(import, 0, 2));  // opens at the next call that may wait for the lock
  CHECK(send(import, 0, 2));
  CHECK(store(import, 0, 3));
  CHECK(word_at(buffer, 0) == 3);
}

// S4.6 speaks of the transfers of a process to a buffer, not of those by one proxy.
TEST_CASE_FIXTURE(HostRig, "no import of a buffer overtakes what nicsim has to do by another") {
  const Buffer buffer = make_buffer();
  const Import first = open(buffer, 5, 7);
  const Import second = open(buffer, 6, 7);
  const Import by_nic = make_import(7, 7);
  REQUIRE(host.join(by_nic));
  const Import elsewhere = open(make_buffer(), 8, 8);
  const auto both = [&](bool sends) {
    return send(first, 0, 1) == sends && store(first, 0, 1) == sends &&
           send(second, 0, 1) == sends && store(second, 0, 1) == sends;
  };
  REQUIRE(both(true));
  for (const Import& import : {first, second, by_nic}) {
    CAPTURE(import.slot);
    post(import);
    CHECK(both(false));
    CHECK(send(elsewhere, 0, 1));
    // One that is new while it is under way.
    const Import third = open(buffer, 9, 7);
    CHECK_FALSE(send(third, 0, 1));
    CHECK(nicsim.serve(9) == 1);
    CHECK(send(third, 0, 1));
    CHECK(both(true));
    close(third);
  }
  post(elsewhere);
  CHECK(both(true));
  CHECK(nicsim.serve(9) == 1);
  REQUIRE(host.leave(by_nic));
  post(by_nic);  // knows no others any more
  CHECK(both(true));
  close(first);
  post(second);
  CHECK_FALSE(send(second, 0, 1));
}

TEST_CASE_FIXTURE(HostRig, "a transfer that was admitted for an import's past moves nothing") {
  const Buffer old_buffer = make_buffer();
  const Buffer new_buffer = make_buffer();
  const Import old_import = open(old_buffer);
  REQUIRE(send(old_import, 0, 1));
  close(old_import);
  const Import new_import = open(new_buffer);
  REQUIRE(new_import.slot == old_import.slot);
  std::uint64_t word = 5;
  CHECK_FALSE(send(old_import, 0, 2));
  CHECK_FALSE(host.fetch(at(old_import, 0), reinterpret_cast<std::byte*>(&word), 8));
  CHECK_FALSE(host.change_word(at(old_import, 0), {wire::AtomicKind::kSwap, 8, 2, 0, {}}, &word));
  auto fill = [](std::byte* to, std::size_t n) { std::memset(to, 2, n); };
  CHECK_FALSE(host.send_filled(at(old_import, 0), 8, fill));
  CHECK(word == 5);
  CHECK(word_at(new_buffer, 0) == 0);
  CHECK(word_at(old_buffer, 0) == 1);
  CHECK(send(new_import, 0, 3));
  CHECK(word_at(new_buffer, 0) == 3);
}

TEST_CASE_FIXTURE(HostRig, "an import for reading is never stored through") {
  const Buffer buffer = make_buffer();
  buffer.memory.data()[9] = std::byte{7};
  const Import import = open(buffer, 5, 7, VMMC_READ);
  std::byte byte{};
  REQUIRE(host.fetch(at(import, 9), &byte, 1));
  CHECK(byte == std::byte{7});
  const std::uint64_t word = 1;
  CHECK_FALSE(store(import, 8, word));
  CHECK_FALSE(host.try_send(&word, proxy(import, 8), 8));
  CHECK(word_at(buffer, 8) == std::uint64_t{7} << 8);
}

TEST_CASE_FIXTURE(HostRig, "what was closed stays so, and its place is as inaccessible as before") {
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  REQUIRE(send(import, 0, 1));
  SUBCASE("by close") {
    close(import);
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    CHECK(::write(pipe[1], window(import), 1) == -1);  // EFAULT
    ::close(pipe[0]);
    ::close(pipe[1]);
    close(import);  // has no effect
  }
  SUBCASE("by close_all") { host.close_all(); }
  CHECK_FALSE(HostExecutor::may_serve(import.slot));
  CHECK_FALSE(send(import, 0, 2));
  CHECK_FALSE(store(import, 0, 2));
  CHECK(host.find(proxy(import)) == nullptr);
  CHECK(word_at(buffer, 0) == 1);
}

TEST_CASE_FIXTURE(HostRig, "after the end of nicsim nothing opens any more") {
  const Buffer buffer = make_buffer();
  const Import before = open(buffer);
  post(before);
  host.close_all();
  CHECK(nicsim.serve(1) == 1);
  CHECK_FALSE(send(before, 0, 1));
  const Import late = open(buffer, 6, 8);  // nicsim had granted it before
  CHECK_FALSE(HostExecutor::may_serve(late.slot));
  CHECK_FALSE(send(late, 0, 1));
  CHECK_FALSE(store(late, 0, 1));
  close(late);
}

TEST_CASE_FIXTURE(HostRig, "memory that cannot be mapped is an error, and the import not open") {
  const Import import = make_import(5, 7);
  REQUIRE(host.join(import));
  const auto error = host.open(import, nicsim.doorbell());
  REQUIRE(error.has_value());
  CHECK_FALSE(HostExecutor::may_serve(import.slot));
  CHECK_FALSE(send(import, 0, 1));
  close(import);
}

TEST_CASE_FIXTURE(HostRig, "local memory in the buffer itself is left to nicsim") {
  const Buffer buffer = make_buffer();
  Import import = make_import(5, 7);
  import.local = buffer.memory.data();
  REQUIRE(host.join(import));
  REQUIRE_FALSE(host.open(import, buffer.file.get()).has_value());
  std::byte* const local = buffer.memory.data();
  const auto send_from = [&](std::uint64_t offset, const std::byte* source) {
    return host.send(at(import, offset), source, 100);
  };
  CHECK_FALSE(send_from(200, local + 200));
  CHECK_FALSE(send_from(200, local + 101));
  CHECK_FALSE(send_from(200, local + 299));
  CHECK_FALSE(host.fetch(at(import, 200), local + 299, 100));
  CHECK(send_from(200, local + 100));
  CHECK(send_from(200, local + 300));
  CHECK(host.fetch(at(import, 200), local + 300, 100));
  auto fill = [](std::byte*, std::size_t) {};
  CHECK_FALSE(host.send_filled(at(import, 0), 8, fill));
  CHECK(store(import, 0, 1));
}

TEST_CASE("a second attachment finds every record as if it were new") {
  for (int time = 0; time < 3; ++time) {
    HostRig rig;
    const HostRig::Buffer buffer = rig.make_buffer();
    const Import import = rig.open(buffer);
    CHECK(rig.send(import, 0, 1));
    CHECK(store(import, 0, 2));
    rig.post(import);
    CHECK_FALSE(rig.send(import, 0, 3));
  }
  CHECK_FALSE(HostExecutor::may_serve(5));
  CHECK_FALSE(host_executor::try_store(host_executor::records[5], 0, std::uint64_t{1}));
}

TEST_CASE_FIXTURE(HostRig, "a forked child's stores are refused; then it may import itself") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  REQUIRE(send(import, 0, 1));
  // As if other threads were in the record.
  const Import busy = open(buffer, 6, 7);
  record_of(busy).owner = 0x1000;
  record_of(busy).busy = 1;
  record_of(busy).busy_others = 2;
  // The channel is not inherited.
  REQUIRE(::madvise(&nicsim.channel(), sizeof(wire::Channel), MADV_DONTFORK) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    host.abandon_in_child();
    const bool refused = !store(import, 0, 2) && !store(busy, 0, 2);
    HostRig own;
    const Import again = own.open(buffer, 6, 7);
    const bool works = own.send(again, 8, 3) && store(again, 16, 4);
    own.close(again);  // waits for nobody who does not exist
    ::_exit(refused && works ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(word_at(buffer, 0) == 1);
  CHECK(word_at(buffer, 8) == 3);
  CHECK(store(import, 0, 5));
  record_of(busy).busy = 0;
  record_of(busy).busy_others = 0;
}

// ------------------------------------------------------------------------------------- the bell

TEST_CASE_FIXTURE(HostRig, "only what concerns the sleeper rings") {
  const Buffer buffer = make_buffer();
  const Import import = open(buffer);
  REQUIRE(send(import, 0, 1));
  wire::BufferBell& bell = buffer.bell();
  bell.watch_offset = 64;
  const auto rings = [&](std::uint32_t armed, std::uint64_t offset, std::size_t length) {
    bell.armed = armed;
    const std::uint32_t before = bell.rings;
    const std::vector<std::byte> bytes(length);
    REQUIRE(host.send(at(import, offset), bytes.data(), length));
    const bool rang = bell.rings != before;
    CHECK(bell.armed == (rang ? 0 : armed));
    return rang;
  };
  CHECK_FALSE(rings(0, 64, 8));
  CHECK(rings(wire::kRingForWatch, 64, 1));
  CHECK(rings(wire::kRingForWatch, 71, 1));
  CHECK(rings(wire::kRingForWatch, 0, 65));
  CHECK_FALSE(rings(wire::kRingForWatch, 0, 64));
  CHECK_FALSE(rings(wire::kRingForWatch, 72, 100));
  CHECK(rings(wire::kRingForAny, 72, 100));
  CHECK(rings(wire::kRingForAny | wire::kRingForWatch, 0, 1));
  for (const std::uint32_t armed : {wire::kRingForAny, wire::kRingForWatch}) {
    bell.armed = armed;
    const std::uint32_t before = bell.rings;
    CHECK(store(import, 64, 1));
    CHECK(bell.rings == before + 1);
  }
  bell.armed = wire::kRingForWatch;
  CHECK(store(import, 72, 1));
  CHECK(store(import, 56, 1));
  CHECK(bell.armed == wire::kRingForWatch);
  std::uint64_t previous = 0;
  CHECK(host.change_word(at(import, 64), {wire::AtomicKind::kFetchAdd, 4, 1, 0, {}}, &previous));
  CHECK(bell.armed == 0);
}

// ------------------------------------------------------------------------------ signal handlers

namespace {

HostRig* in_handler = nullptr;
Import handlers_import;
std::atomic<std::uint64_t> handler_sends{0};
[[maybe_unused]] bool handler_found_itself_inside = false;

void send_in_handler(int) {
  const std::uint64_t number = ++handler_sends;
  const bool sent =
      store(handlers_import, 64, number) || in_handler->send(handlers_import, 64, number);
  if (!sent) --handler_sends;
}

}  // namespace

TEST_CASE_FIXTURE(HostRig, "stores of a handler that interrupts stores are all counted") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  handlers_import = open(buffer);
  in_handler = this;
  handler_sends = 0;
  REQUIRE(send(handlers_import, 0, 0));
  ::signal(SIGUSR1, send_in_handler);
  std::uint64_t sent = 1;
  {
    const SignalStorm storm(SIGUSR1, 20'000);
    const std::uint64_t most = rounds(200'000);
    for (; sent < most; ++sent) {
      REQUIRE(store(handlers_import, 0, sent));
      if (sent % 64 == 0) {
        REQUIRE(send(handlers_import, 128, sent++));
      }
    }
  }
  ::signal(SIGUSR1, SIG_DFL);
  CHECK(handler_sends > 10);
  CHECK(counts(handlers_import).transfers == sent + handler_sends);
  CHECK(counted_bytes(handlers_import) == 8 * (sent + handler_sends));
  CHECK(record_of(handlers_import).busy == 0);
}

#if VMMC_SINGLE_STEP

namespace {

std::uint64_t steps_until = 0;

bool send_between(std::uint64_t instruction) {
  if (instruction != steps_until) return false;
  send_in_handler(0);
  if (in_handler->host.is_inside(handlers_import)) handler_found_itself_inside = true;
  return true;
}

bool post_between(std::uint64_t instruction) {
  if (instruction != steps_until) return false;
  if (!in_handler->queue.held()) in_handler->post(handlers_import);
  return true;
}

}  // namespace

TEST_CASE_FIXTURE(HostRig, "a handler may send between any two instructions of a store") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  handlers_import = open(buffer);
  in_handler = this;
  handler_sends = 0;
  handler_found_itself_inside = false;
  REQUIRE(send(handlers_import, 0, 0));
  const auto once = [&](auto&& function) {
    const std::uint64_t all = SingleStep::run(function);
    REQUIRE(all > 10);
    std::uint64_t runs = 1;
    for (steps_until = 0; steps_until <= all + 4; ++steps_until, ++runs) {
      SingleStep::run(function, send_between);
      REQUIRE(record_of(handlers_import).busy == 0);
    }
    return runs;
  };
  bool stored = true;
  std::uint64_t sent = 1;
  sent += once([&] { stored &= store(handlers_import, 8, 5); });
  sent += once([&] { stored &= send(handlers_import, 8, 6); });
  CHECK(stored);
  CHECK(handler_sends > 100);
  CHECK(handler_found_itself_inside);
  CHECK_FALSE(host.is_inside(handlers_import));
  CHECK(counts(handlers_import).transfers == sent + handler_sends);
}

TEST_CASE_FIXTURE(HostRig, "a handler may give nicsim something between any two instructions") {
  const Watchdog watchdog;
  const Buffer buffer = make_buffer();
  handlers_import = open(buffer);
  in_handler = this;
  REQUIRE(send(handlers_import, 0, 0));
  const std::uint64_t all = SingleStep::run([&] { (void)send(handlers_import, 8, 5); });
  std::uint64_t closed = 0;
  for (steps_until = 0; steps_until <= all; ++steps_until) {
    const std::uint64_t posted = queue.posted();
    SingleStep::run([&] { (void)send(handlers_import, 8, 5); }, post_between);
    // Nothing after it, whether or not it came in time for the send.
    if (queue.posted() != posted) {
      ++closed;
      REQUIRE_FALSE(send(handlers_import, 0, 1));
      REQUIRE_FALSE(store(handlers_import, 0, 1));
    }
    (void)nicsim.serve(9);
    REQUIRE(send(handlers_import, 0, 2));
  }
  CHECK(closed > 50);
}

#endif

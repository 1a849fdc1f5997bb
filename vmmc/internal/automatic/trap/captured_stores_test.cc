// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Each instruction is run twice from the same start: on unwatched memory, which says what is right,
// and on watched memory.

#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>

#include "vmmc/internal/automatic/trap/instruction_lab.h"
#include "vmmc/internal/automatic/trap/store_samples.h"
#include "vmmc/internal/automatic/trap/watched_pages.h"
#include "vmmc/internal/testing/runs.h"

#if defined(__x86_64__)

namespace vmmc::internal {
namespace {

using Bytes = std::vector<std::byte>;
using Addresses = std::set<std::uintptr_t>;
using Code = std::vector<std::uint8_t>;

std::mt19937_64 make_random() {
  const std::uint32_t seed = testing::choose_seed();
  MESSAGE("seed " << seed);
  return std::mt19937_64(seed);
}

// Watched pages between ordinary ones, and what is compared.
class Bench {
 public:
  explicit Bench(std::mt19937_64& random) : random_(random) { refill(); }

  void refill() {
    start_.resize(pages_.all_bytes());
    for (std::byte& byte : start_) byte = static_cast<std::byte>(random_());
  }
  void invert() {
    for (std::byte& byte : start_) byte = ~byte;
  }

  // What `code` leaves in memory when nobody watches.
  Bytes run_unwatched(std::span<const std::uint8_t> code, Machine& machine) {
    std::memcpy(pages_.all(), start_.data(), start_.size());
    run_in_lab(code, machine);
    return memory();
  }
  // The same, watched; the reports are in log().
  Bytes run_watched(std::span<const std::uint8_t> code, Machine& machine) {
    std::memcpy(pages_.all(), start_.data(), start_.size());
    log_.clear();
    pages_.watch(log_);
    run_in_lab(code, machine);
    pages_.unwatch();
    return memory();
  }

  // Each watched byte of `expected` was reported once, with what stands there now, and no other.
  bool reported_exactly(const Addresses& expected) const {
    Addresses left;
    for (std::uintptr_t address : expected) {
      if (address >= pages_.begin() && address < pages_.end()) left.insert(address);
    }
    for (std::size_t i = 0; i < log_.count(); ++i) {
      for (std::size_t k = 0; k < log_[i].length; ++k) {
        const std::uintptr_t address = log_[i].address + k;
        if (left.erase(address) != 1) return false;
        if (log_.bytes(log_[i])[k] != *reinterpret_cast<const std::byte*>(address)) return false;
      }
    }
    return left.empty();
  }

  const WatchedPages& pages() const { return pages_; }
  const ReportLog& log() const { return log_; }
  std::byte start_at(std::uintptr_t address) const {
    return start_[address - reinterpret_cast<std::uintptr_t>(pages_.all())];
  }

 private:
  Bytes memory() const { return {pages_.all(), pages_.all() + pages_.all_bytes()}; }

  std::mt19937_64& random_;
  WatchedPages pages_;
  SignalStack stack_;
  ReportLog log_;
  Bytes start_;
};

Addresses range(std::uintptr_t first, std::size_t length) {
  Addresses addresses;
  for (std::size_t i = 0; i < length; ++i) addresses.insert(addresses.end(), first + i);
  return addresses;
}

constexpr std::size_t kMaskedWidth = 64;

// A place for the store: anywhere, or about one of the edges between ordinary and watched pages or
// between watched ones. The 512 bytes of fxsave stay inside.
std::uintptr_t choose_place(const StoreSample& sample, const WatchedPages& pages,
                            std::mt19937_64& random) {
  const std::size_t width = sample.width != 0 ? sample.width : kMaskedWidth;
  std::uintptr_t place = pages.begin() + random() % (pages.bytes() - width);
  if (random() % 2 == 0 && width <= kMaskedWidth)
    place = pages.begin() + (random() % 3) * kPage - width + random() % (width + 1);
  return place / sample.alignment * sample.alignment;
}

void make_comparison_succeed(const StoreSample& sample, const Bench& bench, std::uintptr_t place,
                             Machine& machine) {
  std::array<std::byte, 16> there{};
  for (std::size_t i = 0; i < sample.width; ++i) there[i] = bench.start_at(place + i);
  const bool is_double = std::string(sample.text).find("8b") != std::string::npos;
  const std::size_t half = is_double ? 4 : 8;
  machine.registers.general[2] = 0;
  std::memcpy(&machine.registers.general[kRax], there.data(), half);
  std::memcpy(&machine.registers.general[2], there.data() + half, half);
}

// The bytes that a masked store writes: those that do not depend on what was there.
Addresses masked_bytes(const StoreSample& sample, Bench& bench, const Machine& start,
                       std::uintptr_t place) {
  Machine once = start;
  const Bytes first = bench.run_unwatched(sample.bytes(), once);
  bench.invert();
  Machine again = start;
  const Bytes second = bench.run_unwatched(sample.bytes(), again);
  bench.invert();
  Addresses stored;
  const auto origin = reinterpret_cast<std::uintptr_t>(bench.pages().all());
  for (std::uintptr_t a = place; a < place + kMaskedWidth; ++a) {
    if (first[a - origin] == second[a - origin]) stored.insert(a);
  }
  return stored;
}

void compare(const StoreSample& sample, Bench& bench, std::mt19937_64& random) {
  bench.refill();
  const std::uintptr_t place = choose_place(sample, bench.pages(), random);
  std::uint64_t stack[8] = {random(), random()};
  Machine start = Machine::random(random);
  for (int base : {3, 7, 10, 13}) start.registers.general[base] = place - sample.offset;
  start.registers.general[14] = 8;
  start.registers.general[kRsp] = reinterpret_cast<std::uintptr_t>(&stack[0]);
  if (sample.needs == StoreSample::kCompares && random() % 2 == 0)
    make_comparison_succeed(sample, bench, place, start);

  Machine right = start;
  const Bytes right_memory = bench.run_unwatched(sample.bytes(), right);
  Addresses stored = range(place, sample.width);
  if (sample.width == 0) stored = masked_bytes(sample, bench, start, place);
  if (sample.needs == StoreSample::kCompares && (right.registers.flags & kZeroFlag) == 0)
    stored.clear();
  Machine watched = start;
  const Bytes memory = bench.run_watched(sample.bytes(), watched);
  CHECK(memory == right_memory);
  CHECK(watched.is_like(right));
  CHECK(bench.reported_exactly(stored));
}

TEST_CASE("every kind of store does what it does on unwatched memory, and is reported exactly") {
  const testing::Watchdog watchdog;
  auto random = make_random();
  Bench bench(random);
  REQUIRE(store_samples().size() > 150);
  const std::uint64_t rounds = testing::rounds(30);
  for (const StoreSample& sample : store_samples()) {
    INFO(sample.text);
    if (!sample.runs_here()) continue;
    for (std::uint64_t i = 0; i < rounds; ++i) compare(sample, bench, random);
  }
}

TEST_CASE("movs and stos, repeated or not, up or down, overlapping or not") {
  const testing::Watchdog watchdog;
  auto random = make_random();
  Bench bench(random);
  const auto origin = reinterpret_cast<std::uintptr_t>(bench.pages().all());
  const std::size_t room = bench.pages().all_bytes();
  const std::uint64_t rounds = testing::rounds(3000);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    bench.refill();
    const bool copies = random() % 2 == 0;
    const bool repeated = random() % 4 != 0;
    const bool down = random() % 3 == 0;
    const std::size_t width = std::size_t{1} << random() % 4;
    Code code;
    if (repeated) code.push_back(random() % 8 == 0 ? 0xf2 : 0xf3);
    if (width == 2) code.push_back(0x66);
    if (width == 8) code.push_back(0x48);
    code.push_back((copies ? 0xa4 : 0xaa) + (width > 1 ? 1 : 0));

    const std::size_t most = random() % 3 == 0 ? 20 : room / width / 3;
    const std::size_t count = repeated ? random() % most : 1;
    const std::size_t bytes = count * width;
    const auto choose = [&] { return origin + random() % (room - bytes + 1); };
    const std::uintptr_t to = choose();
    std::uintptr_t from = choose();
    if (random() % 4 == 0) {  // close by
      const std::uintptr_t near = to - 40 + random() % 80;
      if (near >= origin && near + bytes <= origin + room) from = near;
    }
    Machine start = Machine::random(random);
    const std::size_t last = down && count > 0 ? bytes - width : 0;
    start.registers.general[kRdi] = to + last;
    start.registers.general[kRsi] = from + last;
    start.registers.general[kRcx] = count;
    if (down) start.registers.flags |= kDirectionFlag;
    INFO("copies " << copies << " width " << width << " count " << count << " down " << down
                   << " to " << to - origin << " from " << from - origin);
    Machine right = start;
    const Bytes right_memory = bench.run_unwatched(code, right);
    Machine watched = start;
    const Bytes memory = bench.run_watched(code, watched);
    CHECK(memory == right_memory);
    CHECK(watched.is_like(right));
    CHECK(bench.reported_exactly(range(to, bytes)));
  }
}

// ---- other ways to name memory

// Runs code that stores 8 bytes at `place`; true if it did so as on unwatched memory.
bool stores_word(Bench& bench, const Code& code, const Machine& start, std::uintptr_t place) {
  Machine right = start;
  const Bytes right_memory = bench.run_unwatched(code, right);
  Machine watched = start;
  const Bytes memory = bench.run_watched(code, watched);
  return memory == right_memory && watched.is_like(right) &&
         bench.reported_exactly(range(place, 8));
}

template <typename Number>
Code with_number(Code code, Number number) {
  std::uint8_t bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  code.insert(code.end(), bytes, bytes + sizeof number);
  return code;
}

TEST_CASE(
    "stores relative to the instruction, to a segment, and to an address in the instruction") {
  auto random = make_random();
  Bench bench(random);
  for (std::size_t offset : {std::size_t{0}, std::size_t{72}, kPage - 3, 2 * kPage - 4}) {
    const std::uintptr_t place = bench.pages().begin() + offset;
    Machine start = Machine::random(random);
    const auto distance = [&](std::size_t length) {
      const auto bytes = static_cast<std::intptr_t>(place - (lab_address() + length));
      REQUIRE(bytes == static_cast<std::int32_t>(bytes));
      return static_cast<std::int32_t>(bytes);
    };
    // mov [rip + distance], rcx; add [rip + distance], rcx; mov qword [rip + distance], 5
    CHECK(stores_word(bench, with_number({0x48, 0x89, 0x0d}, distance(7)), start, place));
    CHECK(stores_word(bench, with_number({0x48, 0x01, 0x0d}, distance(7)), start, place));
    const Code with_constant = with_number({0x48, 0xc7, 0x05}, distance(11));
    CHECK(stores_word(bench, with_number(with_constant, std::int32_t{5}), start, place));
    // mov [constant], rax
    CHECK(stores_word(bench, with_number({0x48, 0xa3}, place), start, place));
    // mov fs:[rbx], rcx
    std::uintptr_t base = 0;
    asm("mov %%fs:0, %0" : "=r"(base));
    start.registers.general[3] = place - base;
    CHECK(stores_word(bench, {0x64, 0x48, 0x89, 0x0b}, start, place));
  }
}

TEST_CASE("a bit far from the address that the instruction names") {
  auto random = make_random();
  Bench bench(random);
  for (std::int64_t bit : {0LL, 63LL, 64LL, -1LL, -64LL, -65LL, 8LL * 4096 * 2 - 1, 30000LL}) {
    const std::uintptr_t middle = bench.pages().begin() + kPage / 2;
    const std::uintptr_t base = bit > 30000 ? bench.pages().begin() : middle;
    Machine start = Machine::random(random);
    start.registers.general[3] = base;
    start.registers.general[kRcx] = static_cast<std::uint64_t>(bit);
    const std::uintptr_t place = base + static_cast<std::uintptr_t>((bit >> 6) * 8);
    CHECK(stores_word(bench, {0x48, 0x0f, 0xab, 0x0b}, start, place));        // bts [rbx], rcx
    CHECK(stores_word(bench, {0xf0, 0x48, 0x0f, 0xbb, 0x0b}, start, place));  // lock btc
  }
}

TEST_CASE("pushes and calls with the stack on a watched page") {
  auto random = make_random();
  Bench bench(random);
  for (std::size_t offset : {std::size_t{512}, kPage + 4, 2 * kPage + 3, std::size_t{2}}) {
    const std::uintptr_t top = bench.pages().begin() + offset;
    std::uint64_t word = random();
    Machine start = Machine::random(random);
    start.registers.general[kRsp] = top;
    start.registers.general[3] = reinterpret_cast<std::uintptr_t>(&word);
    const auto pushes = [&](const Code& code) { return stores_word(bench, code, start, top - 8); };
    CHECK(pushes({0x51}));                          // push rcx
    CHECK(pushes({0x41, 0x57}));                    // push r15
    CHECK(pushes({0x54}));                          // push rsp
    CHECK(pushes({0x6a, 0xfe}));                    // push -2
    CHECK(pushes({0x68, 1, 2, 3, 0x84}));           // push a 32-bit constant
    CHECK(pushes({0xff, 0x33}));                    // push [rbx]
    CHECK(pushes({0xff, 0x74, 0x24, 0x08}));        // push [rsp + 8]
    CHECK(pushes({0x9c}));                          // pushfq
    CHECK(pushes({0xe8, 0, 0, 0, 0}));              // call the next instruction
    CHECK(pushes({0xe8, 2, 0, 0, 0, 0x0f, 0x0b}));  // call over an instruction
    start.registers.general[kRax] = lab_address() + 2;
    CHECK(pushes({0xff, 0xd0}));  // call rax
    word = lab_address() + 2;
    CHECK(pushes({0xff, 0x13}));  // call [rbx]
  }
}

TEST_CASE("a push of two bytes") {
  auto random = make_random();
  Bench bench(random);
  const std::uintptr_t top = bench.pages().begin() + 100;
  Machine start = Machine::random(random);
  start.registers.general[kRsp] = top;
  Machine right = start;
  const Bytes right_memory = bench.run_unwatched(Code{0x66, 0x51}, right);
  Machine watched = start;
  CHECK(bench.run_watched(Code{0x66, 0x51}, watched) == right_memory);
  CHECK(watched.is_like(right));
  CHECK(bench.reported_exactly(range(top - 2, 2)));
}

TEST_CASE("each store is one report a page, and a masked one a report for each run of bytes") {
  auto random = make_random();
  Bench bench(random);
  const std::uintptr_t edge = bench.pages().begin() + kPage;
  Machine machine = Machine::random(random);
  machine.registers.general[3] = edge - 3;
  bench.run_watched(Code{0x48, 0x89, 0x0b}, machine);  // mov [rbx], rcx
  REQUIRE(bench.log().count() == 2);
  CHECK(bench.log()[0].address == edge - 3);
  CHECK(bench.log()[0].length == 3);
  CHECK(bench.log()[1].address == edge);
  CHECK(bench.log()[1].length == 5);

  std::array<std::uint8_t, 16> mask{};
  for (int set : {0, 1, 2, 5, 15}) mask[set] = 0x80;
  std::memcpy(machine.vectors.data() + 160 + 16 * 5, mask.data(), mask.size());  // xmm5
  machine.registers.general[kRdi] = edge + 32;
  bench.run_watched(Code{0x66, 0x0f, 0xf7, 0xe5}, machine);  // maskmovdqu xmm4, xmm5
  REQUIRE(bench.log().count() == 3);
  CHECK(bench.log()[0].length == 3);
  CHECK(bench.log()[1].address == edge + 37);
  CHECK(bench.log()[2].address == edge + 47);
}

}  // namespace
}  // namespace vmmc::internal

#endif

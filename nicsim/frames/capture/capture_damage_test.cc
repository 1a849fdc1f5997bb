// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Capture files that were cut off or damaged at random: reading ends, says why, gives what came
// before, and no frame outside of the window. $VMMC_SEED repeats a run; $VMMC_SOAK: seconds.

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "nicsim/frames/capture/testing/capture_bytes.h"
#include "nicsim/frames/capture/testing/read_all.h"

namespace vmmc::nicsim::capture {
namespace {

using testing::Bytes;
using testing::Contents;
using testing::read_all;
using testing::Writer;
using wire::Status;

constexpr unsigned kPatience = 30;  // s

Bytes small_pcap(bool big_endian, std::uint32_t magic) {
  Writer file(big_endian);
  testing::pcap_header(file, magic);
  for (std::uint32_t i = 0; i < 5; ++i) {
    const std::string frame(i * 3, 'a');
    file.u32(i).u32(i).u32(static_cast<std::uint32_t>(frame.size())).u32(100);
    if (magic == 0xa1b2cd34) file.u64(0);
    file.raw(frame);
  }
  return file.bytes();
}

std::vector<Bytes> small_files() {
  return {small_pcap(false, 0xa1b2c3d4), small_pcap(true, 0xa1b23c4d),
          small_pcap(false, 0xa1b2cd34), testing::mixed_pcapng()};
}

TEST_CASE("cut off at every byte") {
  ::alarm(kPatience);
  for (const Bytes& file : small_files()) {
    const Contents whole = read_all(file);
    REQUIRE(whole.status == Status::kOk);
    std::size_t ends = 0;  // places at which a file may end
    for (std::size_t size = 0; size < file.size(); ++size) {
      CAPTURE(size);
      const Contents part = read_all(std::span(file).first(size));
      const Status expected = size < 4 ? Status::kNotACapture : Status::kTruncatedCapture;
      CHECK((part.status == expected || part.status == Status::kOk));
      if (part.status == Status::kOk) ++ends;
      REQUIRE(part.frames.size() <= whole.frames.size());
      CHECK(std::equal(part.frames.begin(), part.frames.end(), whole.frames.begin()));
    }
    // Behind the header and every record but the last one.
    CHECK(ends == (file[0] == std::byte{0x0a} ? 13 : 5));
  }
}

class Damager {
 public:
  explicit Damager(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void damage(Bytes& bytes) {
    static constexpr std::uint32_t kNumbers[] = {
        0,           1,           4,       8,       12,      0x7fff'ffff, 0x8000'0000,
        0xffff'ffff, 0xffff'fffc, 262'144, 262'145, 524'288, 524'292};
    const std::size_t at = below(bytes.size());
    const std::size_t length = 1 + below(std::min<std::size_t>(40, bytes.size() - at));
    switch (below(6)) {
      case 0:
        bytes[at] ^= static_cast<std::byte>(1 << below(8));
        break;
      case 1:
        bytes[at] = static_cast<std::byte>(below(256));
        break;
      case 2:
        bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    bytes.begin() + static_cast<std::ptrdiff_t>(at + length));
        break;
      case 3: {
        const Bytes copy(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                         bytes.begin() + static_cast<std::ptrdiff_t>(at + length));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())), copy.begin(),
                     copy.end());
        break;
      }
      default:
        put(bytes, at & ~std::size_t{3}, kNumbers[below(std::size(kNumbers))], below(4) == 0);
    }
  }

 private:
  static void put(Bytes& bytes, std::size_t at, std::uint32_t number, bool big_endian) {
    const Bytes raw = Writer(big_endian).u32(number).bytes();
    std::copy_n(raw.begin(), std::min(raw.size(), bytes.size() - at),
                bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }

  std::mt19937_64 random_;
};

TEST_CASE("damaged at random") {
  const char* given = std::getenv("VMMC_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  const char* soak = std::getenv("VMMC_SOAK");
  const std::chrono::milliseconds time(soak != nullptr ? 1000 * std::max(1, std::atoi(soak))
                                                       : 1500);
  std::printf("VMMC_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  ::alarm(kPatience + static_cast<unsigned>(time.count() / 1000));
  Damager damager(seed);
  const std::vector<Bytes> files = small_files();
  const auto end = std::chrono::steady_clock::now() + time;
  std::uint64_t read = 0;
  std::uint64_t corrupt = 0;
  while (std::chrono::steady_clock::now() < end) {
    Bytes file = files[damager.below(files.size())];
    for (std::uint64_t times = 1 + damager.below(4); times > 0 && !file.empty(); --times) {
      damager.damage(file);
    }
    const Contents contents = read_all(file, damager.below(200), 1 + damager.below(8));
    CHECK(contents.frames.size() <= file.size() / 12);
    ++read;
    if (contents.status == Status::kCorruptCapture) ++corrupt;
  }
  MESSAGE(read << " damaged files, " << corrupt << " of them found corrupt");
  CHECK(corrupt > 0);
}

}  // namespace
}  // namespace vmmc::nicsim::capture

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// libpcap finds the same frames in the same files: in some that it has written itself, and in
// random ones. $VMMC_SEED repeats a run.

#include <doctest/doctest.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "nicsim/frames/capture/testing/capture_bytes.h"
#include "nicsim/frames/capture/testing/read_all.h"

namespace vmmc::nicsim::capture {
namespace {

using testing::Bytes;
using testing::Contents;
using testing::SeenFrame;
using testing::Writer;
using wire::Status;

constexpr unsigned kPatience = 30;  // s

std::string temporary(const char* name) { return std::string(std::getenv("TEST_TMPDIR")) + name; }

std::uint64_t choose_seed() {
  const char* given = std::getenv("VMMC_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  std::printf("VMMC_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

// Interfaces and directions are what libpcap does not tell.
std::vector<SeenFrame> by_libpcap(const Bytes& file) {
  const std::string path = temporary("/for_libpcap");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* capture =
      pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error);
  REQUIRE_MESSAGE(capture != nullptr, error);
  std::vector<SeenFrame> frames;
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  int result;
  while ((result = pcap_next_ex(capture, &header, &bytes)) == 1) {
    frames.push_back({static_cast<std::uint64_t>(header->ts.tv_sec) * 1'000'000'000 +
                          static_cast<std::uint64_t>(header->ts.tv_usec),
                      header->len, static_cast<std::uint16_t>(pcap_datalink(capture)), 0, 0,
                      std::string(reinterpret_cast<const char*>(bytes), header->caplen)});
  }
  CHECK_MESSAGE(result == PCAP_ERROR_BREAK, pcap_geterr(capture));
  pcap_close(capture);
  std::remove(path.c_str());
  return frames;
}

std::vector<SeenFrame> by_us(const Bytes& file) {
  Contents contents = testing::read_all(file);
  CHECK(contents.status == Status::kOk);
  for (SeenFrame& frame : contents.frames) frame.interface = frame.flags = 0;
  return contents.frames;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
  std::string frame() {
    std::string bytes(below(10) == 0 ? below(9000) : below(100), '\0');
    for (char& byte : bytes) byte = static_cast<char>(below(256));
    return bytes;
  }

 private:
  std::mt19937_64 engine_;
};

TEST_CASE("files that libpcap has written") {
  ::alarm(kPatience);
  Random random(choose_seed());
  for (const u_int precision : {PCAP_TSTAMP_PRECISION_MICRO, PCAP_TSTAMP_PRECISION_NANO}) {
    pcap_t* dead = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, 65535, precision);
    const std::string path = temporary("/by_libpcap");
    pcap_dumper_t* dumper = pcap_dump_open(dead, path.c_str());
    REQUIRE(dumper != nullptr);
    for (int i = 0; i < 1000; ++i) {
      const std::string frame = random.frame();
      pcap_pkthdr header{};
      header.ts.tv_sec = static_cast<time_t>(random.below(INT32_MAX));
      header.ts.tv_usec = static_cast<suseconds_t>(random.below(1'000'000));
      header.caplen = static_cast<bpf_u_int32>(frame.size());
      header.len = header.caplen + static_cast<bpf_u_int32>(random.below(3));
      pcap_dump(reinterpret_cast<u_char*>(dumper), &header,
                reinterpret_cast<const u_char*>(frame.data()));
    }
    pcap_dump_close(dumper);
    pcap_close(dead);
    std::ifstream stream(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(stream), {}};
    const Bytes file = testing::bytes_of(content);
    const auto frames = by_us(file);
    CHECK(frames.size() == 1000);
    CHECK(frames == by_libpcap(file));
    std::remove(path.c_str());
  }
}

Bytes random_pcap(Random& random) {
  static constexpr std::uint32_t kMagics[] = {0xa1b2c3d4, 0xa1b23c4d};
  Writer file(random.below(2) == 0);
  testing::pcap_header(file, kMagics[random.below(2)]);
  for (std::uint64_t i = random.below(50); i > 0; --i) {
    const std::string frame = random.frame();
    testing::pcap_record(file, static_cast<std::uint32_t>(random.below(INT32_MAX)),
                         static_cast<std::uint32_t>(random.below(1'000'000)), frame,
                         static_cast<std::uint32_t>(frame.size() + random.below(100)));
  }
  return file.bytes();
}

void random_block(Random& random, Writer& file, std::uint64_t interfaces) {
  const std::string frame = random.frame();
  const auto length = static_cast<std::uint32_t>(frame.size() + random.below(100));
  const std::uint64_t stamp = random.below(std::uint64_t{1} << 40);
  const auto interface = static_cast<std::uint16_t>(random.below(interfaces));
  switch (random.below(5)) {
    case 0:
      return testing::obsolete_packet(file, interface, stamp, frame, length);
    case 1:
      return testing::block(file, 0x0bad, Writer().raw(frame));
    case 2:
      return testing::enhanced_packet(file, interface, stamp, frame, length, 1);
    default:
      return testing::enhanced_packet(file, interface, stamp, frame, length);
  }
}

Bytes random_pcapng(Random& random) {
  static constexpr std::uint8_t kResolutions[] = {6, 9, 7, 4, 12, 0x80 | 8, 0x80 | 20, 0x80 | 30};
  Writer file;
  const bool big_endian = random.below(2) == 0;
  for (std::uint64_t sections = 1 + random.below(3); sections > 0; --sections) {
    testing::section(file, big_endian);
    const std::uint64_t interfaces = 1 + random.below(4);
    for (std::uint64_t i = 0; i < interfaces; ++i) {
      testing::interface(file, 1, 65535, kResolutions[random.below(std::size(kResolutions))],
                         static_cast<std::int64_t>(random.below(3) * 1000));
    }
    for (std::uint64_t i = random.below(30); i > 0; --i) random_block(random, file, interfaces);
  }
  return file.bytes();
}

TEST_CASE("random files") {
  ::alarm(kPatience);
  Random random(choose_seed());
  for (int i = 0; i < 150; ++i) {
    const Bytes pcap = random_pcap(random);
    CHECK(by_us(pcap) == by_libpcap(pcap));
    const Bytes pcapng = random_pcapng(random);
    CHECK(by_us(pcapng) == by_libpcap(pcapng));
  }
}

}  // namespace
}  // namespace vmmc::nicsim::capture

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/packet_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include "tools/vmmcdump/testing/frames.h"

namespace vmmc::dump {
namespace {

using namespace testing;

const std::string kDirectory = std::getenv("TEST_TMPDIR");
const std::string kPath = kDirectory + "/out.pcapng";

PacketFile open_new(const Origin& origin = {}) {
  auto opened = PacketFile::open(kPath, true, -1, origin);
  if (const auto* failure = std::get_if<Failure>(&opened)) FAIL(failure->what);
  return std::move(std::get<PacketFile>(opened));
}

Failure refused(const std::string& path, bool overwrite, int input = -1) {
  const auto opened = PacketFile::open(path, overwrite, input, {});
  REQUIRE(std::holds_alternative<Failure>(opened));
  return std::get<Failure>(opened);
}

struct ReadBack {
  Bytes bytes;
  std::uint64_t time;
  std::uint32_t length;
};

std::vector<ReadBack> read_back() {
  char error[PCAP_ERRBUF_SIZE] = "";
  pcap_t* const pcap =
      ::pcap_open_offline_with_tstamp_precision(kPath.c_str(), PCAP_TSTAMP_PRECISION_NANO, error);
  CAPTURE(error);
  REQUIRE(pcap != nullptr);
  std::vector<ReadBack> frames;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int outcome = 0;
  while ((outcome = ::pcap_next_ex(pcap, &header, &data)) == 1) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(data);
    frames.push_back({Bytes(bytes, bytes + header->caplen),
                      static_cast<std::uint64_t>(header->ts.tv_sec) * 1'000'000'000 +
                          static_cast<std::uint64_t>(header->ts.tv_usec),
                      header->len});
  }
  CHECK(outcome == PCAP_ERROR_BREAK);
  ::pcap_close(pcap);
  return frames;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("libpcap reads back the frames that were written, also more than one piece of them") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  std::vector<ReadBack> written;
  Origin origin{"eth7", false, true, 3000, "tcp"};
  PacketFile file = open_new(origin);
  FrameBytes whole;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    Bytes bytes(14 + random() % 2000);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    RingFrame frame(bytes);
    frame.frame().time = 1'700'000'000'000'000'001 + i;
    frame.frame().length += i % 2;
    frame.frame().dropped = i % 3;
    frame.frame().flags = i % 2 == 0 ? 0 : VMMC_FRAME_OUTBOUND;
    file.add(frame.frame(), whole.of(frame.frame()));
    written.push_back({bytes, frame.frame().time, frame.frame().length});
  }
  CHECK_FALSE(content_of(kPath).empty());  // the first piece is out before the end
  CHECK_FALSE(file.close({}).has_value());
  const std::vector<ReadBack> read = read_back();
  REQUIRE(read.size() == written.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    REQUIRE(read[i].bytes == written[i].bytes);
    REQUIRE(read[i].time == written[i].time);
    REQUIRE(read[i].length == written[i].length);
  }
  const std::string content = content_of(kPath);
  CHECK(content.find("eth7") != std::string::npos);
  CHECK(content.find("vmmcdump") != std::string::npos);
}

TEST_CASE("a frame gets back the tag that was taken out of it") {
  const Bytes web = ethernet(0x0800, ipv4(6, tcp(1, 80, 2, 0)));
  RingFrame frame(web);
  frame.frame().flags = VMMC_FRAME_VLAN_STRIPPED;
  frame.frame().vlan = 0x0123;
  PacketFile file = open_new();
  FrameBytes whole;
  file.add(frame.frame(), whole.of(frame.frame()));
  CHECK_FALSE(file.close({}).has_value());
  const std::vector<ReadBack> read = read_back();
  REQUIRE(read.size() == 1);
  CHECK(read[0].bytes.size() == web.size() + 4);
  CHECK(Bytes(read[0].bytes.begin() + 12, read[0].bytes.begin() + 16) == from_hex("8100 0123"));
  CHECK(Bytes(read[0].bytes.begin() + 16, read[0].bytes.end()) ==
        Bytes(web.begin() + 12, web.end()));
}

TEST_CASE("a tag gets its type back, too") {
  RingFrame frame(ethernet(0x0800, ipv4(6, tcp(1, 80, 2, 0))));
  frame.frame().flags = VMMC_FRAME_VLAN_STRIPPED | VMMC_FRAME_VLAN_SERVICE;
  frame.frame().vlan = 0x0123;
  FrameBytes bytes;
  const WholeFrame whole = bytes.of(frame.frame());
  CHECK(Bytes(whole.bytes.begin() + 12, whole.bytes.begin() + 16) == from_hex("88a8 0123"));
}

TEST_CASE("every interface of the source is one of the file") {
  PacketFile file = open_new({"node", true, false, 0, ""});
  FrameBytes whole;
  for (const std::uint16_t node : {3, 1, 3, 1, 2}) {
    RingFrame frame(Bytes(80), 147);
    frame.frame().interface_ = node;
    file.add(frame.frame(), whole.of(frame.frame()));
  }
  CHECK_FALSE(file.close({}).has_value());
  CHECK(read_back().size() == 5);
  const std::string content = content_of(kPath);
  for (const char* name : {"node 1", "node 2", "node 3"}) {
    const std::size_t found = content.find(name);
    REQUIRE(found != std::string::npos);
    CHECK(content.find(name, found + 1) == std::string::npos);
  }
}

TEST_CASE("a file without frames is one") {
  PacketFile file = open_new();
  CHECK_FALSE(file.close({}).has_value());
  // It has no interface, of which libpcap makes an error; a section it is.
  CHECK(content_of(kPath).starts_with("\x0a\x0d\x0d\x0a"));
}

TEST_CASE("what is not overwritten") {
  std::ofstream(kPath) << "something";
  CHECK(refused(kPath, false).exit_code == kExitOutputExists);
  CHECK(content_of(kPath) == "something");
  const platform::FileDescriptor input(::open(kPath.c_str(), O_RDONLY));
  CHECK(refused(kPath, true, input.get()).exit_code == kExitOutputExists);
  CHECK(content_of(kPath) == "something");
  CHECK(refused("/no/such/place", false).exit_code == kExitUnwritable);
  CHECK(refused(kDirectory, true).exit_code == kExitUnwritable);
}

TEST_CASE("a full disk is said, and ends the work") {
  auto opened = PacketFile::open("/dev/full", false, -1, {});
  REQUIRE(std::holds_alternative<PacketFile>(opened));
  auto& file = std::get<PacketFile>(opened);
  CHECK(file.works());
  CHECK_FALSE(file.flush());
  CHECK_FALSE(file.works());
  const auto failure = file.close({});
  REQUIRE(failure.has_value());
  CHECK(failure->exit_code == kExitUnwritable);
  CHECK(failure->what.find("No space left") != std::string::npos);
}

}  // namespace vmmc::dump

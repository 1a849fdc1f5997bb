// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/pcapng/pcapng.h"

#include <doctest/doctest.h>
#include <pcap/pcap.h>

#include <cstdio>
#include <cstring>
#include <random>

namespace vmmc::pcapng {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Every block, by its type; requires that their lengths agree at both ends and fill the text.
std::vector<std::uint32_t> block_types(const std::string& text) {
  std::vector<std::uint32_t> types;
  for (std::size_t at = 0; at < text.size();) {
    std::uint32_t words[2];
    REQUIRE(at + 12 <= text.size());
    std::memcpy(words, text.data() + at, sizeof words);
    REQUIRE(words[1] % 4 == 0);
    REQUIRE(at + words[1] <= text.size());
    std::uint32_t again;
    std::memcpy(&again, text.data() + at + words[1] - 4, sizeof again);
    REQUIRE(again == words[1]);
    types.push_back(words[0]);
    at += words[1];
  }
  return types;
}

// As libpcap reads it.
class Reader {
 public:
  explicit Reader(std::string& text) {
    char error[PCAP_ERRBUF_SIZE] = "";
    std::FILE* const file = ::fmemopen(text.data(), text.size(), "rb");
    REQUIRE(file != nullptr);
    pcap_ = ::pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
    CAPTURE(error);
    REQUIRE(pcap_ != nullptr);
  }
  ~Reader() { ::pcap_close(pcap_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  int next(pcap_pkthdr*& header, std::string& content) {
    const u_char* data = nullptr;
    const int outcome = ::pcap_next_ex(pcap_, &header, &data);
    if (outcome == 1) content.assign(reinterpret_cast<const char*>(data), header->caplen);
    return outcome;
  }
  int link_type() const { return ::pcap_datalink(pcap_); }

 private:
  pcap_t* pcap_;
};

}  // namespace

TEST_CASE("libpcap reads back what was written, of every length") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::string text;
  append_section(text, {{"a comment"}, "the test"});
  append_interface(text, {1, 4096, "eth7", "tcp port 80"});
  std::vector<std::string> contents;
  for (std::uint32_t i = 0; i < 300; ++i) {
    std::string content(i < 20 ? i : random() % 4096, '\0');
    for (char& letter : content) letter = static_cast<char>(random());
    Packet packet;
    packet.time = 1'700'000'000'000'000'003 + std::uint64_t{i} * 4'000'000'007;
    packet.length = static_cast<std::uint32_t>(content.size()) + i % 3;
    const std::size_t cut = random() % (content.size() + 1);
    packet.head = bytes_of(content).first(cut);
    packet.tail = bytes_of(content).subspan(cut);
    packet.direction = static_cast<Direction>(i % 3);
    packet.dropped = i % 5;
    if (i % 7 == 0) packet.comment = "seven";
    append_packet(text, packet);
    contents.push_back(std::move(content));
  }
  append_statistics(text, {0, 1, 2, 3, 4, 5});
  CHECK(block_types(text).size() == 303);
  Reader reader(text);
  CHECK(reader.link_type() == DLT_EN10MB);
  pcap_pkthdr* header = nullptr;
  std::string content;
  for (std::uint32_t i = 0; i < contents.size(); ++i) {
    REQUIRE(reader.next(header, content) == 1);
    REQUIRE(content == contents[i]);
    REQUIRE(header->len == contents[i].size() + i % 3);
    const std::uint64_t time = static_cast<std::uint64_t>(header->ts.tv_sec) * 1'000'000'000 +
                               static_cast<std::uint64_t>(header->ts.tv_usec);
    REQUIRE(time == 1'700'000'000'000'000'003 + std::uint64_t{i} * 4'000'000'007);
  }
  CHECK(reader.next(header, content) == PCAP_ERROR_BREAK);
}

TEST_CASE("a packet without options has none") {
  std::string text;
  Packet packet;
  packet.length = 5;
  const std::string content = "12345";
  packet.head = bytes_of(content);
  append_packet(text, packet);
  CHECK(text.size() == 32 + 8);
}

TEST_CASE("text that is too long for an option is cut") {
  std::string text;
  append_section(text, {{std::string(70'000, 'x')}, "the test"});
  CHECK(block_types(text) == std::vector<std::uint32_t>{0x0a0d0d0a});
  CHECK(text.size() < 66'000);
}

}  // namespace vmmc::pcapng

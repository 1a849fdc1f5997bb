// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/capture_reader.h"

#include <doctest/doctest.h>

#include "nicsim/frames/capture/testing/capture_bytes.h"
#include "nicsim/frames/capture/testing/read_all.h"

namespace vmmc::nicsim::capture {
namespace {

using testing::Bytes;
using testing::Contents;
using testing::read_all;
using testing::SeenFrame;
using testing::Writer;
using wire::Status;

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST_CASE("pcap in both byte orders, with all magic numbers") {
  for (const bool big_endian : {false, true}) {
    for (const std::uint32_t magic : {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34}) {
      CAPTURE(big_endian);
      CAPTURE(magic);
      Writer file(big_endian);
      testing::pcap_header(file, magic, 101);
      for (const auto& [text, length] : {std::pair{"abc", 60}, {"", 0}, {"later", 5}}) {
        const std::string frame = text;
        file.u32(1'600'000'000).u32(999'999).u32(static_cast<std::uint32_t>(frame.size()));
        file.u32(static_cast<std::uint32_t>(length));
        if (magic == 0xa1b2cd34) file.u32(2).u16(0x800).u8(4).u8(0);
        file.raw(frame);
      }
      const std::uint64_t time =
          1'600'000'000 * kSecond + (magic == 0xa1b23c4d ? 999'999 : 999'999'000);
      const Contents contents = read_all(file.bytes());
      CHECK(contents.status == Status::kOk);
      CHECK(contents.frames == std::vector<SeenFrame>{{time, 60, 101, 0, 0, "abc"},
                                                      {time, 0, 101, 0, 0, ""},
                                                      {time, 5, 101, 0, 0, "later"}});
    }
  }
}

TEST_CASE("a pcapng file with every kind of block, two sections, two byte orders") {
  const std::vector<SeenFrame> expected = {
      {1'600'000'000'000'001'000, 60, 1, 0, 0, "first frame"},
      {1'600'000'001'000'000'003, 12, 101, 1, wire::kFrameOutbound, "of the other"},
      {1'600'000'001'000'000'003, 6, 1, 0, 0, "simple"},
      {1'600'000'002'000'000'000, 9, 1, 0, 0, "obsolete!"},
      {900 * kSecond + kSecond / 2, 7, 1, 0, 0, "swapped"},
      {900 * kSecond + kSecond / 2, 20, 1, 0, 0, "cut to e"},
      {901 * kSecond, 0, 1, 0, 0, ""}};
  for (const std::size_t extra : {0, 1, 7, 100, 100'000}) {
    for (const std::size_t batch : {1, 2, 64}) {
      const Contents contents = read_all(testing::mixed_pcapng(), extra, batch);
      CHECK(contents.status == Status::kOk);
      CHECK(contents.frames == expected);
    }
  }
}

TEST_CASE("blocks of no interest are skipped, however long") {
  Writer file;
  testing::section(file, false);
  testing::interface(file);
  testing::block(file, 0x0bad, Writer().raw(std::string(3'000'000, 'x')));
  testing::block(file, 0x0bae, Writer());
  testing::enhanced_packet(file, 0, 5, "behind it", 9);
  CHECK(read_all(file.bytes()).frames.size() == 1);
  CHECK(read_all(file.bytes()).status == Status::kOk);

  SUBCASE("cut off inside it") {
    file.bytes().resize(2'000'000);
    CHECK(read_all(file.bytes()).status == Status::kTruncatedCapture);
  }
  SUBCASE("with another length at its end") {
    file.bytes()[file.bytes().size() - 12 - 12 - 32 - 4] ^= std::byte{4};
    CHECK(read_all(file.bytes()).status == Status::kCorruptCapture);
  }
}

TEST_CASE("what is no capture") {
  CHECK(read_all({}).status == Status::kNotACapture);
  CHECK(read_all(testing::bytes_of("abc")).status == Status::kNotACapture);
  CHECK(read_all(testing::bytes_of("#!/bin/sh\necho this is no capture file\n")).status ==
        Status::kNotACapture);
  Writer old;
  old.u32(0xa1b2c3d4).u16(2).u16(3).u32(0).u32(0).u32(65535).u32(1);
  CHECK(read_all(old.bytes()).status == Status::kNotACapture);
  Writer no_order;
  no_order.u32(0x0a0d0d0a).u32(28).u32(0x12345678).u16(1).u16(0).u64(0).u32(28);
  CHECK(read_all(no_order.bytes()).status == Status::kNotACapture);
}

TEST_CASE("a file that is cut off in its first header") {
  Writer file;
  testing::pcap_header(file);
  file.bytes().resize(23);
  CHECK(read_all(file.bytes()).status == Status::kTruncatedCapture);
}

TEST_CASE("absurd records of pcap: the frames before them are delivered") {
  Writer file;
  testing::pcap_header(file);
  testing::pcap_record(file, 1, 2, "good", 4);
  SUBCASE("longer than any frame") { file.u32(1).u32(2).u32(262'145).u32(262'145).raw("xxx"); }
  SUBCASE("negative") { file.u32(1).u32(2).u32(UINT32_MAX).u32(64).raw("xxx"); }
  const Contents contents = read_all(file.bytes());
  CHECK(contents.frames.size() == 1);
  CHECK(contents.status == Status::kCorruptCapture);
}

TEST_CASE("the longest frame") {
  Writer file;
  testing::pcap_header(file);
  testing::pcap_record(file, 1, 2, std::string(262'144, 'l'), 1 << 20);
  const Contents contents = read_all(file.bytes());
  REQUIRE(contents.frames.size() == 1);
  CHECK(contents.frames.front().bytes == std::string(262'144, 'l'));
  CHECK(contents.status == Status::kOk);
}

TEST_CASE("a frame is at least as long as what there is of it") {
  Writer file;
  testing::pcap_header(file);
  testing::pcap_record(file, 1, 2, "longer than said", 3);
  CHECK(read_all(file.bytes()).frames.at(0).length == 16);
}

TEST_CASE("a link type that is none") {
  Writer file;
  testing::pcap_header(file, 0xa1b2c3d4, 0x10000);
  CHECK(read_all(file.bytes()).status == Status::kCorruptCapture);
  Writer with_check_sequence;
  testing::pcap_header(with_check_sequence, 0xa1b2c3d4, 0x4400'0001);
  testing::pcap_record(with_check_sequence, 1, 2, "x", 1);
  CHECK(read_all(with_check_sequence.bytes()).frames.at(0).link_type == 1);
}

// Makes a good file, then one bad block that `make` writes.
template <typename Make>
Status after_one_frame(Make make) {
  Writer file;
  testing::section(file, false);
  testing::interface(file, 1, 100);
  testing::enhanced_packet(file, 0, 1, "good", 4);
  make(file);
  const Contents contents = read_all(file.bytes());
  CHECK(contents.frames.size() == 1);
  return contents.status;
}

TEST_CASE("absurd blocks of pcapng: the frames before them are delivered") {
  CHECK(after_one_frame([](Writer&) {}) == Status::kOk);
  const auto corrupt = [](auto make) { CHECK(after_one_frame(make) == Status::kCorruptCapture); };
  // Lengths: too short, odd, too long for its kind, another one at the end, none at all.
  corrupt([](Writer& f) { f.u32(6).u32(28).raw(std::string(16, 'x')).u32(28); });
  corrupt([](Writer& f) { f.u32(7).u32(8).u32(8).u32(8); });
  corrupt([](Writer& f) { f.u32(7).u32(13).u32(0).u32(13); });
  corrupt([](Writer& f) { f.u32(6).u32(0x1000'0000).raw(std::string(100, 'x')); });
  corrupt([](Writer& f) { f.u32(3).u32(20).u32(4).raw("abcd").u32(24); });
  corrupt([](Writer& f) { f.u32(7).u32(16).u32(0).u32(20); });
  corrupt([](Writer& f) { f.u32(0).u32(0).u32(0).u32(0); });
  // An interface that does not exist.
  corrupt([](Writer& f) { testing::enhanced_packet(f, 1, 1, "x", 1); });
  corrupt([](Writer& f) { testing::obsolete_packet(f, 1, 1, "x", 1); });
  // Captured: more than the block, or than any frame, has.
  corrupt([](Writer& f) {
    testing::block(f, 6, Writer().u32(0).u32(0).u32(0).u32(9).u32(9).raw("12345678"));
  });
  corrupt([](Writer& f) { testing::enhanced_packet(f, 0, 1, std::string(262'148, 'x'), 1); });
  corrupt([](Writer& f) { testing::simple_packet(f, "1234", 5); });
  // Sections: an unknown byte order, an unknown version, none of the interfaces of the one before.
  corrupt([](Writer& f) { testing::block(f, 0x0a0d0d0a, Writer().u32(0).u16(1).u16(0).u64(0)); });
  corrupt([](Writer& f) { testing::section(f, true, 2); });
  corrupt([](Writer& f) {
    testing::section(f, true);
    testing::enhanced_packet(f, 0, 1, "x", 1);
  });
  corrupt([](Writer& f) {
    testing::section(f, true);
    testing::simple_packet(f, "x", 1);
  });
  // Descriptions of interfaces: an option that passes the end, units too small.
  corrupt([](Writer& f) { testing::block(f, 1, Writer().u16(1).u16(0).u32(0).u16(2).u16(5)); });
  corrupt([](Writer& f) { testing::interface(f, 1, 0, 20); });
  corrupt([](Writer& f) { testing::interface(f, 1, 0, 0x80 | 64); });
}

TEST_CASE("the link type is known with the first interface") {
  const Bytes file = testing::mixed_pcapng();
  auto made = make_capture_reader(file);
  auto& reader = *std::get<std::unique_ptr<CaptureReader>>(made);
  CHECK(!reader.link_type());
  CHECK(!reader.between_records());
  const ReadStep step = reader.read(file, {});
  CHECK(step.frames == 0);
  CHECK(step.wanted == 0);
  CHECK(reader.link_type() == 1);
  CHECK(reader.between_records());
}

}  // namespace
}  // namespace vmmc::nicsim::capture

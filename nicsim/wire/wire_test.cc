// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// The golden bytes of the ABI: what docs/format.md says, byte by byte. If this test has to change,
// so must wire::kVersion and the page.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <sstream>
#include <string>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/control.h"

using namespace vmmc::wire;

namespace {

std::string hex(const void* data, std::size_t bytes) {
  std::string text;
  char digits[4];
  for (std::size_t i = 0; i < bytes; ++i) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<const unsigned char*>(data)[i]);
    if (i > 0 && i % 4 == 0) text += ' ';
    text += digits;
  }
  return text;
}

MessageHeader header_of(MessageType type) {
  return {kMagic, kVersion, type, 0x11223344, Status::kOk};
}

}  // namespace

TEST_CASE("control messages") {
  const std::string start = "564d4d43 0100";
  AttachRequest attach{
      header_of(MessageType::kAttach), 1, kAnyProcess, 0x0102030405060708, 9, 1ull << 35};
  CHECK(hex(&attach, sizeof attach) ==
        start +
            "0100 44332211 00000000 01000000 ffffffff 08070605 04030201 09000000 00000000 "
            "00000000 08000000");
  AttachReply attached{header_of(MessageType::kAttach), 1, 2, 4, 1, 1ull << 36};
  CHECK(hex(&attached, sizeof attached) ==
        start + "0100 44332211 00000000 01000000 02000000 04000000 01000000 00000000 10000000");
  ImportRequest import{header_of(MessageType::kImport), 1, 2, 3, kAccessWrite};
  CHECK(hex(&import, sizeof import) ==
        start + "0600 44332211 00000000 01000000 02000000 03000000 02000000");
  ImportReply imported{header_of(MessageType::kImport), 5, 6, 0x1004, 64, 2, ExecutorDemand::kNic};
  CHECK(hex(&imported, sizeof imported) ==
        start +
            "0600 44332211 00000000 05000000 06000000 04100000 00000000 40000000 00000000 "
            "02000000 01000000");
  auto request = std::make_unique<ExportRequest>();
  request->header = header_of(MessageType::kExport);
  request->buffer_id = 7;
  request->access = kAccessRead | kAccessWrite;
  request->user = 1000;
  request->node = kAnyNode;
  request->process = 3;
  request->executor = ExecutorDemand::kNic;
  request->length = 4096;
  request->page_offset = 4;
  request->extent_count = 1;
  request->extents[0] = {8, 9, 10, 0};
  CHECK(hex(request.get(), 56 + 16) ==
        start +
            "0400 44332211 00000000 07000000 03000000 e8030000 ffffffff 03000000 01000000 "
            "00100000 00000000 04000000 01000000 08000000 09000000 0a000000 00000000");
  PlainReply refused{header_of(MessageType::kUnimport)};
  refused.header.status = Status::kUnknownImport;
  CHECK(hex(&refused, sizeof refused) == start + "0800 44332211 d4ffffff");
}

TEST_CASE("send descriptor") {
  auto descriptor = std::make_unique<SendDescriptor>();
  std::memset(static_cast<void*>(descriptor.get()), 0, sizeof(SendDescriptor));
  descriptor->header.store(
      make_header(0x1ff, SourceKind::kInline, Operation::kDeliberateUpdate, 8));
  descriptor->import_slot = 5;
  descriptor->import_generation = 6;
  descriptor->destination = 0x1004;
  std::memcpy(descriptor->inline_data, "ABCDEFGH", 8);
  CHECK(hex(descriptor.get(), 32) ==
        "08000101 00020000 05000000 06000000 04100000 00000000 41424344 45464748");
  descriptor->source = Source{100, 200, 3, {}};
  CHECK(hex(reinterpret_cast<const char*>(descriptor.get()) + 24, 24) ==
        "64000000 00000000 c8000000 00000000 03000000 00000000");
  const std::uint64_t header = descriptor->header.load();
  CHECK(header_sequence(header) == 0x200);
  CHECK(header_sequence(header) == sequence_of_ticket(0x1ff));
  CHECK(header_source_kind(header) == 1);
  CHECK(header_operation(header) == 1);
  CHECK(header_inline_length(header) == 8);
}

TEST_CASE("channel") {
  CHECK(kSendQueueOffset == 20480);
  CHECK(kStagingOffset == 36864);
  CHECK(kChannelBytes == 299008);
  CHECK(make_import_state(0x01020304, ImportPhase::kPeerDead) == 0x02030403);
  CHECK(import_phase(0x02030403) == ImportPhase::kPeerDead);
}

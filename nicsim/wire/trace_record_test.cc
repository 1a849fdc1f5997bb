// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// The golden bytes of a trace: what docs/format.md says, byte by byte. If this test has to change, so
// must wire::kTraceVersion and the page.
#include "nicsim/wire/trace_record.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

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

}  // namespace

TEST_CASE("the header of a trace") {
  const auto memory = std::make_unique<TraceHeader>();
  TraceHeader& header = *memory;
  std::memset(static_cast<void*>(&header), 0, sizeof header);
  header.magic = kTraceMagic;
  header.version = kTraceVersion;
  header.clock = 1;
  header.record_bytes = sizeof(TraceRecord);
  header.capacity = 1024;
  header.written = 0x0102030405060708;
  header.began = 9;
  header.rows = 2;
  header.columns = 3;
  std::memcpy(header.model, "shrimp-2", 8);
  CHECK(hex(&header, sizeof header) ==
        "564d4354 01000000 01000000 80000000 00040000 00000000 08070605 04030201 "
        "09000000 00000000 02000000 03000000 73687269 6d702d32 00000000 00000000 "
        "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
        "00000000 00000000 00000000 00000000");
}

TEST_CASE("a record of a trace") {
  const auto memory = std::make_unique<TraceRecord>();
  TraceRecord& record = *memory;
  std::memset(static_cast<void*>(&record), 0, sizeof record);
  record.sequence = 0x0102030405060708;
  record.time = 1;
  record.duration = 2;
  record.operation = 3;
  record.packet = 4;
  record.event = TraceEvent::kMemoryWritten;
  record.engine = TraceEngine::kIncomingDmaEngine;
  record.kind = 1;
  record.flags = kTraceNotifies | kTraceLastPacket;
  record.status = -61;
  record.node = 5;
  record.peer = 6;
  record.process = 7;
  record.peer_process = 8;
  record.buffer = 9;
  record.page = 10;
  record.length = 11;
  record.offset = 12;
  record.value = 13;
  record.content_bytes = 2;
  record.content[0] = std::byte{0xaa};
  record.content[35] = std::byte{0xbb};
  CHECK(hex(&record, sizeof record) ==
        "08070605 04030201 01000000 00000000 02000000 00000000 03000000 00000000 "
        "04000000 1a0a0103 c3ffffff 05000600 07000000 08000000 09000000 0a000000 "
        "0b000000 00000000 0c000000 00000000 0d000000 00000000 02000000 aa000000 "
        "00000000 00000000 00000000 00000000 00000000 00000000 00000000 000000bb");
}

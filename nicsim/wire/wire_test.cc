// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// The golden bytes of the ABI: what docs/format.md says, byte by byte. If this test has to change,
// so must wire::kVersion and the page.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <sstream>
#include <string>

#include "nicsim/wire/buffer_bell.h"
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
  const std::string start = "564d4d43 0600";
  AttachRequest attach{
      header_of(MessageType::kAttach), 1, kAnyProcess, 0x0102030405060708, 9, 1ull << 35};
  CHECK(hex(&attach, sizeof attach) ==
        start +
            "0100 44332211 00000000 01000000 ffffffff 08070605 04030201 09000000 00000000 "
            "00000000 08000000");
  AttachReply attached{header_of(MessageType::kAttach), 1, 2, 4, 1, 1ull << 36, kSimulatedTime, 0};
  CHECK(hex(&attached, sizeof attached) ==
        start +
            "0100 44332211 00000000 01000000 02000000 04000000 01000000 00000000 10000000 "
            "01000000 00000000");
  ImportRequest import{header_of(MessageType::kImport), 1, 2, 3, kAccessWrite,
                       ExecutorDemand::kHost,           1, 9};
  CHECK(hex(&import, sizeof import) ==
        start +
            "0600 44332211 00000000 01000000 02000000 03000000 02000000 02000000 01000000 "
            "09000000 00000000");
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
  request->flags = kExportNotifies | kExportRedirectable;
  request->cookie = 0x0102030405060708;
  request->page_offset = 4;
  request->extent_count = 1;
  request->extents[0] = {8, 9, 10, 0};
  CHECK(hex(request.get(), 72 + 16) ==
        start +
            "0400 44332211 00000000 07000000 03000000 e8030000 ffffffff 03000000 01000000 "
            "00100000 00000000 03000000 00000000 08070605 04030201 04000000 01000000 08000000 "
            "09000000 0a000000 00000000");
  PlainReply refused{header_of(MessageType::kUnimport)};
  refused.header.status = Status::kUnknownImport;
  CHECK(hex(&refused, sizeof refused) == start + "0800 44332211 d4ffffff");
}

TEST_CASE("control messages about segments, mappings that end, and buffers") {
  const std::string start = "564d4d43 0600";
  const std::string rest = "00 44332211 00000000 ";
  RegisterSegmentRequest segment{header_of(MessageType::kRegisterSegment), 8192, 1, 0};
  CHECK(hex(&segment, sizeof segment) ==
        start + "02" + rest + "00200000 00000000 01000000 00000000");
  RegisterSegmentReply registered{header_of(MessageType::kRegisterSegment), 5, 0};
  CHECK(hex(&registered, sizeof registered) == start + "02" + rest + "05000000 00000000");
  ReleaseSegmentRequest release{header_of(MessageType::kReleaseSegment), 5, 0};
  CHECK(hex(&release, sizeof release) == start + "03" + rest + "05000000 00000000");
  UnexportRequest unexport{header_of(MessageType::kUnexport), 6, 0};
  CHECK(hex(&unexport, sizeof unexport) == start + "05" + rest + "06000000 00000000");
  UnexportReply unexported{header_of(MessageType::kUnexport), 1, 0};
  CHECK(hex(&unexported, sizeof unexported) == start + "05" + rest + "01000000 00000000");
  CancelImportRequest cancel{header_of(MessageType::kCancelImport), 7, 0};
  CHECK(hex(&cancel, sizeof cancel) == start + "07" + rest + "07000000 00000000");
  UnimportRequest unimport{header_of(MessageType::kUnimport), 8, 9};
  CHECK(hex(&unimport, sizeof unimport) == start + "08" + rest + "08000000 09000000");
  AcceptNotificationsRequest accept{header_of(MessageType::kAcceptNotifications), 1, kAllBuffers, 0,
                                    0};
  CHECK(hex(&accept, sizeof accept) == start + "09" + rest + "01000000 01000000 00000000 00000000");
  ListImportersRequest list{header_of(MessageType::kListImporters), 2, 32};
  CHECK(hex(&list, sizeof list) == start + "0a" + rest + "02000000 20000000");
  ListImportersReply importers{header_of(MessageType::kListImporters), 2, 1, {{3, 4}}};
  CHECK(hex(&importers, 32) == start + "0a" + rest + "02000000 01000000 03000000 04000000");
  auto redirect = std::make_unique<RedirectRequest>();
  *redirect = {header_of(MessageType::kRedirect), 1, 0, 16, 32, 4, 1, {{5, 6, 7, 0}}};
  CHECK(hex(redirect.get(), 48 + 16) ==
        start + "0b" + rest +
            "01000000 00000000 10000000 00000000 20000000 00000000 04000000 01000000 "
            "05000000 06000000 07000000 00000000");
  EndRedirectionRequest end{header_of(MessageType::kEndRedirection), 1, 0, 16};
  CHECK(hex(&end, sizeof end) == start + "0c" + rest + "01000000 00000000 10000000 00000000");
  RedirectionReply redirected{header_of(MessageType::kEndRedirection), 1, 2};
  CHECK(hex(&redirected, sizeof redirected) ==
        start + "0c" + rest + "01000000 00000000 02000000 00000000");
}

TEST_CASE("control messages about the host executor") {
  const std::string start = "564d4d43 0600";
  const std::string rest = "00 44332211 00000000";
  PlainReply counters{header_of(MessageType::kReadCounters)};
  CHECK(hex(&counters, sizeof counters) == start + "0d" + rest);
  WatchRequest watch{header_of(MessageType::kWatch), 1, 0};
  CHECK(hex(&watch, sizeof watch) == start + "0e" + rest + " 01000000 00000000");
  DeclareBindingRequest binding{header_of(MessageType::kDeclareBinding),
                                3,
                                5,
                                6,
                                1,
                                2,
                                1,
                                0,
                                0x1000,
                                0x2000,
                                50'000,
                                0x7f0000001000,
                                8,
                                9};
  CHECK(hex(&binding, sizeof binding) ==
        start + "0f" + rest +
            " 03000000 05000000 06000000 01020100 00100000 00000000 00200000 00000000 50c30000 "
            "00000000 00100000 007f0000 08000000 09000000");
  EndBindingRequest unbound{header_of(MessageType::kEndBinding), 3, 0};
  CHECK(hex(&unbound, sizeof unbound) == start + "10" + rest + " 03000000 00000000");
  ImportReply lent{header_of(MessageType::kImport), 5, 6, 0x1000, 4096, 3, ExecutorDemand::kHost};
  CHECK(hex(&lent, sizeof lent) ==
        start + "06" + rest +
            " 05000000 06000000 00100000 00000000 00100000 00000000 03000000 02000000");
  PlainReply refused{header_of(MessageType::kImport)};
  refused.header.status = Status::kExecutorUnavailable;
  CHECK(hex(&refused, sizeof refused) == start + "0600 44332211 d2ffffff");
}

TEST_CASE("bell of a buffer") {
  auto bell = std::make_unique<BufferBell>();
  std::memset(static_cast<void*>(bell.get()), 0, sizeof(BufferBell));
  bell->armed.store(kRingForAny | kRingForWatch);
  bell->rings.store(0x01020304);
  bell->watch_offset.store(0x0102030405060708);
  CHECK(hex(bell.get(), sizeof(BufferBell)) ==
        "03000000 04030201 08070605 04030201 00000000 00000000 00000000 00000000 00000000 "
        "00000000 00000000 00000000 00000000 00000000 00000000 00000000");
}

TEST_CASE("counts of the host executor") {
  HostCounts counts[2]{};
  counts[1].transfers.store(0x0102);
  counts[1].bytes_beyond_words.store(0x0304);
  CHECK(hex(counts, sizeof counts) ==
        "00000000 00000000 00000000 00000000 02010000 00000000 04030000 00000000");
}

TEST_CASE("notification") {
  const Notification notification{0x0807060504030201, 16, 32, 1, 2, 3, {}};
  CHECK(hex(&notification, sizeof notification) ==
        "01020304 05060708 10000000 00000000 20000000 00000000 01000000 02000000 03000000 "
        "00000000 00000000 00000000 00000000 00000000 00000000 00000000");
}

TEST_CASE("send descriptor") {
  auto descriptor = std::make_unique<SendDescriptor>();
  std::memset(static_cast<void*>(descriptor.get()), 0, sizeof(SendDescriptor));
  descriptor->header.store(
      make_header(0x1ff, LocalPlace::kInline, Operation::kDeliberateUpdate, kNotify, 8));
  descriptor->import_slot = 5;
  descriptor->import_generation = 6;
  descriptor->destination = 0x1004;
  std::memcpy(descriptor->inline_data, "ABCDEFGH", 8);
  CHECK(hex(descriptor.get(), 32) ==
        "08010101 00020000 05000000 06000000 04100000 00000000 41424344 45464748");
  descriptor->local = LocalBytes{100, 200, 3, 0, 300, 0, 0x11223344};
  CHECK(
      hex(reinterpret_cast<const char*>(descriptor.get()) + 24, 40) ==
      "64000000 00000000 c8000000 00000000 03000000 00000000 2c010000 00000000 00000000 44332211");
  const std::uint64_t header = descriptor->header.load();
  CHECK(header_sequence(header) == 0x200);
  CHECK(header_sequence(header) == sequence_of_ticket(0x1ff));
  CHECK(header_place(header) == 1);
  CHECK(header_operation(header) == 1);
  CHECK(header_flags(header) == kNotify);
  CHECK(header_inline_length(header) == 8);
  descriptor->atomic = AtomicOperands{AtomicKind::kCompareSwap, 4, 0x55, 0x66, {}};
  CHECK(hex(reinterpret_cast<const char*>(descriptor.get()) + 24, 24) ==
        "03000000 04000000 55000000 00000000 66000000 00000000");
  MarkOperands mark = make_mark(MarkKind::kWaitForWord, 0x40);
  mark.timed_out = 1;
  mark.comparison = 2;
  mark.width = 8;
  mark.thread = 3;
  mark.work = 0x1234;
  mark.segment = 5;
  mark.waited = 7;
  mark.value = 0x99;
  descriptor->mark = mark;
  CHECK(
      hex(reinterpret_cast<const char*>(descriptor.get()) + 24, 40) ==
      "02010208 03000000 34120000 00000000 05000000 07000000 40000000 00000000 99000000 00000000");
}

TEST_CASE("channel") {
  CHECK(kChannelBytes == 401408);
  CHECK(offsetof(Channel, host_counts) == 20480);
  CHECK(offsetof(Channel, send_queue) == 86016);
  CHECK(offsetof(Channel, notifications) == 102400);
  CHECK(offsetof(Channel, time_contexts) == 135168);
  CHECK(offsetof(Channel, staging) == 139264);
  CHECK(offsetof(Channel, counters) + offsetof(ChannelCounters, bytes_redirected) == 472);
  CHECK(offsetof(Channel, counters) + offsetof(ChannelCounters, host_transfers) == 480);
  CHECK(make_import_state(0x01020304, ImportPhase::kPeerDead) == 0x02030403);
  CHECK(make_import_state(0x01020304, ImportPhase::kGrantedToHost) == 0x02030404);
  CHECK(import_phase(0x02030403) == ImportPhase::kPeerDead);
}

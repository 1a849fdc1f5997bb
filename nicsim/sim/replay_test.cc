// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/replay.h"

#include <doctest/doctest.h>

#include "nicsim/recording/testing/recording_maker.h"

using namespace vmmc::nicsim;
using recording::RecordKind;
using recording::testing::RecordingMaker;
using sim::ReplayedProcess;
using sim::ReplayResult;

namespace {

constexpr double kSend = 100;     // ns: the library's part of a send
constexpr double kArrival = 900;  // in the receiver's interface
constexpr double kPoll = 50;
constexpr double kOneWay = kSend + kArrival + kPoll;
constexpr double kExport = 3000;
constexpr double kImport = 4000;
constexpr double kInterrupt = 500;
constexpr double kSignal = 700;

// Everything else takes no time.
model::TimingModel plain_model() {
  model::TimingModel model{};
  model.processor.compute_scale = 1;
  model.processor.poll_ns = kPoll;
  model.processor.interrupt_ns = kInterrupt;
  model.processor.signal_ns = kSignal;
  model.library.send_ns = kSend;
  model.library.fetch_ns = kSend;
  model.library.export_ns = kExport;
  model.library.import_ns = kImport;
  model.snoop_logic.present = 1;
  model.packetizer.max_payload_bytes = 4096;
  model.outgoing_fifo.capacity_bytes = 1 << 20;
  model.outgoing_fifo.threshold_bytes = 1 << 20;
  model.outgoing_fifo.resume_bytes = 1 << 19;
  model.deliberate_update_engine.max_transfer_bytes = 4096;
  model.deliberate_update_engine.queue_depth = 1;
  model.incoming_dma_engine.fifo_bytes = 1 << 20;
  model.incoming_dma_engine.latency_ns = kArrival;
  return model;
}

ReplayResult replayed(const recording::Recording& recording,
                      const model::TimingModel& model = plain_model()) {
  const auto result = sim::replay(recording, model);
  if (const auto* problem = std::get_if<std::string>(&result)) FAIL(*problem);
  return std::get<ReplayResult>(result);
}

// Two processes; each has exported a buffer 1 of 64 KiB, and imported the other's.
struct Pair : RecordingMaker {
  explicit Pair(bool notifies = false) {
    attach(0);
    attach(1);
    export_buffer(0, 1, 65536, notifies);
    export_buffer(1, 1, 65536, notifies);
    import_buffer(0, 1, 1, 0);
    import_buffer(1, 0, 1, 0);
  }
  void send(std::uint32_t from, std::uint64_t offset, std::uint64_t length = 4,
            std::uint8_t flags = 0) {
    operation(RecordKind::kDeliberateUpdate, from, 1 - from, 1, offset, length, flags);
  }
};

constexpr double kBeginning = kExport + kImport;  // of each process of a Pair

}  // namespace

TEST_CASE("a word that goes to and fro takes the latency of each way, and the work in between") {
  constexpr int kRounds = 50;
  constexpr double kWork = 200;
  Pair made;
  for (int round = 0; round < kRounds; ++round) {
    made.mark(RecordKind::kWork, 0, static_cast<std::uint64_t>(kWork));
    made.send(0, 0);
    made.wait_for_word(1, 1, 0);
    made.send(1, 0);
    made.wait_for_word(0, 1, 0);
  }
  const ReplayResult result = replayed(made.recording());
  const ReplayedProcess& first = result.processes[0];
  CHECK(first.simulated_ns == kBeginning + kRounds * (kWork + 2 * kOneWay));
  CHECK(first.work_ns == kRounds * kWork);
  CHECK(first.sending_ns == kBeginning + kRounds * kSend);
  CHECK(first.waiting_ns == kRounds * (2 * kOneWay - kSend));
  CHECK(first.messages == kRounds);
  CHECK(first.bytes == 4 * kRounds);
  CHECK(result.messages == 2 * kRounds);
  CHECK(result.packets == 2 * kRounds);
  CHECK(result.refused == 0);
  CHECK(result.waits_without_transfer == 0);
  CHECK(result.recorded_ns == 10.0 * static_cast<double>(made.records.size()));
}

TEST_CASE("work takes as long as the model's processor needs for it") {
  Pair made;
  made.mark(RecordKind::kWork, 0, 1000);
  model::TimingModel model = plain_model();
  model.processor.compute_scale = 50;
  CHECK(replayed(made.recording(), model).processes[0].work_ns == 50'000);
}

TEST_CASE("a wait ends when the last transfer that touched the word has arrived, and no other") {
  Pair made;
  made.send(0, 100, 4);
  made.mark(RecordKind::kWork, 0, 5000);
  made.send(0, 96, 8);
  made.mark(RecordKind::kWork, 0, 7000);
  made.send(0, 104, 8);  // behind the word
  made.wait_for_word(1, 1, 100);
  const ReplayResult result = replayed(made.recording());
  CHECK(result.processes[1].simulated_ns == kBeginning + kSend + 5000 + kOneWay);
}

TEST_CASE("a transfer of many pages ends the wait for a word in any of them") {
  Pair made;
  made.send(0, 10, 20000);
  made.wait_for_word(1, 1, 16384);
  const ReplayResult result = replayed(made.recording());
  CHECK(result.waits_without_transfer == 0);
  CHECK(result.processes[1].simulated_ns > kBeginning);
}

TEST_CASE("a wait that no transfer ended is over at once, and counted") {
  Pair made;
  made.wait_for_word(1, 1, 0);
  made.send(0, 0);
  const ReplayResult result = replayed(made.recording());
  CHECK(result.waits_without_transfer == 1);
  CHECK(result.processes[1].simulated_ns == kBeginning);
}

TEST_CASE("a wait that timed out lasts as long as it did") {
  Pair made;
  recording::Record& wait = made.wait_for_word(1, 1, 0);
  wait.flags = recording::kTimedOut;
  wait.slot = 30;
  CHECK(replayed(made.recording()).processes[1].simulated_ns == kBeginning + 30'000);
}

TEST_CASE("a wait for completion ends when everything before it has been delivered") {
  Pair made;
  made.send(0, 0);
  made.wait_for_completion(0);
  const ReplayResult result = replayed(made.recording());
  CHECK(result.processes[0].simulated_ns == kBeginning + kOneWay);
  CHECK(result.processes[0].waiting_ns == kOneWay - kSend);
}

TEST_CASE("a wait for sources ends when they may be reused, which is earlier") {
  Pair made;
  made.send(0, 0);
  recording::Record& wait = made.mark(RecordKind::kWaitForSources, 0);
  wait.offset = wait.ticket;
  CHECK(replayed(made.recording()).processes[0].simulated_ns == kBeginning + kSend);
}

TEST_CASE("a handler begins when its notification comes, beside the program's own thread") {
  Pair made(true);
  made.mark(RecordKind::kWork, 1, 1000);
  made.send(0, 0, 4, recording::kNotify);
  made.mark(RecordKind::kHandlerBegins, 1, 0, 2);
  made.mark(RecordKind::kHandlerEnds, 1, 250, 2);
  const ReplayResult result = replayed(made.recording());
  CHECK(result.processes[1].simulated_ns == kBeginning + kOneWay + kInterrupt + kSignal + 250);
  CHECK(result.processes[1].work_ns == 1250);
}

TEST_CASE("the threads of a process take turns on its processor") {
  Pair made;
  made.mark(RecordKind::kWork, 0, 1000, 1);
  made.mark(RecordKind::kWork, 0, 2000, 2);
  made.mark(RecordKind::kWork, 0, 4000, 1);
  const ReplayResult result = replayed(made.recording());
  CHECK(result.processes[0].simulated_ns == kBeginning + 7000);
  CHECK(result.processes[0].waiting_ns == 0);
}

TEST_CASE("an import waits for its export") {
  RecordingMaker made;
  made.attach(0);
  made.attach(1);
  made.mark(RecordKind::kWork, 0, 9000);
  made.export_buffer(0, 1, 4096);
  made.import_buffer(1, 0, 1, 0);
  CHECK(replayed(made.recording()).processes[1].simulated_ns == 9000 + kExport + kImport);
}

TEST_CASE("fetches, atomic operations, automatic updates and flushes are replayed") {
  Pair made;
  made.operation(RecordKind::kFetch, 0, 1, 1, 5000, 10000);
  made.wait_for_completion(0);
  made.operation(RecordKind::kAtomic, 0, 1, 1, 8, 8);
  made.wait_for_completion(0);
  made.operation(RecordKind::kAutomaticUpdate, 0, 1, 1, 4090, 12);  // over the end of a page
  made.operation(RecordKind::kAutomaticUpdate, 0, 1, 1, 64, 4, recording::kCombinesBlock);
  made.add(RecordKind::kFlush, 0).ticket = made.tickets[0]++;
  made.wait_for_completion(0);
  const ReplayResult result = replayed(made.recording());
  CHECK(result.messages == 5);
  CHECK(result.bytes == 10000 + 8 + 12 + 4);
  CHECK(result.refused == 0);
}

TEST_CASE("a buffer that takes over another one's id is another buffer") {
  Pair made;
  made.send(0, 0);
  made.add(RecordKind::kUnexport, 1).buffer = 1;
  made.export_buffer(1, 1, 128);
  made.wait_for_word(1, 1, 0);
  CHECK(replayed(made.recording()).waits_without_transfer == 1);
}

TEST_CASE("a recording that is cut off is replayed up to there, and says so") {
  Pair made;
  made.send(0, 0);
  const ReplayResult result = replayed(made.recording(false));
  CHECK(result.messages == 1);
  CHECK(result.cut_off.starts_with("made is cut off after 7 records"));
  CHECK(to_json(result, "plain").find("\"cut_off\":true") != std::string::npos);
}

TEST_CASE("an empty recording takes no time") {
  const ReplayResult result = replayed(RecordingMaker().recording());
  CHECK(result.simulated_ns == 0);
  CHECK(result.processes.empty());
}

TEST_CASE("the same replay has the same result, in JSON and as a table, too") {
  Pair made;
  for (int i = 0; i < 20; ++i) {
    made.send(i % 2, 0, 1000 + 37 * i);
    made.wait_for_word(1 - i % 2, 1, 4);
  }
  const ReplayResult result = replayed(made.recording());
  CHECK(result == replayed(made.recording()));
  CHECK(to_json(result, "plain").starts_with("{\"model\":\"plain\","));
  const std::string table = to_table(result, "plain");
  CHECK(table.find("process 1 @1") != std::string::npos);
  CHECK(table.ends_with(" packets\n"));
}

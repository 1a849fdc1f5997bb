// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <set>

#include "tools/vmmctrace/fields.h"
#include "tools/vmmctrace/names.h"
#include "tools/vmmctrace/perfetto_tracks.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {
namespace {

using Event = wire::TraceEvent;

class PerfettoWriter {
 public:
  PerfettoWriter(const TraceFile& trace, Sink& sink)
      : trace_(trace),
        sink_(sink),
        json_(sink.text()),
        by_time_(trace.by_time()),
        packets_(trace, by_time_),
        tracks_(trace, by_time_, packets_) {}

  void write();

 private:
  // Begins an event with what every event has; the caller ends the object.
  void begin(std::string_view phase, std::string_view name, std::uint32_t pid, std::uint32_t tid);
  void at(std::uint64_t time) { json_.key("ts").decimal(time, 6); }
  void metadata(std::string_view what, const Track& track, std::string_view name);
  void sort_index(std::string_view what, const Track& track, std::uint64_t index);
  void write_head();
  void write_tracks();
  void write_losses();
  void write_record(std::uint32_t index);
  void write_arrow(std::string_view phase, std::uint32_t index, std::uint32_t sent);
  void write_counter(const Record& record);
  void counter(const std::string& name, std::uint32_t pid, std::uint64_t time,
               std::string_view unit, std::uint64_t value);
  void write_bytes_in_flight();

  const TraceFile& trace_;
  Sink& sink_;
  JsonAppender json_;
  std::vector<std::uint32_t> by_time_;
  Packets packets_;
  PerfettoTracks tracks_;
};

void PerfettoWriter::begin(std::string_view phase, std::string_view name, std::uint32_t pid,
                           std::uint32_t tid) {
  json_.line();
  json_.begin_object().key("ph").string(phase).key("name").string(name);
  json_.key("pid").number(pid).key("tid").number(tid);
}

void PerfettoWriter::metadata(std::string_view what, const Track& track, std::string_view name) {
  begin("M", what, track.pid, tracks_.tid(track));
  json_.key("args").begin_object().key("name").string(name).end_object().end_object();
}

void PerfettoWriter::sort_index(std::string_view what, const Track& track, std::uint64_t index) {
  begin("M", what, track.pid, tracks_.tid(track));
  json_.key("args").begin_object().key("sort_index").number(index).end_object().end_object();
}

void PerfettoWriter::write_head() {
  const Machine& machine = trace_.machine();
  json_.begin_object().key("displayTimeUnit").string("ns").key("otherData").begin_object();
  json_.key("program").string("vmmctrace");
  json_.key("clock").string(machine.simulated ? "simulated" : "real");
  json_.key("model").string(machine.model);
  json_.key("nodes").string(std::to_string(machine.rows) + 'x' + std::to_string(machine.columns));
  json_.key("records").number(trace_.records().size());
  json_.key("overwritten").number(trace_.overwritten());
  json_.key("torn").number(trace_.torn()).key("damaged").number(trace_.senseless());
  json_.end_object().key("traceEvents").begin_array();
}

// Nodes come first, the backplane after them.
void PerfettoWriter::write_tracks() {
  std::set<std::uint32_t> named;
  for (const auto& [track, tid] : tracks_.all()) {
    const bool backplane = track.pid == kBackplanePid;
    if (named.insert(track.pid).second) {
      const std::string node = "node " + std::to_string(track.pid - kFirstNodePid);
      metadata("process_name", track, backplane ? "backplane" : node);
      sort_index("process_sort_index", track, backplane ? kFirstNodePid + kMostNodes : track.pid);
    }
    metadata("thread_name", track, track_name(track));
    sort_index("thread_sort_index", track, tid);
  }
}

void PerfettoWriter::write_losses() {
  for (const std::string& loss : losses(trace_)) {
    begin("i", loss, kTraceTrack.pid, tracks_.tid(kTraceTrack));
    at(by_time_.empty() ? 0 : trace_.records()[by_time_.front()].time);
    json_.key("s").string("g").key("cat").string("trace").end_object();
  }
}

void PerfettoWriter::write_record(std::uint32_t index) {
  const Record& record = trace_.records()[index];
  const std::uint64_t duration = tracks_.duration(index);
  const Track track = tracks_.track(index);
  begin(duration == 0 ? "i" : "X", spoken(event_name(record.event)), track.pid, tracks_.tid(track));
  at(record.time);
  if (duration == 0) {
    json_.key("s").string("t");
  } else {
    json_.key("dur").decimal(duration, 6);
  }
  const auto kind = kind_name(record.kind);
  json_.key("cat").string(record.operation == 0 || kind.empty() ? "control" : kind);
  json_.key("args").begin_object().key("n").number(record.number());
  if ((record.time % 1000 | record.duration % 1000) != 0) {  // Perfetto keeps whole ns
    json_.key("time_ps").number(record.time).key("duration_ps").number(record.duration);
  }
  append_members(json_, record);
  json_.end_object().end_object();
  const std::uint32_t other = packets_.other_end(index);
  if (other == Packets::kNone) return;
  const bool sent = record.event == Event::kPacketSent;
  write_arrow(sent ? "s" : "f", index, sent ? index : other);
}

// Of an arrow both ends have the same name, category and number. Perfetto takes numbers in hexadecimal.
void PerfettoWriter::write_arrow(std::string_view phase, std::uint32_t index, std::uint32_t sent) {
  const Record& from = trace_.records()[sent];
  const Track track = tracks_.track(index);
  begin(phase, "packet " + std::to_string(from.operation) + '.' + std::to_string(from.packet),
        track.pid, tracks_.tid(track));
  at(trace_.records()[index].time);
  std::string id;
  for (std::uint64_t rest = from.sequence; rest != 0; rest >>= 4) {
    id.insert(id.begin(), "0123456789abcdef"[rest & 15]);
  }
  json_.key("id").string("0x" + id).key("cat").string("packet");
  if (phase == "f") json_.key("bp").string("e");
  json_.end_object();
}

void PerfettoWriter::counter(const std::string& name, std::uint32_t pid, std::uint64_t time,
                             std::string_view unit, std::uint64_t value) {
  json_.line();
  json_.begin_object().key("ph").string("C").key("name").string(name).key("pid").number(pid);
  at(time);
  json_.key("args").begin_object().key(unit).number(value).end_object().end_object();
}

void PerfettoWriter::write_counter(const Record& record) {
  const std::uint32_t pid = kFirstNodePid + record.node;
  if (record.event == Event::kFifoEntered || record.event == Event::kFifoLeft) {
    counter(spoken(engine_name(record.engine)), pid, record.time, "bytes", record.value);
  } else if (record.event == Event::kNotified) {
    std::string name = "queued notifications";
    if (record.process != kUnknownProcess) name += " of process " + std::to_string(record.process);
    counter(name, pid, record.time, "queued", record.value);
  }
}

// From the moment when a packet is sent until the end of what ended it. Packets of which one end is missing
// do not count.
void PerfettoWriter::write_bytes_in_flight() {
  struct Change {
    std::uint64_t time;
    bool leaves;
    std::uint32_t sent;
  };
  std::vector<Change> changes;
  for (const std::uint32_t index : by_time_) {
    const Record& record = trace_.records()[index];
    const std::uint32_t other = packets_.other_end(index);
    if (record.event != Event::kPacketSent || other == Packets::kNone) continue;
    changes.push_back({record.time, false, index});
    changes.push_back({trace_.records()[other].end(), true, index});
  }
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return a.time != b.time ? a.time < b.time : a.leaves < b.leaves;
  });
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint64_t> in_flight;
  for (const Change& change : changes) {
    const Record& sent = trace_.records()[change.sent];
    std::uint64_t& bytes = in_flight[{sent.node, sent.peer}];
    bytes += change.leaves ? -sent.length : sent.length;
    counter("in flight, node " + std::to_string(sent.node) + " > node " + std::to_string(sent.peer),
            kBackplanePid, change.time, "bytes", bytes);
    sink_.flush_if_full();
  }
}

void PerfettoWriter::write() {
  write_head();
  write_tracks();
  write_losses();
  for (const std::uint32_t index : by_time_) {
    write_record(index);
    write_counter(trace_.records()[index]);
    sink_.flush_if_full();
  }
  write_bytes_in_flight();
  json_.end_array().end_object();
  sink_.text() += '\n';
}

}  // namespace

void write_perfetto(const TraceFile& trace, Sink& sink) { PerfettoWriter(trace, sink).write(); }

}  // namespace vmmc::trace_tool

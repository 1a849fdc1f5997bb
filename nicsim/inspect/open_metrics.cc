// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/inspect/open_metrics.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <utility>

namespace vmmc::nicsim {
namespace {

namespace json = boost::json;

std::string number_text(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

std::string text_of(const json::value& value) {
  if (value.is_string()) return {value.get_string().begin(), value.get_string().end()};
  if (value.is_bool()) return value.get_bool() ? "1" : "0";
  if (value.is_double()) return number_text(value.get_double());
  return value.is_int64() ? std::to_string(value.get_int64())
                          : std::to_string(value.to_number<std::uint64_t>());
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '\n') {
      result += "\\n";
    } else {
      if (letter == '"' || letter == '\\') result += '\\';
      result += letter;
    }
  }
  return result;
}

using Labels = std::initializer_list<std::pair<const char*, std::string>>;

// Writes one family after the other: its samples must follow its header.
class Writer {
 public:
  // `unit` is the end of the name, or empty.
  void family(const std::string& name, const char* type, const char* unit, const char* help) {
    name_ = "vmmc_" + name;
    text_ += "# TYPE " + name_ + " " + type + "\n";
    if (*unit != '\0') text_ += "# UNIT " + name_ + " " + unit + "\n";
    text_ += "# HELP " + name_ + " " + help + "\n";
  }
  void sample(const char* suffix, Labels labels, const std::string& value) {
    text_ += name_ + suffix;
    char separator = '{';
    for (const auto& [label, content] : labels) {
      text_ += separator;
      text_ += std::string(label) + "=\"" + escaped(content) + "\"";
      separator = ',';
    }
    if (labels.size() > 0) text_ += '}';
    text_ += " " + value + "\n";
  }
  std::string end() && { return std::move(text_) + "# EOF\n"; }

 private:
  std::string name_;
  std::string text_;
};

struct Counter {
  const char* member;  // of "counters"; the metric's name, but for its unit
  const char* name;
  const char* unit;
  const char* help;
};

constexpr Counter kCounters[] = {
    {"transfers_sent", "transfers_sent", "", "Updates of this process carried out."},
    {"bytes_sent", "sent_bytes", "bytes", "Bytes of these updates."},
    {"packets_sent", "packets_sent", "", "Packets of these updates."},
    {"transfers_refused", "transfers_refused", "", "Operations of this process refused."},
    {"transfers_received", "transfers_received", "", "Updates into its buffers."},
    {"bytes_received", "received_bytes", "bytes", "Bytes of these updates."},
    {"inline_transfers", "inline_transfers", "", "Operations with their bytes in the descriptor."},
    {"staged_transfers", "staged_transfers", "", "Operations by the staging area."},
    {"segment_transfers", "segment_transfers", "", "Operations by a registered segment."},
    {"memory_transfers", "memory_transfers", "", "Operations on memory that nicsim reads across."},
    {"wakeups", "wakeups", "", "Times that nicsim woke this process."},
    {"automatic_updates", "automatic_updates", "", "Part of transfers_sent: by bound pages."},
    {"fetches", "fetches", "", "Fetches of this process carried out."},
    {"bytes_fetched", "fetched_bytes", "bytes", "Bytes of these fetches."},
    {"atomics", "atomic_operations", "", "Atomic operations of this process carried out."},
    {"notifications_sent", "notifications_sent", "", "Asked for by this process and queued."},
    {"notifications_received", "notifications_received", "", "Queued for this process."},
    {"notifications_discarded", "notifications_discarded", "", "Not accepted by this process."},
    {"notification_stalls", "notification_stalls", "", "Waits for room in a receiver's queue."},
    {"bytes_redirected", "redirected_bytes", "bytes", "Part of received_bytes: redirected."},
    {"host_transfers", "host_transfers", "", "Part of transfers_sent: by the host executor."},
};

void process_sample(Writer& writer, const char* suffix, const json::object& process,
                    const json::value& value) {
  writer.sample(
      suffix, {{"node", text_of(process.at("node"))}, {"process", text_of(process.at("process"))}},
      text_of(value));
}

void write_nicsim(Writer& writer, const json::object& snapshot) {
  const json::object& nicsim = snapshot.at("nicsim").as_object();
  writer.family("nicsim", "info", "", "The software network interfaces that are looked at.");
  writer.sample("_info",
                {{"version", text_of(nicsim.at("version"))},
                 {"socket", text_of(nicsim.at("socket"))},
                 {"clock", text_of(nicsim.at("clock"))},
                 {"model", text_of(nicsim.at("model"))}},
                "1");
  writer.family("uptime_seconds", "gauge", "seconds", "Real time since nicsim began.");
  writer.sample("", {}, number_text(nicsim.at("uptime_ns").to_number<double>() * 1e-9));
  const auto gauge = [&](const char* name, const char* help, const std::string& value) {
    writer.family(name, "gauge", "", help);
    writer.sample("", {}, value);
  };
  const auto count = [&](const char* member) {
    return std::to_string(snapshot.at(member).as_array().size());
  };
  gauge("nodes", "Emulated nodes.",
        std::to_string(nicsim.at("rows").to_number<std::uint64_t>() *
                       nicsim.at("columns").to_number<std::uint64_t>()));
  gauge("watchers", "Who makes every transfer pass through nicsim.",
        text_of(nicsim.at("watchers")));
  gauge("observers", "Connections that look at nicsim.", text_of(nicsim.at("observers")));
  gauge("processes", "Attached processes.", count("processes"));
  gauge("exports", "Exported buffers.", count("exports"));
  gauge("imports", "Imports that are held.", count("imports"));
  gauge("waiting_imports", "Imports that wait for their export.", count("waiting_imports"));
  gauge("bindings", "Bindings that processes have declared.", count("bindings"));
}

void write_instruments(Writer& writer, const json::object& snapshot) {
  const json::object& trace = snapshot.at("trace").as_object();
  writer.family("trace_on", "gauge", "", "1 while a trace is written.");
  writer.sample("", {}, text_of(trace.at("on")));
  writer.family("trace_written_records", "gauge", "records", "Records since the trace began.");
  writer.sample("", {}, text_of(trace.at("written")));
  const json::object& faults = snapshot.at("faults").as_object();
  writer.family("faults", "counter", "", "Packets that the fault plan has struck.");
  for (const char* what : {"dropped", "corrupted", "delayed"}) {
    writer.sample("_total", {{"what", what}}, text_of(faults.at(what)));
  }
}

void write_processes(Writer& writer, const json::object& snapshot) {
  const json::array& processes = snapshot.at("processes").as_array();
  const auto gauge = [&](const char* name, const char* help, const char* part, const char* member) {
    writer.family(name, "gauge", "", help);
    for (const json::value& each : processes) {
      const json::object& process = each.as_object();
      process_sample(writer, "", process, process.at(part).as_object().at(member));
    }
  };
  gauge("send_queue_depth", "Operations that wait in the send queue.", "send_queue", "depth");
  gauge("notifications_queued", "Notifications that wait for the process.", "notifications",
        "queued");
  for (const Counter& counter : kCounters) {
    writer.family(counter.name, "counter", counter.unit, counter.help);
    for (const json::value& each : processes) {
      const json::object& process = each.as_object();
      process_sample(writer, "_total", process,
                     process.at("counters").as_object().at(counter.member));
    }
  }
}

void write_errors(Writer& writer, const json::object& snapshot) {
  writer.family("errors", "counter", "", "Refusals, by who was refused what and why.");
  for (const json::value& each : snapshot.at("errors").as_array()) {
    const json::object& error = each.as_object();
    const json::value& peer = error.at("peer");
    const auto of_peer = [&](const char* member) {
      return peer.is_null() ? std::string() : text_of(peer.as_object().at(member));
    };
    const json::value& buffer = error.at("buffer");
    writer.sample("_total",
                  {{"status", text_of(error.at("status"))},
                   {"what", text_of(error.at("what"))},
                   {"node", text_of(error.at("node"))},
                   {"process", text_of(error.at("process"))},
                   {"peer_node", of_peer("node")},
                   {"peer_process", of_peer("process")},
                   {"buffer", buffer.is_null() ? std::string() : text_of(buffer)}},
                  text_of(error.at("count")));
  }
  writer.family("errors_not_kept", "counter", "", "Refusals that found no room among the errors.");
  writer.sample("_total", {}, text_of(snapshot.at("errors_not_kept")));
}

void write_hardware(Writer& writer, const json::object& snapshot) {
  const json::array& nodes = snapshot.at("hardware").as_array();
  if (nodes.empty()) return;
  writer.family(
      "hardware", "gauge", "",
      "Counters of the parts of a node in simulated time; their units are in their names.");
  for (const json::value& each : nodes) {
    const json::object& node = each.as_object();
    for (const auto& [name, value] : node.at("counters").as_object()) {
      writer.sample("", {{"node", text_of(node.at("node"))}, {"counter", std::string(name)}},
                    text_of(value));
    }
  }
}

// 1, 2 and 5 of each decade.
constexpr std::uint64_t kFirstLimit = 100;
constexpr std::uint64_t kLastLimit = 10'000'000'000;  // ns

void write_latency(Writer& writer, const json::object& latency) {
  const json::array& buckets = latency.at("buckets").as_array();
  const std::string operation = text_of(latency.at("operation"));
  std::size_t next = 0;
  std::uint64_t sum = 0;
  const auto write_limit = [&](std::uint64_t limit, const std::string& name) {
    for (; next < buckets.size(); ++next) {
      const json::array& bucket = buckets[next].as_array();
      if (bucket.at(0).to_number<std::uint64_t>() > limit) break;
      sum += bucket.at(1).to_number<std::uint64_t>();
    }
    writer.sample("_bucket", {{"operation", operation}, {"le", name}}, std::to_string(sum));
  };
  for (std::uint64_t decade = kFirstLimit; decade <= kLastLimit; decade *= 10) {
    for (const std::uint64_t step : {1, 2, 5}) {
      const std::uint64_t limit = decade * step;
      if (limit <= kLastLimit) write_limit(limit, number_text(static_cast<double>(limit) / 1e9));
    }
  }
  write_limit(std::numeric_limits<std::uint64_t>::max(), "+Inf");
  writer.sample("_count", {{"operation", operation}}, text_of(latency.at("count")));
  writer.sample("_sum", {{"operation", operation}},
                number_text(latency.at("sum_ns").to_number<double>() / 1e9));
}

void write_latencies(Writer& writer, const json::object& snapshot) {
  writer.family("operation_latency_seconds", "histogram", "seconds",
                "How long operations took; in real time one in 61 is measured.");
  for (const json::value& each : snapshot.at("latencies").as_array()) {
    write_latency(writer, each.as_object());
  }
}

}  // namespace

std::string to_open_metrics(const json::object& snapshot) {
  Writer writer;
  write_nicsim(writer, snapshot);
  write_instruments(writer, snapshot);
  write_processes(writer, snapshot);
  write_errors(writer, snapshot);
  write_hardware(writer, snapshot);
  write_latencies(writer, snapshot);
  return std::move(writer).end();
}

}  // namespace vmmc::nicsim

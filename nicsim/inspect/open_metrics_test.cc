// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Every line of the text is read by a parser of the format that forgives nothing.

#include "nicsim/inspect/open_metrics.h"

#include <doctest/doctest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace vmmc;
namespace json = boost::json;

namespace {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value;
};

struct Family {
  std::string type;
  std::string unit;
  std::string help;
  std::vector<Sample> samples;
};

[[noreturn]] void wrong(const std::string& why, const std::string& line) {
  throw std::runtime_error(why + ": " + line);
}

bool is_name(const std::string& name, bool colons) {
  if (name.empty() || (std::isdigit(static_cast<unsigned char>(name[0])) != 0)) return false;
  for (const char letter : name) {
    const bool good = std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' ||
                      (colons && letter == ':');
    if (!good) return false;
  }
  return true;
}

// Reads a text of the format from its first to its last line.
class Parser {
 public:
  explicit Parser(const std::string& text) {
    if (text.empty() || text.back() != '\n') throw std::runtime_error("no end of line at the end");
    std::istringstream stream(text);
    std::string line;
    while (std::getline(stream, line)) {
      if (ended_) wrong("after # EOF", line);
      if (line == "# EOF") {
        ended_ = true;
      } else if (line.starts_with("# ")) {
        read_header(line);
      } else {
        read_sample(line);
      }
    }
    if (!ended_) throw std::runtime_error("no # EOF");
    for (const auto& [name, family] : families) check_family(name, family);
  }

  std::map<std::string, Family> families;

  const Family& at(const std::string& name) const {
    const auto found = families.find(name);
    if (found == families.end()) throw std::runtime_error("no family " + name);
    return found->second;
  }
  double value(const std::string& family, const std::string& sample,
               const std::map<std::string, std::string>& labels = {}) const {
    for (const Sample& each : at(family).samples) {
      if (each.name == sample && each.labels == labels) return each.value;
    }
    throw std::runtime_error("no sample " + sample);
  }

 private:
  void read_header(const std::string& line) {
    std::istringstream words(line.substr(2));
    std::string what;
    std::string name;
    words >> what >> name;
    const std::string prefix = "# " + what + " " + name + " ";
    if (!line.starts_with(prefix)) wrong("blanks", line);
    const std::string rest = line.substr(prefix.size());
    if (!is_name(name, true) || rest.empty()) wrong("not a header", line);
    if (name != current_) {
      if (families.contains(name)) wrong("a family twice", line);
      current_ = name;
    }
    Family& family = families[name];
    if (!family.samples.empty()) wrong("a header behind samples", line);
    std::string* const part = what == "TYPE"   ? &family.type
                              : what == "UNIT" ? &family.unit
                              : what == "HELP" ? &family.help
                                               : nullptr;
    if (part == nullptr || !part->empty()) wrong("unknown or twice", line);
    *part = rest;
  }

  void read_sample(const std::string& line) {
    std::size_t at = line.find_first_of("{ ");
    if (at == line.npos) wrong("no value", line);
    Sample sample{line.substr(0, at), {}, 0};
    if (!is_name(sample.name, true)) wrong("not a name", line);
    if (line[at] == '{') at = read_labels(line, at + 1, sample.labels);
    if (at >= line.size() || line[at] != ' ') wrong("no blank before the value", line);
    sample.value = number(line.substr(at + 1), line);
    Family& family = families.at(current_);
    if (!sample.name.starts_with(current_)) wrong("not of the family above", line);
    const auto series = std::make_pair(sample.name, sample.labels);
    if (!series_.insert(series).second) wrong("a sample twice", line);
    family.samples.push_back(std::move(sample));
  }

  static std::size_t read_labels(const std::string& line, std::size_t at,
                                 std::map<std::string, std::string>& labels) {
    for (;;) {
      const std::size_t equals = line.find('=', at);
      if (equals == line.npos) wrong("no =", line);
      const std::string label = line.substr(at, equals - at);
      if (!is_name(label, false) || label.starts_with("__")) wrong("not a label", line);
      at = equals + 1;
      if (at >= line.size() || line[at++] != '"') wrong("no quote", line);
      std::string value;
      for (; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] != '\\') {
          value += line[at];
          continue;
        }
        const char escaped = ++at < line.size() ? line[at] : ' ';
        if (escaped != 'n' && escaped != '"' && escaped != '\\') wrong("bad escape", line);
        value += escaped == 'n' ? '\n' : escaped;
      }
      if (at++ >= line.size()) wrong("no end of a label", line);
      if (!labels.emplace(label, value).second) wrong("a label twice", line);
      if (at < line.size() && line[at] == '}') return at + 1;
      if (at >= line.size() || line[at++] != ',') wrong("no comma", line);
    }
  }

  static double number(const std::string& text, const std::string& line) {
    if (text == "+Inf") return INFINITY;
    std::size_t used = 0;
    const double value = std::stod(text, &used);
    if (used != text.size() || !std::isfinite(value)) wrong("not a number", line);
    return value;
  }

  static void check_family(const std::string& name, const Family& family) {
    if (family.type.empty() || family.help.empty()) wrong("no TYPE or no HELP", name);
    if (!family.unit.empty() && !name.ends_with("_" + family.unit)) wrong("not its unit", name);
    for (const Sample& sample : family.samples) {
      const std::string suffix = sample.name.substr(name.size());
      static const std::map<std::string, std::set<std::string>> kSuffixes{
          {"counter", {"_total"}},
          {"info", {"_info"}},
          {"histogram", {"_bucket", "_count", "_sum"}},
          {"gauge", {""}}};
      if (!kSuffixes.at(family.type).contains(suffix)) {
        wrong("a suffix that its type has not", sample.name);
      }
      if (family.type == "counter" && sample.value < 0) wrong("a negative counter", name);
      if (family.type == "info" && sample.value != 1) wrong("an info that is not 1", name);
    }
    if (family.type == "histogram") check_histogram(name, family);
  }

  static std::string series_of(const Sample& sample) {
    std::string series;
    for (const auto& [label, value] : sample.labels) {
      if (label != "le") series += label + "=" + value + ",";
    }
    return series;
  }

  // Of each series: buckets that rise up to +Inf, then as many as a count, then a sum that is not negative.
  static void check_histogram(const std::string& name, const Family& family) {
    std::map<std::string, std::pair<double, double>> last;  // limit and count
    std::set<std::string> counted;
    std::set<std::string> summed;
    for (const Sample& sample : family.samples) {
      const std::string series = series_of(sample);
      if (sample.name != name + "_bucket") {
        if (sample.labels.contains("le")) wrong("a limit of all", series);
        const bool count = sample.name == name + "_count";
        if (!last.contains(series) || !std::isinf(last.at(series).first)) wrong("no +Inf", series);
        if (count && sample.value != last.at(series).second) wrong("another count", series);
        if (sample.value < 0) wrong("a negative sum", series);
        (count ? counted : summed).insert(series);
        continue;
      }
      const double limit = number(sample.labels.at("le"), series);
      const auto [before, first] = last.emplace(series, std::make_pair(limit, sample.value));
      if (!first && (before->second.first >= limit || before->second.second > sample.value)) {
        wrong("limits or counts that do not rise", series);
      }
      before->second = {limit, sample.value};
    }
    for (const auto& [series, end] : last) {
      if (!std::isinf(end.first)) wrong("no +Inf", series);
      if (!counted.contains(series) || !summed.contains(series)) wrong("no count or sum", series);
    }
  }

  std::string current_;
  std::set<std::pair<std::string, std::map<std::string, std::string>>> series_;
  bool ended_ = false;
};

// Of two processes, with the counter that `name` names at `value`.
json::object snapshot_of(const std::string& errors = "[]", const std::string& latencies = "[]",
                         const std::string& hardware = "[]",
                         const std::string& socket = "@vmmc-0") {
  static constexpr const char* kCounters[] = {"transfers_sent",
                                              "bytes_sent",
                                              "packets_sent",
                                              "transfers_refused",
                                              "transfers_received",
                                              "bytes_received",
                                              "inline_transfers",
                                              "staged_transfers",
                                              "segment_transfers",
                                              "memory_transfers",
                                              "wakeups",
                                              "automatic_updates",
                                              "fetches",
                                              "bytes_fetched",
                                              "atomics",
                                              "notifications_sent",
                                              "notifications_received",
                                              "notifications_discarded",
                                              "notification_stalls",
                                              "bytes_redirected",
                                              "host_transfers"};
  json::array processes;
  for (std::uint64_t id = 0; id < 2; ++id) {
    json::object counters;
    std::uint64_t value = id * 1000;
    for (const char* name : kCounters) counters[name] = ++value;
    processes.push_back(json::object{{"node", id},
                                     {"process", id + 10},
                                     {"send_queue", {{"depth", 4 + id}}},
                                     {"notifications", {{"queued", 7}}},
                                     {"counters", std::move(counters)}});
  }
  json::object snapshot =
      json::parse(R"({"trace":{"on":true,"written":12},"faults":{"dropped":1,"corrupted":2,)"
                  R"("delayed":3},"exports":[1,2,3],"imports":[1],"waiting_imports":[],)"
                  R"("bindings":[1,2],"errors_not_kept":9,"nicsim":{"version":"0.1.0",)"
                  R"("clock":"real","model":"none","rows":2,"columns":3,"uptime_ns":1500000000,)"
                  R"("watchers":1,"observers":2}})")
          .as_object();
  snapshot["nicsim"].as_object()["socket"] = socket;
  snapshot["processes"] = std::move(processes);
  snapshot["errors"] = json::parse(errors);
  snapshot["latencies"] = json::parse(latencies);
  snapshot["hardware"] = json::parse(hardware);
  return snapshot;
}

}  // namespace

TEST_CASE("the text is read by a strict parser, and says what the snapshot says") {
  const Parser read(nicsim::to_open_metrics(snapshot_of()));
  CHECK(read.at("vmmc_nicsim").type == "info");
  CHECK(read.value("vmmc_uptime_seconds", "vmmc_uptime_seconds") == 1.5);
  CHECK(read.at("vmmc_uptime_seconds").unit == "seconds");
  CHECK(read.value("vmmc_nodes", "vmmc_nodes") == 6);
  CHECK(read.value("vmmc_processes", "vmmc_processes") == 2);
  CHECK(read.value("vmmc_exports", "vmmc_exports") == 3);
  CHECK(read.value("vmmc_trace_on", "vmmc_trace_on") == 1);
  CHECK(read.value("vmmc_faults", "vmmc_faults_total", {{"what", "corrupted"}}) == 2);
  const std::map<std::string, std::string> second{{"node", "1"}, {"process", "11"}};
  CHECK(read.value("vmmc_transfers_sent", "vmmc_transfers_sent_total", second) == 1001);
  CHECK(read.value("vmmc_host_transfers", "vmmc_host_transfers_total", second) == 1021);
  CHECK(read.value("vmmc_sent_bytes", "vmmc_sent_bytes_total", second) == 1002);
  CHECK(read.at("vmmc_sent_bytes").unit == "bytes");
  CHECK(read.value("vmmc_send_queue_depth", "vmmc_send_queue_depth", second) == 5);
  CHECK(read.value("vmmc_errors_not_kept", "vmmc_errors_not_kept_total") == 9);
  CHECK_FALSE(read.families.contains("vmmc_hardware"));
}

TEST_CASE("labels are escaped, whatever a socket is called") {
  const std::string socket = "/run/a \"b\"\\c\nd{e=\"f\"}";
  const Parser read(nicsim::to_open_metrics(snapshot_of("[]", "[]", "[]", socket)));
  REQUIRE(read.at("vmmc_nicsim").samples.size() == 1);
  CHECK(read.at("vmmc_nicsim").samples[0].labels.at("socket") == socket);
}

TEST_CASE("errors are counters of who was refused what") {
  const Parser read(nicsim::to_open_metrics(snapshot_of(
      R"([{"status":"PERMISSION_DENIED","what":"import","node":0,"process":3,)"
      R"("peer":{"node":1,"process":2},"buffer":7,"count":12},)"
      R"({"status":"MALFORMED","what":"fetch","node":0,"process":3,"peer":null,"buffer":null,)"
      R"("count":1}])")));
  CHECK(read.value("vmmc_errors", "vmmc_errors_total",
                   {{"status", "PERMISSION_DENIED"},
                    {"what", "import"},
                    {"node", "0"},
                    {"process", "3"},
                    {"peer_node", "1"},
                    {"peer_process", "2"},
                    {"buffer", "7"}}) == 12);
  CHECK(read.at("vmmc_errors").samples.size() == 2);
}

TEST_CASE("latencies are cumulative, with the same limits for all, and none is left out") {
  const Parser read(nicsim::to_open_metrics(snapshot_of(
      "[]",
      R"([{"operation":"fetch","count":10,"sum_ns":4567,"buckets":[[100,2],[150,3],[1000,1],[1003,4]]},)"
      R"({"operation":"automatic update","count":5,"sum_ns":0,"buckets":[[18446744073709551615,5]]}])")));
  const auto below = [&](const char* operation, const char* limit) {
    return read.value("vmmc_operation_latency_seconds", "vmmc_operation_latency_seconds_bucket",
                      {{"operation", operation}, {"le", limit}});
  };
  CHECK(below("fetch", "1e-07") == 2);
  CHECK(below("fetch", "2e-07") == 5);
  CHECK(below("fetch", "1e-06") == 6);
  CHECK(below("fetch", "2e-06") == 10);
  CHECK(below("fetch", "10") == 10);
  CHECK(below("fetch", "+Inf") == 10);
  const auto all_of_fetch = [&](const char* what) {
    return read.value("vmmc_operation_latency_seconds",
                      std::string("vmmc_operation_latency_seconds_") + what,
                      {{"operation", "fetch"}});
  };
  CHECK(all_of_fetch("count") == 10);
  CHECK(all_of_fetch("sum") == doctest::Approx(4567e-9));
  CHECK(below("automatic update", "10") == 0);
  CHECK(below("automatic update", "+Inf") == 5);
}

TEST_CASE("the hardware of simulated time") {
  const Parser read(nicsim::to_open_metrics(snapshot_of(
      "[]", "[]", R"([{"node":0,"counters":{"processor.operations":5,"arbiter.grants":6}}])")));
  CHECK(read.value("vmmc_hardware", "vmmc_hardware",
                   {{"node", "0"}, {"counter", "arbiter.grants"}}) == 6);
}

TEST_CASE("the parser refuses what the format does not allow") {
  const auto refused = [](const char* text) {
    try {
      const Parser parser(text);
      return false;
    } catch (const std::exception&) {
      return true;
    }
  };
  CHECK_FALSE(refused("# TYPE a gauge\n# HELP a b\na 1\n# EOF\n"));
  CHECK(refused("# TYPE a gauge\n# HELP a b\na 1\n"));
  CHECK(refused("# TYPE a gauge\na 1\n# EOF\n"));
  CHECK(refused("# TYPE a counter\n# HELP a b\na 1\n# EOF\n"));
  CHECK(refused("# TYPE a gauge\n# HELP a b\na 1\na 2\n# EOF\n"));
  CHECK(refused("# TYPE a gauge\n# HELP a b\nb 1\n# EOF\n"));
  CHECK(refused("# TYPE a gauge\n# UNIT a bytes\n# HELP a b\na 1\n# EOF\n"));
  CHECK(refused("# TYPE a gauge\n# HELP a b\na{x=\"\\y\"} 1\n# EOF\n"));
  const std::string histogram = "# TYPE a histogram\n# HELP a b\na_bucket{le=\"1\"} 1\n";
  const std::string whole = histogram + "a_bucket{le=\"+Inf\"} 2\na_count 2\n";
  CHECK_FALSE(refused((whole + "a_sum 1\n# EOF\n").c_str()));
  CHECK(refused((whole + "# EOF\n").c_str()));
  CHECK(refused((whole + "a_sum -1\n# EOF\n").c_str()));
  CHECK(refused((histogram + "# EOF\n").c_str()));
  CHECK(refused((histogram + "a_count 1\na_sum 1\n# EOF\n").c_str()));
  CHECK(refused((histogram + "a_bucket{le=\"+Inf\"} 2\na_count 3\na_sum 1\n# EOF\n").c_str()));
}

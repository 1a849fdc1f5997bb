// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/options.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "nicsim/model/model_file.h"

using namespace vmmc::nicsim;

namespace {

// What is printed while it lives.
class Captured {
 public:
  explicit Captured(std::ostream& stream) : stream_(stream), before_(stream.rdbuf(text_.rdbuf())) {}
  ~Captured() { stream_.rdbuf(before_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostream& stream_;
  std::ostringstream text_;
  std::streambuf* before_;
};

std::variant<Options, int> parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "nicsim");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

// Parses what is a mistake: status 2 and this one line.
void check_mistake(const std::vector<std::string>& arguments, const std::string& line) {
  const Captured out(std::cout);
  const Captured err(std::cerr);
  CHECK(std::get<int>(parse(arguments)) == 2);
  CHECK(out.text().empty());
  CHECK(err.text() == line + "\n");
}

// What is printed before nicsim ends with status 0.
std::string answer(const std::vector<std::string>& arguments) {
  const Captured out(std::cout);
  CHECK(std::get<int>(parse(arguments)) == 0);
  return out.text();
}

std::string model_text(const std::string& name) {
  const model::ModelResult result = model::load_model(name);
  REQUIRE(result.ok());
  return name + ": " + result.value().title + "\n";
}

}  // namespace

TEST_CASE("nodes are rows x columns, or a number that becomes the most square shape") {
  const auto shape = [](const std::string& text) {
    const std::optional<Shape> parsed = parse_shape(text);
    REQUIRE_MESSAGE(parsed.has_value(), text);
    CHECK(parsed->nodes() == parsed->rows * parsed->columns);
    return std::to_string(parsed->rows) + "x" + std::to_string(parsed->columns);
  };
  CHECK(shape("2x3") == "2x3");
  CHECK(shape("3x2") == "3x2");
  CHECK(shape("64x64") == "64x64");
  CHECK(shape("1") == "1x1");
  CHECK(shape("4") == "2x2");
  CHECK(shape("6") == "2x3");
  CHECK(shape("7") == "1x7");
  CHECK(shape("24") == "4x6");
  CHECK(shape("4096") == "64x64");
  for (const char* wrong :
       {"", "0", "-1", "x", "2x", "x2", "2x0", "4097", "65x64", "4096x4096", "2x2x2", "4 "}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_shape(wrong).has_value());
  }
}

TEST_CASE("defaults") {
  const auto options = std::get<Options>(parse({}));
  CHECK(options.shape.nodes() == 4);
  CHECK(options.shape.rows == 2);
  CHECK(options.shape.columns == 2);
  CHECK_FALSE(options.model.has_value());
  CHECK(options.model_name == "none");
  CHECK(options.expected_processes == 0);
  CHECK(options.socket == default_socket());
  CHECK_FALSE(options.foreground);
  CHECK_FALSE(options.any_user);
}

TEST_CASE("every option is read") {
  const auto options = std::get<Options>(
      parse({"--socket", "/run/x", "--nodes", "2x4", "--foreground", "--log", "debug", "--users",
             "any", "--leave-with-last-client", "--ready-fd", "5"}));
  CHECK(options.socket == "/run/x");
  CHECK(options.shape.nodes() == 8);
  CHECK(options.shape.rows == 2);
  CHECK(options.shape.columns == 4);
  CHECK(options.foreground);
  CHECK(options.any_user);
  CHECK(options.leave_with_last_client);
  CHECK(options.ready_fd == 5);
  CHECK(options.log_level == LogLevel::kDebug);
}

TEST_CASE("mistakes end with status 2, questions with 0") {
  CHECK(std::get<int>(parse({"--nodes", "none"})) == 2);
  CHECK(std::get<int>(parse({"--log", "loud"})) == 2);
  CHECK(std::get<int>(parse({"--users", "some"})) == 2);
  CHECK(std::get<int>(parse({"--nonsense"})) == 2);
  CHECK(std::get<int>(parse({"--help"})) == 0);
  CHECK(std::get<int>(parse({"--version"})) == 0);
}

TEST_CASE("a timing model, its parameters, and how many processes it waits for") {
  const auto options =
      std::get<Options>(parse({"--model", "shrimp-2", "--param", "processor.store_ns=7", "--param",
                               "processor.poll_ns=8", "--expect", "4096"}));
  REQUIRE(options.model.has_value());
  CHECK(options.model->processor.store_ns == 7);
  CHECK(options.model->processor.poll_ns == 8);
  CHECK(options.model->outgoing_fifo.capacity_bytes == 32768);
  CHECK(options.model_name == "shrimp-2");
  CHECK(options.expected_processes == 4096);
  const auto none = std::get<Options>(parse({"--model", "none"}));
  CHECK_FALSE(none.model.has_value());
}

TEST_CASE("mistakes about models") {
  check_mistake({"--model", "shrimp-9"}, "nicsim: " + model::load_model("shrimp-9").error());
  check_mistake({"--model", "shrimp-2", "--param", "x.y=1"}, "nicsim: unknown parameter 'x.y'");
  check_mistake({"--model", "/nowhere/x.model"},
                "nicsim: cannot read /nowhere/x.model: No such file or directory");
  check_mistake({"--param", "processor.store_ns=7"},
                "nicsim: --param needs a timing model: --model NAME");
  check_mistake({"--model", "none", "--param", "processor.store_ns=7"},
                "nicsim: --param needs a timing model: --model NAME");
  check_mistake({"--expect", "2"}, "nicsim: --expect needs a timing model: --model NAME");
  check_mistake(
      {"--show-model", ""},
      "nicsim: unknown model '': there are myrinet-vmmc, myrinet-vmmc2, shrimp-1, shrimp-2, "
      "turbochannel, none, and files (with a '/' or ending in .model)");
  check_mistake({"--show-model", "none"}, "nicsim: 'none' is real time, so it is no timing model");
  for (const char* wrong : {"4097", "-1", "some", ""}) {
    CAPTURE(wrong);
    CHECK(std::get<int>(parse({"--model", "shrimp-2", "--expect", wrong})) == 2);
  }
}

TEST_CASE("a file to trace to") {
  const auto options = std::get<Options>(
      parse({"--trace", "a file", "--trace-overwrite", "--trace-records", "5000"}));
  CHECK(options.trace == "a file");
  CHECK(options.trace_overwrite);
  CHECK(options.trace_records == 5000);
  const auto without = std::get<Options>(parse({}));
  CHECK(without.trace.empty());
  CHECK(without.trace_records == 0);
  CHECK(std::get<Options>(parse({"--trace", "file", "--model", "shrimp-2"})).trace == "file");
  check_mistake({"--trace", ""}, "nicsim: --trace needs the name of a file");
  check_mistake({"--trace-overwrite"}, "nicsim: --trace-overwrite needs --trace FILE");
  check_mistake({"--trace-records", "5000"}, "nicsim: --trace-records needs --trace FILE");
  check_mistake({"--trace", "file", "--record", "file"},
                "nicsim: --trace and --record name the same file");
  CHECK(std::get<int>(parse({"--trace", "file", "--trace-records", "1023"})) == 2);
  CHECK(std::get<int>(parse({"--trace", "file", "--trace-records", "16777217"})) == 2);
}

TEST_CASE("a file to record to") {
  const auto options = std::get<Options>(parse({"--record", "a file", "--record-overwrite"}));
  CHECK(options.record == "a file");
  CHECK(options.record_overwrite);
  CHECK(std::get<Options>(parse({})).record.empty());
  check_mistake({"--record", ""}, "nicsim: --record needs the name of a file");
  check_mistake({"--record-overwrite"}, "nicsim: --record-overwrite needs --record FILE");
  check_mistake({"--record", "file", "--model", "shrimp-2"},
                "nicsim: --record records real time: it does not go with --model");
}

TEST_CASE("what real-time channels may reserve") {
  const auto usual = std::get<Options>(parse({})).real_time;
  CHECK(usual.packet_ns == 10'000);
  CHECK(usual.share == 750);
  CHECK(usual.memory == 256 << 20);
  CHECK(usual.channels == 64);
  const auto given =
      std::get<Options>(parse({"--real-time-packet-ns", "1000000", "--real-time-share", "950",
                               "--real-time-memory", "5000000000", "--real-time-channels", "4096"}))
          .real_time;
  CHECK(given.packet_ns == 1'000'000);
  CHECK(given.share == 950);
  CHECK(given.memory == 5'000'000'000);
  CHECK(given.channels == 4096);
  const auto none =
      std::get<Options>(parse({"--real-time-packet-ns", "1", "--real-time-share", "0",
                               "--real-time-memory", "0", "--real-time-channels", "0"}));
  CHECK(none.real_time.packet_ns == 1);
  CHECK(none.real_time.share == 0);
  CHECK(none.real_time.memory == 0);
  CHECK(none.real_time.channels == 0);
  const std::vector<std::string> mistakes[] = {
      {"--real-time-packet-ns", "0"}, {"--real-time-packet-ns", "1000001"},
      {"--real-time-packet-ns", ""},  {"--real-time-share", "951"},
      {"--real-time-share", "-1"},    {"--real-time-memory", "-1"},
      {"--real-time-memory", "much"}, {"--real-time-channels", "4097"},
      {"--real-time-channels", "-1"}, {"--real-time-channels"}};
  for (const auto& mistake : mistakes) {
    CAPTURE(mistake[0]);
    const Captured err(std::cerr);
    CHECK(std::get<int>(parse(mistake)) == 2);
    CHECK(err.text().find(mistake[0]) != std::string::npos);
  }
}

TEST_CASE("models are listed and shown") {
  CHECK(answer({"--list-models"}) == model_text("myrinet-vmmc") + model_text("myrinet-vmmc2") +
                                         model_text("shrimp-1") + model_text("shrimp-2") +
                                         model_text("turbochannel") + "none: real time\n");
  const std::string shown = answer({"--show-model", "shrimp-2", "--param", "backplane.hop_ns=7"});
  CHECK(shown.starts_with(model_text("shrimp-2")));
  CHECK(shown.find("\noutgoing_fifo.capacity_bytes = 32768 bytes | recalled | ISCA'98: ") !=
        std::string::npos);
  CHECK(shown.find("\nprocessor.store_ns = 200 ns | fitted: au-word-latency, du-au-crossover | ") !=
        std::string::npos);
  CHECK(shown.find("\nbackplane.hop_ns = 7 ns | given | instead of the chosen value 40\n") !=
        std::string::npos);
  CHECK(std::ranges::count(shown, '\n') == 1 + static_cast<long>(model::parameter_table().size()));
}

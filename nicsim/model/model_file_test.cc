// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/model/model_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace vmmc::nicsim::model;

namespace {

std::string text_of(std::string_view name) {
  for (const BuiltInModel& model : built_in_models()) {
    if (model.name == name) return std::string(model.text);
  }
  FAIL("no such model");
  return {};
}

// shrimp-2 with the first `from` replaced.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = text_of("shrimp-2");
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string error_of(const std::string& text) {
  const ModelResult result = parse_model("file", text);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().find('\n') == std::string::npos);
  return result.error();
}

bool contains(const std::string& text, std::string_view part) {
  CAPTURE(text);
  CAPTURE(part);
  const bool found = text.find(part) != std::string::npos;
  CHECK(found);
  return found;
}

// The number of the line that holds `part`.
std::string line_of(const std::string& text, std::string_view part) {
  const std::size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  return std::to_string(std::count(text.begin(), text.begin() + static_cast<long>(at), '\n') + 1);
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* parent = std::getenv("TEST_TMPDIR");
    std::string name = std::string(parent == nullptr ? "/tmp" : parent) + "/modelXXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("every built-in model is complete, and called as its file") {
  std::vector<std::string_view> names;
  for (const BuiltInModel& model : built_in_models()) {
    names.push_back(model.name);
    const ModelResult result = load_model(std::string(model.name));
    REQUIRE_MESSAGE(result.ok(), result.error());
    CHECK(result.value().name == model.name);
    CHECK_FALSE(result.value().title.empty());
    CHECK(inconsistency(result.value().values).empty());
  }
  CHECK(names == std::vector<std::string_view>{"myrinet-vmmc", "myrinet-vmmc2", "shrimp-1",
                                               "shrimp-2", "turbochannel"});
}

TEST_CASE("each value is found with where it comes from") {
  const ModelResult result = load_model("shrimp-2");
  REQUIRE(result.ok());
  const Model& model = result.value();
  CHECK(model.values.outgoing_fifo.capacity_bytes == 32768);
  CHECK(model.values.processor.copy_mb_per_s == 36.5);
  const std::vector<Description> all = describe(model);
  REQUIRE(all.size() == parameter_table().size());
  CHECK(all.front().parameter->key == "processor.store_ns");
  CHECK(all.front().value == model.values.processor.store_ns);
  CHECK(all.front().origin->kind == Kind::kFitted);
  CHECK(all.front().origin->figures ==
        std::vector<std::string>{"au-word-latency", "du-au-crossover"});
  for (const Description& one : all) {
    CAPTURE(one.parameter->key);
    CHECK_FALSE(one.origin->source.empty());
    CHECK((one.origin->kind == Kind::kFitted) != one.origin->figures.empty());
  }
  CHECK(fitted_figures(model) == std::vector<std::string>{"au-word-latency", "du-au-crossover",
                                                          "du-bandwidth", "du-word-latency",
                                                          "hardware-minimum"});
}

TEST_CASE("nothing is fitted in the model of which no measurement is known") {
  const ModelResult result = load_model("shrimp-1");
  REQUIRE(result.ok());
  CHECK(fitted_figures(result.value()).empty());
}

TEST_CASE("spaces, comments, empty lines and other line ends mean nothing") {
  std::string text = text_of("shrimp-2");
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 13) {
    text.replace(at, 1, " \t\r\n # note\n\n");
  }
  const ModelResult result = parse_model("file", text);
  REQUIRE_MESSAGE(result.ok(), result.error());
  const ModelResult plain = load_model("shrimp-2");
  REQUIRE(plain.ok());
  for (const ParameterInfo& parameter : parameter_table()) {
    CHECK(parameter.of(result.value().values) == parameter.of(plain.value().values));
  }
}

TEST_CASE("each mistake has an error of its own, with file and line") {
  const std::string line = "arbiter.grant_ns = 100 | fitted: hardware-minimum, au-word-latency | ";
  const std::string number = line_of(text_of("shrimp-2"), line);
  const std::string at = "file:" + number + ": ";
  const auto with = [&](const std::string& replacement) {
    return error_of(changed(line, replacement));
  };
  CHECK(contains(with("arbiter.grent_ns = 100 | chosen | "),
                 at + "unknown parameter 'arbiter.grent_ns'"));
  CHECK(contains(with("arbiter.grant_ns = 1OO | chosen | "),
                 at + "arbiter.grant_ns: '1OO' is not a number"));
  CHECK(contains(with("arbiter.grant_ns = | chosen | "),
                 at + "arbiter.grant_ns: '' is not a number"));
  CHECK(contains(with("arbiter.grant_ns = -1 | chosen | "),
                 at + "arbiter.grant_ns: '-1' is not between 0 and 1000000000 ns"));
  CHECK(contains(with("arbiter.grant_ns = nan | chosen | "), "'nan' is not between"));
  CHECK(contains(with("arbiter.grant_ns = inf | chosen | "), "'inf' is not between"));
  CHECK(contains(with("arbiter.grant_ns = 1e999 | chosen | "), "'1e999' is not a number"));
  CHECK(contains(with("arbiter.grant_ns = 1 | guessed | "),
                 at + "arbiter.grant_ns: unknown kind 'guessed'"));
  CHECK(contains(with("arbiter.grant_ns = 1 | fitted | "), at + "arbiter.grant_ns: fitted, but"));
  CHECK(contains(with("arbiter.grant_ns = 1 | fitted: a, , b | "), "fitted, but not to what"));
  CHECK(contains(with("arbiter.grant_ns = 1 | recalled: a | "), "only a fitted value"));
  CHECK(contains(with("arbiter.grant_ns = 1 | chosen |\n#"), at + "arbiter.grant_ns: no source"));
  CHECK(contains(with("arbiter.grant_ns = 1\n#"), "unknown kind ''"));
  CHECK(contains(with("nonsense\n#"), at + "'nonsense' is not KEY = VALUE | KIND | SOURCE"));
  CHECK(contains(with("#"), "parameter arbiter.grant_ns is missing"));
  CHECK(contains(with("arbiter.grant_ns = 1 | chosen | x\n" + line),
                 "file:" + std::to_string(std::stoi(number) + 1) +
                     ": parameter arbiter.grant_ns stands there twice"));
}

TEST_CASE("mistakes at the beginning and at the end") {
  CHECK(contains(error_of(changed("version 1", "version 2")), "version '2' is not version 1"));
  CHECK(contains(error_of(changed("version 1", "#")), "a 'version' line is expected here"));
  CHECK(contains(error_of(changed("model shrimp-2", "#")), "a 'model' line is expected here"));
  CHECK(contains(error_of(changed("model shrimp-2", "model")), "'model' without a value"));
  CHECK(contains(error_of(changed("model shrimp-2", "model none")), "no model may be called"));
  CHECK(contains(error_of(changed("\nend\n", "\n")), "the file is cut off"));
  CHECK(contains(error_of(changed("\nend\n", "\nend\nmore\n")), "'more' after the end"));
  CHECK(contains(error_of(""), "the file is cut off"));
  const std::string text = text_of("shrimp-2");
  const std::size_t last = text.rfind("end\n");
  for (std::size_t length = 0; length < last + 3; length += 97) {
    CHECK_FALSE(parse_model("file", text.substr(0, length)).ok());
  }
  CHECK(contains(error_of(changed("arbiter.grant_ns", "\x01\x80\x1b[2J")), "'???[2J'"));
  CHECK(contains(error_of(changed("arbiter.grant_ns", std::string(500, 'x'))), "xxx...'"));
}

TEST_CASE("values that cannot go together are refused") {
  const auto error = [](std::vector<std::string> overrides) {
    const ModelResult result = load_model("shrimp-2", overrides);
    REQUIRE_FALSE(result.ok());
    return result.error();
  };
  CHECK(error({"outgoing_fifo.capacity_bytes=1024"}) ==
        "shrimp-2: outgoing_fifo.threshold_bytes (24576) is above outgoing_fifo.capacity_bytes "
        "(1024)");
  CHECK(contains(error({"outgoing_fifo.resume_bytes=30000"}),
                 "outgoing_fifo.resume_bytes (30000) is above outgoing_fifo.threshold_bytes"));
  // The outgoing FIFO keeps no headers, and has room for a store if it has any.
  const std::vector<std::string> tiny_fifo = {"outgoing_fifo.capacity_bytes=8",
                                              "outgoing_fifo.threshold_bytes=8",
                                              "outgoing_fifo.resume_bytes=0"};
  CHECK(load_model("shrimp-2", tiny_fifo).ok());
  CHECK(contains(error({"outgoing_fifo.capacity_bytes=7"}), "is not between 8 and"));
  // A request and an answer have 8 bytes, however little another packet carries.
  CHECK(error({"packetizer.max_payload_bytes=4", "format_and_send.header_bytes=0",
               "incoming_dma_engine.fifo_bytes=4"}) ==
        "shrimp-2: a request of 8 bytes with format_and_send.header_bytes (8) is above "
        "incoming_dma_engine.fifo_bytes (4)");
  const std::vector<std::string> tiny_packets = {"packetizer.max_payload_bytes=4",
                                                 "format_and_send.header_bytes=0",
                                                 "incoming_dma_engine.fifo_bytes=8"};
  CHECK(load_model("shrimp-2", tiny_packets).ok());
  CHECK(contains(error({"incoming_dma_engine.fifo_bytes=527"}),
                 "(528) is above incoming_dma_engine.fifo_bytes (527)"));
  CHECK(contains(error({"packetizer.max_payload_bytes=510"}), "not a whole number of words"));
  CHECK(contains(error({"deliberate_update_engine.max_transfer_bytes=4095"}),
                 "not a whole number of words"));
  CHECK(contains(error_of(changed("resume_bytes = 8192", "resume_bytes = 30000")),
                 "file: outgoing_fifo.resume_bytes"));
  CHECK(
      load_model("shrimp-2", std::vector<std::string>{"incoming_dma_engine.fifo_bytes=528"}).ok());
}

TEST_CASE("overrides replace values and say so") {
  const std::vector<std::string> overrides{
      " outgoing_fifo.capacity_bytes = 1024", "outgoing_fifo.threshold_bytes=768",
      "outgoing_fifo.resume_bytes=256", "processor.store_ns=1.5e2"};
  const ModelResult result = load_model("shrimp-2", overrides);
  REQUIRE_MESSAGE(result.ok(), result.error());
  CHECK(result.value().values.outgoing_fifo.capacity_bytes == 1024);
  CHECK(result.value().values.processor.store_ns == 150);
  const Origin origin = *describe(result.value()).front().origin;
  CHECK(origin.kind == Kind::kGiven);
  CHECK(origin.source == "instead of the fitted value 200");
  CHECK(origin.figures.empty());
}

TEST_CASE("a choice is given by its name") {
  const std::string key = "deliberate_update_engine.initiation";
  const ModelResult result = load_model("shrimp-2", std::vector<std::string>{key + " = kernel"});
  REQUIRE_MESSAGE(result.ok(), result.error());
  CHECK(result.value().values.deliberate_update_engine.initiation == 0);
  for (const Description& one : describe(result.value())) {
    if (one.parameter->key != key) continue;
    CHECK(value_text(*one.parameter, one.value) == "kernel");
    CHECK(one.origin->source == "instead of the published value two-references");
  }
  for (const std::string wrong : {"0", "Kernel", "two_references", ""}) {
    const ModelResult refused = load_model("shrimp-2", std::vector<std::string>{key + "=" + wrong});
    REQUIRE_FALSE(refused.ok());
    CHECK(
        refused.error().starts_with(key + ": '" + wrong + "' is none of kernel, two-references, "));
    CHECK(refused.error().ends_with(", repeated-5"));
  }
  CHECK(contains(error_of(changed("initiation = two-references", "initiation = one-reference")),
                 "'one-reference' is none of kernel, "));
}

TEST_CASE("wrong overrides") {
  const auto error = [](std::vector<std::string> overrides) {
    const ModelResult result = load_model("shrimp-2", overrides);
    REQUIRE_FALSE(result.ok());
    return result.error();
  };
  CHECK(error({"nonsense=1"}) == "unknown parameter 'nonsense'");
  CHECK(error({"processor.store_ns"}) == "'processor.store_ns' is not KEY=VALUE");
  CHECK(error({""}) == "'' is not KEY=VALUE");
  CHECK(error({"processor.store_ns="}) == "processor.store_ns: '' is not a number");
  CHECK(error({"processor.store_ns=1 2"}) == "processor.store_ns: '1 2' is not a number");
  CHECK(contains(error({"processor.store_ns=2e9"}), "is not between 0 and 1000000000 ns"));
  CHECK(error({"processor.store_ns=1", "processor.store_ns=1"}) ==
        "parameter processor.store_ns is given twice");
}

TEST_CASE("names") {
  CHECK(load_model("shrimp-3").error() ==
        "unknown model 'shrimp-3': there are myrinet-vmmc, myrinet-vmmc2, shrimp-1, shrimp-2, "
        "turbochannel, none, and files (with a '/' or ending in .model)");
  CHECK(load_model("none").error() == "'none' is real time, so it is no timing model");
  CHECK_FALSE(load_model("").ok());
}

TEST_CASE("a model is read from disk") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("mine.model", changed("model shrimp-2", "model mine"));
  const ModelResult result = load_model(path);
  REQUIRE_MESSAGE(result.ok(), result.error());
  CHECK(result.value().name == "mine");
  const std::string wrong = directory.write("wrong", changed("version 1", "version one"));
  CHECK(contains(load_model(wrong).error(), wrong + ":"));
  CHECK(contains(load_model(directory.write("large", std::string(2 << 20, '\n'))).error(),
                 "longer than a megabyte"));
  CHECK(contains(load_model(directory.write("empty", "")).error(), "cut off"));
}

TEST_CASE("a file that cannot be read") {
  const TemporaryDirectory directory;
  CHECK(contains(load_model("missing.model").error(),
                 "cannot read missing.model: No such file or directory"));
  CHECK(contains(load_model(directory.path() + "/").error(), "Is a directory"));
}

TEST_CASE("whatever is done to a file, the answer is a model or an error of one line") {
  const auto seed = std::random_device{}();
  MESSAGE("seed " << seed);
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  const std::string original = text_of("shrimp-2");
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = original;
    for (std::size_t count = 1 + below(3); count > 0; --count) {
      const std::size_t at = below(text.size());
      const std::size_t length = std::min(text.size() - at, 1 + below(40));
      switch (below(5)) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(at, text.substr(below(text.size()), length));
          break;
        case 3:
          text[at] = "0123456789.-e|=\n,: "[below(19)];
          break;
        default:
          text.resize(std::max<std::size_t>(at, 1));
      }
    }
    const ModelResult result = parse_model("file", text);
    if (result.ok()) {
      for (const Description& one : describe(result.value())) {
        CHECK(value_problem(*one.parameter, one.value).empty());
      }
      CHECK(inconsistency(result.value().values).empty());
    } else {
      ++refused;
      CHECK_FALSE(result.error().empty());
      CHECK(std::ranges::all_of(result.error(), [](char c) { return c >= ' ' && c <= '~'; }));
    }
  }
  CHECK(refused > 300);
}

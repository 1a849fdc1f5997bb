// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/recording/reader.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "nicsim/recording/record_checker.h"

namespace vmmc::nicsim::recording {
namespace {

constexpr std::uint32_t kMaxNodes = 4096;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string problem_of_header(const FileHeader& header) {
  if (header.version != kFormatVersion) {
    return "a recording of version " + number(header.version) + "; this program reads version " +
           number(kFormatVersion);
  }
  const std::uint64_t nodes = std::uint64_t{header.rows} * header.columns;
  if (header.record_bytes != sizeof(Record) || header.reserved != 0 || nodes != header.nodes ||
      nodes == 0 || nodes > kMaxNodes) {
    return "its header is corrupt";
  }
  return {};
}

std::string cut_text(const Recording& recording, const std::string& name) {
  const std::uint64_t time = recording.records.empty() ? 0 : recording.records.back().time;
  return name + " is cut off after " + number(recording.records.size()) + " records, at " +
         number(time) + " ns";
}

}  // namespace

std::variant<Recording, std::string> parse_recording(std::span<const std::byte> bytes,
                                                     const std::string& name) {
  Recording recording;
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return name + ": not a recording";
  }
  if (bytes.size() < sizeof(FileHeader)) return name + ": cut off in its header";
  std::memcpy(&recording.header, bytes.data(), sizeof(FileHeader));
  if (const std::string problem = problem_of_header(recording.header); !problem.empty()) {
    return name + ": " + problem;
  }
  bytes = bytes.subspan(sizeof(FileHeader));
  RecordChecker checker(recording.header.nodes);
  recording.records.reserve(bytes.size() / sizeof(Record));
  bool ended = false;
  for (; bytes.size() >= sizeof(Record) && !ended; bytes = bytes.subspan(sizeof(Record))) {
    Record record;
    std::memcpy(static_cast<void*>(&record), bytes.data(), sizeof record);
    const std::uint64_t place = recording.records.size();
    const char* problem = checker.problem_of(record);
    ended = problem == nullptr && record.kind == RecordKind::kEnd;
    if (ended && record.value != place) problem = "the end counts other records than there are";
    if (problem != nullptr) {
      return name + ": record " + number(place) + " is corrupt: " + problem;
    }
    if (!ended) recording.records.push_back(record);
  }
  recording.processes = checker.processes();
  if (!ended) {
    recording.cut_off = cut_text(recording, name);
  } else if (!bytes.empty()) {
    return name + ": corrupt: something stands behind its end";
  }
  return recording;
}

std::variant<Recording, std::string> read_recording(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes;
  if (file) bytes.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || file.bad()) return path + ": cannot be read: " + std::strerror(errno);
  return parse_recording(std::as_bytes(std::span(bytes)), path);
}

}  // namespace vmmc::nicsim::recording

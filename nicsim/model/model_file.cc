// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/model/model_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

namespace vmmc::nicsim::model {
namespace {

constexpr std::size_t kMostFileBytes = 1 << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// The text before the first `separator`, which `rest` then begins behind; all of it if there is none.
std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return trimmed(piece);
}

// For a message of one line, whatever was in the file.
std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string shown(text.substr(0, kMost));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return "'" + shown + (text.size() > kMost ? "...'" : "'");
}

std::string joined(std::string_view a, std::string_view b, std::string_view c = {}) {
  return std::string(a).append(b).append(c);
}

std::string not_a_value(const ParameterInfo& parameter) {
  if (parameter.unit != Unit::kChoice) return " is not a number";
  std::string text = " is none of ";
  const char* separator = "";
  for (const std::string_view name : parameter.names) {
    text.append(separator).append(name);
    separator = ", ";
  }
  return text;
}

// The problem, or empty: then `model` has the value.
std::string set_value(TimingModel& model, const ParameterInfo& parameter, std::string_view text) {
  const std::optional<double> value = parse_value(parameter, text);
  if (!value) return joined(parameter.key, ": ", quoted(text) + not_a_value(parameter));
  const std::string problem = value_problem(parameter, *value);
  if (!problem.empty()) return joined(parameter.key, ": ", quoted(text) + " " + problem);
  parameter.of(model) = *value;
  return {};
}

std::size_t index_of(const ParameterInfo& parameter) {
  return static_cast<std::size_t>(&parameter - parameter_table().data());
}

class Parser {
 public:
  Parser(std::string_view file, std::string_view text) : file_(file), rest_(text) {
    model_.origins.resize(parameter_table().size());
    seen_.resize(parameter_table().size());
  }

  ModelResult parse() {
    std::string problem = parse_head();
    bool ended = false;
    std::string_view line;
    while (problem.empty() && next_line(line)) {
      if (ended) {
        problem = quoted(line) + " after the end";
      } else if (line == "end") {
        ended = true;
        problem = missing_parameter();
      } else {
        problem = parse_parameter(line);
      }
    }
    if (problem.empty() && !ended) problem = "the file is cut off: its last line is not 'end'";
    if (!problem.empty()) return located(problem);
    problem = inconsistency(model_.values);
    if (!problem.empty()) return joined(file_, ": ", problem);
    return std::move(model_);
  }

 private:
  std::string located(const std::string& problem) const {
    return joined(file_, ":", std::to_string(line_number_) + ": " + problem);
  }

  // The next line that means something.
  bool next_line(std::string_view& line) {
    while (!rest_.empty()) {
      ++line_number_;
      line = cut(rest_, '\n');
      if (!line.empty() && line.front() != '#') return true;
    }
    return false;
  }

  // The rest of the next line, which has to begin with `word`.
  std::string head_line(std::string_view word, std::string_view& value) {
    std::string_view line;
    if (!next_line(line)) return joined("the file is cut off: no '", word, "' line");
    if (cut(line, ' ') != word) return joined("a '", word, "' line is expected here");
    value = trimmed(line);
    return value.empty() ? joined("'", word, "' without a value") : std::string();
  }

  std::string parse_head() {
    std::string_view name;
    std::string_view version;
    std::string_view title;
    std::string problem = head_line("model", name);
    if (problem.empty()) problem = head_line("version", version);
    if (problem.empty() && version != std::to_string(kModelFileVersion)) {
      problem = joined("version ", quoted(version),
                       " is not version " + std::to_string(kModelFileVersion));
    }
    if (problem.empty()) problem = head_line("title", title);
    if (problem.empty() && name == kNoModel) problem = "no model may be called 'none'";
    model_.name = name;
    model_.title = title;
    return problem;
  }

  std::string parse_parameter(std::string_view line) {
    std::string_view value = cut(line, '|');
    const std::string_view kind = cut(line, '|');
    const std::string_view source = trimmed(line);
    const bool assigned = value.find('=') != std::string_view::npos;
    const std::string_view key = cut(value, '=');
    if (!assigned) return quoted(key) + " is not KEY = VALUE | KIND | SOURCE";
    const ParameterInfo* parameter = find_parameter(key);
    if (parameter == nullptr) return "unknown parameter " + quoted(key);
    const std::size_t index = index_of(*parameter);
    if (seen_[index]) return joined("parameter ", key, " stands there twice");
    seen_[index] = true;
    std::string problem = set_value(model_.values, *parameter, trimmed(value));
    if (problem.empty()) problem = parse_kind(kind, model_.origins[index]);
    if (problem.empty() && source.empty()) problem = "no source";
    if (problem.empty()) {
      model_.origins[index].source = source;
      return {};
    }
    return problem.starts_with(key) ? problem : joined(key, ": ", problem);
  }

  static std::string parse_kind(std::string_view text, Origin& origin) {
    const std::string_view word = cut(text, ':');
    for (const Kind kind : {Kind::kPublished, Kind::kRecalled, Kind::kFitted, Kind::kChosen}) {
      if (word != kind_name(kind)) continue;
      origin.kind = kind;
      if (kind == Kind::kFitted) return parse_figures(text, origin.figures);
      return text.empty() ? std::string()
                          : joined("only a fitted value has figures, not a ", word, " one");
    }
    return "unknown kind " + quoted(word) + ": published, recalled, fitted or chosen";
  }

  static std::string parse_figures(std::string_view text, std::vector<std::string>& figures) {
    do {
      const std::string_view figure = cut(text, ',');
      if (figure.empty()) return "fitted, but not to what: fitted: FIGURE, FIGURE";
      figures.emplace_back(figure);
    } while (!text.empty());
    return {};
  }

  std::string missing_parameter() const {
    const auto missing = std::ranges::find(seen_, false);
    if (missing == seen_.end()) return {};
    const auto index = static_cast<std::size_t>(missing - seen_.begin());
    return joined("parameter ", parameter_table()[index].key, " is missing");
  }

  std::string_view file_;
  std::string_view rest_;
  std::size_t line_number_ = 0;
  Model model_;
  std::vector<bool> seen_;
};

ModelResult read_model(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMostFileBytes + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (!file && !file.eof())) {
    return "cannot read " + path + ": " + std::strerror(errno == 0 ? EIO : errno);
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostFileBytes) return path + ": longer than a megabyte, so it is no model";
  return parse_model(path, text);
}

ModelResult find_model(const std::string& name_or_path) {
  if (name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".model")) {
    return read_model(name_or_path);
  }
  if (name_or_path == kNoModel) return std::string("'none' is real time, so it is no timing model");
  std::string known;
  for (const BuiltInModel& model : built_in_models()) {
    if (model.name == name_or_path) return parse_model(model.name, model.text);
    known.append(model.name).append(", ");
  }
  return "unknown model " + quoted(name_or_path) + ": there are " + known +
         "none, and files (with a '/' or ending in .model)";
}

// The problem, or empty.
std::string apply_override(Model& model, std::string_view override) {
  std::string_view value = override;
  const std::string_view key = cut(value, '=');
  if (override.find('=') == std::string_view::npos) return quoted(override) + " is not KEY=VALUE";
  const ParameterInfo* parameter = find_parameter(key);
  if (parameter == nullptr) return "unknown parameter " + quoted(key);
  Origin& origin = model.origins[index_of(*parameter)];
  if (origin.kind == Kind::kGiven) return joined("parameter ", key, " is given twice");
  const double before = parameter->of(model.values);
  std::string problem = set_value(model.values, *parameter, trimmed(value));
  origin = {
      Kind::kGiven,
      joined("instead of the ", kind_name(origin.kind), " value ") + value_text(*parameter, before),
      {}};
  return problem;
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kPublished:
      return "published";
    case Kind::kRecalled:
      return "recalled";
    case Kind::kFitted:
      return "fitted";
    case Kind::kChosen:
      return "chosen";
    case Kind::kGiven:
      return "given";
  }
  return "";
}

ModelResult parse_model(std::string_view file, std::string_view text) {
  return Parser(file, text).parse();
}

ModelResult load_model(const std::string& name_or_path, std::span<const std::string> overrides) {
  ModelResult result = find_model(name_or_path);
  if (!result.ok() || overrides.empty()) return result;
  for (const std::string& override : overrides) {
    std::string problem = apply_override(result.value(), override);
    if (!problem.empty()) return problem;
  }
  std::string problem = inconsistency(result.value().values);
  if (!problem.empty()) return result.value().name + ": " + problem;
  return result;
}

std::vector<Description> describe(const Model& model) {
  std::vector<Description> descriptions;
  for (const ParameterInfo& parameter : parameter_table()) {
    descriptions.push_back(
        {&parameter, parameter.of(model.values), &model.origins[index_of(parameter)]});
  }
  return descriptions;
}

std::vector<std::string> fitted_figures(const Model& model) {
  std::set<std::string> figures;
  for (const Origin& origin : model.origins) {
    figures.insert(origin.figures.begin(), origin.figures.end());
  }
  return {figures.begin(), figures.end()};
}

}  // namespace vmmc::nicsim::model

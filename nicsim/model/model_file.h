// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Timing models: read from their files, each value with where it comes from.
//
// A model is a text of lines:
//
//   model NAME
//   version 1
//   title WHAT IT IS
//   KEY = VALUE | KIND | SOURCE
//   end
//
// with one KEY line for each parameter (parameter_table.h), in any order. VALUE is a number, or a
// name if the parameter is a choice. KIND is one of
//
//   published      SOURCE, a document that was read, says so
//   recalled       from memory of the document named; nobody has looked it up
//   fitted: F, G   set so that the simulated figures F and G come out as published
//   chosen         neither: our own choice, SOURCE says why
//
// Empty lines and lines that begin with '#' mean nothing.
//
// Threads: any. Errors are values: one line of text each, with file and line number where there is one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nicsim/model/parameter_table.h"
#include "nicsim/model/parameters.h"

namespace vmmc::nicsim::model {

inline constexpr int kModelFileVersion = 1;

// Real time: no model is in use. No model has this name.
inline constexpr std::string_view kNoModel = "none";

enum class Kind {
  kPublished,
  kRecalled,
  kFitted,
  kChosen,
  kGiven,  // by whoever loaded the model, in place of the file's value
};

// "published", "recalled", ...
std::string_view kind_name(Kind kind);

struct Origin {
  Kind kind = Kind::kChosen;
  std::string source;                // never empty
  std::vector<std::string> figures;  // that a fitted value was fitted to, else none
};

struct Model {
  std::string name;
  std::string title;
  TimingModel values{};
  std::vector<Origin> origins;  // in the order of parameter_table()
};

// A model or why there is none. `value()` and `error()` may be called only in the right state.
class ModelResult {
 public:
  ModelResult(Model model)  // NOLINT(google-explicit-constructor): reads as a return value
      : model_(std::move(model)) {}
  ModelResult(std::string error)  // NOLINT(google-explicit-constructor): the same
      : error_(std::move(error)) {}
  bool ok() const { return model_.has_value(); }
  Model& value() { return *model_; }
  const Model& value() const { return *model_; }
  const std::string& error() const { return error_; }

 private:
  std::optional<Model> model_;
  std::string error_;
};

// The model in `text`, complete and consistent; `file` is for messages.
ModelResult parse_model(std::string_view file, std::string_view text);

// Built in, or read from disk if `name_or_path` has a '/' or ends in ".model"; then with `overrides`,
// each KEY=VALUE, in place of the file's values.
ModelResult load_model(const std::string& name_or_path,
                       std::span<const std::string> overrides = {});

// Why these values cannot go together; empty if they can.
std::string inconsistency(const TimingModel& values);

struct BuiltInModel {
  std::string_view name;
  std::string_view text;
};

// Sorted by name.
std::span<const BuiltInModel> built_in_models();

// One parameter of a model.
struct Description {
  const ParameterInfo* parameter;
  double value;
  const Origin* origin;  // of `model`, which must outlive it
};

// In the order of parameter_table().
std::vector<Description> describe(const Model& model);

// The figures that some parameter was fitted to, sorted, each once. Only others are predictions.
std::vector<std::string> fitted_figures(const Model& model);

}  // namespace vmmc::nicsim::model

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The part of nicsim's command line that is about timing models.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nicsim/options.h"

namespace vmmc::nicsim {

class ModelOptions {
 public:
  // `app` keeps pointers into this object until it has parsed.
  explicit ModelOptions(CLI::App& app);
  ModelOptions(const ModelOptions&) = delete;
  ModelOptions& operator=(const ModelOptions&) = delete;

  // After parsing. A status: nicsim shall end with it, what was asked for or the mistake is printed.
  std::optional<int> apply(Options& options) const;

 private:
  std::string name_ = "none";
  std::string shown_;
  std::vector<std::string> parameters_;
  std::uint32_t expected_ = 0;
  bool list_ = false;
  CLI::Option* expect_ = nullptr;
  CLI::Option* show_ = nullptr;
};

}  // namespace vmmc::nicsim

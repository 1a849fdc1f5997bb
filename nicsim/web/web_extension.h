// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's HTTP port: metrics, and the lab.
//
// Threads: nicsim's one thread.
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "nicsim/extension.h"
#include "nicsim/web/listener.h"
#include "nicsim/web/web_options.h"

namespace vmmc::nicsim::web {

class WebExtension final : public Extension {
 public:
  WebExtension();
  ~WebExtension() override;

  void add_options(CLI::App& app) override { add_web_options(app, options_); }
  std::string prepare(const Options& options) override;
  void start(const Surroundings& surroundings) override;
  void stop() override;

  // After nicsim has ended: becomes nicsim with another machine, if the lab has asked for it. Returns
  // only if nobody has, or if it is not possible: then with the exit status.
  int restart_if_wanted(int status);

 private:
  struct Serving;

  WebOptions options_;
  std::optional<Listener> listener_;
  platform::FileDescriptor kept_listener_;  // over a restart
  std::string token_;
  std::vector<std::string> restart_;  // arguments; empty: it is not wanted
  std::unique_ptr<Serving> serving_;
};

}  // namespace vmmc::nicsim::web

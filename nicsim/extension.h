// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a program that contains nicsim adds to it: options, and work in nicsim's one thread. nicsim itself
// has no extension.
//
// Threads: every call comes from nicsim's one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <string>

#include "nicsim/inspect/snapshot.h"
#include "nicsim/loop.h"
#include "nicsim/machine.h"
#include "nicsim/options.h"

namespace vmmc::nicsim {

class Extension {
 public:
  virtual ~Extension() = default;

  virtual void add_options(CLI::App& app) = 0;

  // After the options have been read, before anything of nicsim exists and before it goes to the
  // background: opens what may turn out to be taken. What is wrong, in a sentence; empty: nothing. Then
  // nicsim ends, and nothing of it is left.
  virtual std::string prepare(const Options& options) = 0;

  struct Surroundings {
    boost::asio::io_context& context;
    Machine& machine;
    Loop& loop;
    const Options& options;
    const Observed& observed;
  };
  // The machine and its loop exist; run() has not begun. What is referred to lives until after stop().
  virtual void start(const Surroundings& surroundings) = 0;
  // The loop has ended; nothing in the context is carried out any more.
  virtual void stop() = 0;
};

}  // namespace vmmc::nicsim

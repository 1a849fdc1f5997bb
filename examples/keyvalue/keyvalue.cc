// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A key-value store whose server runs no code. See README.md.
#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include "examples/keyvalue/layout.h"
#include "examples/keyvalue/server.h"
#include "examples/keyvalue/shell.h"
#include "examples/keyvalue/store.h"
#include "examples/keyvalue/verifier.h"
#include "examples/keyvalue/workload.h"
#include "vmmc/vmmc.hpp"

namespace examples::keyvalue {
namespace {

struct Options {
  Mix mix;
  std::uint32_t slots = 32768;
  std::uint32_t record_bytes = 256;
  bool commands = false;

  // With --commands rank 0 is the client: vmmcrun gives its standard input to rank 0.
  std::uint32_t server_rank() const { return commands ? 1 : 0; }
};

// What is wrong with the options taken together; empty if nothing is.
std::string contradiction(const Options& options) {
  const Mix& mix = options.mix;
  if (options.commands) return {};
  if (mix.keys > options.slots) {
    return std::to_string(mix.keys) + " keys do not fit into " + std::to_string(options.slots) +
           " slots";
  }
  if (mix.gets + mix.deletes > 100) return "--gets and --deletes are more than 100 percent";
  const std::string longest_key = "key" + std::to_string(mix.keys - 1);
  const Layout layout(options.slots, 1, options.record_bytes);
  if (!layout.fits(longest_key.size(), mix.value_bytes)) {
    return "values of " + std::to_string(mix.value_bytes) +
           " bytes, with their keys, do not fit into records of " +
           std::to_string(options.record_bytes);
  }
  return {};
}

bool run_client(const Options& options, const Layout& layout) {
  const std::uint32_t server = options.server_rank();
  const std::uint32_t client = vmmc::rank() - (vmmc::rank() > server ? 1 : 0);
  Store store(layout, vmmc::identity_of_rank(server).value(), client);
  store.table().fetch_add<std::uint32_t>(offsetof(Session, arrived), 1).value();
  bool good = true;
  if (options.commands) {
    good = obey_all(std::cin, store, std::cout, std::cerr);
  } else {
    store.table().send(run_workload(options.mix, store, client), layout.report_at(client)).value();
  }
  store.table().fetch_add<std::uint32_t>(offsetof(Session, done), 1).value();
  return good;
}

bool run(const Options& options) {
  auto attached = vmmc::attachment::attach().value();
  const std::uint32_t size = vmmc::size();
  if (size < 2 || (options.commands && size != 2)) {
    throw std::runtime_error(options.commands
                                 ? "--commands needs 2 processes: a client and the server"
                                 : "needs 2 processes at least: the server and a client");
  }
  const Layout layout(options.slots, size - 1, options.record_bytes);
  bool good = true;
  if (vmmc::rank() == options.server_rank()) {
    serve(layout, !options.commands);
  } else {
    good = run_client(options, layout);
  }
  attached.finalize().value();
  return good;
}

int run_or_complain(const Options& options) try {
  return run(options) ? 0 : 1;
} catch (const boost::system::system_error& error) {
  const bool ours = error.code().category() == vmmc::category();
  std::fprintf(stderr, "keyvalue: %s\n", ours ? vmmc::last_error() : error.what());
  return 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "keyvalue: %s\n", error.what());
  return 1;
}

}  // namespace
}  // namespace examples::keyvalue

int main(int argc, char** argv) {
  using namespace examples::keyvalue;
  Options options;
  CLI::App app{"A key-value store on remote fetches. Start it with vmmcrun -n PROCESSES."};
  const auto add = [&app](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str();
  };
  add("--slots", options.slots, "keys that fit into the table")->check(CLI::Range(1, 1 << 22));
  add("--record-bytes", options.record_bytes, "of a key with its value, and 16 more")
      ->check(CLI::Range(64, 1 << 16));
  add("--keys", options.mix.keys, "keys that are used")->check(CLI::Range(1, 1 << 22));
  add("--operations", options.mix.operations, "of each client")->check(CLI::Range(0, 1 << 30));
  add("--gets", options.mix.gets, "percent of the operations")->check(CLI::Range(0, 100));
  add("--deletes", options.mix.deletes, "percent; the rest are puts")->check(CLI::Range(0, 100));
  add("--value-bytes", options.mix.value_bytes, "of the longest values")
      ->check(CLI::Range(static_cast<int>(kLongestStamp), 1 << 16));
  add("--seed", options.mix.seed, "of the random choices");
  add("--history", options.mix.history, "write every operation to HISTORY.CLIENT");
  app.add_flag("--commands", options.commands,
               "read get KEY, put KEY VALUE and del KEY from standard input, with 2 processes");
  CLI11_PARSE(app, argc, argv);
  if (const std::string wrong = contradiction(options); !wrong.empty()) {
    std::fprintf(stderr, "keyvalue: %s\n", wrong.c_str());
    return 2;
  }
  return run_or_complain(options);
}

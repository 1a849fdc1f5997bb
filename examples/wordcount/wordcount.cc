// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Counts the words of a file with any number of processes. See README.md.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "examples/support/must.h"
#include "examples/wordcount/exchange.h"
#include "examples/wordcount/file_text.h"
#include "examples/wordcount/word_table.h"
#include "vmmc/vmmc.h"

namespace examples::wordcount {
namespace {

constexpr std::size_t kTopWords = 10;

struct Options {
  std::string file;
  bool serial = false;
  bool check = false;
};

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void print_result(const WordTable& table, std::uint32_t processes, double milliseconds) {
  std::printf("words: %llu\n", static_cast<unsigned long long>(total_words(table)));
  std::printf("distinct words: %zu\n", table.size());
  for (const auto& [word, count] : most_frequent(table, kTopWords)) {
    std::printf("  %8llu  %s\n", static_cast<unsigned long long>(count), word.c_str());
  }
  std::printf("time: %.1f ms, %u %s\n", milliseconds, processes,
              processes == 1 ? "process" : "processes");
}

WordTable merge(const std::vector<std::string>& packed_tables) {
  WordTable merged;
  for (const std::string& packed : packed_tables) {
    if (!add_packed(packed, merged)) {
      std::fprintf(stderr, "rank %u: received bytes that are no table\n", vmmc_rank());
      std::exit(1);
    }
  }
  return merged;
}

// The whole table in rank 0, an empty one in the others.
WordTable count_together(std::string_view text, Exchange& exchange) {
  const std::uint32_t size = vmmc_size();
  const WordTable local = count_words(share_of_text(text, vmmc_rank(), size));
  const WordTable owned = merge(exchange.all_to_all(pack_by_owner(local, size)));

  std::vector<std::string> to_rank_0(size);
  to_rank_0[0] = pack_by_owner(owned, 1)[0];
  return merge(exchange.all_to_all(to_rank_0));
}

// Equal to the serial run? Says so.
bool check(std::string_view text, const WordTable& table) {
  const auto start = std::chrono::steady_clock::now();
  const WordTable serial = count_words(text);
  const double milliseconds = milliseconds_since(start);
  const bool equal = serial == table;
  std::printf("check: %s to the serial run (%.1f ms)\n", equal ? "equal" : "NOT EQUAL",
              milliseconds);
  return equal;
}

int run_serial(const Options& options) {
  const FileText file(options.file);
  const auto start = std::chrono::steady_clock::now();
  print_result(count_words(file.text()), 1, milliseconds_since(start));
  return 0;
}

int run_parallel(const Options& options) {
  const FileText file(options.file);
  must(vmmc_init(nullptr), "vmmc_init");
  int result = 0;
  {
    Exchange exchange;
    const auto start = std::chrono::steady_clock::now();
    const WordTable table = count_together(file.text(), exchange);
    if (vmmc_rank() == 0) {
      print_result(table, vmmc_size(), milliseconds_since(start));
      if (options.check && !check(file.text(), table)) result = 1;
    }
  }
  must(vmmc_finalize(), "vmmc_finalize");
  return result;
}

}  // namespace
}  // namespace examples::wordcount

int main(int argc, char** argv) {
  examples::wordcount::Options options;
  CLI::App app{"Counts the words of a file. Start it with vmmcrun -n PROCESSES."};
  app.add_option("file", options.file, "text to read")->required()->check(CLI::ExistingFile);
  app.add_flag("--serial", options.serial, "count alone, without VMMC");
  app.add_flag("--check", options.check, "compare the result with a serial run");
  CLI11_PARSE(app, argc, argv);
  return options.serial ? run_serial(options) : run_parallel(options);
}

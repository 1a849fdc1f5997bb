// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Heat in a plate with any number of processes. See README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "examples/heat2d/neighbours.h"
#include "examples/heat2d/plate.h"
#include "examples/support/must.h"
#include "vmmc/vmmc.h"

namespace examples::heat2d {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void print_outcome(const Problem& problem, const Outcome& outcome, unsigned processes,
                   double milliseconds) {
  std::printf("plate: %zu x %zu points, %u %s\n", problem.rows, problem.columns, processes,
              processes == 1 ? "process" : "processes");
  std::printf("residual: %.6f degrees after %u steps (%s)\n", outcome.residual, outcome.steps,
              outcome.residual <= problem.tolerance ? "converged" : "limit of steps reached");
  std::printf("time: %.1f ms, %.1f us per step\n", milliseconds,
              1000.0 * milliseconds / outcome.steps);
}

// Our rows of the plate, with room for the state before and after a step.
class Block {
 public:
  Block(const Problem& problem, const Share& share)
      : columns_(problem.columns),
        count_(share.count),
        now_(allocate<double>(count_ * columns_)),
        next_(allocate<double>(count_ * columns_)) {}

  const double* row(std::size_t index) const { return now_ + index * columns_; }

  double relax(std::size_t index, const double* above, const double* below) {
    return relax_row(above, row(index), below, next_ + index * columns_, columns_);
  }
  void advance() { std::swap(now_, next_); }

 private:
  std::size_t columns_;
  std::size_t count_;
  double* now_;
  double* next_;
};

// The two border rows, of which only the first and the last rank need one each.
struct Border {
  std::vector<double> upper, lower;
};

// One step of our share: the halos travel while the rows that do not need them are computed.
double step_block(Block& block, const Share& share, const Border& border, Neighbours& neighbours,
                  unsigned step) {
  const std::size_t last = share.count - 1;
  neighbours.send_halos(step, block.row(0), block.row(last));
  double change = 0.0;
  for (std::size_t row = 1; row < last; ++row) {
    change = std::max(change, block.relax(row, block.row(row - 1), block.row(row + 1)));
  }
  const bool top = vmmc_rank() == 0;
  const bool bottom = vmmc_rank() + 1 == vmmc_size();
  const double* above = top ? border.upper.data() : neighbours.row_above(step);
  const double* below = bottom ? border.lower.data() : neighbours.row_below(step);
  change = std::max(change, block.relax(0, above, last == 0 ? below : block.row(1)));
  if (last > 0) change = std::max(change, block.relax(last, block.row(last - 1), below));
  block.advance();
  return change;
}

Outcome solve_together(const Problem& problem, Block& block, const Share& share,
                       Neighbours& neighbours) {
  Border border{std::vector<double>(problem.columns), std::vector<double>(problem.columns)};
  initialize_row(border.upper.data(), problem.columns, 0);
  Outcome outcome;
  while (outcome.steps < problem.max_steps) {
    const double change = step_block(block, share, border, neighbours, ++outcome.steps);
    if (!is_checkpoint(problem, outcome.steps)) continue;
    outcome.residual = neighbours.maximum(change);
    if (outcome.residual <= problem.tolerance) break;
  }
  return outcome;
}

// Equal to the serial run in every bit? Says so. `inner` are the rows inside the border.
bool check(const Problem& problem, const Outcome& outcome, const double* inner) {
  std::vector<double> plate;
  const auto start = Clock::now();
  const Outcome serial = solve_serially(problem, plate);
  const double milliseconds = milliseconds_since(start);
  const std::size_t bytes = (problem.rows - 2) * problem.columns * sizeof(double);
  const bool equal = serial.steps == outcome.steps && serial.residual == outcome.residual &&
                     std::memcmp(&plate[problem.columns], inner, bytes) == 0;
  std::printf("check: %s to the serial run (%.1f ms)\n", equal ? "equal in every bit" : "NOT EQUAL",
              milliseconds);
  return equal;
}

int run_serial(const Problem& problem) {
  std::vector<double> plate;
  const auto start = Clock::now();
  const Outcome outcome = solve_serially(problem, plate);
  print_outcome(problem, outcome, 1, milliseconds_since(start));
  return 0;
}

// All of it between vmmc_init and vmmc_finalize.
int solve_attached(const Problem& problem, bool checked) {
  const std::uint32_t size = vmmc_size();
  const Share share = share_of_rows(problem, vmmc_rank(), size);
  Block block(problem, share);
  Neighbours neighbours(problem);
  // All are ready now: the clock measures steps, not the start of processes.
  const auto start = Clock::now();
  const Outcome outcome = solve_together(problem, block, share, neighbours);
  const double milliseconds = milliseconds_since(start);
  const double* plate = neighbours.gather(block.row(0), share);
  if (vmmc_rank() != 0) return 0;
  print_outcome(problem, outcome, size, milliseconds);
  return !checked || check(problem, outcome, plate) ? 0 : 1;
}

int run_parallel(const Problem& problem, bool checked) {
  must(vmmc_init(nullptr), "vmmc_init");
  if (vmmc_size() > problem.rows - 2) {
    std::fprintf(stderr, "heat2d: %u processes for %zu rows\n", vmmc_size(), problem.rows - 2);
    return 1;
  }
  const int result = solve_attached(problem, checked);
  must(vmmc_finalize(), "vmmc_finalize");
  return result;
}

}  // namespace
}  // namespace examples::heat2d

int main(int argc, char** argv) {
  examples::heat2d::Problem problem;
  bool serial = false;
  bool checked = false;
  CLI::App app{"Heat in a plate. Start it with vmmcrun -n PROCESSES."};
  const auto add = [&app](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str();
  };
  add("--rows", problem.rows, "rows, with the border")->check(CLI::Range(3, 1 << 16));
  add("--columns", problem.columns, "columns, with the border")->check(CLI::Range(3, 1 << 16));
  add("--tolerance", problem.tolerance, "largest change of a point in a step, in degrees");
  add("--max-steps", problem.max_steps, "limit")->check(CLI::Range(1, 1 << 30));
  add("--interval", problem.interval, "steps between looks")->check(CLI::Range(1, 1 << 30));
  app.add_flag("--serial", serial, "solve alone, without VMMC");
  app.add_flag("--check", checked, "compare the result with a serial run, bit for bit");
  CLI11_PARSE(app, argc, argv);
  return serial ? examples::heat2d::run_serial(problem)
                : examples::heat2d::run_parallel(problem, checked);
}

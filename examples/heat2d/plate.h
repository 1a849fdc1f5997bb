// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The arithmetic of the example: a plate of rows x columns points whose border has a fixed
// temperature. The serial and the parallel program use these same functions, so their results agree
// in every bit.
//
// Units: degrees. Threads: no shared state.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace examples::heat2d {

inline constexpr double kHot =
    100.0;  // the upper border; the other three and the inside start at 0

// Sets a whole row of the start state; `row` counts from the plate's upper border.
inline void initialize_row(double* points, std::size_t columns, std::size_t row) {
  std::fill_n(points, columns, row == 0 ? kHot : 0.0);
}

// One Jacobi step of one row inside the border: each point becomes the mean of its four neighbours.
// Returns the largest change of a point. A maximum, unlike a sum, does not depend on the order in
// which rows are looked at.
inline double relax_row(const double* above, const double* row, const double* below, double* next,
                        std::size_t columns) {
  double change = 0.0;
  next[0] = row[0];
  next[columns - 1] = row[columns - 1];
  for (std::size_t i = 1; i + 1 < columns; ++i) {
    next[i] = 0.25 * (above[i] + below[i] + row[i - 1] + row[i + 1]);
    change = std::max(change, std::abs(next[i] - row[i]));
  }
  return change;
}

struct Problem {
  std::size_t rows = 512;     // with the two border rows
  std::size_t columns = 512;  // with the two border columns
  double tolerance = 0.01;    // ends when no point changes by more in a step
  unsigned max_steps = 5000;
  unsigned interval = 50;  // steps between two looks at the residual
};

struct Outcome {
  unsigned steps = 0;
  double residual = 0.0;  // the largest change in the last step
};

// True after a step whose residual must be known.
inline bool is_checkpoint(const Problem& problem, unsigned step) {
  return step % problem.interval == 0 || step == problem.max_steps;
}

// Which rows a rank computes: [first, first + count), the border rows left out; sizes differ by one
// at most.
struct Share {
  std::size_t first;
  std::size_t count;
};
inline Share share_of_rows(const Problem& problem, std::size_t rank, std::size_t size) {
  const std::size_t inner = problem.rows - 2;
  const std::size_t begin = inner * rank / size;
  const std::size_t end = inner * (rank + 1) / size;
  return {begin + 1, end - begin};
}

// The whole problem in one process. `plate` becomes the final state, row after row.
inline Outcome solve_serially(const Problem& problem, std::vector<double>& plate) {
  const std::size_t columns = problem.columns;
  plate.resize(problem.rows * columns);
  for (std::size_t row = 0; row < problem.rows; ++row) {
    initialize_row(&plate[row * columns], columns, row);
  }
  std::vector<double> next = plate;
  Outcome outcome;
  while (outcome.steps < problem.max_steps) {
    ++outcome.steps;
    outcome.residual = 0.0;
    for (std::size_t row = 1; row + 1 < problem.rows; ++row) {
      const double* here = &plate[row * columns];
      const double change =
          relax_row(here - columns, here, here + columns, &next[row * columns], columns);
      outcome.residual = std::max(outcome.residual, change);
    }
    std::swap(plate, next);
    if (is_checkpoint(problem, outcome.steps) && outcome.residual <= problem.tolerance) break;
  }
  return outcome;
}

}  // namespace examples::heat2d

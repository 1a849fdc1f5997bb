// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/heat2d/plate.h"

#include <doctest/doctest.h>

#include <vector>

namespace examples::heat2d {
namespace {

TEST_CASE("shares are consecutive, differ by one row at most and cover the inside") {
  for (const std::size_t rows : {3u, 10u, 33u}) {
    const Problem problem{.rows = rows};
    for (std::size_t size = 1; size <= rows - 2; ++size) {
      CAPTURE(rows);
      CAPTURE(size);
      std::size_t next = 1;
      for (std::size_t rank = 0; rank < size; ++rank) {
        const Share share = share_of_rows(problem, rank, size);
        CHECK(share.first == next);
        CHECK(share.count >= (rows - 2) / size);
        CHECK(share.count <= (rows - 2) / size + 1);
        next += share.count;
      }
      CHECK(next == rows - 1);
    }
  }
}

TEST_CASE("one step makes each point the mean of its neighbours and keeps the border") {
  const std::vector<double> above{0, 4, 8, 0};
  const std::vector<double> row{1, 2, 3, 5};
  const std::vector<double> below{0, 8, 4, 0};
  std::vector<double> next(4);
  const double change = relax_row(above.data(), row.data(), below.data(), next.data(), 4);
  CHECK(next == std::vector<double>{1, 4, 4.75, 5});
  CHECK(change == 2.0);
}

TEST_CASE("the serial solution is warm above, cold below, and symmetric") {
  const Problem problem{.rows = 34, .columns = 33, .tolerance = 1e-6, .max_steps = 100000};
  std::vector<double> plate;
  const Outcome outcome = solve_serially(problem, plate);
  CHECK(outcome.residual <= problem.tolerance);
  const auto at = [&](std::size_t row, std::size_t column) { return plate[row * 33 + column]; };
  for (std::size_t row = 1; row < 33; ++row) {
    CHECK(at(row, 16) < at(row - 1, 16));
    for (std::size_t column = 0; column < 33; ++column) {
      CHECK(at(row, column) == doctest::Approx(at(row, 32 - column)));
    }
  }
  CHECK(at(33, 16) == 0.0);
}

TEST_CASE("the limit of steps ends a run that has not converged") {
  std::vector<double> plate;
  const Problem problem{.rows = 20, .columns = 20, .tolerance = 0, .max_steps = 7, .interval = 5};
  const Outcome outcome = solve_serially(problem, plate);
  CHECK(outcome.steps == 7);
  CHECK(outcome.residual > 0);
}

}  // namespace
}  // namespace examples::heat2d

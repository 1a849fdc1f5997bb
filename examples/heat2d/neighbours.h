// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the processes tell each other: halo rows, residuals, and at the end the plate.
//
//   rank r - 1    last row  ---send--->  from_above  of rank r
//   rank r + 1    first row ---send--->  from_below  of rank r
//   all ranks     residual  <---allreduce--->  all ranks
//
// Threads and processes
//   One thread in each process. Every buffer has its flag in itself, sent after the data: order is
//   promised within one buffer.
//
// Invariants
//   A halo has room for two rows, used in turn. A neighbour sends the row of step k + 2, which
//   overwrites that of step k, only after it has computed step k + 1, for which it needed our row
//   of step k + 1, which we send after we have used its row of step k. So a fast neighbour is never
//   more than one row ahead and overwrites nothing that is still being read.
//
// What a crash at any instruction leaves behind
//   Nothing: the others wait until their patience ends, or vmmcrun ends them at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "examples/heat2d/plate.h"
#include "vmmc/collectives.h"

namespace examples::heat2d {

class Neighbours {
 public:
  // Attached already. Exports our buffers and imports the others'. Returns when all ranks have done
  // so.
  explicit Neighbours(const Problem& problem);
  ~Neighbours();  // waits for all ranks
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;

  // Sends the first and last row of our state before `step` (from 1) to the neighbours that need
  // them.
  void send_halos(unsigned step, const double* first_row, const double* last_row);

  // Waits for the neighbour's row for `step`; valid until the next send_halos. Only where there is
  // a neighbour.
  const double* row_above(unsigned step);
  const double* row_below(unsigned step);

  // The largest of the values that the ranks pass. All call it together.
  double maximum(double value);

  // Brings the rows of all ranks to rank 0: the points of all rows inside the border in rank 0,
  // null in the others.
  const double* gather(const double* rows, const Share& share);

 private:
  struct Flag {
    std::uint32_t step;
    std::uint32_t reserved;
  };
  // Two rows, then the flag; the addresses of ours or of a proxy.
  struct Halo {
    double* rows = nullptr;
    Flag* flag = nullptr;
  };
  Halo halo_at(void* start) const;
  void send_row(const Halo& halo, unsigned step, const double* row);
  const double* received_row(const Halo& halo, unsigned step) const;

  std::uint32_t rank_;
  std::uint32_t size_;
  std::size_t rows_;
  std::size_t columns_;
  Halo from_above_, from_below_;  // ours
  Halo above_, below_;            // proxies of the neighbours' halos that face us
  vmmc_group* group_ = nullptr;
};

}  // namespace examples::heat2d

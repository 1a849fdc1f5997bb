// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/heat2d/neighbours.h"

#include <algorithm>

#include "examples/support/must.h"
#include "vmmc/vmmc.h"

namespace examples::heat2d {
namespace {

enum BufferId : std::uint32_t { kFromAbove, kFromBelow, kPlate, kGroup };

}  // namespace

Neighbours::Neighbours(const Problem& problem)
    : rank_(vmmc_rank()), size_(vmmc_size()), rows_(problem.rows), columns_(problem.columns) {
  const std::size_t halo_bytes = 2 * columns_ * sizeof(double) + sizeof(Flag);
  if (rank_ > 0) {
    from_above_ = halo_at(allocate<char>(halo_bytes));
    export_buffer(from_above_.rows, halo_bytes, kFromAbove);
  }
  if (rank_ + 1 < size_) {
    from_below_ = halo_at(allocate<char>(halo_bytes));
    export_buffer(from_below_.rows, halo_bytes, kFromBelow);
  }
  if (rank_ > 0) above_ = halo_at(import_buffer<char>(rank_ - 1, kFromBelow));
  if (rank_ + 1 < size_) below_ = halo_at(import_buffer<char>(rank_ + 1, kFromAbove));
  vmmc_group_options options = VMMC_GROUP_DEFAULTS;
  options.timeout = kPatience;
  must(vmmc_group_create(kGroup, &options, &group_), "vmmc_group_create");
}

Neighbours::~Neighbours() { must(vmmc_group_destroy(group_), "vmmc_group_destroy"); }

Neighbours::Halo Neighbours::halo_at(void* start) const {
  auto* rows = static_cast<double*>(start);
  return {rows, reinterpret_cast<Flag*>(rows + 2 * columns_)};
}

void Neighbours::send_row(const Halo& halo, unsigned step, const double* row) {
  send(row, halo.rows + (step % 2) * columns_, columns_ * sizeof(double));
  send(&step, &halo.flag->step, sizeof step);
}

void Neighbours::send_halos(unsigned step, const double* first_row, const double* last_row) {
  if (above_.rows != nullptr) send_row(above_, step, first_row);
  if (below_.rows != nullptr) send_row(below_, step, last_row);
}

const double* Neighbours::received_row(const Halo& halo, unsigned step) const {
  wait_for(&halo.flag->step, step);
  return halo.rows + (step % 2) * columns_;
}
const double* Neighbours::row_above(unsigned step) { return received_row(from_above_, step); }
const double* Neighbours::row_below(unsigned step) { return received_row(from_below_, step); }

double Neighbours::maximum(double value) {
  must(vmmc_allreduce(group_, &value, &value, 1, VMMC_DOUBLE, VMMC_MAX), "vmmc_allreduce");
  return value;
}

const double* Neighbours::gather(const double* rows, const Share& share) {
  const std::size_t points = (rows_ - 2) * columns_;
  const std::size_t offset = (share.first - 1) * columns_;
  const std::size_t bytes = points * sizeof(double) + size_ * sizeof(Flag);
  constexpr std::uint32_t kDone = 1;
  if (rank_ > 0) {
    auto* plate = import_buffer<double>(0, kPlate);
    auto* flags = reinterpret_cast<Flag*>(plate + points);
    send(rows, plate + offset, share.count * columns_ * sizeof(double));
    send(&kDone, &flags[rank_].step, sizeof kDone);
    return nullptr;
  }
  auto* plate = reinterpret_cast<double*>(allocate<char>(bytes));
  auto* flags = reinterpret_cast<Flag*>(plate + points);
  std::copy_n(rows, share.count * columns_, plate + offset);
  export_buffer(plate, bytes, kPlate);
  for (std::uint32_t rank = 1; rank < size_; ++rank) wait_for(&flags[rank].step, kDone);
  return plate;
}

}  // namespace examples::heat2d

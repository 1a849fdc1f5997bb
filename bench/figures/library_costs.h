// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the libraries above VMMC and the programs cost the processor beyond the calls that they make,
// with where each value comes from: as in a timing model (nicsim/model/model_file.h).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "nicsim/model/model_file.h"

namespace vmmc::figures {

// ns each, unless the table says otherwise.
struct LibraryCosts {
  double nx_send;
  double nx_receive;
  double sockets_write;
  double sockets_read;
  double vmmc2_sockets_write;
  double vmmc2_sockets_read;
  double vrpc_client;  // of a call
  double vrpc_server;
  double radix_key;    // of a key and a pass
  double ocean_point;  // of a point of the grid and an iteration
};

struct LibraryCost {
  std::string_view key;
  double LibraryCosts::*field;
  double value;
  nicsim::model::Kind kind;
  std::string_view figures;  // that a fitted value was fitted to; one, or none
  std::string_view source;
};

std::span<const LibraryCost> library_cost_table();
LibraryCosts library_costs();

}  // namespace vmmc::figures

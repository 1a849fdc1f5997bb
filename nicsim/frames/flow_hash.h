// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which flow a frame belongs to, as a number: equal for both directions. IPv4 and IPv6: addresses
// and ports; fragments by their addresses alone, as only the first one has ports. VLAN tags do not
// matter. Packets of the backplane: nodes and processes. Other Ethernet: the two stations.
//
// The frame may be anything and end anywhere: no byte behind it is read, and the time it takes is
// bounded. What cannot be made sense of has hash 0, or that of the layers that could be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vmmc::nicsim {

std::uint32_t flow_hash(std::span<const std::byte> frame, std::uint16_t link_type);

}  // namespace vmmc::nicsim

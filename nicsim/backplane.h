// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The backplane: joins the network interfaces of the nodes. All nodes of one nicsim live in one
// process, so a packet reaches the incoming DMA engine of its node at once, in the order in which
// it was put in.
#pragma once

#include <memory>
#include <vector>

#include "nicsim/incoming_dma_engine.h"
#include "nicsim/incoming_page_table.h"

namespace vmmc::nicsim {

// The receiving half of one node's network interface.
struct Node {
  IncomingPageTable incoming_pages;
  IncomingDmaEngine incoming_dma{incoming_pages};
};

class Backplane {
 public:
  explicit Backplane(std::uint32_t nodes) {
    for (std::uint32_t i = 0; i < nodes; ++i) nodes_.push_back(std::make_unique<Node>());
  }

  std::uint32_t nodes() const { return static_cast<std::uint32_t>(nodes_.size()); }
  Node& node(std::uint32_t index) { return *nodes_[index]; }
  const Node& node(std::uint32_t index) const { return *nodes_[index]; }

  IncomingDmaEngine::Landing deliver(const Packet& packet) const {
    return nodes_[packet.node]->incoming_dma.accept(packet);
  }

 private:
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace vmmc::nicsim

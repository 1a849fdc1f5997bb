// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/hardware.h"

#include <vector>

#include "nicsim/parts/counters.h"
#include "nicsim/parts/crossbar.h"
#include "nicsim/parts/mesh.h"
#include "nicsim/parts/node.h"

namespace vmmc::nicsim::parts {

struct Hardware::Parts final : BackplaneClient {
  Parts(EventQueue& queue, const model::TimingModel& model, MachineShape shape,
        const nicsim::Backplane& tables, HardwareClient& client, Probes its_probes)
      : columns(model.backplane.mesh != 0 ? shape.columns : 0), probes(its_probes) {
    if (model.backplane.mesh != 0) {
      backplane = std::make_unique<Mesh>(queue, model.backplane, shape.rows, shape.columns, *this);
    } else {
      backplane = std::make_unique<Crossbar>(queue, model.backplane, shape.nodes(), *this);
    }
    nodes.reserve(shape.nodes());
    for (std::uint32_t i = 0; i < shape.nodes(); ++i) {
      nodes.push_back(
          std::make_unique<Node>(queue, model, i, tables, *backplane, packets, client, probes));
    }
  }

  void injected(std::uint32_t node) override { nodes[node]->injected(); }
  bool reserve(std::uint32_t destination, std::uint32_t bytes) override {
    return nodes[destination]->reserve(bytes);
  }
  void arrived(const Parcel& parcel) override {
    NetworkPacket& packet = *reinterpret_cast<NetworkPacket*>(parcel.content);
    if (probes.trace_is_on()) {
      probes.tracer->happened({.event = wire::TraceEvent::kPacketCrossed,
                               .engine = wire::TraceEngine::kBackplane,
                               .node = parcel.destination,
                               .packet = &packet,
                               .value = hops(parcel)});
    }
    nodes[parcel.destination]->arrived(packet);
  }
  // From router to router; in a crossbar there is one.
  std::uint64_t hops(const Parcel& parcel) const {
    if (columns == 0) return 1;
    const auto distance = [](std::uint32_t a, std::uint32_t b) { return a < b ? b - a : a - b; };
    return distance(parcel.source % columns, parcel.destination % columns) +
           distance(parcel.source / columns, parcel.destination / columns);
  }

  const std::uint32_t columns;  // of the mesh; 0: a crossbar
  const Probes probes;

  PacketPool packets;
  std::unique_ptr<BackplanePort> backplane;
  std::vector<std::unique_ptr<Node>> nodes;
};

Hardware::Hardware(EventQueue& queue, const model::TimingModel& model, MachineShape shape,
                   const nicsim::Backplane& tables, HardwareClient& client, Probes probes)
    : parts_(std::make_unique<Parts>(queue, model, shape, tables, client, probes)) {}

Hardware::~Hardware() = default;

void Hardware::begin(Operation& operation) { parts_->nodes[operation.node]->begin(operation); }

void Hardware::flush(std::uint32_t node) { parts_->nodes[node]->flush(); }

bool Hardware::has_open_packet(std::uint32_t node) const {
  return parts_->nodes[node]->has_open_packet();
}

Hardware::Counters Hardware::counters(std::uint32_t node) const {
  return parts_->nodes[node]->counters();
}

const BackplanePort::Counters& Hardware::backplane_counters() const {
  return parts_->backplane->counters();
}

}  // namespace vmmc::nicsim::parts

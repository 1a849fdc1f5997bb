// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The network interface chip: the one way from a node's parts to the backplane. The arbiter shares
// it among what comes in and three that send: the outgoing FIFO, the deliberate update engine, and
// the answers to requests of other nodes. One packet at a time goes through format and send.
//
// Invariants: what leaves keeps to the departure order; answers need not. A packet leaves only when
// the one before is in the backplane altogether; the FIFO keeps its bytes until then.
#pragma once

#include <cstdint>

#include "nicsim/parts/arbiter.h"
#include "nicsim/parts/departure_order.h"
#include "nicsim/parts/format_and_send.h"
#include "nicsim/parts/outgoing_fifo.h"
#include "nicsim/parts/source_reader.h"

namespace vmmc::nicsim::parts {

class NetworkInterfaceChip {
 public:
  class Port {
   public:
    virtual ~Port() = default;
    // A packet without a destination (NetworkPacket::lost) ends here.
    virtual void lost(NetworkPacket& packet) = 0;
  };

  NetworkInterfaceChip(EventQueue& queue, const model::TimingModel& model, BackplanePort& backplane,
                       DepartureOrder& order, Arbiter::Requester& incoming, OutgoingFifo& fifo,
                       SourceReader& engine, SourceReader& replies, Port& port, Probes probes = {});

  // Something is ready, or may leave now.
  void look() { arbiter_.look(); }
  // By the backplane: the packet on its way has left the node.
  void injected();

  const Arbiter::Counters& arbiter_counters() const { return arbiter_.counters(); }
  const FormatAndSend::Counters& send_counters() const { return send_.counters(); }

 private:
  // One for each of those that send.
  struct FifoExit final : Arbiter::Requester {
    FifoExit(NetworkInterfaceChip& its_chip, OutgoingFifo& its_fifo)
        : chip(its_chip), fifo(its_fifo) {}
    bool wants_chip() const override;
    void chip_granted() override;
    NetworkInterfaceChip& chip;
    OutgoingFifo& fifo;
  };
  struct EngineExit final : Arbiter::Requester {
    EngineExit(NetworkInterfaceChip& its_chip, SourceReader& its_engine)
        : chip(its_chip), engine(its_engine) {}
    bool wants_chip() const override;
    void chip_granted() override;
    NetworkInterfaceChip& chip;
    SourceReader& engine;
  };
  struct ReplyExit final : Arbiter::Requester {
    ReplyExit(NetworkInterfaceChip& its_chip, SourceReader& its_replies)
        : chip(its_chip), replies(its_replies) {}
    bool wants_chip() const override;
    void chip_granted() override;
    NetworkInterfaceChip& chip;
    SourceReader& replies;
  };

  void left_fifo(const NetworkPacket& packet);

  DepartureOrder& order_;
  const Probes probes_;
  FormatAndSend send_;
  FifoExit fifo_;
  EngineExit engine_;
  ReplyExit replies_;
  Arbiter arbiter_;
  Port& port_;
  NetworkPacket* from_fifo_ = nullptr;  // the packet on its way out, if it was in the FIFO
};

}  // namespace vmmc::nicsim::parts

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The parameters of a machine in simulated time: one block for each of its parts.
//
// Units: ns are nanoseconds, mb_per_s are 10^6 bytes per second. A switch is 0 or 1. A choice is the
// number of one of the names that the parameter's entry has (parameter_table.h). There are no
// defaults here: each timing model (nicsim/model/models/NAME.model) gives every parameter a value,
// with where it comes from. The key of a parameter is BLOCK.NAME, e.g. outgoing_fifo.capacity_bytes.
#pragma once

namespace vmmc::nicsim::model {

// The node's processor and its memory, as far as communication is concerned.
struct ProcessorParameters {
  double store_ns;  // one store of a word to a write-through page, until it is on the memory bus
  double poll_ns;   // from a word's arrival in memory until a polling program has seen it
  double copy_mb_per_s;   // from memory to memory
  double compute_scale;   // simulated time for one unit of a program's own recorded work
  double system_call_ns;  // there and back
  double interrupt_ns;    // from the interrupt until its handler in the kernel runs
  double signal_ns;       // from there until the handler of the user's program runs
};

// What the user-level library costs beyond the accesses to the interface.
struct LibraryParameters {
  double send_ns;    // each deliberate update: instructions of the send call
  double fetch_ns;   // each fetch or atomic operation
  double export_ns;  // each export
  double import_ns;  // each import
};

// Sees the processor's writes on the memory bus.
struct SnoopLogicParameters {
  double present;  // switch; without it an automatic update is sent as a deliberate update
  double latency_ns;
};

struct OutgoingPageTableParameters {
  double lookup_ns;  // each packet
};

struct PacketizerParameters {
  double latency_ns;         // each packet
  double max_payload_bytes;  // of a packet, 4 to 4096; a longer transfer becomes several packets
  double combining;  // switch; 0: each store is a packet of its own, whatever its binding asks
  double timer_ns;   // an open packet of a binding with timer leaves so long after its first store
};

// Between the memory bus and the network: holds packets of automatic update until they can leave.
struct OutgoingFifoParameters {
  double capacity_bytes;
  double threshold_bytes;  // filled so far, the processor is interrupted and its stores wait ...
  double resume_bytes;     // ... until so little is left
  double interrupt_ns;     // what such an interrupt costs the processor
  double latency_ns;       // each packet
};

struct DeliberateUpdateEngineParameters {
  double initiation;          // choice: how a transfer is initiated, parts/initiation/mechanisms.h
  double store_ns;            // each STORE of an initiation
  double load_ns;             // each LOAD of an initiation
  double barrier_ns;          // each memory barrier between STOREs of an initiation to one address
  double start_ns;            // from the initiation until the engine reads the source
  double setup_ns;            // each packet
  double dma_mb_per_s;        // reading the source
  double max_transfer_bytes;  // of one initiation, 64 to 4096; it never crosses a page
  double queue_depth;         // transfers that may wait while one is under way; 0: none
};

// Shares the network interface chip among the outgoing FIFO, the engine and what comes in.
struct ArbiterParameters {
  double grant_ns;
  double incoming_first;  // switch
};

struct FormatAndSendParameters {
  double latency_ns;    // each packet
  double header_bytes;  // added to each packet's payload
};

// What joins the network interfaces.
struct BackplaneParameters {
  double mesh;  // switch; 1: a 2-D mesh; 0: an ideal crossbar
  double link_mb_per_s;
  double hop_ns;        // each router, for the head of a packet
  double buffer_bytes;  // of a router, for each of its inputs
};

struct IncomingDmaEngineParameters {
  double fifo_bytes;    // of what has come from the backplane and is not in memory yet
  double latency_ns;    // each packet
  double setup_ns;      // each packet, while it holds the bus
  double dma_mb_per_s;  // writing memory
};

struct IncomingPageTableParameters {
  double lookup_ns;  // each packet
  double
      interrupt_each_arrival;  // switch; 1: every deliberate update interrupts the receiver's processor
};

// The bus between interface and memory (EISA, PCI).
struct InputOutputBusParameters {
  double shared;  // switch; 1: the two DMA engines of a node take turns on it
};

struct TimingModel {
  ProcessorParameters processor;
  LibraryParameters library;
  SnoopLogicParameters snoop_logic;
  OutgoingPageTableParameters outgoing_page_table;
  PacketizerParameters packetizer;
  OutgoingFifoParameters outgoing_fifo;
  DeliberateUpdateEngineParameters deliberate_update_engine;
  ArbiterParameters arbiter;
  FormatAndSendParameters format_and_send;
  BackplaneParameters backplane;
  IncomingDmaEngineParameters incoming_dma_engine;
  IncomingPageTableParameters incoming_page_table;
  InputOutputBusParameters input_output_bus;
};

}  // namespace vmmc::nicsim::model

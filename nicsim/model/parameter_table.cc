// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/model/parameter_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "nicsim/parts/initiation/mechanisms.h"

namespace vmmc::nicsim::model {
namespace {

// A second and a terabyte per second: sums of such times stay far below the end of simulated time.
constexpr double kMostNs = 1e9;
constexpr double kMostMbPerS = 1e6;
// Below it a long transfer would outlast simulated time.
constexpr double kLeastMbPerS = 0.001;
constexpr double kMostBytes = 1 << 30;

// What follows the meaning: the names of a choice.
#define VMMC_PARAMETER(block, name, unit, least, greatest, meaning, ...)             \
  ParameterInfo {                                                                    \
#block "." #name, unit, least, greatest, meaning,                                \
        [](TimingModel & model) -> double& { return model.block.name; }, __VA_ARGS__ \
  }
#define VMMC_NS(block, name, meaning) \
  VMMC_PARAMETER(block, name, Unit::kNanoseconds, 0, kMostNs, meaning)
#define VMMC_MB_PER_S(block, name, meaning) \
  VMMC_PARAMETER(block, name, Unit::kMegabytesPerSecond, 0, kMostMbPerS, meaning)
#define VMMC_BYTES(block, name, least, greatest, meaning) \
  VMMC_PARAMETER(block, name, Unit::kBytes, least, greatest, meaning)
#define VMMC_SWITCH(block, name, meaning) VMMC_PARAMETER(block, name, Unit::kSwitch, 0, 1, meaning)
#define VMMC_CHOICE(block, name, names, meaning) \
  VMMC_PARAMETER(block, name, Unit::kChoice, 0, last_of(names), meaning, names)

constexpr double last_of(std::span<const std::string_view> names) {
  return static_cast<double>(names.size() - 1);
}

constexpr ParameterInfo kTable[] = {
    VMMC_NS(processor, store_ns,
            "One store of a word to a write-through page, until it is on the memory bus."),
    VMMC_NS(processor, poll_ns,
            "From a word's arrival in memory until a polling program has seen it."),
    VMMC_MB_PER_S(processor, copy_mb_per_s, "Copying from memory to memory."),
    VMMC_PARAMETER(processor, compute_scale, Unit::kFactor, 0, 1e6,
                   "Simulated time for one unit of a program's own recorded work."),
    VMMC_NS(processor, system_call_ns, "A system call, there and back."),
    VMMC_NS(processor, interrupt_ns, "From an interrupt until its handler in the kernel runs."),
    VMMC_NS(processor, signal_ns, "From there until the handler of the user's program runs."),
    VMMC_NS(library, send_ns,
            "Instructions of the send call, beyond the references to the interface."),
    VMMC_NS(library, fetch_ns, "Instructions of a fetch or an atomic operation."),
    VMMC_NS(library, export_ns, "An export."),
    VMMC_NS(library, import_ns, "An import."),
    VMMC_SWITCH(snoop_logic, present,
                "Whether the interface sees stores; if not, an automatic update is sent as a "
                "deliberate update."),
    VMMC_NS(snoop_logic, latency_ns, "From the memory bus to the packetizer."),
    VMMC_NS(outgoing_page_table, lookup_ns, "Finding a packet's destination."),
    VMMC_NS(packetizer, latency_ns, "Making a packet."),
    VMMC_BYTES(packetizer, max_payload_bytes, 4, 4096,
               "The most that a packet carries; a longer transfer becomes several packets."),
    VMMC_SWITCH(packetizer, combining,
                "Whether consecutive stores may share a packet; if not, each is one of its own."),
    VMMC_NS(packetizer, timer_ns,
            "So long after its first store an open packet leaves, if its binding has the timer."),
    VMMC_BYTES(outgoing_fifo, capacity_bytes, 8, kMostBytes,
               "Room for packets of automatic update that cannot leave yet."),
    VMMC_BYTES(outgoing_fifo, threshold_bytes, 0, kMostBytes,
               "Filled so far, the processor is interrupted and its stores wait."),
    VMMC_BYTES(outgoing_fifo, resume_bytes, 0, kMostBytes,
               "Emptied so far, the waiting stores go on."),
    VMMC_NS(outgoing_fifo, interrupt_ns, "What the threshold's interrupt costs the processor."),
    VMMC_NS(outgoing_fifo, latency_ns, "A packet's way through the empty FIFO."),
    VMMC_CHOICE(deliberate_update_engine, initiation, parts::initiation::kMechanismNames,
                "How a transfer is initiated."),
    VMMC_NS(deliberate_update_engine, store_ns, "Each STORE of an initiation."),
    VMMC_NS(deliberate_update_engine, load_ns, "Each LOAD of an initiation."),
    VMMC_NS(deliberate_update_engine, barrier_ns,
            "Each memory barrier, which an initiation has where it repeats a STORE."),
    VMMC_NS(deliberate_update_engine, start_ns,
            "From the initiation until the engine reads the source."),
    VMMC_NS(deliberate_update_engine, setup_ns, "For each packet, before its bytes are read."),
    VMMC_MB_PER_S(deliberate_update_engine, dma_mb_per_s, "Reading the source."),
    VMMC_BYTES(deliberate_update_engine, max_transfer_bytes, 64, 4096,
               "The most that one initiation transfers; it never crosses a page."),
    VMMC_PARAMETER(deliberate_update_engine, queue_depth, Unit::kCount, 0, 65536,
                   "Transfers that may wait while one is under way."),
    VMMC_NS(arbiter, grant_ns, "Giving the network interface chip to a packet."),
    VMMC_SWITCH(arbiter, incoming_first, "Whether what comes in goes before what goes out."),
    VMMC_NS(format_and_send, latency_ns, "Putting the header before a packet."),
    VMMC_BYTES(format_and_send, header_bytes, 0, 4096, "Added to each packet's payload."),
    VMMC_SWITCH(backplane, mesh, "1: a 2-D mesh; 0: an ideal crossbar."),
    VMMC_MB_PER_S(backplane, link_mb_per_s, "A link, in each direction."),
    VMMC_NS(backplane, hop_ns, "Each router on the way, for the head of a packet."),
    VMMC_BYTES(backplane, buffer_bytes, 0, kMostBytes, "Of a router, for each of its inputs."),
    VMMC_BYTES(incoming_dma_engine, fifo_bytes, 4, kMostBytes,
               "Room for what has come from the backplane and is not in memory yet."),
    VMMC_NS(incoming_dma_engine, latency_ns,
            "From a packet's arrival until the engine asks for the bus."),
    VMMC_NS(incoming_dma_engine, setup_ns, "For each packet, while the engine holds the bus."),
    VMMC_MB_PER_S(incoming_dma_engine, dma_mb_per_s, "Writing memory."),
    VMMC_NS(incoming_page_table, lookup_ns, "Checking whether a packet's page may be written."),
    VMMC_SWITCH(incoming_page_table, interrupt_each_arrival,
                "Whether every deliberate update interrupts the receiver's processor."),
    VMMC_SWITCH(input_output_bus, shared, "Whether the two DMA engines of a node take turns."),
};

#undef VMMC_CHOICE
#undef VMMC_SWITCH
#undef VMMC_BYTES
#undef VMMC_MB_PER_S
#undef VMMC_NS
#undef VMMC_PARAMETER

static_assert(sizeof(TimingModel) == std::size(kTable) * sizeof(double),
              "a parameter without an entry, or an entry without a parameter");

bool is_whole(Unit unit) {
  return unit == Unit::kBytes || unit == Unit::kCount || unit == Unit::kSwitch ||
         unit == Unit::kChoice;
}

}  // namespace

std::span<const ParameterInfo> parameter_table() { return kTable; }

const ParameterInfo* find_parameter(std::string_view key) {
  const auto* const found = std::ranges::find(kTable, key, &ParameterInfo::key);
  return found == std::end(kTable) ? nullptr : found;
}

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::kNanoseconds:
      return "ns";
    case Unit::kMegabytesPerSecond:
      return "MB/s";
    case Unit::kBytes:
      return "bytes";
    case Unit::kCount:
      return "count";
    case Unit::kFactor:
      return "factor";
    case Unit::kSwitch:
      return "switch";
    case Unit::kChoice:
      return "choice";
  }
  return "";
}

std::optional<double> parse_value(const ParameterInfo& parameter, std::string_view text) {
  if (parameter.unit == Unit::kChoice) {
    const auto found = std::ranges::find(parameter.names, text);
    if (found == parameter.names.end()) return {};
    return static_cast<double>(found - parameter.names.begin());
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string value_text(const ParameterInfo& parameter, double value) {
  if (parameter.unit != Unit::kChoice) return number_text(value);
  return std::string(parameter.names[static_cast<std::size_t>(value)]);
}

std::string value_problem(const ParameterInfo& parameter, double value) {
  const bool in_range = value >= parameter.least && value <= parameter.greatest;  // NaN is not
  if (parameter.unit == Unit::kSwitch && value != 0 && value != 1) return "is neither 0 nor 1";
  if (!in_range) {
    return "is not between " + number_text(parameter.least) + " and " +
           number_text(parameter.greatest) + " " + std::string(unit_name(parameter.unit));
  }
  if (is_whole(parameter.unit) && value != std::floor(value)) return "is not a whole number";
  if (parameter.unit == Unit::kMegabytesPerSecond && value != 0 && value < kLeastMbPerS) {
    return "is neither 0 (takes no time) nor at least " + number_text(kLeastMbPerS) + " MB/s";
  }
  return {};
}

std::string number_text(double value) {
  char text[512];  // the longest double without exponent has some 330 characters
  const auto [end, error] =
      std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  return {text, end};
}

}  // namespace vmmc::nicsim::model

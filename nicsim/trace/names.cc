// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/trace/names.h"

#include <span>
#include <utility>

#include "nicsim/wire/send_descriptor.h"

namespace vmmc::nicsim {
namespace {

constexpr std::pair<wire::TraceEvent, std::string_view> kEvents[] = {
    {wire::TraceEvent::kAttached, "attached"},
    {wire::TraceEvent::kLeft, "left"},
    {wire::TraceEvent::kExported, "exported"},
    {wire::TraceEvent::kUnexported, "unexported"},
    {wire::TraceEvent::kImported, "imported"},
    {wire::TraceEvent::kUnimported, "unimported"},
    {wire::TraceEvent::kRequestRefused, "request_refused"},
    {wire::TraceEvent::kBound, "bound"},
    {wire::TraceEvent::kUnbound, "unbound"},
    {wire::TraceEvent::kTaken, "taken"},
    {wire::TraceEvent::kStoreSnooped, "store_snooped"},
    {wire::TraceEvent::kOutgoingLookup, "outgoing_lookup"},
    {wire::TraceEvent::kPacketMade, "packet_made"},
    {wire::TraceEvent::kFifoEntered, "fifo_entered"},
    {wire::TraceEvent::kFifoLeft, "fifo_left"},
    {wire::TraceEvent::kSourceRead, "source_read"},
    {wire::TraceEvent::kPacketSent, "packet_sent"},
    {wire::TraceEvent::kPacketCrossed, "packet_crossed"},
    {wire::TraceEvent::kIncomingLookup, "incoming_lookup"},
    {wire::TraceEvent::kMemoryWritten, "memory_written"},
    {wire::TraceEvent::kCompleted, "completed"},
    {wire::TraceEvent::kRefused, "refused"},
    {wire::TraceEvent::kInterrupt, "interrupt"},
    {wire::TraceEvent::kNotified, "notified"},
    {wire::TraceEvent::kNotificationStall, "notification_stall"},
    {wire::TraceEvent::kPacketDropped, "packet_dropped"},
    {wire::TraceEvent::kPacketCorrupted, "packet_corrupted"},
    {wire::TraceEvent::kPacketDelayed, "packet_delayed"},
};

constexpr std::pair<wire::TraceEngine, std::string_view> kEngines[] = {
    {wire::TraceEngine::kControlServer, "control_server"},
    {wire::TraceEngine::kProcessor, "processor"},
    {wire::TraceEngine::kSnoopLogic, "snoop_logic"},
    {wire::TraceEngine::kOutgoingPageTable, "outgoing_page_table"},
    {wire::TraceEngine::kPacketizer, "packetizer"},
    {wire::TraceEngine::kOutgoingFifo, "outgoing_fifo"},
    {wire::TraceEngine::kDeliberateUpdateEngine, "deliberate_update_engine"},
    {wire::TraceEngine::kNetworkInterfaceChip, "network_interface_chip"},
    {wire::TraceEngine::kBackplane, "backplane"},
    {wire::TraceEngine::kIncomingPageTable, "incoming_page_table"},
    {wire::TraceEngine::kIncomingDmaEngine, "incoming_dma_engine"},
    {wire::TraceEngine::kNotification, "notification"},
};

constexpr std::pair<wire::Operation, std::string_view> kKinds[] = {
    {wire::Operation::kDeliberateUpdate, "deliberate_update"},
    {wire::Operation::kAutomaticUpdate, "automatic_update"},
    {wire::Operation::kFetch, "fetch"},
    {wire::Operation::kAtomic, "atomic"},
    {wire::Operation::kFlush, "flush"},
    {wire::Operation::kMark, "mark"},
};

template <typename T>
std::string_view find_name(std::span<const std::pair<T, std::string_view>> names, T value) {
  for (const auto& [named, name] : names) {
    if (named == value) return name;
  }
  return {};
}

}  // namespace

std::string_view event_name(wire::TraceEvent event) {
  return find_name<wire::TraceEvent>(kEvents, event);
}

std::string_view engine_name(wire::TraceEngine engine) {
  return find_name<wire::TraceEngine>(kEngines, engine);
}

std::string_view kind_name(std::uint8_t kind) {
  if (kind == wire::kTraceRealTimeDatagram) return "real_time_datagram";
  return find_name<wire::Operation>(kKinds, static_cast<wire::Operation>(kind));
}

}  // namespace vmmc::nicsim

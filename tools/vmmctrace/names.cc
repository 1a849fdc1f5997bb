// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/names.h"

#include <algorithm>
#include <span>
#include <utility>

#include "nicsim/wire/send_descriptor.h"
#include "nicsim/wire/status.h"

namespace vmmc::trace_tool {
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

// As VMMC_ERR_... without its beginning; the last two are for observers only.
constexpr std::pair<wire::Status, std::string_view> kStatuses[] = {
    {wire::Status::kOk, "OK"},
    {wire::Status::kVersionMismatch, "VERSION"},
    {wire::Status::kUserNotAllowed, "USER_NOT_ALLOWED"},
    {wire::Status::kNoSuchNode, "NO_SUCH_NODE"},
    {wire::Status::kProcessIdInUse, "PROCESS_ID_IN_USE"},
    {wire::Status::kTooManyProcesses, "TOO_MANY_PROCESSES"},
    {wire::Status::kOutOfMemory, "OUT_OF_MEMORY"},
    {wire::Status::kDuplicateId, "DUPLICATE_ID"},
    {wire::Status::kOverlap, "OVERLAP"},
    {wire::Status::kMisaligned, "MISALIGNED"},
    {wire::Status::kZeroLength, "ZERO_LENGTH"},
    {wire::Status::kLengthOverflow, "LENGTH_OVERFLOW"},
    {wire::Status::kInvalidRights, "INVALID_RIGHTS"},
    {wire::Status::kUnknownExport, "UNKNOWN_EXPORT"},
    {wire::Status::kTooManyExports, "TOO_MANY_EXPORTS"},
    {wire::Status::kNotRedirectable, "NOT_REDIRECTABLE"},
    {wire::Status::kUnknownRedirection, "UNKNOWN_REDIRECTION"},
    {wire::Status::kTooManyRedirections, "TOO_MANY_REDIRECTIONS"},
    {wire::Status::kPermissionDenied, "PERMISSION_DENIED"},
    {wire::Status::kTooManyImports, "TOO_MANY_IMPORTS"},
    {wire::Status::kDestinationSpaceFull, "DESTINATION_SPACE_FULL"},
    {wire::Status::kUnknownImport, "UNKNOWN_IMPORT"},
    {wire::Status::kImportCancelled, "CANCELLED"},
    {wire::Status::kExecutorUnavailable, "EXECUTOR_UNAVAILABLE"},
    {wire::Status::kOutsideProxy, "OUTSIDE_PROXY"},
    {wire::Status::kUnexported, "UNEXPORTED"},
    {wire::Status::kPeerDead, "PEER_DEAD"},
    {wire::Status::kNotWritable, "NOT_WRITABLE"},
    {wire::Status::kBadSource, "BAD_SOURCE"},
    {wire::Status::kNotReadable, "NOT_READABLE"},
    {wire::Status::kMalformed, "MALFORMED"},
    {wire::Status::kTraceIsOn, "TRACE_IS_ON"},
    {wire::Status::kTraceIsOff, "TRACE_IS_OFF"},
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
  return find_name<wire::Operation>(kKinds, static_cast<wire::Operation>(kind));
}

std::string status_name(std::int32_t status) {
  const auto name = find_name<wire::Status>(kStatuses, static_cast<wire::Status>(status));
  return name.empty() ? std::to_string(status) : std::string(name);
}

std::string spoken(std::string_view name) {
  std::string words(name);
  std::replace(words.begin(), words.end(), '_', ' ');
  for (const std::string_view capitals : {"fifo", "dma"}) {
    const std::size_t at = words.find(capitals);
    if (at == words.npos) continue;
    for (std::size_t i = 0; i < capitals.size(); ++i) words[at + i] -= 'a' - 'A';
  }
  return words;
}

}  // namespace vmmc::trace_tool

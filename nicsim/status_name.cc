// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/status_name.h"

#include <algorithm>
#include <iterator>

namespace vmmc::nicsim {
namespace {

using wire::Status;

struct Description {
  Status status;
  const char* name;
  const char* reason;
};

constexpr Description kDescriptions[] = {
    {Status::kOk, "OK", "it was done"},
    {Status::kVersionMismatch, "VERSION", "it speaks another version of the wire format"},
    {Status::kUserNotAllowed, "USER_NOT_ALLOWED", "this nicsim does not serve its user"},
    {Status::kNoSuchNode, "NO_SUCH_NODE", "there is no node of this number"},
    {Status::kProcessIdInUse, "PROCESS_ID_IN_USE", "another process has this process id"},
    {Status::kTooManyProcesses, "TOO_MANY_PROCESSES", "too many processes are attached"},
    {Status::kOutOfMemory, "OUT_OF_MEMORY", "there was no memory for it"},
    {Status::kDuplicateId, "DUPLICATE_ID", "it has a buffer of this id already"},
    {Status::kOverlap, "OVERLAP", "its bytes overlap others that were there before"},
    {Status::kMisaligned, "MISALIGNED", "it does not begin at a word"},
    {Status::kZeroLength, "ZERO_LENGTH", "it has no bytes"},
    {Status::kLengthOverflow, "LENGTH_OVERFLOW", "it goes past the end of its memory"},
    {Status::kInvalidRights, "INVALID_RIGHTS", "there are no such rights"},
    {Status::kUnknownExport, "UNKNOWN_EXPORT", "no buffer is exported under this id"},
    {Status::kTooManyExports, "TOO_MANY_EXPORTS", "it exports too many buffers"},
    {Status::kNotRedirectable, "NOT_REDIRECTABLE", "the buffer was not exported for redirection"},
    {Status::kUnknownRedirection, "UNKNOWN_REDIRECTION", "no redirection begins there"},
    {Status::kTooManyRedirections, "TOO_MANY_REDIRECTIONS", "the buffer has too many redirections"},
    {Status::kPermissionDenied, "PERMISSION_DENIED", "the rights of the buffer do not admit it"},
    {Status::kTooManyImports, "TOO_MANY_IMPORTS", "its import table is full"},
    {Status::kDestinationSpaceFull, "DESTINATION_SPACE_FULL",
     "its destination space has no room for the proxy"},
    {Status::kUnknownImport, "UNKNOWN_IMPORT", "it names no import that it holds"},
    {Status::kImportCancelled, "CANCELLED", "the import was withdrawn"},
    {Status::kExecutorUnavailable, "EXECUTOR_UNAVAILABLE",
     "the host executor cannot serve the buffer"},
    {Status::kOutsideProxy, "OUTSIDE_PROXY", "its bytes are not inside one imported buffer"},
    {Status::kUnexported, "UNEXPORTED", "the exporter has taken the buffer back"},
    {Status::kPeerDead, "PEER_DEAD", "the exporting process has ended"},
    {Status::kNotWritable, "NOT_WRITABLE", "the import was made without the right to write"},
    {Status::kBadSource, "BAD_SOURCE", "its local bytes cannot be reached"},
    {Status::kNotReadable, "NOT_READABLE", "the import was made without the right to read"},
    {Status::kMalformed, "MALFORMED", "it makes no sense"},
    {Status::kNotInSimulatedTime, "NOT_IN_SIMULATED_TIME", "it works in real time only"},
    {Status::kUnknownRing, "UNKNOWN_RING", "there is no such ring"},
    {Status::kBadRing, "BAD_RING", "its sizes make no ring"},
    {Status::kTooManyRings, "TOO_MANY_RINGS", "there are too many rings or consumers"},
    {Status::kBadFrameSource, "BAD_FRAME_SOURCE",
     "its file or socket cannot be a source of frames"},
    {Status::kNotACapture, "NOT_A_CAPTURE", "its file is neither pcap nor pcapng"},
    {Status::kCorruptCapture, "CORRUPT_CAPTURE",
     "its capture file makes no sense from some place on"},
    {Status::kTruncatedCapture, "TRUNCATED_CAPTURE",
     "its capture file ends in the middle of a record"},
    {Status::kFrameSourceGone, "FRAME_SOURCE_GONE",
     "the interface that its frames came from has gone or is down"},
    {Status::kUnknownChannel, "UNKNOWN_CHANNEL", "there is no such real-time channel"},
    {Status::kBadBudget, "BAD_BUDGET", "the numbers of its budget make no sense"},
    {Status::kNicOvercommitted, "NIC_OVERCOMMITTED",
     "the network interface has not so much time left"},
    {Status::kDeadlineTooShort, "DEADLINE_TOO_SHORT", "its deadline cannot be guaranteed"},
    {Status::kReservationFull, "RESERVATION_FULL",
     "there is not so much memory left for real-time channels"},
    {Status::kTooManyChannels, "TOO_MANY_CHANNELS", "there are too many real-time channels"},
    {Status::kChannelTaken, "CHANNEL_TAKEN", "the real-time channel has, or has had, a sender"},
    {Status::kOverBudget, "OVER_BUDGET", "the channel's budget of this period is used up"},
    {Status::kTraceIsOn, "TRACE_IS_ON", "there is a trace already"},
    {Status::kTraceIsOff, "TRACE_IS_OFF", "there is no trace"},
    {Status::kDatagramLost, "DATAGRAM_LOST", "a packet of it was lost, or did not come in time"},
};

const Description& describe(Status status) {
  static constexpr Description kUnknown{Status::kOk, "UNKNOWN", "the reason is not known"};
  const auto* const found =
      std::find_if(std::begin(kDescriptions), std::end(kDescriptions),
                   [&](const Description& each) { return each.status == status; });
  return found == std::end(kDescriptions) ? kUnknown : *found;
}

}  // namespace

const char* status_name(Status status) { return describe(status).name; }

const char* status_reason(Status status) { return describe(status).reason; }

}  // namespace vmmc::nicsim

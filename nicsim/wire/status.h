// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What nicsim answers: to a control request, and for every transfer. The numbers are part of the
// ABI and equal the values of the VMMC_ERR_* constants in vmmc/vmmc.h that a program sees, so that
// nothing is translated twice.
#pragma once

#include <cstdint>

namespace vmmc::wire {

enum class Status : std::int32_t {
  kOk = 0,
  kVersionMismatch = -4,   // the client speaks another version of the ABI
  kUserNotAllowed = -5,    // this nicsim does not serve the client's user
  kNoSuchNode = -6,        // node number is not below the number of emulated nodes
  kProcessIdInUse = -7,    // another attached process already holds the wanted process id
  kTooManyProcesses = -8,  // nicsim's limit of attached processes is reached
  kOutOfMemory = -10,      // nicsim (or the system) cannot provide or map the memory
  kDuplicateId = -20,      // the process already exports a buffer under this id
  kOverlap = -21,          // the bytes overlap a buffer that the process already exports
  kMisaligned = -22,       // the start is not aligned to a word
  kZeroLength = -23,       // a length of zero
  kLengthOverflow =
      -24,               // start plus length goes past the end of the address space or of a segment
  kInvalidRights = -26,  // unknown or empty access bits, or a demand that does not exist
  kUnknownExport = -27,  // no export under this id
  kTooManyExports = -28,      // nicsim's limit of exported buffers of one process is reached
  kNotRedirectable = -31,     // the buffer was exported without asking for redirection
  kUnknownRedirection = -32,  // no redirection starts at this offset of the buffer
  kTooManyRedirections = -33,
  kPermissionDenied = -41,  // the export's rights do not admit this importer or this kind of access
  kTooManyImports = -42,    // the import table of the process is full
  kDestinationSpaceFull = -43,  // no room for the proxy in the process's destination space
  kUnknownImport = -44,         // not (or no longer) a valid import handle
  kImportCancelled = -45,       // a pending import was withdrawn by the importer
  kExecutorUnavailable = -46,   // the host executor cannot serve this buffer
  kOutsideProxy = -60,          // first and last byte are not inside one imported buffer
  kUnexported = -61,            // the exporter has taken the buffer back
  kPeerDead = -62,              // the exporting process has ended
  kNotWritable = -63,           // the import was made without the write right
  kBadSource = -64,             // the local bytes of a transfer cannot be read (fetch: written)
  kNotReadable = -67,           // the import was made without the read right
  kMalformed = -80,             // a message or descriptor that makes no sense
  // Receive rings and real-time channels.
  kNotInSimulatedTime = -75,  // works in real time only
  kUnknownRing = -100,        // no ring is open under this id
  kBadRing = -101,            // these sizes make no ring
  kTooManyRings = -102,       // nicsim has too many rings or consumers of rings
  kBadFrameSource = -103,     // the file or socket cannot be a source of frames
  kNotACapture = -104,        // the file is neither pcap nor pcapng
  kCorruptCapture = -105,     // the capture file makes no sense from some place on
  kTruncatedCapture = -106,   // the capture file ends in the middle of a record
  kFrameSourceGone = -107,    // the interface that the frames came from has gone or is down
  kUnknownChannel = -110,     // no real-time channel is open under this id
  kBadBudget = -111,          // the numbers of the budget make no sense
  kNicOvercommitted =
      -112,  // the network interface has not so much time left for real-time channels
  kDeadlineTooShort = -113,  // the deadline cannot be guaranteed
  kReservationFull = -114,   // there is not so much memory left for real-time channels
  kTooManyChannels = -115,   // nicsim has too many real-time channels
  kChannelTaken = -116,      // the real-time channel has, or has had, a sender
  kOverBudget = -117,        // the channel's budget of this period is used up
  // To observers only: no VMMC_ERR_* constant.
  kTraceIsOn = -90,
  kTraceIsOff = -91,
  // In traces only.
  kDatagramLost = -92,  // a packet of the real-time datagram was lost, or did not come in time
};

}  // namespace vmmc::wire

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/error.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace vmmc::internal {
namespace {

struct StatusText {
  int status;
  const char* name;
  const char* sentence;
};

#define VMMC_STATUS_TEXT(status, sentence) \
  { status, #status, sentence }
constexpr StatusText kTexts[] = {
    VMMC_STATUS_TEXT(VMMC_OK, "no error"),
    VMMC_STATUS_TEXT(VMMC_PENDING, "what was started has not completed yet"),
    VMMC_STATUS_TEXT(VMMC_END, "the source of the ring has ended, and all of it has been read"),
    VMMC_STATUS_TEXT(VMMC_ERR_INVALID_ARGUMENT,
                     "an argument is a null pointer or an unknown constant"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_ATTACHED, "the process is not attached to nicsim"),
    VMMC_STATUS_TEXT(VMMC_ERR_FORKED,
                     "the process is a forked child that has not called vmmc_init"),
    VMMC_STATUS_TEXT(VMMC_ERR_VERSION, "nicsim speaks another version"),
    VMMC_STATUS_TEXT(VMMC_ERR_USER_NOT_ALLOWED, "this nicsim does not serve this user"),
    VMMC_STATUS_TEXT(VMMC_ERR_NO_SUCH_NODE, "there is no node of this number"),
    VMMC_STATUS_TEXT(VMMC_ERR_PROCESS_ID_IN_USE, "another attached process has this process id"),
    VMMC_STATUS_TEXT(VMMC_ERR_TOO_MANY_PROCESSES, "nicsim serves as many processes as it can"),
    VMMC_STATUS_TEXT(VMMC_ERR_ALREADY_ATTACHED, "the process is attached already"),
    VMMC_STATUS_TEXT(VMMC_ERR_OUT_OF_MEMORY, "memory cannot be provided or mapped"),
    VMMC_STATUS_TEXT(VMMC_ERR_NO_NICSIM, "no nicsim runs at the socket and none could be started"),
    VMMC_STATUS_TEXT(VMMC_ERR_NICSIM_GONE, "nicsim has ended while the process was attached"),
    VMMC_STATUS_TEXT(VMMC_ERR_SYSTEM, "a system call failed"),
    VMMC_STATUS_TEXT(VMMC_ERR_TIMEOUT, "the time allowed has passed"),
    VMMC_STATUS_TEXT(VMMC_ERR_NO_JOB, "there is no process of this rank in the job"),
    VMMC_STATUS_TEXT(VMMC_ERR_STRANGER, "the server at the socket belongs to another user"),
    VMMC_STATUS_TEXT(VMMC_ERR_DUPLICATE_ID, "the process already exports a buffer under this id"),
    VMMC_STATUS_TEXT(VMMC_ERR_OVERLAP,
                     "the bytes overlap a buffer that the process already exports"),
    VMMC_STATUS_TEXT(VMMC_ERR_MISALIGNED, "the address is not aligned to a word"),
    VMMC_STATUS_TEXT(VMMC_ERR_ZERO_LENGTH, "the length is zero"),
    VMMC_STATUS_TEXT(VMMC_ERR_LENGTH_OVERFLOW,
                     "address and length go past the end of the address space"),
    VMMC_STATUS_TEXT(VMMC_ERR_BAD_MEMORY, "this memory cannot be exported"),
    VMMC_STATUS_TEXT(VMMC_ERR_INVALID_RIGHTS, "the rights are empty or unknown"),
    VMMC_STATUS_TEXT(VMMC_ERR_UNKNOWN_EXPORT, "the process exports no buffer under this id"),
    VMMC_STATUS_TEXT(VMMC_ERR_TOO_MANY_EXPORTS, "the process exports as many buffers as it can"),
    VMMC_STATUS_TEXT(VMMC_ERR_IN_USE, "the memory is still exported"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_ALLOCATED, "the address was not returned by vmmc_alloc"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_REDIRECTABLE,
                     "the buffer was exported without asking for redirection"),
    VMMC_STATUS_TEXT(VMMC_ERR_UNKNOWN_REDIRECTION,
                     "no redirection begins at this offset of the buffer"),
    VMMC_STATUS_TEXT(VMMC_ERR_TOO_MANY_REDIRECTIONS,
                     "the buffer has as many redirections as there may be"),
    VMMC_STATUS_TEXT(VMMC_ERR_UNKNOWN_REGISTRATION, "no registered memory begins at this address"),
    VMMC_STATUS_TEXT(VMMC_ERR_PERMISSION_DENIED, "the export's rights do not admit this import"),
    VMMC_STATUS_TEXT(VMMC_ERR_TOO_MANY_IMPORTS, "the process imports as many buffers as it can"),
    VMMC_STATUS_TEXT(VMMC_ERR_DESTINATION_SPACE_FULL,
                     "the destination space has no room for the proxy"),
    VMMC_STATUS_TEXT(VMMC_ERR_UNKNOWN_IMPORT,
                     "the address is not the start of a proxy of this process"),
    VMMC_STATUS_TEXT(VMMC_ERR_CANCELLED, "the import was withdrawn"),
    VMMC_STATUS_TEXT(VMMC_ERR_EXECUTOR_UNAVAILABLE,
                     "the executor asked for cannot serve this buffer"),
    VMMC_STATUS_TEXT(VMMC_ERR_OUTSIDE_PROXY,
                     "first and last byte are not inside one imported buffer"),
    VMMC_STATUS_TEXT(VMMC_ERR_UNEXPORTED, "the exporter has taken the buffer back"),
    VMMC_STATUS_TEXT(VMMC_ERR_PEER_DEAD, "the exporting process has ended"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_WRITABLE, "the buffer was imported without the write right"),
    VMMC_STATUS_TEXT(VMMC_ERR_BAD_SOURCE,
                     "the local bytes of the transfer cannot be read (or, for a fetch, written)"),
    VMMC_STATUS_TEXT(VMMC_ERR_INTERRUPTED_SEND,
                     "the signal handler interrupted a send of its own thread"),
    VMMC_STATUS_TEXT(VMMC_ERR_BAD_HANDLE,
                     "this handle was never given to the process, or has ended"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_READABLE, "the buffer was imported without the read right"),
    VMMC_STATUS_TEXT(VMMC_ERR_IN_HANDLER, "not possible inside a notification handler"),
    VMMC_STATUS_TEXT(VMMC_ERR_NO_NOTIFICATIONS, "the buffer was exported without a handler"),
    VMMC_STATUS_TEXT(VMMC_ERR_WRONG_DELIVERY,
                     "the process chose another way of delivery at vmmc_init"),
    VMMC_STATUS_TEXT(VMMC_ERR_CAPTURE_UNAVAILABLE, "this capture cannot serve this binding"),
    VMMC_STATUS_TEXT(VMMC_ERR_ALREADY_BOUND, "a part of the local memory is bound already"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_IN_SIMULATED_TIME, "works in real time only"),
    VMMC_STATUS_TEXT(VMMC_ERR_MALFORMED, "nicsim could not make sense of a message"),
    VMMC_STATUS_TEXT(VMMC_ERR_UNKNOWN_RING, "no ring is open under this id"),
    VMMC_STATUS_TEXT(VMMC_ERR_BAD_RING, "these sizes make no ring"),
    VMMC_STATUS_TEXT(VMMC_ERR_TOO_MANY_RINGS, "nicsim has too many rings or consumers of rings"),
    VMMC_STATUS_TEXT(VMMC_ERR_BAD_FRAME_SOURCE, "the file or socket cannot be a source of frames"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_A_CAPTURE, "the file is neither pcap nor pcapng"),
    VMMC_STATUS_TEXT(VMMC_ERR_CORRUPT_CAPTURE,
                     "the capture file makes no sense from some place on"),
    VMMC_STATUS_TEXT(VMMC_ERR_TRUNCATED_CAPTURE, "the capture file ends in the middle of a record"),
    VMMC_STATUS_TEXT(VMMC_ERR_FRAME_SOURCE_GONE,
                     "the interface that the frames came from has gone or is down"),
    VMMC_STATUS_TEXT(VMMC_ERR_UNKNOWN_CHANNEL, "no real-time channel is open under this id"),
    VMMC_STATUS_TEXT(VMMC_ERR_BAD_BUDGET, "the numbers of the budget make no sense"),
    VMMC_STATUS_TEXT(VMMC_ERR_NIC_OVERCOMMITTED,
                     "the network interface has not so much time left for real-time channels"),
    VMMC_STATUS_TEXT(VMMC_ERR_DEADLINE_TOO_SHORT, "the deadline cannot be guaranteed"),
    VMMC_STATUS_TEXT(VMMC_ERR_RESERVATION_FULL,
                     "there is not so much memory left for real-time channels"),
    VMMC_STATUS_TEXT(VMMC_ERR_TOO_MANY_CHANNELS, "nicsim has too many real-time channels"),
    VMMC_STATUS_TEXT(VMMC_ERR_CHANNEL_TAKEN, "the real-time channel has, or has had, a sender"),
    VMMC_STATUS_TEXT(VMMC_ERR_OVER_BUDGET, "the channel's budget of this period is used up"),
    VMMC_STATUS_TEXT(VMMC_ERR_NO_PAGE, "all pages or buffers of the channel are out"),
    VMMC_STATUS_TEXT(VMMC_ERR_TOO_LONG, "longer than the channel's budget allows"),
    VMMC_STATUS_TEXT(VMMC_ERR_NOT_HELD, "this process does not hold that page, block or datagram"),
};
#undef VMMC_STATUS_TEXT

constexpr StatusText kUnknown{0, "unknown status", "a number that is no status"};

// Initial-exec: the first use in a thread must not allocate, as it may be in a signal handler.
[[gnu::tls_model("initial-exec")]] thread_local char sentence[400];
// What was said last, if it is not in `sentence`.
[[gnu::tls_model("initial-exec")]] thread_local const char* constant_sentence = nullptr;

const StatusText& text_of(int status) {
  for (const StatusText& text : kTexts) {
    if (text.status == status) return text;
  }
  return kUnknown;
}

}  // namespace

int fail(int status, const char* format, ...) {
  const int saved = errno;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  constant_sentence = nullptr;
  errno = saved;
  return status;
}

int fail_saying(int status, const char* sentence) {
  constant_sentence = sentence;
  return status;
}

int fail_system(const char* what, const platform::SystemError& error) {
  const bool memory = error.number == ENOMEM || error.number == ENOSPC || error.number == EFBIG;
  return fail(memory ? VMMC_ERR_OUT_OF_MEMORY : VMMC_ERR_SYSTEM, "%s: %s: %s", what, error.call,
              std::strerror(error.number));
}

int fail_refused(wire::Status status, const char* format, ...) {
  const int saved = errno;
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  if (length >= 0 && static_cast<std::size_t>(length) < sizeof sentence) {
    std::snprintf(sentence + length, sizeof sentence - static_cast<std::size_t>(length), ": %s",
                  text_of(static_cast<int>(status)).sentence);
  }
  constant_sentence = nullptr;
  errno = saved;
  return static_cast<int>(status);
}

int fail_plainly(int status) { return fail_saying(status, status_sentence(status)); }

int fail_nicsim_gone() { return fail_plainly(VMMC_ERR_NICSIM_GONE); }

const char* last_error() { return constant_sentence != nullptr ? constant_sentence : sentence; }
const char* status_sentence(int status) { return text_of(status).sentence; }
const char* status_name(int status) { return text_of(status).name; }

}  // namespace vmmc::internal

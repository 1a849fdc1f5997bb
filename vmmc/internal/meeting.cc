// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/meeting.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>

#include "platform/shared_memory.h"
#include "platform/unix_socket.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/nicsim_starter.h"

namespace vmmc::internal {
namespace {

constexpr std::uint64_t kPatience = 5'000'000'000;  // ns for connecting and attaching together
constexpr useconds_t kFirstPause = 1'000;           // us between tries; doubles up to ...
constexpr useconds_t kLongestPause = 100'000;

// What one try came to: attached, refused for good, or worth another try.
enum class Outcome { kAttached, kRefused, kNobodyThere };

struct Wish {
  std::string socket;
  std::uint32_t node;
  std::uint32_t process;
};

std::string socket_name(const vmmc_init_options& options) {
  const char* name = options.socket;
  if (name == nullptr) name = std::getenv("VMMC_SOCKET");
  if (name == nullptr || *name == '\0') return "@vmmc-" + std::to_string(::getuid());
  // A nicsim that is started here does not stay in our working directory.
  std::error_code ignored;
  return *name == '@' ? name : std::filesystem::absolute(name, ignored).string();
}

int read_wish(const vmmc_init_options& options, Wish& wish) {
  wish = {socket_name(options), options.node, options.process};
  if (wish.node == VMMC_ANY) {
    const int status = number_from_environment("VMMC_NODE", VMMC_ANY, &wish.node);
    if (status != VMMC_OK) return status;
  }
  if (wish.process != VMMC_ANY) return VMMC_OK;
  return number_from_environment("VMMC_PROCESS", VMMC_ANY, &wish.process);
}

Outcome connect_failure(const Wish& wish, const platform::SystemError& error, int* status) {
  if (error.number == ECONNREFUSED || error.number == ENOENT) return Outcome::kNobodyThere;
  if (error.number == ENAMETOOLONG || error.number == EINVAL) {
    *status = fail(VMMC_ERR_INVALID_ARGUMENT, "the socket name \"%s\" is empty or too long",
                   wish.socket.c_str());
  } else {
    *status = fail_system(("cannot reach nicsim at " + wish.socket).c_str(), error);
  }
  return Outcome::kRefused;
}

// Ours, or root's: anybody could listen at a name in the abstract namespace.
bool is_trusted(uid_t uid) { return uid == ::geteuid() || uid == ::getuid() || uid == 0; }

Outcome refused(const Wish& wish, const wire::MessageHeader& header, int* status) {
  switch (header.status) {
    case wire::Status::kVersionMismatch:
      *status = fail(VMMC_ERR_VERSION,
                     "this program speaks version %u of the interface to nicsim, and the nicsim at "
                     "%s speaks version %u",
                     wire::kVersion, wish.socket.c_str(), header.version);
      break;
    case wire::Status::kNoSuchNode:
      *status = fail_refused(header.status, "cannot attach to node %u", wish.node);
      break;
    case wire::Status::kProcessIdInUse:
      *status = fail_refused(header.status, "cannot attach as process %u", wish.process);
      break;
    default:
      *status =
          fail_refused(header.status, "cannot attach to the nicsim at %s", wish.socket.c_str());
  }
  return Outcome::kRefused;
}

// Waits for the reply for as long as the whole meeting may take.
void limit_wait(int socket, Deadline& deadline) {
  const std::uint64_t left = std::max<std::uint64_t>(deadline.remaining(), 1'000'000);
  const timeval limit{static_cast<time_t>(left / 1'000'000'000),
                      static_cast<suseconds_t>(left % 1'000'000'000 / 1'000)};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void wait_without_limit(int socket) {
  const timeval never{};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never);
}

Outcome read_attach_reply(const Wish& wish, Meeting& meeting, int* status) {
  auto received = platform::receive_message(meeting.socket.get(),
                                            std::as_writable_bytes(std::span(&meeting.reply, 1)));
  if (!received.ok()) {
    if (received.error().number == ECONNRESET) return Outcome::kNobodyThere;
    *status = fail_system(("no answer from nicsim at " + wish.socket).c_str(), received.error());
    return Outcome::kRefused;
  }
  platform::ReceivedMessage& message = received.value();
  if (message.bytes == 0) return Outcome::kNobodyThere;  // it has just decided to leave
  if (message.bytes < sizeof(wire::MessageHeader) || meeting.reply.header.magic != wire::kMagic) {
    *status = fail(VMMC_ERR_MALFORMED, "the server at %s is no nicsim", wish.socket.c_str());
    return Outcome::kRefused;
  }
  if (meeting.reply.header.status != wire::Status::kOk) {
    return refused(wish, meeting.reply.header, status);
  }
  if (message.descriptors_lost) {
    *status = fail_system(("cannot take the channel from nicsim at " + wish.socket).c_str(),
                          {"recvmsg", EMFILE});
    return Outcome::kRefused;
  }
  if (message.bytes != sizeof meeting.reply || message.descriptor_count != 3 ||
      !platform::is_sealed_shared_memory(message.descriptors[0].get(), wire::kChannelBytes)) {
    *status = fail(VMMC_ERR_MALFORMED, "nicsim at %s gave no channel", wish.socket.c_str());
    return Outcome::kRefused;
  }
  meeting.channel = std::move(message.descriptors[0]);
  meeting.doorbell = std::move(message.descriptors[1]);
  meeting.notification_pipe = std::move(message.descriptors[2]);
  return Outcome::kAttached;
}

Outcome try_once(const Wish& wish, Deadline& deadline, Meeting& meeting, int* status) {
  auto socket = platform::connect_unix_socket(wish.socket, deadline.remaining());
  if (!socket.ok()) return connect_failure(wish, socket.error(), status);
  const auto peer = platform::peer_credentials(socket.value().get());
  if (!peer.ok() || !is_trusted(peer.value().uid)) {
    *status = fail(VMMC_ERR_STRANGER, "the server at %s belongs to user %u, not to us or root",
                   wish.socket.c_str(), peer.ok() ? peer.value().uid : 0);
    return Outcome::kRefused;
  }
  meeting.socket = std::move(socket.value());
  // What nicsim must find when it reads our memory across; random, so that no other process has it
  // at this address.
  std::uint64_t probe = 0;
  (void)!::getrandom(&probe, sizeof probe, 0);
  wire::AttachRequest request{};
  request.header = {wire::kMagic, wire::kVersion, wire::MessageType::kAttach, 0, wire::Status::kOk};
  request.node = wish.node;
  request.process = wish.process;
  request.probe_address = reinterpret_cast<std::uintptr_t>(&probe);
  request.probe_value = probe;
  request.destination_space_bytes = meeting.destination_space;
  limit_wait(meeting.socket.get(), deadline);
  const auto sent =
      platform::send_message(meeting.socket.get(), std::as_bytes(std::span(&request, 1)));
  if (!sent.ok()) {
    const int number = sent.error().number;
    if (number == EPIPE || number == ECONNRESET) return Outcome::kNobodyThere;
    *status = fail_system("cannot ask nicsim", sent.error());
    return Outcome::kRefused;
  }
  const Outcome outcome = read_attach_reply(wish, meeting, status);
  wait_without_limit(meeting.socket.get());
  return outcome;
}

int nobody_to_start(const Wish& wish) {
  const char* named = std::getenv("VMMC_NICSIM");
  if (named != nullptr && *named != '\0') {
    return fail(VMMC_ERR_NO_NICSIM,
                "no nicsim runs at %s, and $VMMC_NICSIM (\"%s\") is no program to start",
                wish.socket.c_str(), named);
  }
  return fail(VMMC_ERR_NO_NICSIM,
              "no nicsim runs at %s, and there is no `nicsim` to start beside the program or in "
              "$PATH",
              wish.socket.c_str());
}

}  // namespace

int number_from_environment(const char* name, std::uint32_t otherwise, std::uint32_t* number) {
  *number = otherwise;
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return VMMC_OK;
  const char* end = text + std::strlen(text);
  std::uint32_t value = 0;
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value == VMMC_ANY) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "$%s is \"%s\", not a number", name, text);
  }
  *number = value;
  return VMMC_OK;
}

int meet_nicsim(const vmmc_init_options& options, Meeting& meeting) {
  Wish wish;
  int status = read_wish(options, wish);
  if (status != VMMC_OK) return status;
  meeting.place = wish.socket;
  Deadline deadline(kPatience);
  std::string program;
  for (useconds_t pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    switch (try_once(wish, deadline, meeting, &status)) {
      case Outcome::kAttached:
        return VMMC_OK;
      case Outcome::kRefused:
        return status;
      case Outcome::kNobodyThere:
        break;
    }
    if (options.never_start != 0) {
      return fail(VMMC_ERR_NO_NICSIM, "no nicsim runs at %s", wish.socket.c_str());
    }
    if (program.empty()) program = find_nicsim();
    if (program.empty()) return nobody_to_start(wish);
    if (deadline.passed()) {
      return fail(VMMC_ERR_NO_NICSIM, "%s was started, but nobody serves at %s", program.c_str(),
                  wish.socket.c_str());
    }
    status = start_nicsim(program, wish.socket);
    if (status != VMMC_OK) return status;
    ::usleep(pause);
  }
}

}  // namespace vmmc::internal

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/ring_stream.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "vmmc/vmmc.h"

namespace vmmc::dump {
namespace {

constexpr std::uint32_t kEthernet = 1;

// libpcap's instructions are the kernel's.
static_assert(sizeof(bpf_insn) == sizeof(sock_filter));
static_assert(offsetof(bpf_insn, k) == offsetof(sock_filter, k));

int exit_code_of(int status) {
  switch (status) {
    case VMMC_ERR_NO_NICSIM:
    case VMMC_ERR_VERSION:
    case VMMC_ERR_STRANGER:
      return kExitNoNicsim;
    case VMMC_ERR_USER_NOT_ALLOWED:
    case VMMC_ERR_PERMISSION_DENIED:
      return kExitNotPermitted;
    case VMMC_ERR_BAD_FRAME_SOURCE:
    case VMMC_ERR_UNKNOWN_RING:
    case VMMC_ERR_NO_SUCH_NODE:
      return kExitNoSource;
    case VMMC_ERR_NOT_A_CAPTURE:
      return kExitNotACapture;
    case VMMC_ERR_CORRUPT_CAPTURE:
    case VMMC_ERR_TRUNCATED_CAPTURE:
      return kExitBrokenCapture;
    case VMMC_ERR_FRAME_SOURCE_GONE:
    case VMMC_ERR_NICSIM_GONE:
      return kExitSourceGone;
    default:
      return kExitFailure;
  }
}

std::string subject_of(const Options& options) {
  switch (options.source) {
    case Source::kInterface:
      return options.name.empty() ? "all interfaces" : options.name;
    case Source::kFile:
      return options.name == "-" ? "standard input" : options.name;
    case Source::kBackplane:
      return "the backplane";
    default:
      return "ring " + std::to_string(options.opener.node) + ":" +
             std::to_string(options.opener.process) + ":" + std::to_string(options.ring);
  }
}

// Whether its frames begin with an Ethernet header. Not of all interfaces together: they differ.
bool is_ethernet(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) return false;
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  const platform::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid() || ::ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0) return false;
  const auto type = request.ifr_hwaddr.sa_family;
  return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
}

std::optional<Failure> attach(const Options& options) {
  vmmc_init_options init = VMMC_INIT_DEFAULTS;
  if (!options.socket.empty()) init.socket = options.socket.c_str();
  // On a machine that is started now nobody sends anything, and nobody has opened a ring.
  init.never_start = options.source == Source::kBackplane || options.source == Source::kJoin;
  const int status = ::vmmc_init(&init);
  if (status == VMMC_OK) return std::nullopt;
  return Failure{exit_code_of(status), ::vmmc_last_error()};
}

std::optional<Failure> outcome_of(int status, const Options& options) {
  if (status == VMMC_OK) return std::nullopt;
  return stream_failure(status, subject_of(options));
}

}  // namespace

Failure stream_failure(int status, const std::string& subject) {
  const std::string sentence = ::vmmc_last_error();
  return {exit_code_of(status),
          subject + ": " + (sentence.empty() ? ::vmmc_strerror(status) : sentence)};
}

std::variant<std::unique_ptr<RingStream>, Failure> RingStream::open(const Options& options) {
  std::unique_ptr<RingStream> stream(new RingStream);
  if (options.source == Source::kFile) {
    if (auto failure = stream->open_file(options)) return std::move(*failure);
  }
  if (auto failure = attach(options)) return std::move(*failure);
  stream->attached_ = true;
  if (auto failure = stream->open_ring(options)) return std::move(*failure);
  if (auto failure = stream->compile_filter(options)) return std::move(*failure);
  return stream;
}

RingStream::~RingStream() {
  if (ring_ != nullptr) (void)::vmmc_ring_close(ring_);
  if (attached_) (void)::vmmc_finalize();
}

std::optional<Failure> RingStream::open_file(const Options& options) {
  input_.reset(options.name == "-"
                   ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                   : ::open(options.name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (input_.valid()) return std::nullopt;
  const int code = errno == EACCES || errno == EPERM ? kExitNotPermitted : kExitNoSource;
  return Failure{code, subject_of(options) + ": " + std::strerror(errno)};
}

std::optional<Failure> RingStream::open_interface(const Options& options) {
  const std::string& name = options.name;
  const vmmc_ring_options* const ring = &options.ring_options;
  if (!options.filter.empty() && is_ethernet(name)) {
    auto compiled = FrameFilter::compile(options.filter, kEthernet);
    if (auto* failure = std::get_if<Failure>(&compiled)) return std::move(*failure);
    auto& filter = std::get<FrameFilter>(compiled);
    if (filter.suits_kernel()) {
      kernel_filters_ = true;
      const bpf_program& program = filter.program();
      return outcome_of(::vmmc_ring_open_interface(name.c_str(), program.bf_insns, program.bf_len,
                                                   options.ring, ring, &ring_),
                        options);
    }
  }
  return outcome_of(
      ::vmmc_ring_open_interface(name.c_str(), nullptr, 0, options.ring, ring, &ring_), options);
}

std::optional<Failure> RingStream::open_ring(const Options& options) {
  const vmmc_ring_options* const ring = &options.ring_options;
  switch (options.source) {
    case Source::kInterface:
      return open_interface(options);
    case Source::kFile:
      return outcome_of(::vmmc_ring_open_file(input_.get(), options.ring, ring, &ring_), options);
    case Source::kBackplane:
      return outcome_of(::vmmc_ring_open_backplane(options.node, options.ring, ring, &ring_),
                        options);
    default:
      return outcome_of(::vmmc_ring_join(options.opener, options.ring, &ring_), options);
  }
}

std::optional<Failure> RingStream::compile_filter(const Options& options) {
  if (options.filter.empty() || kernel_filters_) return std::nullopt;
  auto compiled = FrameFilter::compile(options.filter, link_type());
  if (auto* failure = std::get_if<Failure>(&compiled)) return std::move(*failure);
  filter_.emplace(std::move(std::get<FrameFilter>(compiled)));
  return std::nullopt;
}

int RingStream::next(const vmmc_frame*& frame, std::uint64_t timeout) {
  return ::vmmc_ring_next(ring_, &frame, timeout);
}

vmmc_ring_counters RingStream::counters() const {
  vmmc_ring_counters counters{};
  (void)::vmmc_ring_get_counters(ring_, &counters);
  return counters;
}

std::uint32_t RingStream::link_type() const {
  std::uint32_t type = 0;
  (void)::vmmc_ring_link_type(ring_, &type);
  return type;
}

}  // namespace vmmc::dump

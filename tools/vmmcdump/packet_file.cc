// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/packet_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "nicsim/wire/version.h"
#include "platform/write_all.h"
#include "tools/pcapng/pcapng.h"

namespace vmmc::dump {
namespace {

Failure unwritable(const std::string& path, int error) {
  return {kExitUnwritable, path + ": " + std::strerror(error)};
}

}  // namespace

PacketFile::PacketFile(std::string path, platform::FileDescriptor file, Origin origin)
    : path_(std::move(path)), file_(std::move(file)), origin_(std::move(origin)) {
  text_.reserve(2 * kEnough);
  pcapng::append_section(text_, {{}, "vmmcdump " VMMC_VERSION_STRING});
}

std::variant<PacketFile, Failure> PacketFile::open(const std::string& path, bool overwrite,
                                                   int input, Origin origin) {
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) != 0) {
      return Failure{kExitUsage, "pcapng is not for a terminal; name a file"};
    }
    platform::FileDescriptor copy(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return unwritable("standard output", errno);
    return PacketFile("standard output", std::move(copy), std::move(origin));
  }
  platform::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  struct stat status;
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return unwritable(path, errno);
  struct stat source;
  if (input >= 0 && ::fstat(input, &source) == 0 && source.st_dev == status.st_dev &&
      source.st_ino == status.st_ino) {
    return Failure{kExitOutputExists, path + ": is the file that is read"};
  }
  const bool regular = S_ISREG(status.st_mode);
  if (regular && status.st_size != 0 && !overwrite) {
    return Failure{kExitOutputExists, path + ": exists and is not empty; --overwrite replaces it"};
  }
  if (regular && ::ftruncate(file.get(), 0) != 0) return unwritable(path, errno);
  return PacketFile(path, std::move(file), std::move(origin));
}

std::uint32_t PacketFile::interface_of(const vmmc_frame& frame) {
  const auto [found, is_new] =
      interfaces_.try_emplace({frame.interface_, frame.link_type}, interfaces_.size());
  if (is_new) {
    std::string name = origin_.name;
    if (origin_.numbered) name += (name.empty() ? "" : " ") + std::to_string(frame.interface_);
    pcapng::append_interface(text_, {frame.link_type, origin_.snap_length, name, origin_.filter});
  }
  return found->second;
}

void PacketFile::add(const vmmc_frame& frame, const WholeFrame& whole) {
  pcapng::Packet packet;
  packet.interface = interface_of(frame);
  packet.time = whole.time;
  packet.length = whole.length;
  packet.head = whole.bytes;
  packet.dropped = frame.dropped + std::exchange(dropped_, 0);
  if ((frame.flags & VMMC_FRAME_OUTBOUND) != 0) {
    packet.direction = pcapng::Direction::kOutbound;
  } else if (origin_.directed) {
    packet.direction = pcapng::Direction::kInbound;
  }
  pcapng::append_packet(text_, packet);
  ++frames_;
  time_ = whole.time;
  if (text_.size() >= kEnough) flush();
}

bool PacketFile::flush() {
  if (error_ == 0) error_ = platform::write_all(file_.get(), text_);
  text_.clear();
  return works();
}

std::optional<Failure> PacketFile::close(const vmmc_ring_counters& counters) {
  // The counters are of all interfaces together: where there are several nothing true can be said of one.
  if (interfaces_.size() == 1) {
    pcapng::append_statistics(text_, {0, time_, counters.delivered + counters.dropped,
                                      counters.source_dropped, counters.dropped, frames_});
  }
  flush();
  if (::close(file_.release()) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0) return std::nullopt;
  return unwritable(path_, error_);
}

}  // namespace vmmc::dump

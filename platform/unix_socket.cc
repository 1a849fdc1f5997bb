// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/unix_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/system_calls.h"

namespace vmmc::platform {
namespace {

struct Address {
  sockaddr_un name{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// 0, or the errno that says why there is no such address.
int make_address(const std::string& name, Address& address) {
  if (name.empty()) return EINVAL;
  if (name.size() >= sizeof address.name.sun_path) return ENAMETOOLONG;
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path, name.data(), name.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (name[0] == '@') {
    address.name.sun_path[0] = '\0';
  } else {
    ++address.length;  // paths end with a zero byte
  }
  return 0;
}

// Refused by name only when nobody listens. Non-blocking, since a live server whose queue is full
// would let us wait; every other outcome (queue full, other socket type, no permission) means a
// live server, or one that is not ours.
Result<bool> nobody_listens(const Address& address) {
  const FileDescriptor probe(
      system_calls().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return last_system_error("socket");
  return system_calls().connect(probe.get(), address.get(), address.length) != 0 &&
         errno == ECONNREFUSED;
}

Result<FileDescriptor> lock_directory_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                                           : path.substr(0, slash);
  FileDescriptor lock(system_calls().open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid()) return last_system_error("open of the socket's directory");
  int outcome = 0;
  do {
    outcome = ::flock(lock.get(), LOCK_EX);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0) return last_system_error("flock");
  return lock;
}

// With the directory locked, so that two servers cannot each remove the other's fresh socket.
Result<FileDescriptor> bind_path(FileDescriptor socket, const std::string& name,
                                 const Address& address) {
  const Result<FileDescriptor> lock = lock_directory_of(name);
  if (!lock.ok()) return lock.error();
  struct stat status {};
  if (::lstat(name.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) return SystemError{"bind", EADDRINUSE};
    const Result<bool> stale = nobody_listens(address);
    if (!stale.ok()) return stale.error();
    if (!stale.value()) return SystemError{"bind", EADDRINUSE};
    ::unlink(name.c_str());
  }
  // Linux gives the file the mode of the socket, less the umask: 0600 from the first moment.
  if (::fchmod(socket.get(), 0600) != 0) return last_system_error("fchmod");
  if (::bind(socket.get(), address.get(), address.length) != 0) return last_system_error("bind");
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    const SystemError error = last_system_error("listen");
    ::unlink(name.c_str());
    return error;
  }
  return socket;
}

// How long connect and sendmsg may wait, in ns; 0: no limit.
void limit_sending(int socket, std::uint64_t time) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  timeval limit{static_cast<time_t>(time / kSecond),
                static_cast<suseconds_t>(time % kSecond / 1'000)};
  if (time != 0 && time < 1'000) limit.tv_usec = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

Result<FileDescriptor> connect_unix_socket(const std::string& name, std::uint64_t patience) {
  Address address;
  if (const int error = make_address(name, address)) return SystemError{"connect", error};
  FileDescriptor socket(system_calls().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return last_system_error("socket");
  if (patience != UINT64_MAX) limit_sending(socket.get(), patience);
  int outcome = 0;
  do {  // an interrupted connect to a Unix socket has not begun
    outcome = system_calls().connect(socket.get(), address.get(), address.length);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0) {
    // EAGAIN here: the time is over.
    return errno == EAGAIN ? SystemError{"connect", ETIMEDOUT} : last_system_error("connect");
  }
  if (patience != UINT64_MAX) limit_sending(socket.get(), 0);
  return socket;
}

Result<FileDescriptor> listen_unix_socket(const std::string& name) {
  Address address;
  if (const int error = make_address(name, address)) return SystemError{"bind", error};
  FileDescriptor socket(
      system_calls().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return last_system_error("socket");
  if (name[0] != '@') return bind_path(std::move(socket), name, address);
  if (::bind(socket.get(), address.get(), address.length) != 0) return last_system_error("bind");
  if (::listen(socket.get(), SOMAXCONN) != 0) return last_system_error("listen");
  return socket;
}

void remove_unix_socket(const std::string& name) {
  if (!name.empty() && name[0] != '@') ::unlink(name.c_str());
}

Result<PeerCredentials> peer_credentials(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return last_system_error("getsockopt(SO_PEERCRED)");
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

Result<std::size_t> send_message(int socket, std::span<const std::byte> message,
                                 std::span<const int> descriptors) {
  if (descriptors.size() > kMaxPassedDescriptors) return SystemError{"sendmsg", EINVAL};
  iovec bytes{const_cast<std::byte*>(message.data()), message.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxPassedDescriptors * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent = 0;
  do {
    sent = system_calls().sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return last_system_error("sendmsg");
  return static_cast<std::size_t>(sent);
}

Result<ReceivedMessage> receive_message(int socket, std::span<std::byte> buffer) {
  iovec bytes{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxPassedDescriptors * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = system_calls().recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return last_system_error("recvmsg");
  ReceivedMessage message;
  message.bytes = static_cast<std::size_t>(got);
  message.truncated = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      FileDescriptor owned(fd);
      if (message.descriptor_count < kMaxPassedDescriptors) {
        message.descriptors[message.descriptor_count++] = std::move(owned);
      } else {
        message.truncated = true;  // the buffer is rounded up, so that one more may fit
      }
    }
  }
  message.descriptors_lost = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == MSG_CTRUNC &&
                             message.descriptor_count < kMaxPassedDescriptors;
  return message;
}

}  // namespace vmmc::platform

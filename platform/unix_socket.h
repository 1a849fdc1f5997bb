// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Unix sockets of type SOCK_SEQPACKET: a message is sent whole and received whole, with up to two
// file descriptors.
//
// A name that begins with '@' lives in the abstract namespace: no file, nothing left behind when
// the server is killed. Any other name is a path; a server that was killed leaves the file, and the
// next server replaces it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "platform/file_descriptor.h"
#include "platform/result.h"

namespace vmmc::platform {

inline constexpr std::size_t kMaxPassedDescriptors = 5;

// Connects to the server at `name` (blocking, close-on-exec). ECONNREFUSED or ENOENT: nobody
// listens there. ENAMETOOLONG: the name does not fit a socket address (107 bytes). ETIMEDOUT: the
// server has not made room for another client in `patience` ns (UINT64_MAX: no limit).
Result<FileDescriptor> connect_unix_socket(const std::string& name,
                                           std::uint64_t patience = UINT64_MAX);

// Listens at `name` (non-blocking, close-on-exec, mode 0600 for a path). EADDRINUSE: a live server
// is there. A path left by a dead server is replaced; servers that race for one path end up with
// one winner (the directory is locked).
Result<FileDescriptor> listen_unix_socket(const std::string& name);

// Removes the path of a listening socket (nothing to do for an abstract name). Call it while the
// socket still listens: afterwards the path may be another server's.
void remove_unix_socket(const std::string& name);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
// Who is at the other end (SO_PEERCRED).
Result<PeerCredentials> peer_credentials(int socket);

// Sends one message. EPIPE and ECONNRESET: the peer has gone (never SIGPIPE). The descriptors are
// duplicated by the kernel.
Result<std::size_t> send_message(int socket, std::span<const std::byte> message,
                                 std::span<const int> descriptors = {});

struct ReceivedMessage {
  std::size_t bytes = 0;   // 0: the peer has hung up
  bool truncated = false;  // the message or its descriptors did not fit: reject it
  // Truncated, but only because this process cannot open more descriptors (EMFILE).
  bool descriptors_lost = false;
  FileDescriptor descriptors[kMaxPassedDescriptors];
  std::size_t descriptor_count = 0;
};
// Receives one message into `buffer`. EAGAIN on a non-blocking socket without a message.
// Descriptors beyond kMaxPassedDescriptors are closed. All are close-on-exec.
Result<ReceivedMessage> receive_message(int socket, std::span<std::byte> buffer);

}  // namespace vmmc::platform

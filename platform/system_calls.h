// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Every system call whose failure must be survived, behind one table of function pointers, so that
// a test can make the n-th call fail and see what the caller does then (tests/support:
// FailingSystemCalls).
//
// Threads: the table is read by any thread; it is changed only by tests, before the code under test
// runs. Calls on the data path (futex, eventfd write) are not in the table: their failure cannot
// lose anything.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <cstddef>

namespace vmmc::platform {

// Each returns what the system call of this name returns, and sets errno as it does.
struct SystemCalls {
  int (*memfd_create)(const char* name, unsigned flags);
  int (*allocate)(int fd, off_t offset, off_t length);  // posix_fallocate, but -1 and errno
  int (*add_seals)(int fd, int seals);
  void* (*mmap)(void* address, std::size_t length, int protection, int flags, int fd, off_t offset);
  int (*munmap)(void* address, std::size_t length);
  int (*mprotect)(void* address, std::size_t length, int protection);
  void* (*mremap)(void* address, std::size_t old_length, std::size_t new_length, int flags,
                  void* new_address);
  int (*eventfd)(unsigned initial, int flags);
  int (*pipe2)(int ends[2], int flags);
  int (*socket)(int domain, int type, int protocol);
  int (*connect)(int fd, const struct sockaddr* address, socklen_t length);
  ssize_t (*sendmsg)(int fd, const struct msghdr* message, int flags);
  ssize_t (*recvmsg)(int fd, struct msghdr* message, int flags);
  int (*open)(const char* path, int flags);
  int (*get_flags)(int fd);  // fcntl F_GETFL
  int (*fstat)(int fd, struct stat* facts);
  int (*fstatfs)(int fd, struct statfs* facts);
  ssize_t (*pread)(int fd, void* bytes, std::size_t length, off_t offset);
  ssize_t (*preadv2)(int fd, const struct iovec* parts, int count, off_t offset, int flags);
  int (*fadvise)(int fd, off_t offset, off_t length,
                 int advice);  // posix_fadvise, but -1 and errno
  int (*getsockname)(int fd, struct sockaddr* address, socklen_t* length);
  int (*getsockopt)(int fd, int level, int option, void* value, socklen_t* length);
  int (*setsockopt)(int fd, int level, int option, const void* value, socklen_t length);
};

// The real ones.
const SystemCalls& real_system_calls();

// The table in force.
const SystemCalls& system_calls();

// Tests only: puts `table` in force (it must outlive its use); nullptr puts the real calls back.
void replace_system_calls(const SystemCalls* table);

}  // namespace vmmc::platform

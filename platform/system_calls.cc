// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/system_calls.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace vmmc::platform {
namespace {

// What some calls return instead of setting errno.
int with_errno(int error) {
  if (error == 0) return 0;
  errno = error;
  return -1;
}

int allocate_file(int fd, off_t offset, off_t length) {
  return with_errno(::posix_fallocate(fd, offset, length));
}

int advise_file(int fd, off_t offset, off_t length, int advice) {
  return with_errno(::posix_fadvise(fd, offset, length, advice));
}

constexpr SystemCalls kReal{
    .memfd_create = [](const char* name, unsigned flags) { return ::memfd_create(name, flags); },
    .allocate = allocate_file,
    .add_seals = [](int fd, int seals) { return ::fcntl(fd, F_ADD_SEALS, seals); },
    .mmap = [](void* address, std::size_t length, int protection, int flags, int fd,
               off_t offset) { return ::mmap(address, length, protection, flags, fd, offset); },
    .munmap = [](void* address, std::size_t length) { return ::munmap(address, length); },
    .mprotect = [](void* address, std::size_t length,
                   int protection) { return ::mprotect(address, length, protection); },
    .mremap =
        [](void* address, std::size_t old_length, std::size_t new_length, int flags,
           void* new_address) {
          return ::mremap(address, old_length, new_length, flags, new_address);
        },
    .eventfd = [](unsigned initial, int flags) { return ::eventfd(initial, flags); },
    .pipe2 = [](int ends[2], int flags) { return ::pipe2(ends, flags); },
    .socket = [](int domain, int type, int protocol) { return ::socket(domain, type, protocol); },
    .connect = [](int fd, const sockaddr* address,
                  socklen_t length) { return ::connect(fd, address, length); },
    .sendmsg = [](int fd, const msghdr* message,
                  int flags) { return ::sendmsg(fd, message, flags); },
    .recvmsg = [](int fd, msghdr* message, int flags) { return ::recvmsg(fd, message, flags); },
    .open = [](const char* path, int flags) { return ::open(path, flags); },
    .get_flags = [](int fd) { return ::fcntl(fd, F_GETFL); },
    .fstat = [](int fd, struct stat* facts) { return ::fstat(fd, facts); },
    .fstatfs = [](int fd, struct statfs* facts) { return ::fstatfs(fd, facts); },
    .pread = [](int fd, void* bytes, std::size_t length,
                off_t offset) { return ::pread(fd, bytes, length, offset); },
    .preadv2 = [](int fd, const iovec* parts, int count, off_t offset,
                  int flags) { return ::preadv2(fd, parts, count, offset, flags); },
    .fadvise = advise_file,
    .getsockname = [](int fd, sockaddr* address,
                      socklen_t* length) { return ::getsockname(fd, address, length); },
    .getsockopt = [](int fd, int level, int option, void* value,
                     socklen_t* length) { return ::getsockopt(fd, level, option, value, length); },
    .setsockopt = [](int fd, int level, int option, const void* value,
                     socklen_t length) { return ::setsockopt(fd, level, option, value, length); },
};

const SystemCalls* in_force = &kReal;

}  // namespace

const SystemCalls& real_system_calls() { return kReal; }
const SystemCalls& system_calls() { return *in_force; }
void replace_system_calls(const SystemCalls* table) { in_force = table ? table : &kReal; }

}  // namespace vmmc::platform

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The SHRIMP Base Library, as calls of vmmc.h: attaches when it has to, turns words into bytes, and
// starts processes.

#include "vmmc/sbl.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "vmmc/internal/error.h"
#include "vmmc/internal/signals_blocked.h"
#include "vmmc/vmmc.h"

static_assert(SBL_ENotInHandler == VMMC_ERR_IN_HANDLER);

namespace {

using vmmc::internal::fail;

constexpr int kWord = 4;

void deliver_at_exit() { vmmc_fence(); }

// Once per process; a forked child starts anew, under a name that nicsim chooses.
int attach() {
  static std::mutex mutex;
  static pid_t attached_process = 0;
  const std::lock_guard lock(mutex);
  if (attached_process == ::getpid()) return VMMC_OK;
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.delivery = VMMC_DELIVER_BY_SIGNAL;
  if (attached_process != 0) ::unsetenv("VMMC_PROCESS");  // the parent's
  const int status = vmmc_init(&options);
  if (status != VMMC_OK && status != VMMC_ERR_ALREADY_ATTACHED) return status;
  if (attached_process == 0) std::atexit(deliver_at_exit);
  attached_process = ::getpid();
  return VMMC_OK;
}

int check_words(const void* address, int nwords) {
  if (nwords <= 0) return fail(VMMC_ERR_ZERO_LENGTH, "%d words", nwords);
  if (reinterpret_cast<std::uintptr_t>(address) % kWord != 0) {
    return fail(VMMC_ERR_MISALIGNED, "%p is not aligned to a word of %d bytes", address, kWord);
  }
  return VMMC_OK;
}

int check_message(const void* source, const void* destination, int nwords) {
  const int status = check_words(source, nwords);
  return status == VMMC_OK ? check_words(destination, nwords) : status;
}

int check_reserved(int reserved) {
  if (reserved == 0) return VMMC_OK;
  return fail(VMMC_ERR_INVALID_ARGUMENT, "the reserved argument is %d, not 0", reserved);
}

std::size_t bytes_of(int nwords) { return static_cast<std::size_t>(nwords) * kWord; }

// The handler as the base library knows it is the argument of ours.
void run_handler(const vmmc_notification* notification, void* argument) {
  const auto handler = reinterpret_cast<SBL_MsgHandler>(argument);
  auto* const words =
      reinterpret_cast<Int32*>(static_cast<char*>(notification->buffer) + notification->offset);
  handler(notification->buffer_id, words, static_cast<int>(notification->length / kWord),
          notification->sender.node, notification->sender.process);
}

int import(vmmc_identity exporter, unsigned id, Int32** proxy, int* nwords) {
  void* address = nullptr;
  std::size_t length = 0;
  const int status = vmmc_import(exporter, id, nullptr, &address, &length);
  if (status != VMMC_OK) return status;
  *proxy = static_cast<Int32*>(address);
  // Who sees the size sees the address.
  __atomic_store_n(nwords, static_cast<int>(length / kWord), __ATOMIC_RELEASE);
  return VMMC_OK;
}

// A thread of the library: takes none of the program's signals.
template <typename Function>
void start_thread(Function function) {
  const vmmc::internal::SignalsBlocked blocked;
  std::thread(function).detach();
}

int combining_of(enum SBL_AUWriteType type, int* combining) {
  switch (type) {
    case AU_Disable:
      *combining = VMMC_COMBINE_OFF;
      return VMMC_OK;
    case AU_SingleWrite:
      *combining = VMMC_COMBINE_SINGLE;
      return VMMC_OK;
    case AU_BlockWrite:
      *combining = VMMC_COMBINE_BLOCK;
      return VMMC_OK;
    case AU_TimerWrite:
      *combining = VMMC_COMBINE_TIMER;
      return VMMC_OK;
  }
  return fail(VMMC_ERR_INVALID_ARGUMENT, "write type %d does not exist", static_cast<int>(type));
}

// The environment of a spawned process: ours, with a name of its own and no place in a job.
std::vector<std::string> environment_for(NodeID node, SBL_Squid squid) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const std::string name = text.substr(0, text.find('='));
    if (name == "VMMC_NODE" || name == "VMMC_PROCESS" || name == "VMMC_RANK" ||
        name == "VMMC_SIZE") {
      continue;
    }
    environment.push_back(text);
  }
  environment.push_back("VMMC_NODE=" + std::to_string(node));
  environment.push_back("VMMC_PROCESS=" + std::to_string(squid));
  return environment;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

int spawn(const char* file, char** arguments, NodeID node, SBL_Squid squid) {
  std::vector<std::string> texts = environment_for(node, squid);
  const std::vector<char*> environment = pointers_to(texts);
  std::vector<char*> argv{const_cast<char*>(file)};
  for (char** argument = arguments; argument != nullptr && *argument != nullptr; ++argument) {
    argv.push_back(*argument);
  }
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, file, nullptr, nullptr, argv.data(), environment.data());
  if (error != 0) {
    return fail(VMMC_ERR_SYSTEM, "cannot start %s: %s", file, std::strerror(error));
  }
  try {
    start_thread([child] { ::waitpid(child, nullptr, 0); });  // leaves no zombie
  } catch (const std::exception&) {
    // The process runs all the same; it stays a zombie until we end.
  }
  return VMMC_OK;
}

// Large and random: nicsim gives the small numbers to those who do not choose.
SBL_Squid new_squid() {
  static std::mutex mutex;
  static std::random_device random;
  const std::lock_guard lock(mutex);
  return (1u << 30) + random() % (1u << 30);
}

// Runs `function` on an attached process; no exception leaves the library.
template <typename Function>
int attached(Function function) {
  try {
    const int status = attach();
    return status == VMMC_OK ? function() : status;
  } catch (const std::exception& error) {
    return fail(VMMC_ERR_OUT_OF_MEMORY, "%s", error.what());
  }
}

// In a handler the process is attached, and no lock is taken.
void attach_outside_handlers() {
  if (vmmc_self().process == VMMC_ANY) attached([] { return 0; });
}

template <typename Number>
Number* new_array(std::size_t count) {
  return static_cast<Number*>(std::malloc(std::max<std::size_t>(count, 1) * sizeof(Number)));
}

}  // namespace

// The parameters have the names of the manual.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {

int SBL_PageSize(void) { return static_cast<int>(vmmc_page_size()); }
int SBL_WordSize(void) { return static_cast<int>(vmmc_word_size()); }

NodeID SBL_MyNode(void) {
  attached([] { return 0; });
  return vmmc_self().node;
}

SBL_Squid SBL_MySquid(void) {
  attached([] { return 0; });
  return vmmc_self().process;
}

int SBL_Hosts(int* numHosts, NodeID** hosts) {
  return attached([&] {
    if (numHosts == nullptr || hosts == nullptr) {
      return fail(VMMC_ERR_INVALID_ARGUMENT, "numHosts or hosts is a null pointer");
    }
    const std::uint32_t nodes = vmmc_nodes();
    *hosts = new_array<NodeID>(nodes);
    if (*hosts == nullptr) throw std::bad_alloc();
    for (std::uint32_t node = 0; node < nodes; ++node) (*hosts)[node] = node;
    *numHosts = static_cast<int>(nodes);
    return static_cast<int>(VMMC_OK);
  });
}

int SBL_ExportRecvBuf(Int32* buf, int nwords, unsigned int rbufid, SBL_MsgHandler handler,
                      int reserved) {
  return attached([&] {
    int status = check_reserved(reserved);
    if (status == VMMC_OK) status = check_words(buf, nwords);
    if (status != VMMC_OK) return status;
    vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
    if (handler != nullptr) {
      options.handler = run_handler;
      options.handler_argument = reinterpret_cast<void*>(handler);
    }
    return vmmc_export(buf, bytes_of(nwords), rbufid, &options);
  });
}

int SBL_ImportRecvBuf(NodeID node, SBL_Squid squid, unsigned int rbufid, Int32** proxyBuf,
                      int* nwords) {
  return attached([&] {
    if (proxyBuf == nullptr || nwords == nullptr) {
      return fail(VMMC_ERR_INVALID_ARGUMENT, "proxyBuf or nwords is a null pointer");
    }
    return import({node, squid}, rbufid, proxyBuf, nwords);
  });
}

int SBL_ImportRecvBufReq(NodeID node, SBL_Squid squid, unsigned int rbufid, Int32** proxyBuf,
                         int* nwords, int reserved) {
  return attached([&] {
    if (const int status = check_reserved(reserved); status != VMMC_OK) return status;
    if (proxyBuf == nullptr || nwords == nullptr) {
      return fail(VMMC_ERR_INVALID_ARGUMENT, "proxyBuf or nwords is a null pointer");
    }
    __atomic_store_n(nwords, 0, __ATOMIC_RELAXED);
    start_thread([=] {
      const int status = import({node, squid}, rbufid, proxyBuf, nwords);
      if (status != VMMC_OK) __atomic_store_n(nwords, status, __ATOMIC_RELEASE);
    });
    return static_cast<int>(VMMC_OK);
  });
}

int SBL_Importers(unsigned int rbufId, int* numImporters, SBL_Squid** impSquids,
                  NodeId** impHosts) {
  return attached([&] {
    if (numImporters == nullptr || impSquids == nullptr || impHosts == nullptr) {
      return fail(VMMC_ERR_INVALID_ARGUMENT,
                  "numImporters, impSquids or impHosts is a null pointer");
    }
    std::size_t count = 0;
    if (const int status = vmmc_importers(rbufId, nullptr, 0, &count); status != VMMC_OK) {
      return status;
    }
    std::vector<vmmc_identity> importers(count);
    const int status = vmmc_importers(rbufId, importers.data(), importers.size(), &count);
    if (status != VMMC_OK) return status;
    importers.resize(std::min(count, importers.size()));  // some may have gone meanwhile
    std::unique_ptr<SBL_Squid, void (*)(void*)> squids(new_array<SBL_Squid>(importers.size()),
                                                       std::free);
    std::unique_ptr<NodeId, void (*)(void*)> hosts(new_array<NodeId>(importers.size()), std::free);
    if (squids == nullptr || hosts == nullptr) throw std::bad_alloc();
    for (std::size_t i = 0; i < importers.size(); ++i) {
      squids.get()[i] = importers[i].process;
      hosts.get()[i] = importers[i].node;
    }
    *numImporters = static_cast<int>(importers.size());
    *impSquids = squids.release();
    *impHosts = hosts.release();
    return static_cast<int>(VMMC_OK);
  });
}

// Nobody has a proxy without having attached.
int SBL_SendMsg(Int32* sendAddr, Int32* destAddr, int nwords) {
  const int status = check_message(sendAddr, destAddr, nwords);
  return status == VMMC_OK ? vmmc_send(sendAddr, destAddr, bytes_of(nwords)) : status;
}

int SBL_SendMsgWithNotify(Int32* sendAddr, Int32* destAddr, int nwords) {
  const int status = check_message(sendAddr, destAddr, nwords);
  return status == VMMC_OK ? vmmc_send_notify(sendAddr, destAddr, bytes_of(nwords), 0) : status;
}

int SBL_AUMap(Int32* sendBuf, Int32* proxyBuf, int nwords, int notify,
              enum SBL_AUWriteType writeType) {
  return attached([&] {
    vmmc_bind_options options = VMMC_BIND_DEFAULTS;
    options.notify = notify;
    int status = combining_of(writeType, &options.combining);
    if (status == VMMC_OK) status = check_words(sendBuf, nwords);
    if (status != VMMC_OK) return status;
    vmmc_binding* binding = nullptr;  // there is no call that ends it
    return vmmc_bind(sendBuf, proxyBuf, bytes_of(nwords), &options, &binding);
  });
}

void SBL_BlockNotifications(void) {
  attach_outside_handlers();
  vmmc_block_notifications();
}
int SBL_UnblockNotifications(void) {
  attach_outside_handlers();
  return vmmc_unblock_notifications();
}

int SBL_Spawn(char* execfile, char** argv, NodeID node, SBL_Squid* squid) {
  return attached([&] {
    if (execfile == nullptr || squid == nullptr) {
      return fail(VMMC_ERR_INVALID_ARGUMENT, "execfile or squid is a null pointer");
    }
    if (node >= vmmc_nodes()) {
      return fail(VMMC_ERR_NO_SUCH_NODE, "node %u, where the nodes are 0 to %u", node,
                  vmmc_nodes() - 1);
    }
    const SBL_Squid name = new_squid();
    const int status = spawn(execfile, argv, node, name);
    if (status == VMMC_OK) *squid = name;
    return status;
  });
}

// The thread's last sentence may belong to another call, so the status speaks for itself.
void SBL_Error(int status, const char* text) {
  std::fprintf(stderr, "%s: %s: %s\n", text == nullptr ? "" : text, vmmc_status_name(status),
               vmmc_strerror(status));
  if (*vmmc_last_error() != '\0') {
    std::fprintf(stderr, "  the last error of this thread: %s\n", vmmc_last_error());
  }
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

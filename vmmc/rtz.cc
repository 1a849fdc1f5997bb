// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface of vmmc/rtz.h. What sends and receives goes straight to its end: no lock, no
// exception, nothing that could be slow.

#include "vmmc/rtz.h"

#include "nicsim/wire/latency_buckets.h"
#include "vmmc/internal/c_interface.h"
#include "vmmc/internal/real_time/datagram_receiver.h"
#include "vmmc/internal/real_time/datagram_sender.h"

using vmmc::internal::attached;
using vmmc::internal::Attachment;
using vmmc::internal::channel_table;
using vmmc::internal::ChannelTable;
using vmmc::internal::connected;
using vmmc::internal::DatagramReceiver;
using vmmc::internal::DatagramSender;
using vmmc::internal::fail;
using vmmc::internal::null_pointer;

namespace {

[[gnu::cold]] int refuse(const vmmc_rtz_channel* channel, const char* end) {
  if (vmmc::internal::attachment() == nullptr) return vmmc::internal::refuse_unattached();
  return fail(VMMC_ERR_BAD_HANDLE, "%p is no open channel%s", static_cast<const void*>(channel),
              end);
}

template <typename Function>
int with_sender(const vmmc_rtz_channel* channel, Function function) {
  const ChannelTable::Ends* const ends = channel_table.find(channel);
  if (ends == nullptr || ends->sender == nullptr) [[unlikely]] {
    return refuse(channel, " that this process sends to");
  }
  return function(*ends->sender);
}

template <typename Function>
int with_receiver(const vmmc_rtz_channel* channel, Function function) {
  const ChannelTable::Ends* const ends = channel_table.find(channel);
  if (ends == nullptr || ends->receiver == nullptr) [[unlikely]] {
    return refuse(channel, " that this process has opened");
  }
  return function(*ends->receiver);
}

template <typename Function>
int with_either(const vmmc_rtz_channel* channel, Function function) {
  const ChannelTable::Ends* const ends = channel_table.find(channel);
  if (ends == nullptr) return refuse(channel, "");
  return ends->sender != nullptr ? function(*ends->sender) : function(*ends->receiver);
}

}  // namespace

extern "C" {

int vmmc_rtz_open(uint32_t id, const vmmc_rtz_budget* budget, const vmmc_rtz_options* options,
                  vmmc_rtz_channel** channel) {
  return connected([&](Attachment& held) {
    if (budget == nullptr) return null_pointer("budget");
    if (channel == nullptr) return null_pointer("channel");
    const vmmc_rtz_options defaults = VMMC_RTZ_DEFAULTS;
    return held.real_time_channels().open(id, *budget, options == nullptr ? defaults : *options,
                                          channel);
  });
}

int vmmc_rtz_connect(vmmc_identity receiver, uint32_t id, uint64_t timeout,
                     vmmc_rtz_channel** channel) {
  return connected([&](Attachment& held) {
    if (channel == nullptr) return null_pointer("channel");
    return held.real_time_channels().connect(receiver, id, timeout, channel);
  });
}

int vmmc_rtz_close(vmmc_rtz_channel* channel) {
  return attached([&](Attachment& held) { return held.real_time_channels().close(channel); });
}

int vmmc_rtz_acquire(vmmc_rtz_channel* channel, size_t length, void** memory) {
  if (memory == nullptr) return null_pointer("memory");
  return with_sender(channel, [&](DatagramSender& end) { return end.acquire(length, memory); });
}

int vmmc_rtz_release(vmmc_rtz_channel* channel, void* memory) {
  return with_sender(channel, [&](DatagramSender& end) { return end.release(memory); });
}

int vmmc_rtz_send(vmmc_rtz_channel* channel, void* memory, size_t length, uint64_t tag) {
  return with_sender(channel, [&](DatagramSender& end) { return end.send(memory, length, tag); });
}

int vmmc_rtz_send_copy(vmmc_rtz_channel* channel, const void* data, size_t length, uint64_t tag) {
  if (data == nullptr && length != 0) return null_pointer("data");
  return with_sender(channel,
                     [&](DatagramSender& end) { return end.send_copy(data, length, tag); });
}

int vmmc_rtz_next_send(const vmmc_rtz_channel* channel, uint64_t* wait) {
  if (wait == nullptr) return null_pointer("wait");
  return with_sender(channel, [&](DatagramSender& end) {
    *wait = end.next_send();
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_rtz_receive(vmmc_rtz_channel* channel, vmmc_rtz_datagram* datagram, uint64_t timeout) {
  if (datagram == nullptr) return null_pointer("datagram");
  return with_receiver(channel,
                       [&](DatagramReceiver& end) { return end.receive(datagram, timeout); });
}

int vmmc_rtz_return(vmmc_rtz_channel* channel, const vmmc_rtz_datagram* datagram) {
  if (datagram == nullptr) return null_pointer("datagram");
  return with_receiver(channel, [&](DatagramReceiver& end) { return end.give_back(*datagram); });
}

int vmmc_rtz_descriptor(const vmmc_rtz_channel* channel, int* descriptor) {
  if (descriptor == nullptr) return null_pointer("descriptor");
  return with_receiver(channel, [&](DatagramReceiver& end) {
    *descriptor = end.descriptor();
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_rtz_arm(vmmc_rtz_channel* channel) {
  return with_receiver(channel, [&](DatagramReceiver& end) { return end.arm(); });
}

int vmmc_rtz_get_counters(const vmmc_rtz_channel* channel, vmmc_rtz_counters* counters) {
  if (counters == nullptr) return null_pointer("counters");
  return with_either(channel, [&](const auto& end) {
    end.read_counters(*counters);
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_rtz_latency(const vmmc_rtz_channel* channel, double share, uint64_t* latency) {
  if (latency == nullptr) return null_pointer("latency");
  if (!(share >= 0 && share <= 1)) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "a share is 0 to 1, not %g", share);
  }
  return with_either(channel, [&](const auto& end) {
    *latency = vmmc::wire::latency_of_share(end.demand(), share);
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_rtz_get_budget(const vmmc_rtz_channel* channel, vmmc_rtz_budget* budget, uint32_t* depth) {
  if (budget == nullptr) return null_pointer("budget");
  return with_either(channel, [&](const auto& end) {
    const vmmc::internal::ChannelTerms& terms = end.terms();
    *budget = {terms.messages, terms.period, terms.longest, terms.deadline};
    if (depth != nullptr) *depth = terms.depth;
    return static_cast<int>(VMMC_OK);
  });
}

}  // extern "C"

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/wordcount/exchange.h"

#include "examples/support/must.h"
#include "vmmc/vmmc.h"

namespace examples::wordcount {
namespace {

constexpr std::uint32_t kSlotsId = 0;

}  // namespace

Exchange::Exchange() : rank_(vmmc_rank()), size_(vmmc_size()), slots_(allocate<Slot>(size_)) {
  export_buffer(slots_, size_ * sizeof(Slot), kSlotsId);
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    remote_.push_back(import_buffer<Slot>(rank, kSlotsId) + rank_);
  }
}

std::uint32_t Exchange::inbox_id(std::uint32_t sender) const { return number_ * size_ + sender; }

std::vector<std::string> Exchange::all_to_all(const std::vector<std::string>& outgoing) {
  ++number_;
  send_lengths(outgoing);
  const std::vector<OpenInbox> inboxes = open_inboxes();
  send_bytes(outgoing);
  return empty_inboxes(inboxes);
}

void Exchange::send_lengths(const std::vector<std::string>& outgoing) {
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    const std::uint64_t bytes = outgoing[rank].size();
    send(&bytes, &remote_[rank]->bytes, sizeof bytes);
    send(&number_, &remote_[rank]->exchange, sizeof number_);
  }
}

std::vector<Exchange::OpenInbox> Exchange::open_inboxes() {
  std::vector<OpenInbox> inboxes;
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    wait_for(&slots_[rank].exchange, number_);
    const std::uint64_t bytes = slots_[rank].bytes;
    auto* inbox = reinterpret_cast<Inbox*>(allocate<char>(sizeof(Inbox) + bytes));
    vmmc_identity sender{};
    must(vmmc_identity_of_rank(rank, &sender), "vmmc_identity_of_rank");
    vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
    options.node = sender.node;
    options.process = sender.process;
    must(vmmc_export(inbox, sizeof(Inbox) + bytes, inbox_id(rank), &options), "vmmc_export");
    inboxes.push_back({inbox, bytes});
  }
  return inboxes;
}

void Exchange::send_bytes(const std::vector<std::string>& outgoing) {
  constexpr std::uint32_t kFull = 1;
  for (std::uint32_t step = 0; step < size_; ++step) {
    const std::uint32_t rank = (rank_ + step) % size_;  // not everybody to rank 0 first
    auto* inbox = import_buffer<Inbox>(rank, inbox_id(rank_));
    if (!outgoing[rank].empty()) send(outgoing[rank].data(), inbox + 1, outgoing[rank].size());
    send(&kFull, &inbox->full, sizeof kFull);
    must(vmmc_unimport(inbox), "vmmc_unimport");
  }
}

std::vector<std::string> Exchange::empty_inboxes(const std::vector<OpenInbox>& inboxes) {
  std::vector<std::string> incoming(size_);
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    const auto [inbox, bytes] = inboxes[rank];
    wait_for(&inbox->full, 1);
    incoming[rank].assign(reinterpret_cast<const char*>(inbox + 1), bytes);
    must(vmmc_unexport(inbox_id(rank)), "vmmc_unexport");
    must(vmmc_free(inbox), "vmmc_free");
  }
  return incoming;
}

}  // namespace examples::wordcount

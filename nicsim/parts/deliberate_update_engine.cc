// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/deliberate_update_engine.h"

namespace vmmc::nicsim::parts {

InitiationStatus DeliberateUpdateEngine::initiate(const SourceReader::Job& transfer) {
  const Operation& operation = *transfer.operation;
  // Where the source lies in memory makes no difference here.
  const ProxyAddress source{ProxySpace::kMemory, transfer.offset};
  const ProxyAddress destination{ProxySpace::kDevice, operation.destination + transfer.offset};
  registers_ = store(registers_, destination, transfer.length);
  const InitiationLoad loaded = load(registers_, source);
  registers_ = loaded.state;
  if (!loaded.status.initiated) {
    ++counters_.turned_down;
    return loaded.status;
  }
  ++counters_.initiations;
  reader_.add(transfer);
  // The queue takes it over, if it has a place for the next one.
  if (reader_.jobs() < places_) registers_ = done(registers_);
  return loaded.status;
}

void DeliberateUpdateEngine::packet_read(std::uint32_t bytes) {
  if (places_ == 1) registers_ = progressed(registers_, bytes);
}

void DeliberateUpdateEngine::transfer_read() { registers_ = done(registers_); }

}  // namespace vmmc::nicsim::parts

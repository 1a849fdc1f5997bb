// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <cmath>
#include <string>

#include "nicsim/model/model_file.h"

namespace vmmc::nicsim::model {
namespace {

constexpr double kWordBytes = 4;
constexpr double kRequestBytes = 8;  // and an answer to one

std::string above(std::string_view what, double value, std::string_view limit, double limit_value) {
  if (value <= limit_value) return {};
  return std::string(what) + " (" + number_text(value) + ") is above " + std::string(limit) + " (" +
         number_text(limit_value) + ")";
}

// Cut anywhere else, a word would arrive in two pieces.
std::string not_words(std::string_view what, double value) {
  if (std::fmod(value, kWordBytes) == 0) return {};
  return std::string(what) + " (" + number_text(value) +
         ") is not a whole number of words of 4 bytes";
}

}  // namespace

std::string inconsistency(const TimingModel& values) {
  const OutgoingFifoParameters& fifo = values.outgoing_fifo;
  const double payload = values.packetizer.max_payload_bytes;
  const double transfer = values.deliberate_update_engine.max_transfer_bytes;
  const double header = values.format_and_send.header_bytes;
  constexpr std::string_view kIncoming = "incoming_dma_engine.fifo_bytes";
  const double incoming = values.incoming_dma_engine.fifo_bytes;
  for (const std::string& problem : {
           above("outgoing_fifo.resume_bytes", fifo.resume_bytes, "outgoing_fifo.threshold_bytes",
                 fifo.threshold_bytes),
           above("outgoing_fifo.threshold_bytes", fifo.threshold_bytes,
                 "outgoing_fifo.capacity_bytes", fifo.capacity_bytes),
           above("packetizer.max_payload_bytes with format_and_send.header_bytes", payload + header,
                 kIncoming, incoming),
           above("a request of 8 bytes with format_and_send.header_bytes", kRequestBytes + header,
                 kIncoming, incoming),
           not_words("packetizer.max_payload_bytes", payload),
           not_words("deliberate_update_engine.max_transfer_bytes", transfer),
       }) {
    if (!problem.empty()) return problem;
  }
  return {};
}

}  // namespace vmmc::nicsim::model

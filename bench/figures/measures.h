// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The micro-benchmarks, each on a machine of two nodes in simulated time. Every one of them moves real
// bytes and throws std::runtime_error if the receiver does not find them.
//
// Latencies in us, one way: from the call until the other program has seen the last byte. Those that are
// half of a round trip say so. Bandwidths in MB/s (10^6 bytes per second).
#pragma once

#include <cstdint>
#include <optional>

#include "bench/figures/library_costs.h"
#include "nicsim/model/parameters.h"

namespace vmmc::figures {

using nicsim::model::TimingModel;

enum class Update { kAutomatic, kDeliberate };

// VMMC itself. A message by automatic update is a copy loop of combined stores and a flush; one word is a
// store that is not combined.
double message_latency_us(const TimingModel& model, Update update, std::uint32_t bytes);
// Consecutive messages to consecutive places, the last one delivered.
double stream_mb_per_s(const TimingModel& model, Update update, std::uint32_t message_bytes,
                       std::uint32_t messages);
// The smallest message, in bytes, for which deliberate update is faster; up to 8 KiB, or there is none.
std::optional<double> crossover_bytes(const TimingModel& model);
// One word by automatic update, without the store itself and without its being seen.
double hardware_minimum_us(const TimingModel& model);

// From the word's being in memory until the handler runs, without the interrupt; the interrupt alone.
double signal_us(const TimingModel& model);
double interrupt_us(const TimingModel& model);
double export_us(const TimingModel& model);
double import_us(const TimingModel& model);

// The libraries: half of a round trip; bandwidth is message length through that.
double nx_latency_us(const TimingModel& model, const LibraryCosts& costs, std::uint32_t bytes);
double socket_latency_us(const TimingModel& model, const LibraryCosts& costs, std::uint32_t bytes);
// The same with redirection.
double redirected_socket_latency_us(const TimingModel& model, const LibraryCosts& costs,
                                    std::uint32_t bytes);
// One way: messages written one after the other, until the last one has been read.
double socket_stream_mb_per_s(const TimingModel& model, const LibraryCosts& costs,
                              std::uint32_t message_bytes, std::uint32_t messages);
double redirected_socket_stream_mb_per_s(const TimingModel& model, const LibraryCosts& costs,
                                         std::uint32_t message_bytes, std::uint32_t messages);
inline double mb_per_s(std::uint32_t bytes, double latency_us) { return bytes / latency_us; }

// Round trips of a null call.
double vrpc_round_trip_us(const TimingModel& model, const LibraryCosts& costs);
double fast_rpc_round_trip_us(const TimingModel& model);

}  // namespace vmmc::figures

// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What every contestant of the comparison shares: options, processes, and the loops that measure.
// A contestant brings a Link, one object in each process, and the same loop measures all of them:
//
//   std::byte* source(slot)                          where the program writes its next message
//   void send(slot, number, announce)                start sending source(slot)
//   const std::byte* wait(slot, number, announce)    where message `number` lies, when noticed; what
//                                                    was sent makes progress meanwhile
//   void flush()                                     what was sent arrives without further calls
//   void release()                                   if it has this: what was waited for has been
//                                                    read (links that lend their own memory)
//
// Numbers count from 1 in each direction. Where `announce` is false the receiver need not notice
// this message by itself: one-sided links may wait for the announced one alone, which comes after.
//
// Latency means the same for all: the sender's bytes are in memory that the receiving program
// reads, and the receiving program has noticed. Sources are written and destinations are checked by
// their owners outside of the timed span.
//
// Threads and processes, crashes: contestant_processes.h. Rank 0 starts the clock and prints, rank 1
// answers. Compiles with g++ -std=c++20 and nothing else.
#pragma once

#include <sstream>

#include "contestant_options.h"
#include "contestant_processes.h"

namespace contestant {

inline std::string json_start(const Options& options) {
  std::ostringstream text;
  text << "{\"contestant\":\"" << options.variant << "\",\"measure\":\"" << options.measure
       << "\",\"bytes\":" << options.bytes << ",\"cpus\":[";
  for (std::size_t i = 0; i < options.cpus.size(); ++i) text << (i ? "," : "") << options.cpus[i];
  text << "]";
  return text.str();
}

// `sorted` is not empty.
inline double percentile(const std::vector<double>& sorted, double percent) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(percent / 100 * last + 0.5)];
}

inline void print_latency(const Options& options, std::vector<double> one_way_ns) {
  std::sort(one_way_ns.begin(), one_way_ns.end());
  std::printf(
      "%s,\"p50_ns\":%.1f,\"p90_ns\":%.1f,\"p99_ns\":%.1f,\"min_ns\":%.1f,\"max_ns\":%.1f,"
      "\"samples\":%zu,\"checked\":true}\n",
      json_start(options).c_str(), percentile(one_way_ns, 50), percentile(one_way_ns, 90),
      percentile(one_way_ns, 99), one_way_ns.front(), one_way_ns.back(), one_way_ns.size());
}

inline void print_bandwidth(const Options& options, std::vector<double> bytes_per_second,
                            std::size_t messages) {
  std::sort(bytes_per_second.begin(), bytes_per_second.end());
  std::printf(
      "%s,\"bytes_per_second\":%.0f,\"p10_bytes_per_second\":%.0f,\"p90_bytes_per_second\":%.0f,"
      "\"bursts\":%zu,\"messages_per_burst\":%zu,\"checked\":true}\n",
      json_start(options).c_str(), percentile(bytes_per_second, 50),
      percentile(bytes_per_second, 10), percentile(bytes_per_second, 90), bytes_per_second.size(),
      messages);
}

inline void print_rate(const Options& options, double messages, double nanoseconds) {
  std::printf(
      "%s,\"processes\":%d,\"messages_per_second\":%.0f,\"messages\":%.0f,\"checked\":true}\n",
      json_start(options).c_str(), options.processes, messages * 1e9 / nanoseconds, messages);
}

// Gives the core away until `nanoseconds` have passed, so that the other process is asleep.
inline void let_others_sleep(std::uint64_t nanoseconds) {
  for (const std::uint64_t end = now_ns() + nanoseconds; now_ns() < end;) ::sched_yield();
}

template <class Link>
void release_read(Link& link) {
  if constexpr (requires { link.release(); }) link.release();
}

// Rank 0's round trips in nanoseconds; empty in rank 1. `asleep`: each message meets a process
// that has been waiting for 50 us.
template <class Link>
std::vector<double> measure_round_trips(const Options& options, Control& control, Link& link,
                                        bool asleep) {
  constexpr std::uint64_t kAsleepNs = 50000;
  const std::uint64_t warm = now_ns() + nanoseconds_of(options) / 10;
  const std::uint64_t end = warm + nanoseconds_of(options);
  std::vector<double> round_trips;
  round_trips.reserve(1U << 20);
  for (std::uint64_t round = 1;; ++round) {
    fill_pattern(link.source(0), options.bytes, control.rank(), round);
    const std::byte* message = nullptr;
    if (control.rank() == 0) {
      control.await_ready(round);
      if (asleep) let_others_sleep(kAsleepNs);
      if (now_ns() > end) control.declare_last(round);
      const std::uint64_t start = now_ns();
      link.send(0, round, true);
      message = link.wait(0, round, true);
      const std::uint64_t stop = now_ns();
      link.flush();
      if (start > warm) round_trips.push_back(static_cast<double>(stop - start));
    } else {
      control.say_ready(round);
      message = link.wait(0, round, true);
      link.send(0, round, true);
      link.flush();
    }
    control.barrier();
    check_pattern(message, options.bytes, 1 - control.rank(), round);
    release_read(link);
    if (control.is_last(round)) return round_trips;
  }
}

// Until when a burst lasts: until the receiver has noticed, or until the sender's last call is over
// (for copies alone).
enum class BurstEnd { kNoticed, kSent };

// One burst of `slots` messages after number `before`, in nanoseconds.
template <class Link>
std::uint64_t send_burst(Control& control, Link& link, std::size_t slots, std::uint64_t before,
                         BurstEnd burst_end) {
  const std::uint64_t start = now_ns();
  for (std::size_t slot = 0; slot < slots; ++slot) {
    link.send(slot, before + slot + 1, slot + 1 == slots);
  }
  link.flush();
  if (burst_end == BurstEnd::kNoticed) control.await_credit(before + slots);
  return now_ns() - start;
}

// Rank 0's bandwidth of each burst in bytes per second. Each burst fills `slots` places once.
template <class Link>
std::vector<double> measure_bursts(const Options& options, Control& control, Link& link,
                                   std::size_t slots, BurstEnd burst_end = BurstEnd::kNoticed) {
  constexpr std::uint64_t kFewest = 5;
  const std::uint64_t end = now_ns() + nanoseconds_of(options);
  std::vector<const std::byte*> messages(slots);
  std::vector<double> results;
  for (std::uint64_t burst = 1, before = 0;; ++burst, before += slots) {
    if (control.rank() == 0) {
      for (std::size_t slot = 0; slot < slots; ++slot) {
        fill_pattern(link.source(slot), options.bytes, 0, before + slot + 1);
      }
      control.await_ready(burst);
      if (now_ns() > end && burst > kFewest) control.declare_last(burst);
      const std::uint64_t ns = send_burst(control, link, slots, before, burst_end);
      if (burst > 1) results.push_back(double(slots * options.bytes) * 1e9 / double(ns));
    } else {
      control.say_ready(burst);
      for (std::size_t slot = 0; slot < slots; ++slot) {
        messages[slot] = link.wait(slot, before + slot + 1, slot + 1 == slots);
      }
      control.give_credit(before + slots);
    }
    control.barrier();
    for (std::size_t slot = 0; slot < slots && control.rank() == 1; ++slot) {
      check_pattern(messages[slot], options.bytes, 0, before + slot + 1);
    }
    release_read(link);
    if (control.is_last(burst)) return results;
  }
}

// Nanoseconds for `messages` of them from rank 0 to rank 1, which checks each. Numbers begin after
// `sent_before`. The sender keeps less than `slots` ahead.
template <class Link>
std::uint64_t stream_messages(const Options& options, Control& control, Link& link,
                              std::size_t slots, std::uint64_t sent_before,
                              std::uint64_t messages) {
  const std::uint64_t last = sent_before + messages;
  const std::uint64_t credit_step = std::max<std::uint64_t>(slots / 4, 1);
  control.barrier();
  const std::uint64_t start = now_ns();
  std::uint64_t credit = sent_before;
  for (std::uint64_t number = sent_before + 1; number <= last; ++number) {
    const std::size_t slot = number % slots;
    if (control.rank() == 0) {
      if (number > credit + slots) {
        link.flush();
        control.await_credit(number - slots);
        credit = control.credit();
      }
      fill_pattern(link.source(slot), options.bytes, 0, number);
      link.send(slot, number, true);
    } else {
      check_pattern(link.wait(slot, number, true), options.bytes, 0, number);
      release_read(link);
      if (number % credit_step == 0 || number == last) control.give_credit(number);
    }
  }
  if (control.rank() == 0) {
    link.flush();
    control.await_credit(last);
  }
  return now_ns() - start;
}

// Prints messages per second. How many is chosen from the speed of a first stream.
template <class Link>
void measure_rate(const Options& options, Control& control, Link& link, std::size_t slots) {
  constexpr std::uint64_t kFirst = 20000;
  const std::uint64_t first_ns =
      std::max<std::uint64_t>(stream_messages(options, control, link, slots, 0, kFirst), 1);
  const double scale = double(nanoseconds_of(options)) / double(first_ns);
  const std::uint64_t messages =
      control.agree(0, static_cast<std::uint64_t>(std::max(1.0, scale * double(kFirst))));
  const std::uint64_t ns = stream_messages(options, control, link, slots, kFirst, messages);
  if (control.rank() == 0) print_rate(options, double(messages), double(ns));
}

// Prints the share of a core that rank 1 uses while it waits, for as long as is measured elsewhere
// but at least 0.2 s and at most one second.
template <class Link>
void measure_idle(const Options& options, Control& control, Link& link) {
  fill_pattern(link.source(0), options.bytes, control.rank(), 1);
  double share = 0;
  if (control.rank() == 0) {
    control.await_ready(1);
    const int milliseconds = std::clamp(options.milliseconds, 200, 999);
    const timespec pause{0, milliseconds * 1000000L};
    ::nanosleep(&pause, nullptr);
    link.send(0, 1, true);
    link.flush();
  } else {
    const std::uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    const std::uint64_t start = now_ns();
    control.say_ready(1);
    const std::byte* message = link.wait(0, 1, true);
    const std::uint64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    share = double(used) / double(now_ns() - start);
    check_pattern(message, options.bytes, 0, 1);
    release_read(link);
  }
  const std::uint64_t millionths = control.agree(1, static_cast<std::uint64_t>(share * 1e6));
  if (control.rank() == 0) {
    std::printf("%s,\"cpu_seconds_per_second\":%.6f,\"checked\":true}\n",
                json_start(options).c_str(), double(millionths) / 1e6);
  }
}

// Whatever was asked for, between two processes; a third may serve them. `slots`: how many places
// for messages the link has.
template <class Link>
void measure(const Options& options, Control& control, Link& link, std::size_t slots) {
  if (options.measure == "latency" || options.measure == "wakeup") {
    auto samples = measure_round_trips(options, control, link, options.measure == "wakeup");
    for (double& sample : samples) sample /= 2;
    if (control.rank() == 0) print_latency(options, samples);
  } else if (options.measure == "bandwidth") {
    const auto samples = measure_bursts(options, control, link, slots);
    if (control.rank() == 0) print_bandwidth(options, samples, slots);
  } else if (options.measure == "rate") {
    measure_rate(options, control, link, slots);
  } else {
    measure_idle(options, control, link);
  }
}

template <class Link>
void measure(const Options& options, Control& control, Link& link) {
  measure(options, control, link, slots_for(options));
}

// A Mesh connects all with all: send_to(peer, slot, number) and wait_from(peer, slot, number) ->
// const std::byte*. It fills and sends options.bytes of pattern; two slots for each pair, because
// a process may be one round ahead of another.
template <class Mesh>
std::uint64_t run_all_to_all(const Options& options, Control& control, Mesh& mesh,
                             std::uint64_t before, std::uint64_t rounds) {
  control.barrier();
  const std::uint64_t start = now_ns();
  for (std::uint64_t round = before + 1; round <= before + rounds; ++round) {
    const std::size_t slot = round % 2;
    for (int step = 1; step < control.processes(); ++step) {
      mesh.send_to((control.rank() + step) % control.processes(), slot, round);
    }
    for (int step = 1; step < control.processes(); ++step) {
      const int peer = (control.rank() + step) % control.processes();
      check_pattern(mesh.wait_from(peer, slot, round), options.bytes, peer, round);
    }
  }
  control.barrier();
  return now_ns() - start;
}

template <class Mesh>
void measure_all_to_all(const Options& options, Control& control, Mesh& mesh) {
  constexpr std::uint64_t kFirst = 200;
  const std::uint64_t first_ns = run_all_to_all(options, control, mesh, 0, kFirst);
  const double scale = double(nanoseconds_of(options)) / double(first_ns);
  const std::uint64_t rounds =
      control.agree(0, static_cast<std::uint64_t>(std::max(1.0, scale * double(kFirst))));
  const std::uint64_t ns = run_all_to_all(options, control, mesh, kFirst, rounds);
  const double pairs = double(control.processes()) * (control.processes() - 1);
  if (control.rank() == 0) print_rate(options, pairs * double(rounds), double(ns));
}

}  // namespace contestant

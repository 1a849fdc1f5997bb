// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the programs of a simulated machine handle: buffers, proxies, bindings, notifications. The words
// are those of vmmc/vmmc.h. See process.h for what can be done with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>

#include "nicsim/parts/hardware.h"
#include "nicsim/sim/task.h"

namespace vmmc::nicsim::sim {

class Process;
using parts::Combining;

// What a program asked for cannot be done. Ends the run, if the program does not catch it.
class ProgramError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Page-aligned, zeroed memory of one process, real memory of the simulation. Lives as long as the process.
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::byte* data, std::size_t size) : data_(data), size_(size) {}

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::byte* operator+(std::size_t offset) const { return data_ + offset; }
  // The whole buffer as an array of words.
  template <typename Word>
  std::span<Word> words() const {
    return {reinterpret_cast<Word*>(data_), size_ / sizeof(Word)};
  }
  template <typename Word>
  Word& word(std::size_t byte_offset) const {
    return *reinterpret_cast<Word*>(data_ + byte_offset);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Stands for a byte of an imported buffer. Plain arithmetic names the other bytes of the buffer.
struct Proxy {
  std::uint64_t destination = 0;  // bytes from the start of the destination space

  Proxy operator+(std::uint64_t bytes) const { return {destination + bytes}; }
};

struct BindOptions {
  Combining combining = Combining::kTimerWrite;
  bool notify = false;  // each word stored gives a notification
};

// Local pages whose stores are performed on the remote ones, too; or a place in them.
struct Binding {
  std::byte* local = nullptr;  // of the place
  Proxy proxy;                 // of the place
  std::byte* end = nullptr;    // of the local pages
  BindOptions options;

  Binding operator+(std::uint64_t bytes) const {
    return {local + bytes, proxy + bytes, end, options};
  }
};

enum class Comparison : std::uint8_t { kEqual, kNotEqual, kAtLeast /* unsigned */ };

struct Notification {
  std::uint32_t buffer_id = 0;
  std::uint64_t offset = 0;  // of the message's first byte in the buffer
  std::uint64_t length = 0;  // bytes of the message
  std::uint32_t sender = 0;  // process
};

// Runs in the receiving process; it may await whatever the program may.
using Handler = std::function<Task<>(Process&, Notification)>;

struct ExportOptions {
  Handler handler;  // empty: no notification takes place
};

// A transfer that was started.
struct SendHandle {
  std::uint64_t number = 0;
};

}  // namespace vmmc::nicsim::sim

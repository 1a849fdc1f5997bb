// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One actor: a child process that carries out commands (lab/actor/README.md).
//
// Threads: nicsim's one thread. Nothing here waits for the process but end_now().
//
// Invariants
//   Every command that was taken is answered once: by the process, or with how the process ended. The
//   answers come in the order of the commands, and never during a call of command(). A process that ends
//   by itself in `abort` has answered it with {"ok": true}.
//   At most kMostUnderWay commands are under way; a process that writes what nobody asked for, or a line
//   without an end, is killed.
//
// What a crash at any instruction leaves behind: nothing. The kernel kills the process when nicsim dies.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <variant>

namespace vmmc::lab {

class ActorProcess : public std::enable_shared_from_this<ActorProcess> {
 public:
  static constexpr std::size_t kMostUnderWay = 16;
  static constexpr std::size_t kMostLine = 64 * 1024;  // bytes of an answer
  static constexpr std::size_t kMostSentence = 400;    // bytes of why()

  struct Identity {
    std::string name;
    std::uint32_t node;
    std::uint32_t process;
    std::string socket;
  };
  using Answered = std::function<void(boost::json::object answer)>;
  using Begun = std::function<void()>;

  // A process of `program`, in a process group of its own, or a sentence that says why there is none.
  // `changed` is called when it has ended, is busy with more or fewer commands, or has started one.
  static std::variant<std::shared_ptr<ActorProcess>, std::string> start(
      boost::asio::io_context& context, const std::string& program, Identity identity,
      std::function<void()> changed);
  ~ActorProcess();
  ActorProcess(const ActorProcess&) = delete;
  ActorProcess& operator=(const ActorProcess&) = delete;

  const Identity& identity() const { return identity_; }
  pid_t pid() const { return pid_; }
  bool running() const { return how_.empty(); }
  const std::string& how() const { return how_; }  // "exit 0", "killed by signal 9"; empty: it runs
  const std::string& why() const {
    return why_;
  }  // it could not attach, in its own words; empty: it has
  std::size_t busy() const { return under_way_.size(); }
  // Whether what it is busy with was to "start" and has begun: it is ready for what others do.
  bool started() const { return !under_way_.empty() && under_way_.front().has_begun; }

  // False: too many are under way, or it has ended. With "start": true in the command `begun` is called at
  // most once, before the answer, when the process says that it is ready for what others do.
  bool command(const boost::json::object& command, Answered answered, Begun begun = nullptr);

  // SIGKILL for it and what it has started; `how()` tells when it has come about. What is under way is
  // answered with `asked_for`.
  void kill();
  // The same, and waits for its end. Nobody is told anything any more.
  void end_now();

 private:
  ActorProcess(boost::asio::io_context& context, Identity identity, std::function<void()> changed);
  std::function<void(const std::string&)> killer();
  void write();
  void read();
  bool take_lines();
  void take_line(std::string_view line);
  bool take_last_words(const boost::json::value& line);
  boost::json::object answer_of_the_dead(bool was_abort) const;
  void watch();
  bool reap(bool wait);
  void read_what_is_left();
  void has_ended();
  void end();

  Identity identity_;
  std::function<void()> changed_;
  pid_t pid_ = -1;
  boost::asio::posix::stream_descriptor commands_;
  boost::asio::posix::stream_descriptor answers_;
  boost::asio::posix::stream_descriptor end_;  // a pidfd
  std::deque<std::string> to_write_;
  bool writing_ = false;
  std::string received_;
  char buffer_[4096];
  bool reading_ = false;  // buffer_ is the operation's
  struct UnderWay {
    Answered answered;
    Begun begun;  // empty: none is due
    bool is_abort;
    bool has_begun = false;
  };
  std::deque<UnderWay> under_way_;
  bool reaped_ = false;
  std::string end_of_it_;   // `how_`, as soon as everything it wrote has been read
  bool asked_for_ = false;  // its end
  std::string how_;
  std::string why_;
};

}  // namespace vmmc::lab

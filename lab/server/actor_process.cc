// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/actor_process.h"

#include <signal.h>
#include <sys/wait.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <utility>

#include "lab/server/spawn.h"
#include "nicsim/web/guarded.h"

namespace vmmc::lab {

namespace json = boost::json;
using boost::system::error_code;
using nicsim::web::guarded;

ActorProcess::ActorProcess(boost::asio::io_context& context, Identity identity,
                           std::function<void()> changed)
    : identity_(std::move(identity)),
      changed_(std::move(changed)),
      commands_(context),
      answers_(context),
      end_(context) {}

ActorProcess::~ActorProcess() { end_now(); }

std::variant<std::shared_ptr<ActorProcess>, std::string> ActorProcess::start(
    boost::asio::io_context& context, const std::string& program, Identity identity,
    std::function<void()> changed) {
  auto spawned = spawn(program, {"VMMC_NODE=" + std::to_string(identity.node),
                                 "VMMC_PROCESS=" + std::to_string(identity.process),
                                 "VMMC_SOCKET=" + identity.socket});
  if (auto* problem = std::get_if<std::string>(&spawned)) return std::move(*problem);
  Child& child = std::get<Child>(spawned);
  std::shared_ptr<ActorProcess> actor(
      new ActorProcess(context, std::move(identity), std::move(changed)));
  actor->pid_ = child.pid;
  error_code error;
  const auto adopt = [&error](auto& stream, platform::FileDescriptor& descriptor) {
    if (error || stream.assign(descriptor.get(), error)) return;
    descriptor.release();
  };
  adopt(actor->commands_, child.input);
  adopt(actor->answers_, child.output);
  adopt(actor->end_, child.pidfd);
  if (error) return "cannot watch " + program + ": " + error.message();
  actor->read();
  actor->watch();
  return actor;
}

bool ActorProcess::command(const json::object& command, Answered answered, Begun begun) {
  if (!running() || under_way_.size() >= kMostUnderWay) return false;
  const json::value* start = command.if_contains("start");
  if (start == nullptr || *start != true) {
    begun = nullptr;
  } else if (begun == nullptr) {
    begun = [] {};
  }
  under_way_.push_back({std::move(answered), std::move(begun), command.at("do") == "abort"});
  to_write_.push_back(json::serialize(command) + "\n");
  if (!writing_) write();
  changed_();
  return true;
}

// Of one that we cannot deal with.
std::function<void(const std::string&)> ActorProcess::killer() {
  return [self = shared_from_this()](const std::string&) { self->end(); };
}

void ActorProcess::write() {
  writing_ = true;
  const auto written = [self = shared_from_this()](error_code error, std::size_t) {
    self->writing_ = false;
    // Its end is told by the pidfd.
    if (error || self->reaped_) return;
    self->to_write_.pop_front();
    if (!self->to_write_.empty()) self->write();
  };
  boost::asio::async_write(commands_, boost::asio::buffer(to_write_.front()),
                           guarded(written, killer()));
}

void ActorProcess::read() {
  reading_ = true;
  const auto read = [self = shared_from_this()](error_code error, std::size_t bytes) {
    self->reading_ = false;
    self->received_.append(self->buffer_, bytes);
    if (self->reaped_) return self->read_what_is_left();
    if (!error && self->take_lines()) self->read();
  };
  answers_.async_read_some(boost::asio::buffer(buffer_), guarded(read, killer()));
}

// False: it has written what makes no sense, and is not listened to any more.
bool ActorProcess::take_lines() {
  std::size_t begin = 0;
  for (std::size_t end; (end = received_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    take_line(std::string_view(received_).substr(begin, end - begin));
  }
  received_.erase(0, begin);
  if (received_.size() <= kMostLine) return true;
  end();
  return false;
}

void ActorProcess::take_line(std::string_view line) {
  error_code error;
  json::value answer = json::parse(line, error);
  if (!error && take_last_words(answer)) return;
  if (under_way_.empty()) return end();
  if (error || !answer.is_object()) {
    answer = json::object{{"ok", false}, {"sentence", "the actor's answer makes no sense"}};
  }
  if (under_way_.front().begun != nullptr && answer == json::value{{"begun", true}}) {
    under_way_.front().has_begun = true;
    const Begun begun = std::exchange(under_way_.front().begun, nullptr);
    changed_();
    return begun();
  }
  const Answered answered = std::move(under_way_.front().answered);
  under_way_.pop_front();
  changed_();
  answered(std::move(answer.get_object()));
}

// What one that cannot attach says before it ends; it answers no command.
bool ActorProcess::take_last_words(const json::value& line) {
  const json::object* words = line.if_object();
  const json::value* attached = words != nullptr ? words->if_contains("attached") : nullptr;
  const json::value* sentence = words != nullptr ? words->if_contains("sentence") : nullptr;
  if (attached == nullptr || *attached != false) return false;
  const json::string* text = sentence != nullptr ? sentence->if_string() : nullptr;
  why_ = text != nullptr && text->size() <= kMostSentence ? std::string(*text) : "it does not say";
  return true;
}

void ActorProcess::watch() {
  const auto may_have_ended = [self = shared_from_this()](error_code error) {
    if (error || self->reaped_) return;
    if (!self->reap(false)) return self->watch();
    // What it wrote before it ended is still in the pipe; or has been read, but whoever has read it
    // has not been called yet: then he goes on.
    if (!self->reading_) return self->read_what_is_left();
    error_code ignored;
    self->answers_.cancel(ignored);
  };
  end_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                  guarded(may_have_ended, killer()));
}

// False: it runs.
bool ActorProcess::reap(bool wait) {
  siginfo_t info{};
  int result;
  do {
    result =
        ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | (wait ? 0 : WNOHANG));
  } while (result != 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) return false;
  // What it had started goes, too. Not later: then the number may be another group's.
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  reaped_ = true;
  if (result != 0) {
    end_of_it_ = "ended";
  } else if (info.si_code == CLD_EXITED) {
    end_of_it_ = "exit " + std::to_string(info.si_status);
  } else {
    end_of_it_ = "killed by signal " + std::to_string(info.si_status);
  }
  return true;
}

void ActorProcess::read_what_is_left() {
  error_code error;
  answers_.non_blocking(true, error);
  while (take_lines() && !error) {
    const std::size_t bytes = answers_.read_some(boost::asio::buffer(buffer_), error);
    received_.append(buffer_, bytes);
  }
  has_ended();
}

void ActorProcess::has_ended() {
  how_ = end_of_it_;
  error_code ignored;
  commands_.close(ignored);
  answers_.close(ignored);
  end_.close(ignored);
  std::deque<UnderWay> unanswered;
  unanswered.swap(under_way_);
  changed_();
  // Only the first one can have been carried out.
  bool first = true;
  for (const UnderWay& one : unanswered) {
    one.answered(answer_of_the_dead(std::exchange(first, false) && one.is_abort));
  }
}

json::object ActorProcess::answer_of_the_dead(bool was_abort) const {
  if (was_abort && !asked_for_) return {{"ok", true}};
  std::string sentence = identity_.name + " has ended (" + how_ + ") before it answered";
  if (!why_.empty()) sentence += ": " + why_;
  return {{"ok", false}, {"ended", how_}, {"asked_for", asked_for_}, {"sentence", sentence}};
}

void ActorProcess::kill() {
  asked_for_ = true;
  end();
}

void ActorProcess::end() {
  if (!reaped_) ::kill(-pid_, SIGKILL);
}

void ActorProcess::end_now() {
  changed_ = [] {};
  under_way_.clear();
  if (reaped_) return;
  end();
  reap(true);
  error_code ignored;
  commands_.close(ignored);
  answers_.close(ignored);
  end_.close(ignored);
}

}  // namespace vmmc::lab

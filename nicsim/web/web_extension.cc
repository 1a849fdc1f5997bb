// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/web/web_extension.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "lab/server/lab_server.h"
#include "lab/server/nicsim_view.h"
#include "nicsim/inspect/snapshot.h"
#include "nicsim/log.h"
#include "nicsim/web/http_server.h"

namespace vmmc::nicsim::web {
namespace {

constexpr const char* kTokenVariable = "VMMC_LAB_TOKEN";
constexpr const char* kActorVariable = "VMMC_LAB_ACTOR";
constexpr int kExitFailure = 1;

// What is under way to the pages still arrives.
constexpr std::chrono::milliseconds kFarewell{100};

constexpr std::chrono::milliseconds kMetricsKept{250};

// The shipped actor: where nicsim's own package lies, the lab's lies, too; or beside nicsim, installed.
std::string find_actor() {
  if (const char* given = std::getenv(kActorVariable); given != nullptr) return given;
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path) - 1);
  const std::string self(path, length > 0 ? static_cast<std::size_t>(length) : 0);
  const std::string directory = self.substr(0, self.rfind('/'));
  for (const char* place : {"/vmmc-lab-actor", "/../../lab/actor/actor"}) {
    if (::access((directory + place).c_str(), X_OK) == 0) return directory + place;
  }
  return directory + "/vmmc-lab-actor";
}

std::string url(const Listener& listener) {
  const bool six = listener.address.find(':') != std::string::npos;
  return "http://" + (six ? "[" + listener.address + "]" : listener.address) + ":" +
         std::to_string(listener.port);
}

std::string problem_of_scene(const std::string& id) {
  const lab::SceneLibrary library(lab::shipped_scenes());
  if (id.empty() || id == lab::kFreePlay || library.find(id) != nullptr) return "";
  std::string all(lab::kFreePlay);
  for (const auto& scene : library.all()) all += ", " + std::string(scene.at("id").as_string());
  return "there is no scene \"" + id + "\"; there are: " + all;
}

// Metrics for everybody; the lab for who knows its token.
class WholeSite final : public Site {
 public:
  WholeSite(const Observed& observed, Site* lab) : observed_(observed), lab_(lab) {}

  std::optional<Document> get(std::string_view path) override {
    if (path == "/metrics") {
      return Document{"application/openmetrics-text; version=1.0.0; charset=utf-8", metrics()};
    }
    return lab_ != nullptr ? lab_->get(path) : std::nullopt;
  }
  bool is_admitted(std::string_view path) const override {
    return lab_ != nullptr && lab_->is_admitted(path);
  }
  bool has_socket(std::string_view path) const override {
    return lab_ != nullptr && lab_->has_socket(path);
  }
  bool has_room_for_socket() const override {
    return lab_ != nullptr && lab_->has_room_for_socket();
  }
  std::unique_ptr<SocketUser> opened(WebSocket& socket) override { return lab_->opened(socket); }

 private:
  // However often somebody asks, it costs the transfers little.
  const std::string& metrics() {
    const auto now = std::chrono::steady_clock::now();
    if (metrics_.empty() || now - taken_ >= kMetricsKept) {
      metrics_ = to_open_metrics(take_snapshot(observed_));
      taken_ = now;
    }
    return metrics_;
  }

  const Observed& observed_;
  Site* lab_;
  std::string metrics_;
  std::chrono::steady_clock::time_point taken_{};
};

}  // namespace

// The order matters: the server's connections go first, then the lab, which ends its processes.
struct WebExtension::Serving {
  explicit Serving(boost::asio::io_context& context) : farewell(context) {}
  boost::asio::steady_timer farewell;
  std::unique_ptr<lab::SceneLibrary> scenes;
  std::unique_ptr<lab::NicsimView> view;
  std::unique_ptr<lab::LabServer> lab;
  std::unique_ptr<WholeSite> site;
  std::unique_ptr<HttpServer> server;
};

WebExtension::WebExtension() = default;
WebExtension::~WebExtension() = default;

std::string WebExtension::prepare(const Options& options) {
  if (std::string problem = problem_of(options_, options); !problem.empty()) return problem;
  if (!options_.wanted()) return "";
  if (std::string problem = problem_of_scene(options_.scene); !problem.empty()) return problem;
  auto listener = options_.listener >= 0 ? adopt_listener(options_.listener)
                                         : open_listener(options_.address, *options_.port);
  if (auto* problem = std::get_if<std::string>(&listener)) return std::move(*problem);
  listener_ = std::move(std::get<Listener>(listener));
  if (!is_loopback(listener_->address)) {
    std::fprintf(
        stderr,
        "nicsim: warning: %s is not the loopback interface: whoever reaches this host can read "
        "its metrics%s\n",
        listener_->address.c_str(),
        options_.lab ? ", and who has seen the token can start the lab's processes" : "");
  }
  const char* given = std::getenv(kTokenVariable);
  if (given != nullptr && options_.lab && !lab::is_token(given)) {
    return std::string(kTokenVariable) + " is not 32 hexadecimal digits";
  }
  token_ = given != nullptr ? std::string(given) : lab::make_token();
  ::unsetenv(kTokenVariable);     // the actors have no use for it
  if (!options_.port) return "";  // whoever has opened the socket knows
  std::printf("%s%s\n", url(*listener_).c_str(),
              options_.lab ? ("/" + token_ + "/").c_str() : "/metrics");
  std::fflush(stdout);
  return "";
}

void WebExtension::start(const Surroundings& surroundings) {
  if (!listener_) return;
  const Observed& observed = surroundings.observed;
  serving_ = std::make_unique<Serving>(surroundings.context);
  if (options_.lab) {
    // Children are waited for, whatever whoever has started nicsim thinks of them.
    std::signal(SIGCHLD, SIG_DFL);
    kept_listener_.reset(::fcntl(listener_->socket.get(), F_DUPFD_CLOEXEC, 3));
    serving_->scenes = std::make_unique<lab::SceneLibrary>(lab::shipped_scenes());
    for (const std::string& problem : serving_->scenes->problems()) {
      log(LogLevel::kWarning, problem);
    }
    const auto restart = [this, &options = surroundings.options,
                          &loop = surroundings.loop](const lab::WantedMachine& wanted) {
      auto arguments = restart_arguments(
          options, {wanted.rows, wanted.columns, wanted.clock, wanted.scene, kept_listener_.get()});
      serving_->farewell.expires_after(kFarewell);
      serving_->farewell.async_wait([this, &loop, arguments = std::move(arguments)](
                                        const boost::system::error_code& error) mutable {
        if (error) return;
        // Not before: whoever ends nicsim during the farewell wants it to end.
        restart_ = std::move(arguments);
        loop.stop();
      });
    };
    // A scene that was asked for without a clock has its own; who has started anew for it has that.
    std::string scene = options_.scene;
    // Free play has none: it takes the machine as it is.
    const auto* wanted = scene != lab::kFreePlay ? serving_->scenes->find(scene) : nullptr;
    if (options_.port && !surroundings.options.model && wanted != nullptr &&
        wanted->at("machine").at("clock") != "real") {
      const auto& machine = wanted->at("machine");
      restart({machine.at("rows").to_number<std::uint32_t>(),
               machine.at("columns").to_number<std::uint32_t>(),
               std::string(machine.at("clock").as_string()), std::exchange(scene, "")});
    }
    serving_->view = std::make_unique<lab::NicsimView>(observed, restart);
    serving_->lab =
        std::make_unique<lab::LabServer>(surroundings.context, *serving_->view, *serving_->scenes,
                                         lab::LabOptions{token_, find_actor(), scene});
  }
  serving_->site = std::make_unique<WholeSite>(observed, serving_->lab.get());
  serving_->server =
      std::make_unique<HttpServer>(surroundings.context, std::move(*listener_), *serving_->site);
}

void WebExtension::stop() { serving_.reset(); }

int WebExtension::restart_if_wanted(int status) {
  if (restart_.empty() || status != 0) return status;
  ::fcntl(kept_listener_.get(), F_SETFD, 0);
  ::setenv(kTokenVariable, token_.c_str(), 1);
  char name[] = "nicsim";
  std::vector<char*> arguments{name};
  for (std::string& argument : restart_) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  ::execv("/proc/self/exe", arguments.data());
  std::fprintf(stderr, "nicsim: cannot start anew: %s\n", std::strerror(errno));
  return kExitFailure;
}

}  // namespace vmmc::nicsim::web

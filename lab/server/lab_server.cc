// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the pages are sent. What they may ask for: page_messages.cc.

#include "lab/server/lab_server.h"

#include <sys/random.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "lab/server/page.h"
#include "lab/server/page_text.h"
#include "lab/server/record_text.h"
#include "nicsim/web/guarded.h"

namespace vmmc::lab {
namespace {

namespace json = boost::json;

constexpr int kProtocol = 1;
constexpr std::size_t kTokenDigits = 32;

// Takes as long whatever it finds.
bool equal_secrets(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

// What stands behind "/TOKEN"; nothing: the path is another.
std::optional<std::string_view> behind_token(std::string_view path, std::string_view token) {
  if (path.size() <= token.size() || path[0] != '/') return std::nullopt;
  if (!equal_secrets(path.substr(1, token.size()), token)) return std::nullopt;
  return path.substr(1 + token.size());
}

// The snapshot as text, with its times put to zero: they change when nothing does.
std::string without_times(const json::object& snapshot) {
  json::object copy = snapshot;
  if (json::value* nicsim = copy.if_contains("nicsim"); nicsim != nullptr && nicsim->is_object()) {
    nicsim->get_object().erase("time_ns");
    nicsim->get_object().erase("uptime_ns");
  }
  return json::serialize(copy);
}

}  // namespace

std::string make_token() {
  unsigned char bytes[kTokenDigits / 2];
  if (::getrandom(bytes, sizeof(bytes), 0) != static_cast<ssize_t>(sizeof(bytes))) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char one : bytes) {
    text.push_back(kDigits[one >> 4]);
    text.push_back(kDigits[one & 15]);
  }
  return text;
}

bool is_token(std::string_view text) {
  return text.size() == kTokenDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

LabServer::LabServer(boost::asio::io_context& context, MachineView& view,
                     const SceneLibrary& library, LabOptions options)
    : view_(view),
      library_(library),
      options_(std::move(options)),
      timer_(context),
      sampler_([&view](std::uint64_t n) { return view.record(n); }),
      stage_(context, view, library, *this, options_.actor_program) {
  if (!options_.scene.empty()) {
    stage_.begin(
        {}, options_.scene,
        options_.scene == kFreePlay ? std::nullopt : std::optional(view.description().clock));
  }
}

LabServer::~LabServer() { timer_.cancel(); }

std::optional<nicsim::web::Document> LabServer::get(std::string_view path) {
  if (behind_token(path, options_.token) != "/") return std::nullopt;
  return nicsim::web::Document{"text/html; charset=utf-8", std::string(page_text())};
}

bool LabServer::is_admitted(std::string_view path) const {
  return behind_token(path, options_.token).has_value();
}

bool LabServer::has_socket(std::string_view path) const {
  return behind_token(path, options_.token) == "/socket";
}

std::unique_ptr<nicsim::web::SocketUser> LabServer::opened(nicsim::web::WebSocket& socket) {
  auto page = std::make_unique<Page>(*this, socket, ++last_page_);
  greet(*page);
  if (!ticking_) {
    // Nobody has looked for a while: what was then is no news.
    sampler_.look(view_.records_written());
    ticking_ = true;
    tick();
  }
  return page;
}

void LabServer::greet(Page& page) {
  const auto& here = view_.description();
  page.send({{"type", "hello"},
             {"protocol", kProtocol},
             {"scenes", library_.all()},
             {"models", json::array(here.models.begin(), here.models.end())},
             {"clock", here.clock},
             {"rows", here.rows},
             {"columns", here.columns},
             {"scene", stage_.scene()}});
  page.send({{"type", "actors"}, {"actors", stage_.actors()}});
  if (stage_.begun().empty()) return;
  json::object begun = stage_.begun();
  begun["request"] = nullptr;
  page.send(begun);
}

void LabServer::tick() {
  if (pages_.empty()) {
    ticking_ = false;
    return;
  }
  nicsim::web::guard([this] { show_what_is_new(); },
                     [this](const std::string& what) {
                       // It may fail each time: who looks on is told once.
                       if (std::exchange(last_failure_, what) != what) {
                         problem("the machine cannot be shown: " + what, {});
                       }
                     });
  timer_.expires_after(kRecordsInterval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void LabServer::show_what_is_new() {
  show_actors();
  show_records();
  if (std::chrono::steady_clock::now() - last_snapshot_ < kSnapshotInterval) return;
  show_snapshot();
  show_bytes();
  last_failure_.clear();
}

void LabServer::catch_up() {
  if (pages_.empty()) return;
  show_actors();
  show_records();
  show_snapshot();
  show_bytes();
}

void LabServer::show_actors() {
  if (!actors_changed_) return;
  actors_changed_ = false;
  const json::object message{{"type", "actors"}, {"actors", stage_.actors()}};
  for (Page* page : pages_) page->send(message);
}

void LabServer::show_records() {
  const RecordSampler::Look look = sampler_.look(view_.records_written());
  json::array records;
  for (const wire::TraceRecord* record : look.shown) records.push_back(to_json(*record));
  const std::string text = json::serialize(records);
  for (Page* page : pages_) page->send_records(text, records.size(), look);
}

void LabServer::show_snapshot() {
  last_snapshot_ = std::chrono::steady_clock::now();
  json::object snapshot = view_.snapshot();
  std::string text = without_times(snapshot);
  const bool changed = text != snapshot_;
  if (changed) snapshot_ = std::move(text);
  const auto message = std::make_shared<const std::string>(
      json::serialize(json::object{{"type", "snapshot"}, {"snapshot", std::move(snapshot)}}));
  for (Page* page : pages_) page->send_snapshot(message, changed);
}

void LabServer::show_bytes() {
  for (Page* page : pages_) page->send_bytes(view_, generation_);
}

void LabServer::tell(json::object message, const Asker& asker) {
  message["request"] = nullptr;
  json::object own = message;
  if (asker.request) own["request"] = *asker.request;
  for (Page* page : pages_) page->send(page->number() == asker.page ? own : message);
}

void LabServer::problem(const std::string& sentence, const Asker& asker) {
  json::object message{{"type", "problem"}, {"sentence", sentence}, {"request", nullptr}};
  if (asker.request) message["request"] = *asker.request;
  for (Page* page : pages_) {
    if (asker.page == 0 || page->number() == asker.page) page->send(message);
  }
}

}  // namespace vmmc::lab

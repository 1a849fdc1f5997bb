// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <boost/beast/websocket/rfc6455.hpp>
#include <functional>
#include <optional>

#include "nicsim/web/connection.h"
#include "nicsim/web/guarded.h"

namespace vmmc::nicsim::web {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;

// Of what comes after a request that was refused, before the connection is closed: a close with
// something unread makes the kernel take the answer back.
constexpr std::size_t kMostUnread = 256 * 1024;
constexpr std::chrono::seconds kPatienceForUnread{1};

constexpr std::string_view kOwnContentOnly =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'";

void set_headers(Response& response) {
  response.set(http::field::server, "nicsim");
  response.set(http::field::cache_control, "no-store");
  response.set("Content-Security-Policy", kOwnContentOnly);
  response.set("X-Content-Type-Options", "nosniff");
  response.set("X-Frame-Options", "DENY");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  response.set("Cross-Origin-Opener-Policy", "same-origin");
}

class HttpConnection final : public Connection,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpServer::Shared> shared, boost::asio::ip::tcp::socket socket)
      : shared_(std::move(shared)), stream_(std::move(socket)) {
    number = ++shared_->last_connection;
    shared_->connections.insert(this);
  }
  ~HttpConnection() override { shared_->connections.erase(this); }

  void cut() override {
    cut_ = true;
    stream_.close();
  }
  bool is_strangers() const override { return !admitted_ && !cut_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(shared_->limits.header);
    parser_->body_limit(0);
    // A connection that is kept open waits for its next request longer than for the rest of one.
    stream_.expires_after(fresh_ ? shared_->limits.request_patience
                                 : shared_->limits.idle_patience);
    http::async_read_header(stream_, buffer_, *parser_,
                            guarded(
                                [self = shared_from_this()](error_code error, std::size_t) {
                                  if (!self->shared_->ended && !self->cut_) self->has_read(error);
                                },
                                cutter()));
  }

 private:
  // What becomes of the connection if its handler fails.
  std::function<void(const std::string&)> cutter() {
    return [self = shared_from_this()](const std::string&) { self->cut(); };
  }

  void has_read(error_code error) {
    fresh_ = false;
    if (error == http::error::body_limit) {
      return refuse(http::status::payload_too_large, "A request here has no body.");
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      return refuse(http::status::request_header_fields_too_large, "The request is too long.");
    }
    if (error && error.category() == http::make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return refuse(http::status::bad_request, "This is no HTTP request.");
    }
    if (error) return stream_.close();
    answer();
  }

  void answer() {
    const Request& request = parser_->get();
    if (request.count(http::field::host) != 1 ||
        !shared_->check.host_is_own(request[http::field::host])) {
      return refuse(
          http::status::misdirected_request,
          "This server has another name. Who forwards a port to it has to forward the same "
          "port.");
    }
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      return refuse(http::status::method_not_allowed, "Only GET and HEAD are allowed.");
    }
    if (!parser_->is_done()) {
      return refuse(http::status::payload_too_large, "A request here has no body.");
    }
    const std::string_view path = request.target();
    admitted_ = admitted_ || shared_->site.is_admitted(path);
    if (shared_->site.has_socket(path)) return open_web_socket(request);
    std::optional<Document> document = shared_->site.get(path);
    if (!document) return reply(http::status::not_found, "text/plain", "There is no such page.\n");
    reply(http::status::ok, document->type, std::move(document->body));
  }

  void open_web_socket(const Request& request) {
    if (request.count(http::field::origin) != 1 ||
        !RequestCheck::origin_is_own(request[http::field::origin], request[http::field::host])) {
      return refuse(http::status::forbidden, "Only this server's own page may do that.");
    }
    if (!beast::websocket::is_upgrade(request) || buffer_.size() != 0) {
      return refuse(http::status::upgrade_required, "Here is a WebSocket.");
    }
    if (!shared_->site.has_room_for_socket()) {
      return refuse(http::status::service_unavailable, "Too many pages are open.");
    }
    cut_ = true;
    stream_.expires_never();  // the WebSocket has its own
    start_web_socket(shared_, std::move(stream_), request);
  }

  // After it the connection ends.
  void refuse(http::status status, std::string_view sentence) {
    keep_ = false;
    refused_ = true;
    write(status, "text/plain", std::string(sentence) + "\n");
  }

  void reply(http::status status, std::string_view type, std::string body) {
    keep_ = parser_->get().keep_alive();
    write(status, type, std::move(body));
  }

  void write(http::status status, std::string_view type, std::string body) {
    const bool head = parser_->get().method() == http::verb::head;
    const auto response = std::make_shared<Response>(status, 11);
    set_headers(*response);
    response->set(http::field::content_type, type);
    if (status == http::status::method_not_allowed) response->set(http::field::allow, "GET, HEAD");
    response->keep_alive(keep_);
    response->content_length(body.size());
    if (!head) response->body() = std::move(body);
    stream_.expires_after(shared_->limits.request_patience);
    http::async_write(stream_, *response,
                      guarded(
                          [self = shared_from_this(), response](error_code error, std::size_t) {
                            if (!self->shared_->ended && !self->cut_) self->has_written(error);
                          },
                          cutter()));
  }

  void has_written(error_code error) {
    if (error) return stream_.close();
    if (keep_) return read();
    error_code ignored;
    stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
    if (!refused_) return stream_.close();
    stream_.expires_after(kPatienceForUnread);
    drain();
  }

  void drain() {
    buffer_.clear();
    if (unread_ > kMostUnread) return stream_.close();
    stream_.async_read_some(buffer_.prepare(4096),
                            guarded(
                                [self = shared_from_this()](error_code error, std::size_t bytes) {
                                  self->unread_ += bytes;
                                  if (error || self->shared_->ended) return self->stream_.close();
                                  self->drain();
                                },
                                cutter()));
  }

  std::shared_ptr<HttpServer::Shared> shared_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{32 * 1024};
  std::optional<http::request_parser<http::empty_body>> parser_;
  std::size_t unread_ = 0;
  bool fresh_ = true;
  bool keep_ = false;
  bool refused_ = false;
  bool admitted_ = false;
  bool cut_ = false;  // or its stream is somebody else's
};

}  // namespace

void start_http_connection(const std::shared_ptr<HttpServer::Shared>& shared,
                           boost::asio::ip::tcp::socket socket) {
  std::make_shared<HttpConnection>(shared, std::move(socket))->read();
}

}  // namespace vmmc::nicsim::web

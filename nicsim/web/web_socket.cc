// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <boost/asio/post.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <functional>

#include "nicsim/web/connection.h"
#include "nicsim/web/guarded.h"

namespace vmmc::nicsim::web {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using beast::error_code;

class WebSocketConnection final : public Connection,
                                  public WebSocket,
                                  public std::enable_shared_from_this<WebSocketConnection> {
 public:
  WebSocketConnection(std::shared_ptr<HttpServer::Shared> shared, beast::tcp_stream stream)
      : shared_(std::move(shared)), stream_(std::move(stream)), buffer_(shared_->limits.message) {
    shared_->connections.insert(this);
  }
  ~WebSocketConnection() override { shared_->connections.erase(this); }

  void accept(const Request& request) {
    const auto patience = shared_->limits.idle_patience;
    stream_.set_option(
        websocket::stream_base::timeout{.handshake_timeout = shared_->limits.request_patience,
                                        .idle_timeout = patience,
                                        .keep_alive_pings = true});
    stream_.read_message_max(shared_->limits.message);
    stream_.control_callback([this](websocket::frame_type, std::string_view) { count(); });
    stream_.async_accept(request, guarded(
                                      [self = shared_from_this()](error_code error) {
                                        if (error || self->shared_->ended ||
                                            !self->shared_->site.has_room_for_socket())
                                          return;
                                        self->user_ = self->shared_->site.opened(*self);
                                        self->read();
                                      },
                                      cutter()));
  }

  bool is_strangers() const override { return false; }

  // The user goes first: it may still be told of nothing.
  void cut() override {
    if (cut_) return;
    cut_ = true;
    user_.reset();
    outbox_.clear();
    beast::get_lowest_layer(stream_).close();
  }

  bool send(std::shared_ptr<const std::string> text, Weight weight) override {
    if (cut_) return false;
    const bool fits = waiting_ + text->size() <= shared_->limits.outbox &&
                      outbox_.size() < shared_->limits.waiting;
    if (weight == Weight::kMayBeSkipped && (!fits || waiting_ > shared_->limits.skip_above)) {
      return false;
    }
    if (!fits) {
      cut_soon();
      return false;
    }
    waiting_ += text->size();
    outbox_.push_back(std::move(text));
    if (!writing_) write();
    return true;
  }

 private:
  // What becomes of the connection if its handler fails.
  std::function<void(const std::string&)> cutter() {
    return [self = shared_from_this()](const std::string&) { self->cut(); };
  }

  // Not now: the user who sends is at work.
  void cut_soon() {
    boost::asio::post(stream_.get_executor(), [self = shared_from_this()] { self->cut(); });
  }

  void read() {
    stream_.async_read(buffer_,
                       guarded([self = shared_from_this()](error_code error,
                                                           std::size_t) { self->has_read(error); },
                               cutter()));
  }

  void has_read(error_code error) {
    if (error || cut_) return cut();
    if (!stream_.got_text()) return close(websocket::close_code::unknown_data);
    count();
    if (too_many_) return close(websocket::close_code::policy_error);
    const auto bytes = buffer_.cdata();
    const std::string text(static_cast<const char*>(bytes.data()), bytes.size());
    buffer_.consume(buffer_.size());
    user_->received(text);
    if (!cut_) read();
  }

  // Also of pings, of which the library tells while it goes on reading.
  void count() {
    const auto now = std::chrono::steady_clock::now();
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      count_ = 0;
    }
    if (++count_ <= shared_->limits.messages_per_second || too_many_) return;
    too_many_ = true;
    cut_soon();
  }

  // Only while nothing is written, else at once without a farewell.
  void close(websocket::close_code code) {
    user_.reset();
    if (writing_) return cut();
    writing_ = true;
    stream_.async_close(code, [self = shared_from_this()](error_code) { self->cut(); });
  }

  void write() {
    writing_ = true;
    stream_.text(true);
    stream_.async_write(boost::asio::buffer(*outbox_.front()),
                        guarded([self = shared_from_this(), text = outbox_.front()](
                                    error_code error, std::size_t) { self->has_written(error); },
                                cutter()));
  }

  void has_written(error_code error) {
    writing_ = false;
    if (error || cut_) return cut();
    waiting_ -= outbox_.front()->size();
    outbox_.pop_front();
    if (!outbox_.empty()) write();
  }

  std::shared_ptr<HttpServer::Shared> shared_;
  websocket::stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  std::unique_ptr<SocketUser> user_;
  std::deque<std::shared_ptr<const std::string>> outbox_;  // the first one is being written
  std::size_t waiting_ = 0;                                // bytes in it
  bool writing_ = false;
  bool cut_ = false;
  bool too_many_ = false;
  int count_ = 0;  // in this second
  std::chrono::steady_clock::time_point second_{};
};

}  // namespace

void start_web_socket(const std::shared_ptr<HttpServer::Shared>& shared, beast::tcp_stream stream,
                      const Request& request) {
  std::make_shared<WebSocketConnection>(shared, std::move(stream))->accept(request);
}

}  // namespace vmmc::nicsim::web

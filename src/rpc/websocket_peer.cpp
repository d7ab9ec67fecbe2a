// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>

#include "rpc/core.hpp"

namespace millrace::rpc {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using ErrorCode = boost::system::error_code;

constexpr std::size_t read_size_max = 64 * 1024;
/// After the closing handshake, for the client to shut its side.
constexpr std::chrono::seconds linger_max{2};
constexpr std::size_t capacity_kept_max = 64 * 1024;
/// What a client over a bound reads; the carrier knows nothing else of JSON.
constexpr std::string_view too_many =
    R"({"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"too many requests are waiting"}})";
constexpr std::string_view dropped =
    R"({"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"the request was dropped"}})";

/// A socket that counts what is written. Asio writes a long message in steps; each step begun
/// means that the peer took the one before.
class WatchedSocket {
  public:
    using executor_type = Tcp::socket::executor_type;
    using next_layer_type = Tcp::socket;

    explicit WatchedSocket(Tcp::socket socket) : socket_{std::move(socket)} {}
    executor_type get_executor() noexcept { return socket_.get_executor(); }
    next_layer_type& next_layer() noexcept { return socket_; }
    const next_layer_type& next_layer() const noexcept { return socket_; }
    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
    [[nodiscard]] bool ending() const noexcept { return ending_; }
    void end() noexcept { ending_ = true; }

    template <class Buffers, class Handler>
    auto async_read_some(const Buffers& buffers, Handler&& handler) {
        return socket_.async_read_some(buffers, std::forward<Handler>(handler));
    }
    template <class Buffers, class Handler>
    auto async_write_some(const Buffers& buffers, Handler&& handler) {
        ++steps_;
        return socket_.async_write_some(buffers, std::forward<Handler>(handler));
    }

  private:
    Tcp::socket socket_;
    std::uint64_t steps_ = 0;
    bool ending_ = false;
};

/// Beast asks for this by argument-dependent lookup: shuts our side and reads on until the client
/// has shut its own.
template <class Handler>
void async_teardown(boost::beast::role_type role, WatchedSocket& socket, Handler&& handler) {
    socket.end();
    websocket::async_teardown(role, socket.next_layer(), std::forward<Handler>(handler));
}

class WebSocketPeer final : public Peer {
  public:
    WebSocketPeer(Core& core, CallerPtr caller, Tcp::socket socket)
        : Peer{core, std::move(caller)}, stream_{WatchedSocket{std::move(socket)}} {}

    void start(http::request<http::string_body> upgrade);
    void answer(Mail mail) override;
    void push(std::string message) override;
    void tick(Clock::time_point now) override;
    void drain() override;
    void refuse() override { close(); }
    void close() override;

  private:
    struct Message {
        std::string text;
        bool pushed = false;
    };

    std::shared_ptr<WebSocketPeer> self() {
        return std::static_pointer_cast<WebSocketPeer>(shared_from_this());
    }
    void read();
    void on_read(const ErrorCode& error, std::size_t size);
    void send(std::string text, bool pushed);
    void write();
    void on_written(const ErrorCode& error);
    void say_goodbye(websocket::close_code code);
    [[nodiscard]] bool paused() const;

    websocket::stream<WatchedSocket, false> stream_;
    http::request<http::string_body> upgrade_;
    boost::beast::flat_buffer in_;
    std::deque<Message> out_;
    std::size_t out_size_ = 0;
    std::size_t waiting_ = 0;  ///< requests the handler has
    Clock::time_point message_since_{};
    Clock::time_point step_since_{};
    Clock::time_point ending_since_{};
    std::uint64_t steps_ = 0;
    bool open_ = false;
    bool reading_ = false;
    bool writing_ = false;
    bool partial_ = false;  ///< a message has begun
    bool draining_ = false;
    bool goodbye_ = false;
    bool closed_ = false;
};

void WebSocketPeer::start(http::request<http::string_body> upgrade) {
    using std::chrono::milliseconds;
    const Server::Limits& limits = core_.limits();
    upgrade_ = std::move(upgrade);
    stream_.set_option(
        websocket::stream_base::timeout{.handshake_timeout = milliseconds{limits.read_ms_max},
                                        .idle_timeout = milliseconds{limits.idle_ms_max},
                                        .keep_alive_pings = true});
    stream_.set_option(websocket::stream_base::decorator(
        [](websocket::response_type& response) { response.set(http::field::server, "millrace"); }));
    stream_.read_message_max(limits.body_max);
    stream_.auto_fragment(false);
    stream_.text(true);
    stream_.async_accept(upgrade_, [peer = self()](const ErrorCode& error) {
        if (peer->closed_) return;
        if (error) return peer->close();
        peer->upgrade_ = {};
        peer->open_ = true;
        peer->caller_->open_for_push();
        if (peer->draining_) return peer->say_goodbye(websocket::close_code::going_away);
        peer->read();
    });
}

bool WebSocketPeer::paused() const {
    return waiting_ >= core_.limits().per_connection_waiting_max ||
           out_size_ > core_.limits().push_bytes_max;
}

void WebSocketPeer::read() {
    if (closed_ || reading_ || !open_) return;
    if (!goodbye_ && paused()) return;
    reading_ = true;
    stream_.async_read_some(in_, read_size_max,
                            [peer = self()](const ErrorCode& error, std::size_t size) {
                                peer->reading_ = false;
                                if (!peer->closed_) peer->on_read(error, size);
                            });
}

void WebSocketPeer::on_read(const ErrorCode& error, std::size_t size) {
    // A client that closes, breaks the protocol or sends too much: Beast has answered it in the
    // protocol's words.
    if (error) return close();
    core_.counters.bytes_in += size;
    if (goodbye_ || draining_) {
        in_.clear();
        partial_ = false;
        return read();
    }
    count(size);
    if (!stream_.is_message_done()) {
        if (!partial_) message_since_ = Clock::now();
        partial_ = true;
        if (core_.outbox->memory > core_.limits().memory_max) core_.relieve();
        return read();
    }
    partial_ = false;
    const auto data = in_.data();
    std::string text{static_cast<const char*>(data.data()), data.size()};
    uncount(text.size());
    in_.clear();
    if (in_.capacity() > capacity_kept_max) in_.shrink_to_fit();
    ++waiting_;
    if (!core_.submit(Job::Kind::call, *this, 0, std::move(text))) {
        --waiting_;
        count(too_many.size());
        send(std::string{too_many}, false);
    }
    read();
}

void WebSocketPeer::answer(Mail mail) {
    --waiting_;
    if (closed_ || mail.text.empty()) {
        core_.outbox->memory -= mail.text.size();
    } else {
        if (mail.status == 500) {
            core_.outbox->memory -= mail.text.size();
            mail.text = dropped;
            core_.outbox->memory += mail.text.size();
        }
        adopt(mail.text.size());
        send(std::move(mail.text), false);
    }
    if (draining_ && waiting_ == 0 && out_.empty()) {
        return say_goodbye(websocket::close_code::going_away);
    }
    read();
}

void WebSocketPeer::push(std::string message) {
    adopt(message.size());
    if (closed_) return uncount(message.size());
    send(std::move(message), true);
}

/// The text is counted.
void WebSocketPeer::send(std::string text, bool pushed) {
    out_size_ += text.size();
    out_.push_back({.text = std::move(text), .pushed = pushed});
    write();
}

void WebSocketPeer::write() {
    if (closed_ || writing_ || !open_ || goodbye_ || out_.empty()) return;
    writing_ = true;
    step_since_ = Clock::now();
    steps_ = stream_.next_layer().steps();
    stream_.async_write(asio::buffer(out_.front().text),
                        [peer = self()](const ErrorCode& error, std::size_t) {
                            peer->writing_ = false;
                            if (!peer->closed_) peer->on_written(error);
                        });
}

void WebSocketPeer::on_written(const ErrorCode& error) {
    if (error) return close();
    const std::size_t size = out_.front().text.size();
    core_.counters.bytes_out += size;
    if (out_.front().pushed) caller_->pushed(size);
    uncount(size);
    out_size_ -= size;
    out_.pop_front();
    if (draining_ && waiting_ == 0 && out_.empty()) {
        return say_goodbye(websocket::close_code::going_away);
    }
    write();
    read();
}

void WebSocketPeer::tick(Clock::time_point now) {
    using std::chrono::milliseconds;
    const Server::Limits& limits = core_.limits();
    if (closed_) return;
    if (stream_.next_layer().ending()) {
        if (ending_since_ == Clock::time_point{}) ending_since_ = now;
        if (now - ending_since_ >= linger_max) close();
        return;
    }
    if (writing_) {
        const std::uint64_t steps = stream_.next_layer().steps();
        if (steps != steps_) {
            steps_ = steps;
            step_since_ = now;
        } else if (now - step_since_ >= milliseconds{limits.write_ms_max}) {
            ++core_.counters.refused;
            return close();
        }
    }
    if (partial_ && now - message_since_ >= milliseconds{limits.read_ms_max}) {
        ++core_.counters.refused;
        close();
    }
}

void WebSocketPeer::drain() {
    draining_ = true;
    if (open_ && waiting_ == 0 && out_.empty()) say_goodbye(websocket::close_code::going_away);
}

/// Begins the closing handshake; the read that ends it closes the connection.
void WebSocketPeer::say_goodbye(websocket::close_code code) {
    if (goodbye_ || closed_) return;
    goodbye_ = true;
    caller_->shut();
    stream_.async_close(code, [peer = self()](const ErrorCode&) { peer->close(); });
}

void WebSocketPeer::close() {
    if (closed_) return;
    closed_ = true;
    uncount(held());
    core_.remove(*this);  // whoever called us keeps us
    ErrorCode error;
    stream_.next_layer().next_layer().close(error);
}

}  // namespace

std::shared_ptr<Peer> start_websocket(Core& core, const CallerPtr& caller, Tcp::socket socket,
                                      http::request<http::string_body> upgrade) {
    auto peer = std::make_shared<WebSocketPeer>(core, caller, std::move(socket));
    peer->start(std::move(upgrade));
    return peer;
}

}  // namespace millrace::rpc

// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <deque>
#include <optional>
#include <span>

#include "rpc/core.hpp"
#include "rpc/http_answer.hpp"
#include "rpc/http_request.hpp"

namespace millrace::rpc {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using ErrorCode = boost::system::error_code;

/// After an error the client may still be sending; what it sends is read and dropped for so long,
/// so that it gets to read the answer instead of a reset.
constexpr std::chrono::seconds linger_max{2};
constexpr std::size_t rounds_max = 16;  ///< reads of one socket before another's turn
constexpr std::size_t parts_max = 32;   ///< of one write
constexpr std::size_t capacity_kept_max = 64 * 1024;

class HttpPeer final : public Peer {
  public:
    HttpPeer(Core& core, CallerPtr caller, Tcp::socket socket)
        : Peer{core, std::move(caller)}, socket_{std::move(socket)}, since_{Clock::now()} {}

    void start() { arm_read(); }
    void answer(Mail mail) override;
    void push(std::string message) override { core_.outbox->memory -= message.size(); }
    void tick(Clock::time_point now) override;
    void drain() override;
    void refuse() override;
    void close() override;

  private:
    /// One request in the order of their coming.
    struct Slot {
        bool done = false;
        bool keep_alive = true;
        bool old = false;  ///< HTTP/1.0
        std::string extra_head{};
        std::string head{};
        std::string body{};
    };

    std::shared_ptr<HttpPeer> self() {
        return std::static_pointer_cast<HttpPeer>(shared_from_this());
    }
    void arm_read();
    void on_readable();
    void parse();
    void parse_some();
    void finish_request();
    void upgrade(HttpRequest& given);
    void fail_request(std::uint16_t status, const char* text);
    Slot& new_slot(bool keep_alive, bool old);
    void fill(Slot& slot, std::uint16_t status, std::string_view type, std::string text);
    void pump();
    void flush();
    void wrote(std::size_t size);
    void begin_linger();
    void linger(std::size_t size);
    void settle();
    [[nodiscard]] bool paused() const;
    [[nodiscard]] std::size_t unread() const { return in_.size() - in_at_; }

    Tcp::socket socket_;
    std::string in_;  ///< read and not yet parsed, from in_at_
    std::size_t in_at_ = 0;
    std::optional<HttpParser> parser_;
    Verdict verdict_;
    bool judged_ = false;
    std::size_t body_counted_ = 0;
    std::string interim_;  ///< "100 Continue", when its turn comes

    std::deque<Slot> slots_;
    std::uint64_t slot_first_ = 0;
    std::deque<std::string> out_;
    std::size_t out_at_ = 0;
    std::size_t out_size_ = 0;

    Clock::time_point since_;  ///< when it became idle, or the request began
    Clock::time_point write_since_{};
    std::size_t lingered_ = 0;
    bool read_armed_ = false;
    bool write_armed_ = false;
    bool no_more_ = false;    ///< no request after those in slots_
    bool peer_done_ = false;  ///< it sent its end
    bool lingering_ = false;
    bool parsing_ = false;
    bool closed_ = false;
};

bool HttpPeer::paused() const {
    return slots_.size() >= core_.limits().per_connection_waiting_max ||
           out_size_ > core_.limits().push_bytes_max;
}

void HttpPeer::arm_read() {
    if (closed_ || read_armed_ || peer_done_) return;
    if (!lingering_ && (no_more_ || paused())) return;
    read_armed_ = true;
    socket_.async_wait(Tcp::socket::wait_read, [peer = self()](const ErrorCode& error) {
        peer->read_armed_ = false;
        if (peer->closed_ || error == asio::error::operation_aborted) return;
        if (error) return peer->close();
        peer->on_readable();
    });
}

void HttpPeer::on_readable() {
    for (std::size_t round = 0; round < rounds_max; ++round) {
        ErrorCode error;
        const std::size_t size = socket_.read_some(asio::buffer(core_.scratch), error);
        if (error == asio::error::would_block) break;
        if (error == asio::error::eof) {
            // A client may shut its side and still read what it asked for.
            peer_done_ = true;
            no_more_ = true;
            break;
        }
        if (error) return close();
        core_.counters.bytes_in += size;
        if (lingering_) {
            linger(size);
            if (closed_) return;
            continue;
        }
        if (unread() == 0 && slots_.empty() && !parser_) since_ = Clock::now();
        in_.append(core_.scratch.data(), size);
        count(size);
        parse();
        if (closed_ || no_more_ || paused() || size < core_.scratch.size()) break;
    }
    pump();
    if (core_.outbox->memory > core_.limits().memory_max) core_.relieve();
}

/// Takes requests off in_ as long as it is their turn.
void HttpPeer::parse() {
    parsing_ = true;
    while (!closed_ && !no_more_ && unread() > 0 && !paused()) {
        const std::size_t before = unread();
        parse_some();
        if (closed_ || (unread() == before && parser_)) break;
    }
    parsing_ = false;
    if (closed_) return;
    in_.erase(0, in_at_);
    in_at_ = 0;
    if (in_.empty() && in_.capacity() > capacity_kept_max) in_ = {};
}

void HttpPeer::parse_some() {
    if (!parser_) {
        parser_.emplace();
        parser_->eager(true);
        parser_->header_limit(static_cast<std::uint32_t>(core_.limits().header_max));
        parser_->body_limit(core_.limits().body_max);
        judged_ = false;
    }
    ErrorCode error;
    const std::size_t used = parser_->put(asio::buffer(in_.data() + in_at_, unread()), error);
    in_at_ += used;
    uncount(used);
    if (error == http::error::need_more) error = {};
    if (error == http::error::header_limit) {
        return fail_request(431, "the header is too long\n");
    }
    if (error == http::error::body_limit) return fail_request(413, "the body is too long\n");
    if (error) return fail_request(400, "this is no HTTP request\n");
    if (!parser_->is_header_done()) return;
    if (!judged_) {
        judged_ = true;
        verdict_ = judge(parser_->get(), parser_->is_done(), core_.options);
        if (verdict_.then == Verdict::Then::refuse)
            return fail_request(verdict_.status, verdict_.text);
        if (verdict_.wants_interim) interim_ = "HTTP/1.1 100 Continue\r\n\r\n";
    }
    if (closed_ || no_more_) return;
    const std::size_t size = parser_->get().body().size();
    count(size - body_counted_);
    body_counted_ = size;
    if (parser_->is_done()) finish_request();
}

void HttpPeer::finish_request() {
    auto request = parser_->release();
    const bool keep_alive = request.keep_alive();
    const bool old = request.version() < 11;
    if (verdict_.then == Verdict::Then::upgrade) {
        if (!slots_.empty() || !out_.empty() || unread() > 0) {
            return fail_request(400, "an upgrade waits for the answers before it\n");
        }
        return upgrade(request);
    }
    uncount(body_counted_);
    body_counted_ = 0;
    parser_.reset();
    interim_.clear();
    core_.move(*this, core_.busy);
    since_ = Clock::now();  // of the next one, if it has begun
    if (!keep_alive) no_more_ = true;
    Slot& slot = new_slot(keep_alive, old);
    slot.extra_head = std::move(verdict_.extra_head);
    const std::uint64_t number = slot_first_ + slots_.size() - 1;  // stays while we parse
    switch (verdict_.then) {
        case Verdict::Then::call:
            if (!core_.submit(Job::Kind::call, *this, number, std::move(request.body()))) {
                fill(slot, 503, "text/plain", "too many requests are waiting\n");
            }
            break;
        case Verdict::Then::page:
            if (!core_.submit(Job::Kind::page, *this, number, std::string{request.target()})) {
                fill(slot, 503, "text/plain", "too many requests are waiting\n");
            }
            break;
        case Verdict::Then::say:
        case Verdict::Then::upgrade:
        case Verdict::Then::refuse:
            fill(slot, verdict_.status, "text/plain", verdict_.text);
            break;
    }
}

void HttpPeer::upgrade(HttpRequest& given) {
    http::request<http::string_body> request{
        std::move(static_cast<http::request_header<>&>(given))};
    uncount(body_counted_);
    closed_ = true;  // this object's part is over
    core_.replace(start_websocket(core_, caller_, std::move(socket_), std::move(request)));
}

HttpPeer::Slot& HttpPeer::new_slot(bool keep_alive, bool old) {
    slots_.push_back({.keep_alive = keep_alive, .old = old});
    return slots_.back();
}

/// Answers the request being read, and takes no other: where it ends is not known.
void HttpPeer::fail_request(std::uint16_t status, const char* text) {
    ++core_.counters.refused;
    uncount(body_counted_ + unread());
    body_counted_ = 0;
    in_.clear();
    in_at_ = 0;
    const bool old = parser_ && judged_ && parser_->get().version() < 11;
    parser_.reset();
    interim_.clear();
    no_more_ = true;
    core_.move(*this, core_.busy);
    Slot& slot = new_slot(false, old);
    slot.extra_head = std::move(verdict_.extra_head);
    fill(slot, status, "text/plain", text);
}

void HttpPeer::fill(Slot& slot, std::uint16_t status, std::string_view type, std::string text) {
    slot.head = write_head({.status = status,
                            .type = type,
                            .size = text.size(),
                            .extra = slot.extra_head,
                            .keep_alive = slot.keep_alive,
                            .old = slot.old});
    slot.body = std::move(text);
    slot.done = true;
    count(slot.head.size() + slot.body.size());
}

void HttpPeer::answer(Mail mail) {
    core_.outbox->memory -= mail.text.size();
    if (closed_ || mail.slot < slot_first_ || mail.slot - slot_first_ >= slots_.size()) return;
    Slot& slot = slots_[static_cast<std::size_t>(mail.slot - slot_first_)];
    // A header is written by us alone.
    const bool plain = std::ranges::all_of(mail.type, [](char c) { return c >= ' ' && c <= '~'; });
    fill(slot, mail.status, mail.type.empty() || !plain ? "application/json" : mail.type,
         std::move(mail.text));
    pump();
}

/// Sends what can be sent, and goes on reading where that made room. Who parses pumps afterwards.
void HttpPeer::pump() {
    if (parsing_) return;
    for (;;) {
        if (closed_) return;
        const bool was_paused = paused();
        while (!slots_.empty() && slots_.front().done) {
            Slot& slot = slots_.front();
            out_size_ += slot.head.size() + slot.body.size();
            if (slot.body.size() < 4096) {
                slot.head += slot.body;
            }
            const bool apart = slot.body.size() >= 4096;
            if (out_.empty()) write_since_ = Clock::now();
            out_.push_back(std::move(slot.head));
            if (apart) out_.push_back(std::move(slot.body));
            slots_.pop_front();
            ++slot_first_;
            if (slots_.empty()) since_ = Clock::now();  // a request that waited behind has its time
        }
        if (slots_.empty() && !interim_.empty()) {
            count(interim_.size());
            out_size_ += interim_.size();
            if (out_.empty()) write_since_ = Clock::now();
            out_.push_back(std::move(interim_));
            interim_.clear();
        }
        flush();
        if (closed_) return;
        if (!was_paused || paused()) break;
        since_ = Clock::now();
        parse();
    }
    settle();
}

void HttpPeer::flush() {
    if (write_armed_) return;
    while (!out_.empty()) {
        std::array<asio::const_buffer, parts_max> parts;
        std::size_t count_of_parts = 0;
        std::size_t offset = out_at_;
        for (const std::string& text : out_) {
            if (count_of_parts == parts.size()) break;
            parts[count_of_parts++] = asio::buffer(text.data() + offset, text.size() - offset);
            offset = 0;
        }
        ErrorCode error;
        const std::size_t size = socket_.write_some(
            std::span<const asio::const_buffer>{parts.data(), count_of_parts}, error);
        if (error == asio::error::would_block) {
            write_armed_ = true;
            socket_.async_wait(Tcp::socket::wait_write, [peer = self()](const ErrorCode& failed) {
                peer->write_armed_ = false;
                if (peer->closed_ || failed == asio::error::operation_aborted) return;
                if (failed) return peer->close();
                peer->pump();
            });
            return;
        }
        if (error) return close();
        wrote(size);
    }
}

void HttpPeer::wrote(std::size_t size) {
    core_.counters.bytes_out += size;
    write_since_ = Clock::now();
    uncount(size);
    out_size_ -= size;
    while (size > 0) {
        const std::size_t left = out_.front().size() - out_at_;
        if (size < left) {
            out_at_ += size;
            return;
        }
        size -= left;
        out_at_ = 0;
        out_.pop_front();
    }
}

/// What to do next, when nothing else is to be done now.
void HttpPeer::settle() {
    if (closed_) return;
    if (slots_.empty() && out_.empty()) {
        if (peer_done_) return close();
        if (no_more_) {
            begin_linger();
        } else if (!parser_ && unread() == 0) {
            if (list != &core_.idle) since_ = Clock::now();
            core_.move(*this, core_.idle);
        } else {
            core_.move(*this, core_.busy);
        }
    } else {
        core_.move(*this, core_.busy);
    }
    arm_read();
}

void HttpPeer::begin_linger() {
    if (lingering_) return;
    lingering_ = true;
    since_ = Clock::now();
    ErrorCode error;
    socket_.shutdown(Tcp::socket::shutdown_send, error);
    if (error) close();
}

void HttpPeer::linger(std::size_t size) {
    lingered_ += size;
    if (lingered_ > core_.limits().body_max + core_.limits().header_max) close();
}

void HttpPeer::tick(Clock::time_point now) {
    using std::chrono::milliseconds;
    const Server::Limits& limits = core_.limits();
    if (closed_) return;
    if (lingering_) {
        if (now - since_ >= linger_max) close();
        return;
    }
    if (!out_.empty()) {
        if (now - write_since_ >= milliseconds{limits.write_ms_max}) {
            ++core_.counters.refused;
            close();
        }
        return;
    }
    if (!slots_.empty()) return;  // the handler's turn
    if (parser_ || unread() > 0) {
        if (now - since_ >= milliseconds{limits.read_ms_max}) {
            fail_request(408, "the request took too long to arrive\n");
            pump();
            close();
        }
        return;
    }
    if (now - since_ >= milliseconds{limits.idle_ms_max}) close();
}

void HttpPeer::drain() {
    no_more_ = true;
    for (Slot& slot : slots_)
        slot.keep_alive = false;
    if (slots_.empty() && out_.empty()) close();
}

void HttpPeer::refuse() {
    if (!lingering_ && slots_.empty() && out_.empty() && (parser_ || unread() > 0)) {
        fail_request(503, "there is no memory for this request now\n");
        pump();
        return;
    }
    close();
}

void HttpPeer::close() {
    if (closed_) return;
    closed_ = true;
    uncount(held());
    core_.remove(*this);  // whoever called us keeps us
    ErrorCode error;
    socket_.close(error);
}

}  // namespace

std::shared_ptr<Peer> start_http(Core& core, const CallerPtr& caller, Tcp::socket socket) {
    auto peer = std::make_shared<HttpPeer>(core, caller, std::move(socket));
    peer->start();
    return peer;
}

}  // namespace millrace::rpc

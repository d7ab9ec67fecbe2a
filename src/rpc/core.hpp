// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <unordered_map>

#include "rpc/exchange.hpp"

/// Private to rpc/: what the connections and the acceptor share on the I/O thread.
namespace millrace::rpc {

using Clock = std::chrono::steady_clock;
using Tcp = boost::asio::ip::tcp;

struct Core;

/// One connection; the I/O thread's alone. HTTP first, perhaps WebSocket later.
class Peer : public std::enable_shared_from_this<Peer> {
  public:
    Peer(Core& core, CallerPtr caller) : core_{core}, caller_{std::move(caller)} {}
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    virtual ~Peer() = default;

    virtual void answer(Mail mail) = 0;
    virtual void push(std::string message) = 0;
    /// Ends what is late.
    virtual void tick(Clock::time_point now) = 0;
    /// Takes nothing new, answers what is in flight, closes.
    virtual void drain() = 0;
    /// Closes for want of memory or room, if there is time with a word to the client.
    virtual void refuse() = 0;
    /// Closes at once.
    virtual void close() = 0;

    [[nodiscard]] const CallerPtr& caller() const noexcept { return caller_; }
    [[nodiscard]] std::size_t held() const noexcept { return held_; }

    /// Its place in one of Core's lists.
    std::list<Peer*>::iterator place{};
    std::list<Peer*>* list = nullptr;

  protected:
    void count(std::size_t more);  ///< bytes taken into memory
    void uncount(std::size_t fewer);
    /// Takes over bytes that an Outbox counted.
    void adopt(std::size_t size) noexcept { held_ += size; }

    Core& core_;
    const CallerPtr caller_;

  private:
    std::size_t held_ = 0;
};

struct Core {
    Core(Server::Options given, Handler& handler);

    Server::Options options;
    Handler& handler;
    std::shared_ptr<boost::asio::io_context> context;
    std::shared_ptr<Outbox> outbox;
    std::unique_ptr<Workers> workers;

    std::unordered_map<std::uint64_t, std::shared_ptr<Peer>> peers;
    // Each peer is in one of these, the one that came first at the front.
    std::list<Peer*> idle;  ///< HTTP without a request begun or unanswered
    std::list<Peer*> busy;  ///< HTTP with one
    std::list<Peer*> kept;  ///< WebSocket
    bool stopping = false;
    bool relieving = false;

    struct Counters {
        std::atomic<std::uint64_t> connections{0};
        std::atomic<std::uint64_t> connections_open{0};
        std::atomic<std::uint64_t> requests{0};
        std::atomic<std::uint64_t> refused{0};
        std::atomic<std::uint64_t> bytes_in{0};
        std::atomic<std::uint64_t> bytes_out{0};
    } counters;
    Clock::time_point here_after{};  ///< no call on this thread before
    std::chrono::milliseconds here_pause{0};
    std::array<char, 256 * 1024> scratch{};  ///< every socket is read through it

    [[nodiscard]] const Server::Limits& limits() const noexcept { return options.limits; }
    void add(std::shared_ptr<Peer> peer, std::list<Peer*>& list);
    void move(Peer& peer, std::list<Peer*>& list);
    /// Forgets it and tells the handler; its sockets are its own affair.
    void remove(Peer& peer);
    /// Another object takes over the connection.
    void replace(std::shared_ptr<Peer> successor);
    /// Gives the handler a request; quick ones are answered before this returns. False over
    /// requests_waiting_max. The text's bytes must be counted and uncounted by the peer
    /// until here; then the ticket holds them.
    bool submit(Job::Kind kind, Peer& peer, std::uint64_t slot, std::string text);
    void deliver();
    void deliver(Mail mail);
    [[nodiscard]] bool runs_here(const Job& job) const;
    void run_here(Job job);
    /// Cuts whoever holds most until memory is below its bound.
    void relieve();
};

/// RFC 6455's HTTP part was read; the rest of the connection is the new peer's.
std::shared_ptr<Peer> start_websocket(
    Core& core, const CallerPtr& caller, Tcp::socket socket,
    boost::beast::http::request<boost::beast::http::string_body> upgrade);
std::shared_ptr<Peer> start_http(Core& core, const CallerPtr& caller, Tcp::socket socket);

}  // namespace millrace::rpc

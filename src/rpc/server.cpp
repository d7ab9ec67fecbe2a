// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "io/socket_address.hpp"
#include "rpc/core.hpp"

namespace millrace::rpc {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

/// A connection whose request takes longer than this gives way when there is no room for a new one.
constexpr std::chrono::seconds busy_grace{1};
constexpr std::chrono::seconds stop_grace{1};
constexpr std::chrono::milliseconds stopping_sweep_interval{10};
constexpr std::size_t busy_looked_at_max = 64;
constexpr std::size_t descriptors_spared = 512;  ///< for the rest of the process
constexpr int backlog = 1'024;

// A call of a few microseconds is run on the I/O thread: handing it over and back costs more than
// it does, in time and twice in wake-ups (measured: 88 us instead of 30 us for a lone client).
// Whether it is one is judged by the last of its connection. Who was wrong about it delays
// everybody, so after a long one there are none for a while, and longer the next time.
constexpr std::chrono::microseconds here_cost_max{60};
constexpr std::chrono::microseconds here_cost_wrong{1'000};
constexpr std::size_t here_size_max = 4'096;
constexpr std::chrono::milliseconds here_pause_min{10};
constexpr std::chrono::milliseconds here_pause_max{1'000};

constexpr std::string_view no_room =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

}  // namespace

void Peer::count(std::size_t more) {
    held_ += more;
    core_.outbox->memory += more;
}

void Peer::uncount(std::size_t fewer) {
    held_ -= fewer;
    core_.outbox->memory -= fewer;
}

Core::Core(Server::Options given, Handler& answering)
    : options{std::move(given)},
      handler{answering},
      context{std::make_shared<asio::io_context>(1)},
      // A waker that outlives the server posts into a context that nobody runs: harmless.
      outbox{std::make_shared<Outbox>(
          [this, waking = context] { asio::post(*waking, [this] { deliver(); }); },
          options.limits.memory_max)},
      workers{std::make_unique<Workers>(answering, std::max<std::size_t>(1, options.workers))} {}

void Core::add(std::shared_ptr<Peer> peer, std::list<Peer*>& list) {
    list.push_back(peer.get());
    peer->place = std::prev(list.end());
    peer->list = &list;
    peers[peer->caller()->id()] = std::move(peer);
    counters.connections_open = peers.size();
}

void Core::move(Peer& peer, std::list<Peer*>& list) {
    if (peer.list == nullptr || peer.list == &list) return;
    list.splice(list.end(), *peer.list, peer.place);
    peer.list = &list;
}

void Core::remove(Peer& peer) {
    if (peer.list == nullptr) return;
    peer.list->erase(peer.place);
    peer.list = nullptr;
    const CallerPtr caller = peer.caller();
    caller->shut();
    caller->set_closed();
    peers.erase(caller->id());
    counters.connections_open = peers.size();
    if (caller->let_go()) workers->submit({.kind = Job::Kind::closed, .caller = caller});
    if (stopping && peers.empty()) context->stop();
}

void Core::replace(std::shared_ptr<Peer> successor) {
    const auto found = peers.find(successor->caller()->id());
    if (found == peers.end()) return;
    Peer& former = *found->second;
    former.list->erase(former.place);
    former.list = nullptr;
    add(std::move(successor), kept);
}

bool Core::submit(Job::Kind kind, Peer& peer, std::uint64_t slot, std::string text) {
    if (outbox->requests_waiting >= limits().requests_waiting_max) {
        ++counters.refused;
        return false;
    }
    ++counters.requests;
    peer.caller()->hold();
    outbox->memory += text.size();
    auto ticket = std::make_shared<Ticket>(outbox, peer.caller()->id(), slot, text.size());
    Job job{.kind = kind,
            .caller = peer.caller(),
            .ticket = std::move(ticket),
            .text = std::move(text)};
    if (runs_here(job)) {
        run_here(std::move(job));
    } else {
        workers->submit(std::move(job));
    }
    return true;
}

bool Core::runs_here(const Job& job) const {
    return job.caller->cost() <= here_cost_max && job.text.size() <= here_size_max &&
           (here_pause.count() == 0 || Clock::now() >= here_after);
}

void Core::run_here(Job job) {
    perform(handler, job);
    const auto cost = job.caller->cost();
    if (cost >= here_cost_wrong) {
        here_pause = std::clamp(2 * here_pause, here_pause_min, here_pause_max);
        here_after = Clock::now() + here_pause;
    } else if (here_pause.count() > 0 && Clock::now() >= here_after + 2 * here_pause_max) {
        here_pause = {};
    }
    job = {};  // a ticket dropped unanswered answers now
    for (Mail& mail : outbox->take_own())
        deliver(std::move(mail));
}

void Core::deliver() {
    std::vector<Mail> mails;
    outbox->take(mails);
    for (Mail& mail : mails)
        deliver(std::move(mail));
    relieve();
}

void Core::deliver(Mail mail) {
    const auto found = peers.find(mail.session);
    if (found == peers.end()) {
        outbox->memory -= mail.text.size();
        return;
    }
    const std::shared_ptr<Peer> peer = found->second;
    switch (mail.kind) {
        case Mail::Kind::answer:
            peer->answer(std::move(mail));
            break;
        case Mail::Kind::push:
            peer->push(std::move(mail.text));
            break;
        case Mail::Kind::cut:
            ++counters.refused;
            peer->close();
            break;
    }
}

void Core::relieve() {
    if (relieving) return;
    relieving = true;
    while (outbox->memory > limits().memory_max) {
        std::shared_ptr<Peer> fattest;
        for (const auto& [id, peer] : peers) {
            if (peer->held() > (fattest ? fattest->held() : 0)) fattest = peer;
        }
        if (!fattest) break;  // the rest waits in the handler, and is bounded by what got there
        ++counters.refused;
        fattest->refuse();
    }
    relieving = false;
}

struct Server::State {
    State(Options options, Handler& handler)
        : core{std::move(options), handler}, acceptor{*core.context}, sweep{*core.context} {
        const Limits& limits = core.limits();
        const std::uint32_t shortest =
            std::min({limits.idle_ms_max, limits.read_ms_max, limits.write_ms_max});
        sweep_interval = std::chrono::milliseconds{std::clamp(shortest / 8, 5u, 500u)};
    }

    Outcome<void> listen();
    void accept();
    void accepted(Tcp::socket socket);
    bool make_room();
    void arm_sweep();
    void stop();

    Core core;
    Tcp::acceptor acceptor;
    asio::steady_timer sweep;
    std::chrono::milliseconds sweep_interval{};
    Clock::time_point stop_deadline = Clock::time_point::max();
    bool accepting = false;
    std::uint64_t session_last = 0;
    std::string endpoint;
    std::thread thread;
};

Outcome<void> Server::State::listen() {
    const std::string& where = core.options.listen;
    MILLRACE_TRY(const io::HostPort parsed, io::parse_endpoint(where));
    ErrorCode error;
    const auto address =
        asio::ip::make_address(parsed.host == "localhost" ? "127.0.0.1" : parsed.host, error);
    if (error) {
        return Err{Failure{"the JSON-RPC address is no IP address", where,
                           "write for example 127.0.0.1:8545 or [::1]:8545"}};
    }
    const Tcp::endpoint wanted{address, static_cast<std::uint16_t>(std::stoul(parsed.port))};
    acceptor.open(wanted.protocol(), error);
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address{true}, error);
    if (!error) acceptor.bind(wanted, error);
    if (!error) acceptor.listen(backlog, error);
    if (!error) acceptor.non_blocking(true, error);
    if (error) {
        return Err{
            Failure{"cannot listen for JSON-RPC: " + error.message(), where,
                    "stop what uses the port, or give another one; port 0 takes a free one"}};
    }
    const Tcp::endpoint bound = acceptor.local_endpoint(error);
    const std::string host = bound.address().to_string();
    endpoint =
        (bound.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(bound.port());
    return {};
}

void Server::State::accept() {
    accepting = true;
    acceptor.async_accept([this](const ErrorCode& error, Tcp::socket socket) {
        if (core.stopping || error == asio::error::operation_aborted) return;
        if (error) {
            accepting = false;  // out of descriptors, perhaps: the next sweep tries again
            return;
        }
        accepted(std::move(socket));
        accept();
    });
}

/// Closes the connection that was idle longest, or one that has been sending a request for long.
bool Server::State::make_room() {
    if (core.peers.size() < core.limits().connections_max) return true;
    if (!core.idle.empty()) {
        core.idle.front()->shared_from_this()->close();
        return true;
    }
    const auto late =
        Clock::now() + std::chrono::milliseconds{core.limits().read_ms_max} - busy_grace;
    std::vector<std::shared_ptr<Peer>> oldest;
    for (Peer* peer : core.busy) {
        if (oldest.size() == busy_looked_at_max) break;
        oldest.push_back(peer->shared_from_this());
    }
    for (const auto& peer : oldest) {
        peer->tick(late);
        if (core.peers.size() < core.limits().connections_max) return true;
    }
    return false;
}

void Server::State::accepted(Tcp::socket socket) {
    ++core.counters.connections;
    ErrorCode error;
    socket.non_blocking(true, error);
    socket.set_option(Tcp::no_delay{true}, error);
    if (!make_room()) {
        ++core.counters.refused;
        socket.write_some(asio::buffer(no_room), error);
        socket.shutdown(Tcp::socket::shutdown_send, error);
        return;
    }
    const auto caller =
        std::make_shared<Caller>(core.outbox, ++session_last, core.limits().push_bytes_max);
    core.add(start_http(core, caller, std::move(socket)), core.idle);
}

void Server::State::arm_sweep() {
    sweep.expires_after(sweep_interval);
    sweep.async_wait([this](const ErrorCode& error) {
        if (error) return;
        const Clock::time_point now = Clock::now();
        std::vector<std::shared_ptr<Peer>> all;
        all.reserve(core.peers.size());
        for (const auto& [id, peer] : core.peers)
            all.push_back(peer);
        for (const auto& peer : all) {
            if (now >= stop_deadline) {
                peer->close();
            } else {
                peer->tick(now);
            }
        }
        if (core.stopping && core.peers.empty()) return core.context->stop();
        if (!core.stopping && !accepting) accept();
        arm_sweep();
    });
}

void Server::State::stop() {
    core.stopping = true;
    ErrorCode error;
    acceptor.close(error);
    stop_deadline = Clock::now() + stop_grace;
    sweep_interval = std::min(sweep_interval, stopping_sweep_interval);
    arm_sweep();
    std::vector<std::shared_ptr<Peer>> all;
    for (const auto& [id, peer] : core.peers)
        all.push_back(peer);
    for (const auto& peer : all)
        peer->drain();
    if (core.peers.empty()) core.context->stop();
}

Server::Server(std::unique_ptr<State> state) : state_{std::move(state)} {}

namespace {

/// Each connection is a descriptor; the usual soft limit of 1,024 is lower than our bound.
void allow_descriptors(std::size_t count) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count) return;
    limit.rlim_cur = std::min<rlim_t>(count, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Outcome<std::unique_ptr<Server>> Server::start(Options options, Handler& handler) {
    allow_descriptors(options.limits.connections_max + descriptors_spared);
    auto state = std::make_unique<State>(std::move(options), handler);
    MILLRACE_TRY_VOID(state->listen());
    state->accept();
    state->arm_sweep();
    state->thread = std::thread{[raw = state.get()] {
        raw->core.outbox->own();
        raw->core.context->run();
    }};
    return std::unique_ptr<Server>{new Server{std::move(state)}};
}

Server::~Server() {
    if (!state_) return;
    Core& core = state_->core;
    asio::post(*core.context, [this] { state_->stop(); });
    state_->thread.join();
    // What was cancelled is told so while everything it may look at is there.
    core.outbox->own();
    core.context->restart();
    core.context->poll();
    core.outbox->close();
    core.workers.reset();
    core.peers.clear();
}

const std::string& Server::endpoint() const noexcept {
    return state_->endpoint;
}

Server::Metrics Server::metrics() const noexcept {
    const Core& core = state_->core;
    const Core::Counters& counters = core.counters;
    return {.connections = counters.connections,
            .connections_open = counters.connections_open,
            .requests = counters.requests,
            .refused = counters.refused,
            .bytes_in = counters.bytes_in,
            .bytes_out = counters.bytes_out,
            .requests_waiting = core.outbox->requests_waiting,
            .bytes_in_flight = core.outbox->memory};
}

}  // namespace millrace::rpc

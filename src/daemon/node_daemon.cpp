// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/node_daemon.hpp"

#include <algorithm>
#include <unordered_set>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "daemon/genesis_setup.hpp"
#include "io/clock.hpp"
#include "io/entropy.hpp"
#include "io/log.hpp"

namespace millrace::daemon {

namespace {

std::uint64_t seconds_of(Instant now) {
    return now.ms > 0 ? static_cast<std::uint64_t>(now.ms / 1000) : 0;
}

}  // namespace

NodeDaemon::NodeDaemon(io::EventLoop& loop, io::RoleHome& home, Options options)
    : loop_{loop}, home_{home}, options_{std::move(options)}, pool_{options_.pool} {}

NodeDaemon::~NodeDaemon() {
    server_.reset();  // no worker touches the rest after this
    if (timer_) loop_.cancel(*timer_);
}

Outcome<std::unique_ptr<NodeDaemon>> NodeDaemon::open(io::EventLoop& loop, io::RoleHome& home,
                                                      Options options) {
    std::unique_ptr<NodeDaemon> daemon{new NodeDaemon{loop, home, std::move(options)}};
    MILLRACE_TRY_VOID(daemon->start());
    return daemon;
}

Outcome<void> NodeDaemon::start() {
    MILLRACE_TRY(store_, store::ChainStore::open(
                             home_.db() + "/chain",
                             store::ChainStore::Options{.memory_max = options_.store_memory_max}));
    const node::Chain::Options keep{.history = options_.history, .state = {}};
    if (options_.genesis_file) {
        MILLRACE_TRY(chain_, node::Chain::open(*store_, *options_.genesis_file, keep));
    } else {
        MILLRACE_TRY(chain_, node::Chain::open(*store_, options_.genesis, keep));
    }
    chain_->run_parallel(parallel_.hook());
    // The accounts of the genesis stand in the store now. There can be a million.
    options_.genesis.state = {};
    options_.genesis_file.reset();
    publish_view();
    MILLRACE_TRY_VOID(restore_pool());
    source_ = std::make_unique<node::SoleProducer>(options_.producer,
                                                   chain_->head().header.timestamp, loop_.now());
    api_ = std::make_unique<node::Api>(*this, options_.api, options_.version, io::random_hash());
    MILLRACE_TRY(server_, rpc::Server::start(options_.rpc, *this));
    MILLRACE_TRY_VOID(home_.publish_endpoint(server_->endpoint()));
    if (pool_.status().pending > 0) step(node::BlockSource::TransactionsWait{});
    arm_timer();
    io::log(io::LogLevel::info, "node ready",
            {{"rpc", server_->endpoint()},
             {"chain_id", options_.genesis.config.chain_id},
             {"height", chain_->head().header.number},
             {"head", to_hex0x(chain_->head().hash.view())}});
    return {};
}

// --- from any thread
// ------------------------------------------------------------------------------

std::shared_ptr<const node::ChainView> NodeDaemon::view() const {
    const std::lock_guard lock{view_mutex_};
    return view_;
}

void NodeDaemon::publish_view() {
    auto fresh = chain_->view();
    const std::lock_guard lock{view_mutex_};
    view_ = std::move(fresh);
}

std::uint64_t NodeDaemon::now() const {
    const std::int64_t offset_ms = 1'000 * time_offset_s_.load(std::memory_order_relaxed);
    return seconds_of(Instant{io::wall_now().ms + offset_ms});
}

std::uint64_t NodeDaemon::steady_seconds() const {
    return seconds_of(io::steady_now());
}

mempool::PooledPtr NodeDaemon::pending(const Hash32& hash) const {
    const std::lock_guard lock{pool_mutex_};
    return pool_.find(hash);
}

std::optional<std::uint64_t> NodeDaemon::pending_nonce(const Address& sender) const {
    const std::lock_guard lock{pool_mutex_};
    return pool_.next_nonce(sender);
}

mempool::Pool::Status NodeDaemon::pool_status() const {
    const std::lock_guard lock{pool_mutex_};
    return pool_.status();
}

std::vector<mempool::Pool::Entry> NodeDaemon::pool_content() const {
    const std::lock_guard lock{pool_mutex_};
    return pool_.content();
}

types::Block NodeDaemon::pending_block() const {
    const auto chain = view();
    const types::Header& parent = chain->head().header;
    types::Block block;
    block.header.parent_hash = chain->head().hash;
    block.header.coinbase = options_.coinbase;
    block.header.number = parent.number + 1;
    block.header.gas_limit = parent.gas_limit;
    block.header.timestamp = std::max(parent.timestamp, now());
    block.header.base_fee = ledger::next_base_fee(chain->config(), parent);
    block.withdrawals.emplace();
    const std::lock_guard lock{pool_mutex_};
    auto selection = pool_.select(*block.header.base_fee);
    while (const auto next = selection.next()) {
        const std::uint64_t gas = next->transaction.transaction.gas_limit;
        if (gas > block.header.gas_limit - block.header.gas_used) {
            selection.skip_sender();
            continue;
        }
        block.header.gas_used += gas;
        block.transactions.push_back(next->transaction);
    }
    return block;
}

std::uint64_t NodeDaemon::listen(std::function<void(const node::NodeEvent&)> call) {
    const std::lock_guard lock{listeners_mutex_};
    listeners_.emplace(listener_next_, std::move(call));
    return listener_next_++;
}

void NodeDaemon::unlisten(std::uint64_t id) {
    const std::lock_guard lock{listeners_mutex_};
    listeners_.erase(id);
}

void NodeDaemon::tell(const node::NodeEvent& event) {
    // Listeners queue and return (Backend::listen), so the lock is held across the calls: an
    // unlisten() that has returned is never followed by a call.
    const std::lock_guard lock{listeners_mutex_};
    for (const auto& [id, call] : listeners_)
        call(event);
}

const std::vector<crypto::SecretKey>& NodeDaemon::development_keys() const {
    static const std::vector<crypto::SecretKey> none;
    return development() ? daemon::development_keys() : none;
}

void NodeDaemon::control(Control control, Done done) {
    if (!development()) {
        return done(Err{node::SubmitError{"only on development networks"}});
    }
    {
        const std::lock_guard lock{inbox_mutex_};
        if (requests_.size() < inbox_count_max) {
            requests_.push_back({std::move(control), std::move(done)});
            if (woken_) return;
            woken_ = true;
            done = nullptr;
        }
    }
    if (done) return done(Err{node::SubmitError{"the node has too much to do; try again"}});
    wake();
}

void NodeDaemon::wake() {
    // One post at a time, so the loop's own bound cannot be reached by us.
    const bool posted = loop_.post([this] { drain(); });
    MILLRACE_ASSERT(posted);
}

void NodeDaemon::handle(const rpc::SessionPtr& session, std::string body, Reply reply) {
    const Instant deadline = io::steady_now() + options_.request_time_max;
    node::Api::Caller caller{.session = session->id(), .push = nullptr, .is_late = [deadline] {
                                 return io::steady_now() >= deadline;
                             }};
    if (session->can_push()) {
        // The subscription must not keep a closed connection alive.
        caller.push = [weak = std::weak_ptr{session}](std::string message) {
            const auto open = weak.lock();
            return open != nullptr && open->push(std::move(message));
        };
    }
    api_->handle(caller, body, std::move(reply));
}

void NodeDaemon::on_closed(std::uint64_t session_id) {
    api_->session_closed(session_id);
}

// --- on the loop's thread
// ---------------------------------------------------------------------------

void NodeDaemon::drain() {
    std::vector<Submission> submissions;
    std::deque<Request> requests;
    {
        const std::lock_guard lock{inbox_mutex_};
        submissions.swap(submissions_);
        requests.swap(requests_);
        woken_ = false;
    }
    if (!submissions.empty()) admit(std::move(submissions));
    for (auto& request : requests)
        perform(std::move(request));
    arm_timer();
}

void NodeDaemon::step(const node::BlockSource::Event& event) {
    node::BlockSource::Effects effects;
    source_->step(event, loop_.now(), effects);
    for (const auto& effect : effects)
        make_block(effect.timestamp);
}

void NodeDaemon::arm_timer() {
    if (timer_) loop_.cancel(*timer_);
    timer_.reset();
    if (const auto deadline = source_->next_deadline()) {
        timer_ = loop_.call_at(*deadline, [this] {
            timer_.reset();
            step(node::BlockSource::DeadlineReached{});
            arm_timer();
        });
    }
}

void NodeDaemon::make_block(std::uint64_t timestamp) {
    const node::Head& head = chain_->head();
    // Not random: anybody can compute it. Contracts that need randomness have none on a chain of
    // one producer; the beacon replaces it (design.md section 7).
    const Hash32 prev_randao = prev_randao_override_.is_zero() ? crypto::keccak256(head.hash.view())
                                                               : prev_randao_override_;
    prev_randao_override_ = {};
    const U256 base_fee = ledger::next_base_fee(chain_->config(), head.header);
    auto builder = chain_->begin_block(timestamp, options_.coinbase, prev_randao);
    std::vector<Address> touched;
    std::vector<Hash32> included;
    std::vector<Hash32> unfit;
    auto selection = pool_.select(base_fee);
    while (const auto next = selection.next()) {
        if (builder->gas_left() < 21'000) break;
        const auto added = builder->add(next->transaction, next->sender);
        if (added) {
            touched.push_back(next->sender);
            included.push_back(next->hash);
            continue;
        }
        using ledger::TransactionError;
        const TransactionError why = added.error();
        selection.skip_sender();
        touched.push_back(next->sender);
        const bool fits_later = why == TransactionError::gas_limit_exceeds_block ||
                                why == TransactionError::size_exceeds_block ||
                                why == TransactionError::nonce_too_low ||
                                why == TransactionError::nonce_too_high ||
                                why == TransactionError::insufficient_funds ||
                                why == TransactionError::fee_below_base_fee;
        if (fits_later) continue;
        unfit.push_back(next->hash);
        io::log_limited("unfit", io::LogLevel::warn, "a transaction cannot be in any block",
                        {{"hash", to_hex0x(next->hash.view())}, {"why", ledger::to_text(why)}});
    }
    auto built = std::move(*builder).finish(std::vector<types::Withdrawal>{});
    if (!built) {
        return stop_for({"a block of our own cannot be finished: " +
                             std::string{ledger::to_text(built.error().error)},
                         "block " + std::to_string(head.header.number + 1), "report this"});
    }
    // The pool's log forgets them in the same write that makes them a block.
    state::WriteBatch taken;
    for (const auto* hashes : {&included, &unfit}) {
        for (const auto& hash : *hashes)
            taken.erase(state::Table::pool, hash.view());
    }
    std::string why;
    const auto sealed = chain_->seal(std::move(*built), why, std::move(taken));
    if (!sealed) return stop_for({why, home_.db() + "/chain", "free space on the disk"});

    publish_view();
    const std::unordered_set<Hash32, FixedBytesHash> forgotten{included.begin(), included.end()};
    state::WriteBatch gone;
    {
        std::ranges::sort(touched);
        const auto repeated = std::ranges::unique(touched);
        touched.erase(repeated.begin(), repeated.end());
        const auto state = chain_->working_state();
        const std::lock_guard lock{pool_mutex_};
        for (const auto& hash : unfit)
            pool_.remove(hash);
        for (const auto& sender : touched) {
            const auto account = state->account(sender).value_or(state::Account{});
            for (const auto& left :
                 pool_.update(sender, {.nonce = account.nonce, .balance = account.balance})) {
                if (!forgotten.contains(left->hash))
                    gone.erase(state::Table::pool, left->hash.view());
            }
        }
    }
    if (!gone.empty() && !store_->write(std::move(gone), state::Durability::logged)) {
        return stop_for({store_->why(), home_.db() + "/chain", "free space on the disk"});
    }
    after_block(*sealed);
}

void NodeDaemon::after_block(const node::Chain::Sealed& sealed) {
    io::log(io::LogLevel::debug, "block",
            {{"height", sealed.block.header.number},
             {"transactions", sealed.block.transactions.size()},
             {"gas", sealed.block.header.gas_used},
             {"hash", to_hex0x(sealed.hash.view())}});
    tell(node::NewHead{
        .block = std::make_shared<const types::Block>(sealed.block),
        .hash = sealed.hash,
        .receipts = std::make_shared<const std::vector<types::TransactionReceipt>>(sealed.receipts),
        .removed = false});
    auto replies = std::move(replies_after_block_);
    auto hashes = std::move(hashes_after_block_);
    replies_after_block_.clear();
    hashes_after_block_.clear();
    for (std::size_t index = 0; index < replies.size(); ++index)
        replies[index](hashes[index]);
    if (!mine_replies_.empty() && --mine_replies_.front().blocks_left == 0) {
        mine_replies_.front().done(U256{});
        mine_replies_.pop_front();
    }
    // What waits for a lower base fee waits for others' blocks: empty ones of its own would follow
    // each other without end.
    const bool more_wait =
        !sealed.block.transactions.empty() &&
        pool_.select(ledger::next_base_fee(chain_->config(), sealed.block.header)).next() !=
            nullptr;
    // A deadline, not a call: many blocks asked for at once must not nest.
    node::BlockSource::Effects effects;
    source_->step(node::BlockSource::BlockCommitted{.timestamp = sealed.block.header.timestamp,
                                                    .more_wait = more_wait},
                  loop_.now(), effects);
    for (const auto& effect : effects) {
        const bool posted =
            loop_.post([this, timestamp = effect.timestamp] { make_block(timestamp); });
        MILLRACE_ASSERT(posted);
    }
    arm_timer();
}

void NodeDaemon::stop_for(const Failure& why) {
    // Nothing that was acknowledged is lost; going on could acknowledge what is not kept.
    io::log_failure("the node stops", why);
    if (!stopped_) stopped_ = why;
    loop_.stop();
}

}  // namespace millrace::daemon

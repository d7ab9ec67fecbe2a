// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/failure.hpp"
#include "io/event_loop.hpp"
#include "io/home.hpp"
#include "io/parallel.hpp"
#include "ledger/chain_config.hpp"
#include "mempool/pool.hpp"
#include "node/api.hpp"
#include "node/backend.hpp"
#include "node/block_source.hpp"
#include "node/chain.hpp"
#include "node/genesis_file.hpp"
#include "rpc/server.hpp"
#include "store/chain_store.hpp"

namespace millrace::daemon {

/// A chain node: one chain, one pool, one block source, JSON-RPC on one port.
///
/// The loop's thread is the only writer of chain and pool. JSON-RPC runs on the server's workers:
/// reads take an immutable view, transactions and controls are handed over to the loop in batches,
/// so many that come together cost one write of the pool's log and share a block.
class NodeDaemon final : public node::Backend, public rpc::Handler {
  public:
    struct Options {
        ledger::Genesis genesis;  ///< without accounts where `genesis_file` has them
        /// Given up once the chain stands.
        std::shared_ptr<node::GenesisFile> genesis_file;
        node::SoleProducer::Options producer;
        Address coinbase;
        rpc::Server::Options rpc;
        node::Api::Limits api;
        Duration request_time_max{10'000};  ///< for one message: a request or a whole batch
        mempool::Pool::Limits pool;
        std::optional<std::uint64_t> history;  ///< blocks whose state stays readable; null: all
        std::size_t store_memory_max = 96u << 20;
        std::string version;
    };
    /// Opens the store in the role's folder, takes up its pool, begins to serve and publishes the
    /// endpoint. The loop and the home outlive it.
    static Outcome<std::unique_ptr<NodeDaemon>> open(io::EventLoop& loop, io::RoleHome& home,
                                                     Options options);
    ~NodeDaemon() override;

    [[nodiscard]] const std::string& endpoint() const noexcept { return server_->endpoint(); }
    /// Set when the node has stopped its loop by itself.
    [[nodiscard]] const std::optional<Failure>& stopped_because() const noexcept {
        return stopped_;
    }
    /// Facts about the head, pool and load, for `node status`.
    [[nodiscard]] std::string status_json() const;

    // node::Backend, any thread.
    [[nodiscard]] std::shared_ptr<const node::ChainView> view() const override;
    [[nodiscard]] bool development() const override { return options_.genesis.development; }
    /// With what evm_increaseTime and its like added: what a block made now would carry at least.
    [[nodiscard]] std::uint64_t now() const override;
    [[nodiscard]] std::uint64_t steady_seconds() const override;
    void submit(types::SignedTransaction transaction, Address sender, SubmitReply reply) override;
    [[nodiscard]] mempool::PooledPtr pending(const Hash32& hash) const override;
    [[nodiscard]] std::optional<std::uint64_t> pending_nonce(const Address& sender) const override;
    [[nodiscard]] mempool::Pool::Status pool_status() const override;
    [[nodiscard]] std::vector<mempool::Pool::Entry> pool_content() const override;
    [[nodiscard]] types::Block pending_block() const override;
    std::uint64_t listen(std::function<void(const node::NodeEvent&)> call) override;
    void unlisten(std::uint64_t id) override;
    void control(Control control, Done done) override;
    [[nodiscard]] const std::vector<crypto::SecretKey>& development_keys() const override;

    // rpc::Handler, any thread.
    void handle(const rpc::SessionPtr& session, std::string body, Reply reply) override;
    Page page(std::string_view path) override;
    void on_closed(std::uint64_t session_id) override;

  private:
    /// Transactions, and likewise controls, handed over and not yet taken by the loop; the next is
    /// refused.
    static constexpr std::size_t inbox_count_max = 131'072;

    struct Submission {
        mempool::PooledTransaction transaction;
        Bytes encoded;  ///< for the pool's log
        SubmitReply reply;
    };
    struct Request {
        Control control;
        Done done;
    };
    /// Replies that wait for the blocks they asked for.
    struct MineReply {
        std::uint64_t blocks_left = 0;
        Done done;
    };
    /// evm_snapshot: what evm_revert goes back to.
    struct Kept {
        std::uint64_t height = 0;
        std::int64_t time_offset_s = 0;
        std::vector<mempool::PooledPtr> pool;
    };

    NodeDaemon(io::EventLoop& loop, io::RoleHome& home, Options options);
    Outcome<void> start();
    Outcome<void> restore_pool();
    void wake();
    void drain();
    void admit(std::vector<Submission> submissions);
    void step(const node::BlockSource::Event& event);
    void make_block(std::uint64_t timestamp);
    void after_block(const node::Chain::Sealed& sealed);
    void arm_timer();
    void publish_view();
    void tell(const node::NodeEvent& event);
    void perform(Request request);
    Result<U256, node::SubmitError> revert_to(const U256& snapshot);
    void override_account(const SetAccount& change);
    [[nodiscard]] mempool::SenderState sender_state(const Address& sender) const;
    void stop_for(const Failure& why);

    io::EventLoop& loop_;
    io::RoleHome& home_;
    Options options_;
    std::unique_ptr<store::ChainStore> store_;
    io::Parallel parallel_;  ///< for the work on a block; outlives chain_
    std::unique_ptr<node::Chain> chain_;
    std::unique_ptr<node::SoleProducer> source_;
    /// The source's, for other threads.
    std::atomic<std::int64_t> time_offset_s_{0};
    std::optional<io::TimerId> timer_;
    Hash32 prev_randao_override_{};

    /// The pool: written on the loop's thread under the mutex, read there without it.
    mutable std::mutex pool_mutex_;
    mempool::Pool pool_;

    mutable std::mutex inbox_mutex_;
    std::vector<Submission> submissions_;
    std::deque<Request> requests_;
    bool woken_ = false;

    mutable std::mutex view_mutex_;
    std::shared_ptr<const node::ChainView> view_;

    std::mutex listeners_mutex_;
    std::map<std::uint64_t, std::function<void(const node::NodeEvent&)>> listeners_;
    std::uint64_t listener_next_ = 1;

    std::optional<Failure> stopped_;
    std::vector<SubmitReply> replies_after_block_;
    std::vector<Hash32> hashes_after_block_;
    std::deque<MineReply> mine_replies_;
    std::map<std::uint64_t, Kept> snapshots_;
    std::uint64_t snapshot_next_ = 1;

    std::unique_ptr<node::Api> api_;
    std::unique_ptr<rpc::Server> server_;
};

}  // namespace millrace::daemon

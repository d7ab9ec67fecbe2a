// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/failure.hpp"
#include "base/time.hpp"
#include "base/u256.hpp"

namespace millrace::chain {

/// When a block counts as final for money. Networks whose nodes know the `finalized` tag use it;
/// others count blocks. A development chain with one producer has depth 0: what is mined is final.
struct Finality {
    bool use_tag = true;
    std::uint64_t depth = 64;  ///< blocks behind the newest; also where the node refuses the tag
    bool operator==(const Finality&) const = default;
};

/// `finalized` follows Finality: it may become a number or `latest` on the wire.
enum class BlockTag : std::uint8_t { latest, pending, finalized };

struct LogEntry {
    Address address{};
    std::vector<Hash32> topics{};  ///< at most 4
    Bytes data{};
    std::uint64_t block = 0;
    Hash32 transaction{};
    std::uint64_t index = 0;  ///< in its block
};

struct TransactionReceipt {
    Hash32 transaction{};
    bool succeeded = false;
    std::uint64_t block = 0;
    Hash32 block_hash{};
    std::uint64_t gas_used = 0;
    U256 gas_price{};                   ///< what was paid per gas
    std::optional<Address> contract{};  ///< the one it created
    std::vector<LogEntry> logs{};
};

/// Fees that get a transaction into one of the next blocks.
struct FeeSuggestion {
    bool dynamic = true;     ///< false: a chain before EIP-1559; only max_fee counts
    U256 max_fee_per_gas{};  ///< twice the base fee and the tip: it may rise six blocks long
    U256 max_priority_fee_per_gas{};
};

struct CallRequest {
    std::optional<Address> from{};
    std::optional<Address> to{};  ///< absent: creates a contract
    Amount value{};
    Bytes data{};
};

/// What became of eth_call. A revert is an answer, not a failure of the chain.
struct CallAnswer {
    bool reverted = false;
    Bytes output{};        ///< returned, or the revert data
    std::string reason{};  ///< with reverted: "OverCap(12, 10)", the text of require(), …
};

/// How a node took a raw transaction.
enum class SendStatus : std::uint8_t {
    accepted,        ///< also when the node knew it already
    nonce_too_low,   ///< another transaction with this nonce is mined, or this one itself
    nonce_too_high,  ///< a gap before it, and the node keeps no such transactions
    underpriced,     ///< fees below the base fee, the pool's floor, or the one it would replace
    insufficient_funds,
    reverted,  ///< the node ran it, it reverted; development nodes may have mined it
    refused,   ///< another clear no
    unknown,   ///< no answer: it may be in the pool or not
};
struct SendAnswer {
    SendStatus status = SendStatus::unknown;
    std::string detail{};  ///< the node's words; empty when accepted
};

struct LogFilter {
    std::uint64_t block_first = 0;
    std::uint64_t block_last = 0;
    Address address{};
    /// Position by position; null matches anything. At most 4.
    std::vector<std::optional<Hash32>> topics{};
};

/// One EVM chain through standard Ethereum JSON-RPC over HTTP (the rule of the seam: nothing that
/// is ours alone). Calls block, one at a time, so they belong on a worker thread; several threads
/// may share a client and take turns.
///
/// Bounds: a call ends within `timeout` whatever the node does (name look-up is the system's and
/// has the resolver's own limits); an answer is at most 32 MiB, logs at most 100 000 per call. One
/// idle connection is kept and opened anew when the node closed it. Failures name the node (never
/// the path of its URL, which may hold a key), say what it answered and what to do.
class ChainClient {
  public:
    struct Options {
        Duration timeout{10'000};
        Finality finality{};
    };
    /// Asks for the chain id, so a failure here means: wrong URL, nothing there, or no EVM chain.
    static Outcome<std::unique_ptr<ChainClient>> connect(const std::string& url, Options options);
    static Outcome<std::unique_ptr<ChainClient>> connect(const std::string& url) {
        return connect(url, Options{});
    }
    ~ChainClient();
    ChainClient(const ChainClient&) = delete;
    ChainClient& operator=(const ChainClient&) = delete;

    /// As told at connect().
    [[nodiscard]] std::uint64_t chain_id() const noexcept;
    /// "http://127.0.0.1:8545": for messages.
    [[nodiscard]] const std::string& name() const noexcept;
    [[nodiscard]] const Finality& finality() const noexcept;

    Outcome<Hash32> genesis_hash();
    Outcome<std::string> client_version();
    Outcome<std::uint64_t> block_number();
    /// Height of the last final block by Finality.
    Outcome<std::uint64_t> finalized_height();
    /// Seconds since the epoch of the newest block.
    Outcome<std::uint64_t> block_time();

    Outcome<Amount> balance(const Address& account, BlockTag tag = BlockTag::latest);
    Outcome<std::uint64_t> nonce(const Address& account, BlockTag tag = BlockTag::latest);
    Outcome<Bytes> code(const Address& account, BlockTag tag = BlockTag::latest);

    /// The returned bytes; a revert is a Failure with its reason.
    Outcome<Bytes> call(const Address& to, ByteView data, BlockTag tag = BlockTag::latest);
    Outcome<CallAnswer> try_call(const CallRequest& request, BlockTag tag = BlockTag::latest);
    /// A Failure when it would revert, with the reason.
    Outcome<std::uint64_t> estimate_gas(const CallRequest& request);
    Outcome<FeeSuggestion> suggest_fees();

    /// Never fails: no answer is SendStatus::unknown.
    SendAnswer send_raw(ByteView raw);
    /// Null while it is not mined.
    Outcome<std::optional<TransactionReceipt>> receipt(const Hash32& transaction);
    /// True when the node has it, mined or waiting.
    Outcome<bool> knows_transaction(const Hash32& transaction);
    Outcome<std::vector<LogEntry>> logs(const LogFilter& filter);

  private:
    struct State;
    explicit ChainClient(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace millrace::chain

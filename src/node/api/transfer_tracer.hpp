// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: transfers of value as if they were logs (eth_simulateV1, traceTransfers).

#include <optional>
#include <vector>

#include "evm/host.hpp"
#include "evm/machine.hpp"

namespace millrace::node {

/// Numbers the logs of a block's transactions and, if asked to, notes transfers of value between
/// them. A transfer is a Transfer(address,address,uint256) of 0xeeee…ee (ERC-7528), for the values
/// of calls, creations and SELFDESTRUCT. What frames that failed left is forgotten, but its numbers
/// are not given again (geth).
class TransferTracer final : public evm::Tracer {
  public:
    struct NumberedLog {
        std::uint64_t index = 0;
        evm::Log log;
    };

    /// Before a block.
    void begin_block(bool notes_transfers) noexcept;
    /// Before a transaction; `host` lives until its end.
    void begin(evm::Host& host);

    void on_enter(const evm::Message& message) override;
    void on_step(const Step& step) override;
    void on_leave(const evm::CallResult& result) override;

    /// Its own logs, in order, with the transfers between them.
    [[nodiscard]] std::vector<NumberedLog> merged(const std::vector<evm::Log>& logs) const;

  private:
    struct Frame {
        Address self;
        std::size_t first = 0;  ///< of its entries
        bool is_open = false;   ///< its newest entry is of an instruction that may still fail
    };
    void transfer(const Address& from, const Address& to, const U256& value);

    evm::Host* host_ = nullptr;
    std::vector<Frame> frames_;
    struct Entry {
        std::uint64_t index = 0;
        std::optional<evm::Log> transfer;  ///< null: a log of the transaction's own
    };
    std::vector<Entry> entries_;
    std::uint64_t index_next_ = 0;
    bool notes_transfers_ = false;
};

}  // namespace millrace::node

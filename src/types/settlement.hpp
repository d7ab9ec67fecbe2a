// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/quantity.hpp"
#include "base/time.hpp"
#include "base/u256.hpp"
#include "codec/eip712.hpp"
#include "codec/rlp.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::types {

using crypto::Signature;

/// Which network and contracts signatures are for. The genesis hash is the EIP-712 salt.
struct SettlementDomain {
    U256 chain_id;
    Hash32 genesis;
    Address deposits;
    Address providers;
    Address jobs;
    Address capabilities;
    bool operator==(const SettlementDomain&) const = default;

    [[nodiscard]] Hash32 deposits_separator() const;
    [[nodiscard]] Hash32 jobs_separator() const;
};

/// Leave given to one provider to run one replica of one task (contracts/src/Jobs.sol):
/// Lease(bytes32 job,bytes32 task,uint32 replica,address requestor,address provider,
///       uint64 fuelLimit,uint256 price,uint64 deadline)
struct Lease {
    Hash32 job;
    Hash32 task;                ///< TaskSpec::id()
    std::uint32_t replica = 0;  ///< counts every lease of the task, from 0
    Address requestor;
    Address provider;
    Fuel fuel_limit;
    Amount price;                ///< wei per 10^9 fuel
    std::uint64_t deadline = 0;  ///< seconds since the epoch; a receipt after it need not be paid
    bool operator==(const Lease&) const = default;

    [[nodiscard]] Hash32 id() const;  ///< the EIP-712 struct hash
    [[nodiscard]] Hash32 digest(const SettlementDomain& domain) const;
    void encode_to(codec::RlpWriter& writer) const;
    static Result<Lease, codec::RlpError> decode_from(codec::RlpReaderView& reader);
};

/// Price of a task: price × fuel / 10^9, rounded up. Null on overflow.
std::optional<Amount> task_price(const Amount& price_per_gigafuel, Fuel fuel) noexcept;

/// Commitment(bytes32 lease,bytes32 commitment), commitment =
/// Keccak-256(chain id(32) ‖ task ‖ provider(20) ‖ result id ‖ salt): made before any reveal.
struct Commitment {
    Hash32 lease;
    Hash32 commitment;
    bool operator==(const Commitment&) const = default;
    [[nodiscard]] Hash32 digest(const SettlementDomain& domain) const;
};
Hash32 commitment_hash(const U256& chain_id, const Hash32& task, const Address& provider,
                       const Hash32& result_id, const Hash32& salt);

/// Receipt(bytes32 lease,bytes32 task,bytes32 resultId,uint64 fuel), signed by the provider.
struct Receipt {
    Hash32 lease;
    Hash32 task;
    Hash32 result_id;
    Fuel fuel;
    bool operator==(const Receipt&) const = default;
    [[nodiscard]] Hash32 digest(const SettlementDomain& domain) const;
};

/// Voucher(address payer,address payee,uint256 allocation,uint256 cumulative,uint64 tasks), signed
/// by the payer. Pays max(0, cumulative − settled); both numbers only grow in one stream, which is
/// (network, Deposits contract, payer, allocation, payee).
struct Voucher {
    Address payer;
    Address payee;
    std::uint64_t allocation = 0;
    Amount cumulative;
    std::uint64_t tasks = 0;
    bool operator==(const Voucher&) const = default;
    [[nodiscard]] Hash32 digest(const SettlementDomain& domain) const;
    void encode_to(codec::RlpWriter& writer) const;
    static Result<Voucher, codec::RlpError> decode_from(codec::RlpReaderView& reader);
};

/// A payee's leaf of an allocation with its Merkle-sum path (crypto/merkle.hpp).
struct AllocationProof {
    std::uint64_t allocation = 0;
    std::uint32_t index = 0;
    Amount cap;
    struct Step {
        Hash32 sibling;
        Amount sum;
        bool operator==(const Step&) const = default;
    };
    std::vector<Step> path;  ///< nearest sibling first, at most 32
    bool operator==(const AllocationProof&) const = default;
    void encode_to(codec::RlpWriter& writer) const;
    static Result<AllocationProof, codec::RlpError> decode_from(codec::RlpReaderView& reader);
};

/// A provider as the registry (contracts/src/Providers.sol) tells of it.
struct ProviderRecord {
    Address provider;      ///< the registered owner: identity and payee of vouchers
    Address signer;        ///< hot key that signs commitments and receipts
    Hash32 node_key;       ///< ed25519 public key of its TLS certificate
    std::string endpoint;  ///< "host:port"
    Amount price;          ///< wei per 10^9 fuel
    std::uint32_t slots = 1;
    bool active = false;
    Amount stake;
    std::uint64_t accepted_tasks = 0;
    Amount paid_total;
    std::uint64_t contradictions = 0;
    std::uint64_t streak = 0;
    std::uint64_t score = 0;
    bool operator==(const ProviderRecord&) const = default;
};

}  // namespace millrace::types

// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The journal of a transaction under any order of operations and nested checkpoints, beside a twin
// that copies its whole world at each checkpoint.

#include <map>
#include <set>

#include "base/assert.hpp"
#include "evm/precompiles.hpp"
#include "script.hpp"
#include "state/sample_view.hpp"
#include "state/transaction_state.hpp"

using namespace millrace;
using namespace millrace::state;
using evm::Revision;

namespace {

constexpr std::uint64_t address_count = 7;  // 3 is RIPEMD-160
constexpr std::uint64_t slot_count = 4;

using SlotName = std::pair<Address, U256>;

struct TwinAccount {
    bool exists = false;
    bool is_touched = false;
    bool is_created = false;
    bool is_destroyed = false;
    Account account;
    Bytes code;
    std::map<U256, U256> slots;
};

struct World {
    std::map<Address, TwinAccount> accounts;
    std::set<Address> warm_accounts;
    std::set<SlotName> warm_slots;
    std::map<SlotName, U256> transient;
    std::vector<evm::Log> logs;
};

StateDiff base_state() {
    StateDiff diff;
    const evm::CodePtr code = evm::Code::make({0x60, 0x01});
    diff.codes[code->hash()] = code;
    diff.accounts[sample_address(0)].account =
        Account{.nonce = 1, .balance = U256{90}, .code_hash = code->hash()};
    diff.accounts[sample_address(0)].storage = {{U256{0}, U256{1}}, {U256{2}, U256{5}}};
    diff.accounts[sample_address(1)].account = Account{.nonce = 0, .balance = U256{7}};
    diff.accounts[sample_address(1)].storage = {{U256{1}, U256{1}}};
    diff.accounts[sample_address(2)].account = Account{};
    diff.accounts[sample_address(3)].account = Account{};
    return diff;
}

class Run {
  public:
    explicit Run(ByteView script)
        : script_{script},
          revision_{static_cast<Revision>(take() % evm::revision_count)},
          state_{base_, revision_, no_hashes_} {
        for (const auto& [address, change] : diff_.accounts) {
            TwinAccount& account = world_.accounts[address];
            account.exists = true;
            account.account = *change.account;
            account.code = to_bytes(base_.code(change.account->code_hash)->view());
            account.slots.insert(change.storage.begin(), change.storage.end());
        }
    }

    void go() {
        while (!script_.empty()) {
            const std::uint8_t act = take();
            const Address address = sample_address(take() % address_count);
            const U256 key{take() % slot_count};
            write(act, address, key);
            compare(address, key);
        }
        for (std::uint64_t number = 0; number < address_count; ++number)
            for (std::uint64_t slot = 0; slot < slot_count; ++slot)
                compare(sample_address(number), U256{slot});
        finish();
    }

  private:
    std::uint8_t take() { return script_.take(); }

    TwinAccount& touch(const Address& address) {
        TwinAccount& account = world_.accounts[address];
        account.exists = true;
        account.is_touched = true;
        return account;
    }

    void write(std::uint8_t act, const Address& address, const U256& key) {
        switch (act % 14) {
            case 0:
                return add_balance(address, U256{take() % 3u});
            case 1:
                return subtract_balance(address, U256{take() % 3u});
            case 2: {
                const std::uint64_t nonce = take() % 3u;
                state_.set_nonce(address, nonce);
                touch(address).account.nonce = nonce;
                return;
            }
            case 3:
            case 4: {
                const U256 value{take() % 3u};
                state_.set_storage(address, key, value);
                touch(address).slots[key] = value;
                return;
            }
            case 5: {
                const U256 value{take()};
                state_.set_transient_storage(address, key, value);
                world_.transient[{address, key}] = value;
                return;
            }
            case 6:
                return create(address);
            case 7:
                return set_code(address);
            case 8: {
                TwinAccount& account = world_.accounts[address];
                MILLRACE_ASSERT(state_.mark_destroyed(address) == !account.is_destroyed);
                account.is_destroyed = true;
                return;
            }
            case 9: {
                const evm::Log log{address, {}, {take()}};
                state_.add_log(log);
                world_.logs.push_back(log);
                return;
            }
            case 10: {
                const bool was_cold = !evm::is_precompile(revision_, address) &&
                                      world_.warm_accounts.insert(address).second;
                const auto status = state_.access_account(address);
                MILLRACE_ASSERT(was_cold == (status == evm::AccessStatus::cold));
                return;
            }
            case 11: {
                const bool was_cold = world_.warm_slots.insert({address, key}).second;
                const auto status = state_.access_storage(address, key);
                MILLRACE_ASSERT(was_cold == (status == evm::AccessStatus::cold));
                return;
            }
            case 12:
                if (saved_.size() < 20) saved_.push_back({state_.checkpoint(), world_});
                return;
            default:
                return revert();
        }
    }

    void add_balance(const Address& address, const U256& value) {
        state_.add_balance(address, value);
        TwinAccount& account = touch(address);
        if (value.is_zero() && address == sample_address(3) && account.account.is_empty())
            ripemd_stays_touched_ = true;
        account.account.balance = *checked_add(account.account.balance, value);
    }

    void subtract_balance(const Address& address, const U256& value) {
        const auto rest = checked_sub(world_.accounts[address].account.balance, value);
        if (!rest) return;
        state_.subtract_balance(address, value);
        touch(address).account.balance = *rest;
    }

    void create(const Address& address) {
        state_.create_contract(address);
        TwinAccount& account = touch(address);
        account.is_created = true;
        account.slots.clear();
        account.code.clear();
        account.account.code_hash = evm::empty_code_hash;
    }

    void set_code(const Address& address) {
        const Bytes code(take() % 3, 0x5b);
        state_.set_code(address, code);
        TwinAccount& account = touch(address);
        account.code = code;
        account.account.code_hash = evm::Code{code}.hash();
    }

    /// To one of the checkpoints, which ends all later ones.
    void revert() {
        if (saved_.empty()) return;
        const std::size_t target = take() % saved_.size();
        state_.revert_to(saved_[target].checkpoint);
        world_ = saved_[target].world;
        saved_.resize(target);
    }

    [[nodiscard]] bool has_empty_rule() const { return revision_ >= Revision::spurious_dragon; }

    void compare(const Address& address, const U256& key) {
        const TwinAccount& twin = world_.accounts[address];
        const bool is_empty = twin.account.is_empty();
        const bool is_ghost = has_empty_rule() && twin.is_touched && is_empty;
        MILLRACE_ASSERT(state_.exists(address) == (twin.exists && !is_ghost));
        MILLRACE_ASSERT(state_.is_empty(address) == is_empty);
        MILLRACE_ASSERT(state_.balance(address) == twin.account.balance);
        MILLRACE_ASSERT(state_.nonce(address) == twin.account.nonce);
        MILLRACE_ASSERT(to_bytes(state_.code(address)->view()) == twin.code);
        const bool has_hash = twin.exists && !(has_empty_rule() && is_empty);
        MILLRACE_ASSERT(state_.code_hash(address) ==
                        (has_hash ? twin.account.code_hash : Hash32{}));
        MILLRACE_ASSERT(state_.created_in_transaction(address) == twin.is_created);
        const auto slot = twin.slots.find(key);
        const evm::SlotValues values = state_.slot(address, key);
        MILLRACE_ASSERT(values.current == (slot == twin.slots.end() ? U256{} : slot->second));
        MILLRACE_ASSERT(values.original ==
                        (twin.is_created ? U256{} : base_.storage(address, key)));
        const auto transient = world_.transient.find({address, key});
        MILLRACE_ASSERT(state_.transient_storage(address, key) ==
                        (transient == world_.transient.end() ? U256{} : transient->second));
        MILLRACE_ASSERT(state_.logs() == world_.logs);
    }

    [[nodiscard]] bool is_removed(const Address& address, const TwinAccount& twin) const {
        if (!twin.exists || twin.is_destroyed) return true;
        const bool is_touched =
            twin.is_touched || (ripemd_stays_touched_ && address == sample_address(3));
        return has_empty_rule() && is_touched && twin.account.is_empty();
    }

    void finish() {
        const TransactionState::Finished finished = std::move(state_).finish();
        MILLRACE_ASSERT(finished.logs == world_.logs);
        const OverlayView after{base_, finished.diff};
        for (std::uint64_t number = 0; number < address_count; ++number) {
            const Address address = sample_address(number);
            const TwinAccount& twin = world_.accounts[address];
            const bool is_removed_now = is_removed(address, twin);
            const auto account = after.account(address);
            MILLRACE_ASSERT(account.has_value() == !is_removed_now);
            if (account) {
                MILLRACE_ASSERT(*account == twin.account);
                MILLRACE_ASSERT(to_bytes(after.code(account->code_hash)->view()) == twin.code);
            }
            for (std::uint64_t slot = 0; slot < slot_count; ++slot) {
                const auto known = twin.slots.find(U256{slot});
                const bool is_set = !is_removed_now && known != twin.slots.end();
                MILLRACE_ASSERT(after.storage(address, U256{slot}) ==
                                (is_set ? known->second : U256{}));
            }
        }
        check_only_changes(finished.diff);
    }

    void check_only_changes(const StateDiff& diff) const {
        for (const auto& [address, change] : diff.accounts) {
            const bool clears = change.storage_cleared && base_.has_storage(address);
            MILLRACE_ASSERT(change.account != base_.account(address) || clears ||
                            !change.storage.empty());
            for (const auto& [key, value] : change.storage) {
                MILLRACE_ASSERT(value !=
                                (change.storage_cleared ? U256{} : base_.storage(address, key)));
            }
        }
        for (const auto& [hash, code] : diff.codes)
            MILLRACE_ASSERT(code->hash() == hash && code->size() > 0);
    }

    struct Saved {
        evm::Host::Checkpoint checkpoint = 0;
        World world;
    };

    Script script_;
    Revision revision_;
    const StateDiff diff_ = base_state();
    const EmptyView nothing_;
    const OverlayView base_{nothing_, diff_};
    const TransactionState::BlockHashes no_hashes_ = [](std::uint64_t) { return Hash32{}; };
    TransactionState state_;
    World world_;
    std::vector<Saved> saved_;
    bool ripemd_stays_touched_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4000) return 0;
    Run{ByteView{data, size}}.go();
    return 0;
}

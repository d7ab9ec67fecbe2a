// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/transaction_sender.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>

#include "base/assert.hpp"

namespace millrace::chain {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int sign_tries_max = 4;
/// How often an open transaction's nonce and presence in the pool are looked at.
constexpr Duration presence_interval{2'000};

/// A quarter more, rounded up; nodes ask for a tenth at least.
U256 raised(const U256& fee) {
    const auto quarter = checked_div(fee, U256{4})->quotient;
    return wrapping_add(wrapping_add(fee, quarter), U256{1});
}

U256 larger(const U256& left, const U256& right) {
    return left < right ? right : left;
}

struct Slot {
    std::vector<SignedAttempt> attempts;  ///< of one nonce, fees rising
    std::uint32_t bumps = 0;
    bool unsent = true;  ///< no node has said that it took the newest attempt
    Clock::time_point last_sent{};
    Clock::time_point last_presence{};

    [[nodiscard]] const SignedAttempt& newest() const { return attempts.back(); }
};

/// One look: a receipt, nothing yet, or a failure that time may heal or not.
struct Look {
    std::optional<TransactionReceipt> receipt;
    std::optional<Failure> failure;
    bool hopeless = false;
};

}  // namespace

struct TransactionSender::State {
    ChainClient& client;
    crypto::SecretKey key;
    Journal journal;
    Options options;
    Address account;
    std::mutex mutex;
    std::condition_variable wake;
    bool stopping = false;
    std::map<std::uint64_t, Slot> slots;  ///< by nonce
    std::optional<std::uint64_t> next_nonce;

    State(ChainClient& chain, const crypto::SecretKey& secret, Journal record, Options chosen)
        : client{chain},
          key{secret},
          journal{std::move(record)},
          options{chosen},
          account{crypto::address_of(secret)} {}

    void drop(std::uint64_t nonce) {
        slots.erase(nonce);
        if (journal.forget) journal.forget(nonce);
    }

    Failure unfunded(const Amount& has, const U256& needs) const {
        return {"the account cannot pay: it has " + format_amount(has) + " and needs " +
                    format_amount(Amount{needs}),
                crypto::checksum_address(account), "send coins to it and try again"};
    }

    Outcome<void> find_next_nonce() {
        if (next_nonce) return {};
        MILLRACE_TRY(std::uint64_t nonce, client.nonce(account, BlockTag::pending));
        if (!slots.empty()) nonce = std::max(nonce, slots.rbegin()->first + 1);
        next_nonce = nonce;
        return {};
    }

    /// Hands the newest attempt to the node again. The very same bytes can only be mined once.
    SendAnswer resend(Slot& slot) {
        const SendAnswer answer = client.send_raw(slot.newest().raw);
        slot.last_sent = Clock::now();
        slot.unsent = answer.status == SendStatus::unknown ||
                      answer.status == SendStatus::insufficient_funds ||
                      answer.status == SendStatus::nonce_too_high;
        return answer;
    }

    /// Everything that may not have reached a node goes first: nonces must have no gap.
    Outcome<void> flush() {
        for (auto entry = slots.begin(); entry != slots.end();) {
            Slot& slot = entry->second;
            const std::uint64_t nonce = entry->first;
            ++entry;
            if (!slot.unsent) continue;
            const std::string purpose = slot.newest().purpose;
            const SendAnswer answer = resend(slot);
            if (answer.status == SendStatus::refused) drop(nonce);
            if (answer.status == SendStatus::unknown ||
                answer.status == SendStatus::insufficient_funds) {
                return Err{Failure{"an earlier transaction (" + purpose +
                                       ") has not reached the chain yet: " + answer.detail,
                                   client.name(), ""}};
            }
        }
        return {};
    }

    types::Transaction form(const Request& request, const FeeSuggestion& fees,
                            std::uint64_t gas) const {
        types::Transaction transaction;
        transaction.kind =
            fees.dynamic ? types::TransactionKind::dynamic_fee : types::TransactionKind::legacy;
        transaction.chain_id = client.chain_id();
        transaction.nonce = *next_nonce;
        transaction.max_fee_per_gas = fees.max_fee_per_gas;
        if (fees.dynamic) transaction.max_priority_fee_per_gas = fees.max_priority_fee_per_gas;
        transaction.gas_limit = gas;
        transaction.to = request.to;
        transaction.value = request.value;
        transaction.data = request.data;
        return transaction;
    }

    Outcome<SignedAttempt> sign_and_persist(types::Transaction transaction,
                                            const std::string& purpose) const {
        const std::uint64_t nonce = transaction.nonce;
        const auto made = types::sign_transaction(std::move(transaction), key);
        SignedAttempt attempt{
            .nonce = nonce, .hash = made.hash(), .raw = made.encode(), .purpose = purpose};
        if (journal.persist) MILLRACE_TRY_VOID(journal.persist(attempt));
        return attempt;
    }

    /// Gas with a margin, after making sure that the account can pay for it.
    Outcome<std::uint64_t> price_up(const Request& request, const FeeSuggestion& fees) {
        MILLRACE_TRY(const Amount has, client.balance(account, BlockTag::pending));
        if (has < request.value) return Err{unfunded(has, request.value.wei)};
        std::uint64_t gas = request.gas_limit.value_or(0);
        if (!request.gas_limit) {
            CallRequest call;
            call.from = account;
            call.to = request.to;
            call.value = request.value;
            call.data = request.data;
            MILLRACE_TRY(const std::uint64_t estimate, client.estimate_gas(call));
            // A plain payment costs 21000 for certain; code may meet another state when it runs.
            gas = estimate == 21'000 ? estimate : estimate + estimate / 4;
        }
        const auto cost = checked_mul(fees.max_fee_per_gas, U256{gas});
        const auto needs = cost ? checked_add(*cost, request.value.wei) : std::nullopt;
        if (!needs || has.wei < *needs) {
            return Err{unfunded(has, needs.value_or(wrapping_sub(U256{}, U256{1})))};
        }
        return gas;
    }

    /// True when the node has this transaction, whatever it said a moment ago.
    bool known(const Hash32& hash) {
        const auto answer = client.knows_transaction(hash);
        return !answer.has_value() || *answer;
    }

    Outcome<Hash32> submit(const Request& request) {
        MILLRACE_TRY_VOID(flush());
        MILLRACE_TRY(FeeSuggestion fees, client.suggest_fees());
        MILLRACE_TRY(const std::uint64_t gas, price_up(request, fees));
        std::string detail;
        for (int attempt_index = 0; attempt_index < sign_tries_max; ++attempt_index) {
            MILLRACE_TRY_VOID(find_next_nonce());
            const std::uint64_t nonce = *next_nonce;
            MILLRACE_TRY(SignedAttempt attempt,
                         sign_and_persist(form(request, fees, gas), request.purpose));
            const Hash32 hash = attempt.hash;
            Slot& slot = slots[nonce];
            slot.attempts.push_back(std::move(attempt));
            const SendAnswer answer = resend(slot);
            const bool taken = answer.status == SendStatus::accepted ||
                               answer.status == SendStatus::unknown || known(hash);
            if (taken) {
                slot.unsent = answer.status == SendStatus::unknown;
                next_nonce = nonce + 1;
                return hash;
            }
            // A clear no: the nonce is free again.
            drop(nonce);
            detail = answer.detail;
            switch (answer.status) {
                case SendStatus::nonce_too_low:
                case SendStatus::nonce_too_high:
                    next_nonce.reset();
                    break;
                case SendStatus::underpriced:
                    fees.max_fee_per_gas = raised(fees.max_fee_per_gas);
                    fees.max_priority_fee_per_gas = raised(fees.max_priority_fee_per_gas);
                    break;
                case SendStatus::insufficient_funds:
                    return Err{Failure{"the account cannot pay for this transaction: " + detail,
                                       crypto::checksum_address(account),
                                       "send coins to it and try again"}};
                case SendStatus::reverted:
                    return Err{Failure{"the contract refused the transaction: " + detail,
                                       request.purpose, ""}};
                case SendStatus::accepted:
                case SendStatus::unknown:
                case SendStatus::refused:
                    return Err{Failure{"the chain node refused the transaction: " + detail,
                                       client.name(), ""}};
            }
        }
        return Err{Failure{"the chain node keeps refusing the transaction: " + detail,
                           client.name(), "does another program use this account?"}};
    }

    /// The same nonce with a higher fee. What cannot be raised now stays as it is.
    Outcome<void> bump(Slot& slot) {
        const auto decoded = types::decode_transaction(slot.newest().raw);
        if (!decoded.has_value()) return {};
        types::Transaction transaction = decoded->transaction;
        MILLRACE_TRY(const FeeSuggestion fees, client.suggest_fees());
        transaction.max_fee_per_gas =
            larger(raised(transaction.max_fee_per_gas), fees.max_fee_per_gas);
        if (transaction.kind == types::TransactionKind::dynamic_fee) {
            transaction.max_priority_fee_per_gas =
                larger(raised(transaction.max_priority_fee_per_gas), fees.max_priority_fee_per_gas);
        }
        MILLRACE_TRY(SignedAttempt attempt,
                     sign_and_persist(std::move(transaction), slot.newest().purpose));
        slot.attempts.push_back(std::move(attempt));
        ++slot.bumps;
        resend(slot);
        return {};
    }

    /// A receipt of any attempt; settles the slot when there is one.
    Outcome<std::optional<TransactionReceipt>> find_receipt(std::uint64_t nonce, const Slot& slot) {
        for (auto attempt = slot.attempts.rbegin(); attempt != slot.attempts.rend(); ++attempt) {
            MILLRACE_TRY(auto receipt, client.receipt(attempt->hash));
            if (receipt) {
                drop(nonce);
                return receipt;
            }
        }
        return std::optional<TransactionReceipt>{};
    }

    Look look_after(std::uint64_t nonce, Slot& slot) {
        auto found = find_receipt(nonce, slot);
        if (!found.has_value()) return {{}, found.error(), false};
        if (found->has_value()) return {*found, {}, false};
        const auto now = Clock::now();
        if (slot.unsent) {
            const SendAnswer answer = resend(slot);
            if (answer.status == SendStatus::insufficient_funds) {
                return {{},
                        Failure{"the account cannot pay for this transaction: " + answer.detail,
                                crypto::checksum_address(account), "send coins to it"},
                        false};
            }
        } else if (now - slot.last_presence >= presence_interval) {
            slot.last_presence = now;
            return check_presence(nonce, slot);
        } else if (now - slot.last_sent >= options.bump_after && slot.bumps < options.bumps_max) {
            const auto bumped = bump(slot);
            if (!bumped.has_value()) return {{}, bumped.error(), false};
        }
        return {};
    }

    /// Has another transaction taken the nonce? Has the node lost ours?
    Look check_presence(std::uint64_t nonce, Slot& slot) {
        const auto mined = client.nonce(account, BlockTag::latest);
        if (!mined.has_value()) return {{}, mined.error(), false};
        if (*mined > nonce) {
            auto found = find_receipt(nonce, slot);
            if (!found.has_value()) return {{}, found.error(), false};
            if (found->has_value()) return {*found, {}, false};
            const Failure failure{"another transaction with the same nonce was mined instead of " +
                                      slot.newest().purpose,
                                  crypto::checksum_address(account),
                                  "does another program use this account?"};
            drop(nonce);
            next_nonce.reset();
            return {{}, failure, true};
        }
        const auto present = client.knows_transaction(slot.newest().hash);
        if (!present.has_value()) return {{}, present.error(), false};
        if (!*present) slot.unsent = true;
        return {};
    }

    Look look(const Hash32& hash) {
        for (auto& [nonce, slot] : slots) {
            for (const SignedAttempt& attempt : slot.attempts) {
                if (attempt.hash == hash) return look_after(nonce, slot);
            }
        }
        auto receipt = client.receipt(hash);
        if (!receipt.has_value()) return {{}, receipt.error(), false};
        if (receipt->has_value()) return {*receipt, {}, false};
        return {{},
                Failure{"this transaction is neither mined nor waiting", to_hex0x(hash.view()), ""},
                true};
    }

    /// Why a mined transaction reverted: the same call once more, on the state of now.
    Failure reverted(const TransactionReceipt& receipt, const std::optional<Bytes>& raw) {
        std::string reason = "without a reason";
        if (raw) {
            const auto decoded = types::decode_transaction(*raw);
            if (decoded.has_value()) {
                CallRequest call;
                call.from = account;
                call.to = decoded->transaction.to;
                call.value = decoded->transaction.value;
                call.data = decoded->transaction.data;
                const auto answer = client.try_call(call);
                if (answer.has_value() && answer->reverted) reason = answer->reason;
                if (receipt.gas_used >= decoded->transaction.gas_limit) reason = "out of gas";
            }
        }
        return {"the transaction was mined but the contract refused it: " + reason,
                to_hex0x(receipt.transaction.view()), ""};
    }

    std::optional<Bytes> raw_of(const Hash32& hash) const {
        for (const auto& [nonce, slot] : slots) {
            for (const SignedAttempt& attempt : slot.attempts) {
                if (attempt.hash == hash) return attempt.raw;
            }
        }
        return std::nullopt;
    }

    Outcome<TransactionReceipt> wait(const Hash32& hash, Duration timeout) {
        const auto deadline = Clock::now() + timeout;
        Duration pause = options.poll_interval;
        std::unique_lock lock{mutex};
        const std::optional<Bytes> raw = raw_of(hash);
        for (;;) {
            Look seen = look(hash);
            if (seen.receipt) {
                if (!seen.receipt->succeeded) return Err{reverted(*seen.receipt, raw)};
                return std::move(*seen.receipt);
            }
            if (seen.hopeless) return Err{*seen.failure};
            if (stopping || Clock::now() >= deadline) {
                if (seen.failure) return Err{*seen.failure};
                return Err{Failure{"the transaction is not mined yet", to_hex0x(hash.view()),
                                   "it may still be: look again later"}};
            }
            const auto until = std::min(deadline, Clock::now() + pause);
            wake.wait_until(lock, until, [this] { return stopping; });
            pause = std::min(pause + pause / 4, options.poll_interval * 10);
        }
    }
};

TransactionSender::TransactionSender(ChainClient& client, const crypto::SecretKey& key,
                                     Journal journal, Options options)
    : account_{crypto::address_of(key)},
      state_{std::make_shared<State>(client, key, std::move(journal), options)} {}

void TransactionSender::resume(std::vector<SignedAttempt> attempts) {
    const std::lock_guard lock{state_->mutex};
    MILLRACE_ASSERT(!state_->next_nonce.has_value());
    for (SignedAttempt& attempt : attempts) {
        state_->slots[attempt.nonce].attempts.push_back(std::move(attempt));
    }
    // The journal need not keep the order of a nonce's attempts; the highest fee is the newest.
    for (auto& [nonce, slot] : state_->slots) {
        std::ranges::stable_sort(slot.attempts, {}, [](const SignedAttempt& attempt) {
            const auto decoded = types::decode_transaction(attempt.raw);
            return decoded.has_value() ? decoded->transaction.max_fee_per_gas : U256{};
        });
    }
}

Outcome<Hash32> TransactionSender::submit(const Request& request) {
    const std::lock_guard lock{state_->mutex};
    return state_->submit(request);
}

Outcome<std::optional<TransactionReceipt>> TransactionSender::poll(const Hash32& hash) {
    const std::lock_guard lock{state_->mutex};
    Look seen = state_->look(hash);
    if (seen.failure) return Err{std::move(*seen.failure)};
    return std::move(seen.receipt);
}

Outcome<TransactionReceipt> TransactionSender::wait(const Hash32& hash, Duration timeout) {
    return state_->wait(hash, timeout);
}

Outcome<TransactionReceipt> TransactionSender::send(const Request& request, Duration timeout) {
    MILLRACE_TRY(const Hash32 hash, submit(request));
    return wait(hash, timeout);
}

std::vector<SignedAttempt> TransactionSender::open() const {
    const std::lock_guard lock{state_->mutex};
    std::vector<SignedAttempt> all;
    for (const auto& [nonce, slot] : state_->slots) {
        all.insert(all.end(), slot.attempts.begin(), slot.attempts.end());
    }
    return all;
}

void TransactionSender::stop() noexcept {
    const std::lock_guard lock{state_->mutex};
    state_->stopping = true;
    state_->wake.notify_all();
}

}  // namespace millrace::chain

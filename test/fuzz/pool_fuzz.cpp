// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The pool beside a naive twin: one sorted vector, everything computed anew each time. After every
// step both hold, give and choose the same.

#include <algorithm>
#include <map>

#include "base/assert.hpp"
#include "mempool/sample_transactions.hpp"
#include "script.hpp"

using namespace millrace;
using namespace millrace::mempool;

namespace {

struct Item {
    PooledPtr pooled;
    std::uint64_t sequence = 0;
    [[nodiscard]] std::uint64_t nonce() const { return pooled->transaction.transaction.nonce; }
    [[nodiscard]] U256 fee() const { return pooled->transaction.transaction.max_fee_per_gas; }
    [[nodiscard]] U256 tip() const {
        return std::min(fee(), pooled->transaction.transaction.max_priority_fee_per_gas);
    }
    [[nodiscard]] U256 cost() const {
        const types::Transaction& transaction = pooled->transaction.transaction;
        return *checked_add(*checked_mul(fee(), U256{transaction.gas_limit}),
                            transaction.value.wei);
    }
};

class Twin {
  public:
    explicit Twin(Pool::Limits limits) : limits_{std::move(limits)} {}

    Result<Pool::Added, PoolError> add(const PooledTransaction& pooled, const SenderState& state) {
        const Item item{std::make_shared<const PooledTransaction>(pooled), sequence_};
        const std::uint64_t nonce = item.nonce();
        for (const Item& other : items_)
            if (other.pooled->hash == pooled.hash) return Err{PoolError::already_known};
        if (pooled.size > limits_.bytes_max) return Err{PoolError::too_large};
        if (pooled.transaction.transaction.gas_limit > limits_.gas_limit_max)
            return Err{PoolError::gas_limit_too_high};
        if (item.tip() < limits_.tip_floor) return Err{PoolError::underpriced};
        if (nonce < state.nonce) return Err{PoolError::nonce_too_low};
        if (nonce > state.nonce + limits_.nonce_gap_max) return Err{PoolError::nonce_too_high};
        if (item.cost() > state.balance) return Err{PoolError::insufficient_funds};

        Pool::Added added{false, update(pooled.sender, state)};
        const std::vector<Item> before = items_;
        std::vector<PooledPtr> gone;
        if (const auto same = at(pooled.sender, nonce); same != items_.end()) {
            const Item old = *same;
            gone.push_back(old.pooled);
            items_.erase(same);
            const bool affordable = sum_of(pooled.sender, item.cost()) <= state.balance;
            const bool better = outbids(item.fee(), old.fee()) && outbids(item.tip(), old.tip());
            if (!affordable || !better) {
                items_ = before;
                return Err{affordable ? PoolError::replacement_underpriced
                                      : PoolError::insufficient_funds};
            }
        } else {
            if (sum_of(pooled.sender, item.cost()) > state.balance)
                return Err{PoolError::insufficient_funds};
            if (of(pooled.sender).size() >= limits_.sender_count_max)
                return Err{PoolError::sender_full};
        }
        ++sequence_;
        states_[pooled.sender] = state;
        items_.push_back(item);
        sort();
        while (items_.size() > limits_.count_max || bytes() > limits_.bytes_max) {
            const Address victim = least_worthy(pooled.sender);
            const Item last = of(victim).back();
            if (last.pooled == item.pooled) {
                items_ = before;
                return Err{PoolError::underpriced};
            }
            gone.push_back(last.pooled);
            items_.erase(at(victim, last.nonce()));
        }
        added.evicted.insert(added.evicted.end(), gone.begin(), gone.end());
        added.pending = nonce < pending_end(pooled.sender);
        return added;
    }

    std::vector<PooledPtr> update(const Address& sender, const SenderState& state) {
        std::vector<PooledPtr> gone;
        if (of(sender).empty()) return gone;
        states_[sender] = state;
        for (const Item& item : of(sender)) {
            if (item.nonce() >= state.nonce) continue;
            gone.push_back(item.pooled);
            items_.erase(at(sender, item.nonce()));
        }
        while (sum_of(sender, U256{}) > state.balance) {
            const Item last = of(sender).back();
            gone.push_back(last.pooled);
            items_.erase(at(sender, last.nonce()));
        }
        return gone;
    }

    bool remove(const Hash32& hash) {
        return std::erase_if(items_, [&](const Item& item) { return item.pooled->hash == hash; }) !=
               0;
    }

    [[nodiscard]] std::vector<PooledPtr> choose(const U256& base_fee) const {
        std::vector<PooledPtr> chosen;
        std::map<Address, std::uint64_t> next = firsts();
        for (;;) {
            const Item* best = nullptr;
            for (const Item& item : items_) {
                if (item.nonce() != next.at(item.pooled->sender) || item.fee() < base_fee) continue;
                if (!best || tip_at(item, base_fee) > tip_at(*best, base_fee) ||
                    (tip_at(item, base_fee) == tip_at(*best, base_fee) &&
                     item.sequence < best->sequence))
                    best = &item;
            }
            if (!best) return chosen;
            ++next.at(best->pooled->sender);
            chosen.push_back(best->pooled);
        }
    }

    void check_against(const Pool& pool) const {
        const auto content = pool.content();
        MILLRACE_ASSERT(content.size() == items_.size());
        Pool::Status status{.bytes = bytes()};
        for (std::size_t index = 0; index < items_.size(); ++index) {
            const Address& sender = items_[index].pooled->sender;
            const bool pending = items_[index].nonce() < pending_end(sender);
            ++(pending ? status.pending : status.queued);
            MILLRACE_ASSERT(content[index].transaction->hash == items_[index].pooled->hash);
            MILLRACE_ASSERT(content[index].pending == pending);
            MILLRACE_ASSERT(pool.find(items_[index].pooled->hash) == content[index].transaction);
            MILLRACE_ASSERT(pool.next_nonce(sender) == pending_end(sender));
        }
        MILLRACE_ASSERT(pool.status().pending == status.pending);
        MILLRACE_ASSERT(pool.status().queued == status.queued);
        MILLRACE_ASSERT(pool.status().bytes == status.bytes);
    }

  private:
    static U256 tip_at(const Item& item, const U256& base_fee) {
        return std::min(item.tip(), *checked_sub(item.fee(), base_fee));
    }
    static bool outbids(const U256& after, const U256& before) {
        return after > before && *checked_mul(after, U256{100}) >= *checked_mul(before, U256{110});
    }
    void sort() {
        std::ranges::sort(items_, [](const Item& left, const Item& right) {
            return std::pair{left.pooled->sender, left.nonce()} <
                   std::pair{right.pooled->sender, right.nonce()};
        });
    }
    std::vector<Item>::iterator at(const Address& sender, std::uint64_t nonce) {
        return std::ranges::find_if(items_, [&](const Item& item) {
            return item.pooled->sender == sender && item.nonce() == nonce;
        });
    }
    [[nodiscard]] std::vector<Item> of(const Address& sender) const {
        std::vector<Item> found;
        for (const Item& item : items_)
            if (item.pooled->sender == sender) found.push_back(item);
        return found;
    }
    [[nodiscard]] U256 sum_of(const Address& sender, U256 more) const {
        for (const Item& item : of(sender))
            more = *checked_add(more, item.cost());
        return more;
    }
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const Item& item : items_)
            sum += item.pooled->size;
        return sum;
    }
    [[nodiscard]] std::uint64_t pending_end(const Address& sender) const {
        std::uint64_t end = states_.at(sender).nonce;
        for (const Item& item : of(sender))
            if (item.nonce() == end) ++end;
        return end;
    }
    [[nodiscard]] std::map<Address, std::uint64_t> firsts() const {
        std::map<Address, std::uint64_t> nonces;
        for (const auto& [sender, state] : states_)
            nonces[sender] = state.nonce;
        return nonces;
    }
    [[nodiscard]] Address least_worthy(const Address& newcomer) const {
        using Rank = std::tuple<bool, U256, U256>;
        std::map<Address, Rank> ranks;
        for (const Item& item : items_) {
            const Address& sender = item.pooled->sender;
            const bool reachable = of(sender).back().nonce() < pending_end(sender);
            const Rank rank{reachable, item.fee(), item.tip()};
            const auto [place, fresh] = ranks.emplace(sender, rank);
            place->second = std::min(place->second, rank);
        }
        const auto least = std::ranges::min_element(
            ranks, [](const auto& left, const auto& right) { return left.second < right.second; });
        return ranks.at(newcomer) == least->second ? newcomer : least->first;
    }

    Pool::Limits limits_;
    std::vector<Item> items_;
    std::map<Address, SenderState> states_;
    std::uint64_t sequence_ = 0;
};

void check_same(const std::vector<PooledPtr>& left, const std::vector<PooledPtr>& right) {
    MILLRACE_ASSERT(std::ranges::equal(
        left, right, {}, [](const PooledPtr& one) { return one->hash; },
        [](const PooledPtr& one) { return one->hash; }));
}

class Run {
  public:
    explicit Run(ByteView script) : script_{script} {}

    void go() {
        while (!script_.empty()) {
            act(take());
            twin_.check_against(pool_);
            check_choice(U256{take() % 16u});
        }
    }

  private:
    static constexpr std::uint8_t sender_count = 5;

    std::uint8_t take() { return script_.take(); }

    void act(std::uint8_t choice) {
        const std::uint8_t sender = take() % sender_count;
        if (choice % 8 == 6) {
            SenderState& state = states_[sender];
            const std::uint8_t detail = take();
            state = {detail % 8u, U256{std::uint64_t{take()} * 8}};
            return check_same(pool_.update(sample_address(sender), state),
                              twin_.update(sample_address(sender), state));
        }
        if (choice % 8 == 7) {
            const auto content = pool_.content();
            if (content.empty()) return;
            const Hash32 hash = content[take() % content.size()].transaction->hash;
            MILLRACE_ASSERT(pool_.remove(hash) && twin_.remove(hash));
            return;
        }
        add(sender);
    }

    void add(std::uint8_t sender) {
        const std::uint8_t price = take();
        const std::uint8_t detail = take();
        const PooledTransaction pooled = sample({.sender = sender,
                                                 .nonce = detail % 16u,
                                                 .fee = price % 32u,
                                                 .tip = price / 8u,
                                                 .gas = 1u + (detail >> 6),
                                                 .value = (detail >> 4) & 1u,
                                                 .size = 50u + 100u * ((detail >> 5) & 1u)});
        const auto given = pool_.add(pooled, states_[sender]);
        const auto wanted = twin_.add(pooled, states_[sender]);
        MILLRACE_ASSERT(given.has_value() == wanted.has_value());
        if (!given) {
            MILLRACE_ASSERT(given.error() == wanted.error());
            return;
        }
        MILLRACE_ASSERT(given->pending == wanted->pending);
        check_same(given->evicted, wanted->evicted);
    }

    void check_choice(const U256& base_fee) {
        std::vector<PooledPtr> chosen;
        auto selection = pool_.select(base_fee);
        while (PooledPtr next = selection.next())
            chosen.push_back(std::move(next));
        check_same(chosen, twin_.choose(base_fee));
    }

    static Pool::Limits limits() {
        return {.count_max = 12,
                .bytes_max = 900,
                .sender_count_max = 5,
                .nonce_gap_max = 9,
                .gas_limit_max = 3,
                .tip_floor = U256{1}};
    }

    Script script_;
    Pool pool_{limits()};
    Twin twin_{limits()};
    std::map<std::uint8_t, SenderState> states_{{0, {0, U256{500}}},
                                                {1, {0, U256{500}}},
                                                {2, {1, U256{300}}},
                                                {3, {2, U256{90}}},
                                                {4, {0, U256{9'000}}}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size <= 4'096) Run{ByteView{data, size}}.go();
    return 0;
}

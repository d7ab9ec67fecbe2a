// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/genesis_alloc.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "node/genesis_file.hpp"
#include "node/json_members.hpp"
#include "state/trie_values.hpp"
#include "trie/root.hpp"

namespace millrace::node::genesis_values {
namespace {

std::optional<Json> parse_value(Reader& reader, std::size_t at, std::string_view value) {
    Json parsed = Json::parse(value, nullptr, false);
    if (!parsed.is_discarded()) return parsed;
    reader.fail_json(at);
    return std::nullopt;
}

/// A key as it is meant; plain ones need no parser.
std::string key_text(Reader& reader, std::size_t at, std::string_view raw) {
    const bool is_plain = std::ranges::all_of(
        raw, [](char letter) { return letter >= ' ' && letter < 0x7f && letter != '\\'; });
    if (is_plain) return std::string{raw};
    const auto parsed = parse_value(reader, at, '"' + std::string{raw} + '"');
    return parsed ? parsed->get<std::string>() : std::string{};
}

std::size_t place_of(std::string_view text, std::string_view part) noexcept {
    return static_cast<std::size_t>(part.data() - text.data());
}

struct AccountText {
    std::string name;  ///< the key
    Address address;
    state::Account account;
    evm::CodePtr code;           ///< null: none
    std::size_t storage_at = 0;  ///< of its '{'; 0: there is none
};

/// Null when the reader has failed.
std::optional<AccountText> read_account(Reader& reader, std::string_view text, std::size_t key_at) {
    const auto member = json_member_at(text, key_at);
    MILLRACE_ASSERT(member.has_value());
    AccountText out;
    out.name = key_text(reader, key_at, member->raw_key);
    const auto address = fixed_from_hex<Address>(out.name);
    if (!address) {
        reader.fail(out.name, "is no address", "give 40 hexadecimal digits");
        return std::nullopt;
    }
    out.address = *address;
    const auto scope = reader.enter(out.name);
    if (!member->value.starts_with('{')) {
        if (parse_value(reader, place_of(text, member->value), member->value))
            reader.fail("", "is no object", "give {\"balance\": …}");
        return std::nullopt;
    }
    Json fields = Json::object();
    JsonMembersView members{text, place_of(text, member->value)};
    while (members.next()) {
        const std::size_t at = place_of(text, members.value());
        const std::string name = key_text(reader, members.key_at(), members.raw_key());
        if (name == "storage" && members.value().starts_with('{')) {
            out.storage_at = at;
            continue;
        }
        auto value = parse_value(reader, at, members.value());
        if (!value) return std::nullopt;
        if (name == "nonce" || name == "balance" || name == "code" || name == "storage")
            fields[name] = std::move(*value);
    }
    if (members.failed()) {
        reader.fail_json(members.at());
        return std::nullopt;
    }
    reader.optional_object(fields, "storage");
    out.account = {.nonce = reader.optional_u64(fields, "nonce").value_or(0),
                   .balance = reader.optional_word(fields, "balance").value_or(U256{}),
                   .code_hash = evm::empty_code_hash};
    if (auto code = reader.optional_bytes(fields, "code"); code && !code->empty()) {
        out.code = evm::Code::make(std::move(*code));
        out.account.code_hash = out.code->hash();
    }
    if (reader.failed()) return std::nullopt;
    return out;
}

/// Storage keys and values: at most 32 bytes, right-aligned.
std::optional<U256> slot_of(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    std::string digits{text.size() % 2 != 0 ? "0" : ""};
    digits += text;
    if (digits.size() > 64 || digits.starts_with("0x")) return std::nullopt;
    const auto bytes = from_hex(digits);
    return bytes ? u256_from_big_endian(*bytes) : std::nullopt;
}

template <typename Take>
void each_slot(Reader& reader, std::string_view text, std::size_t storage_at, const Take& take) {
    const auto scope = reader.enter("storage");
    JsonMembersView members{text, storage_at};
    while (members.next() && !reader.failed()) {
        const std::string key = key_text(reader, members.key_at(), members.raw_key());
        const auto word = parse_value(reader, place_of(text, members.value()), members.value());
        if (!word) return;
        const auto* const digits = word->get_ptr<const std::string*>();
        const auto slot = slot_of(key);
        const auto content = digits == nullptr ? std::nullopt : slot_of(*digits);
        if (!slot || !content)
            return reader.fail(key, "is no pair of words", "give \"0x…\": \"0x…\", 32 bytes each");
        if (!content->is_zero()) take(*slot, *content);
    }
    if (members.failed()) reader.fail_json(members.at());
}

/// Fills parts and hands them on.
class Parts {
  public:
    Parts(std::size_t rows_max, const TakePart& take) noexcept : rows_max_{rows_max}, take_{take} {}

    [[nodiscard]] bool ended() const noexcept { return ended_; }

    void begin(const AccountText& account) {
        if (rows_ >= rows_max_) hand_on(false);
        ++rows_;
        if (account.code) {
            rows_ += account.code->view().size() / 256;
            part_.codes.try_emplace(account.account.code_hash, account.code);
        }
        account_ = &account;
        entry_ = &part_.accounts[account.address];
        entry_->account = account.account;
    }

    void add_slot(const U256& slot, const U256& content) {
        if (rows_ >= rows_max_) {
            hand_on(false);
            entry_ = &part_.accounts[account_->address];
            entry_->account = account_->account;
        }
        ++rows_;
        entry_->storage.insert_or_assign(slot, content);
    }

    void hand_on(bool is_last) {
        if (!ended_) ended_ = !take_(std::move(part_), is_last);
        part_ = {};
        rows_ = 0;
    }

  private:
    std::size_t rows_max_;
    const TakePart& take_;
    state::StateDiff part_;
    std::size_t rows_ = 0;
    const AccountText* account_ = nullptr;
    state::AccountDiff* entry_ = nullptr;
    bool ended_ = false;
};

}  // namespace

Document read_document(Reader& reader, std::string_view text) {
    Document document{.rest = Json::object(), .alloc_at = 0};
    const std::size_t first = text.find_first_not_of(" \n\r\t");
    if (first == std::string_view::npos || text[first] != '{') {
        if (Json::accept(text)) {
            reader.fail_whole("is no JSON object", "begin it with {");
        } else {
            reader.fail_json(0);
        }
        return document;
    }
    JsonMembersView members{text, first};
    std::size_t rest_size = 0;
    bool has_alloc = false;
    while (members.next() && !reader.failed()) {
        const std::size_t at = place_of(text, members.value());
        const std::string name = key_text(reader, members.key_at(), members.raw_key());
        if (name == "alloc") {
            if (has_alloc) reader.fail(name, "is given twice", "make it one object");
            has_alloc = true;
            if (members.value().starts_with('{')) {
                document.alloc_at = at;
                continue;
            }
        }
        rest_size += name.size() + members.value().size();
        if (rest_size > rest_size_max) {
            reader.fail(name, "makes what stands beside \"alloc\" larger than 1 MiB",
                        "take out what is no part of a genesis");
            return document;
        }
        if (auto value = parse_value(reader, at, members.value()))
            document.rest[name] = std::move(*value);
    }
    if (members.failed() || text.find_first_not_of(" \n\r\t", members.at()) != text.npos)
        if (!reader.failed()) reader.fail_json(members.at());
    if (!reader.failed()) reader.optional_object(document.rest, "alloc");
    return document;
}

std::vector<AccountPlace> check_accounts(
    Reader& reader, std::string_view text, std::size_t alloc_at,
    const std::function<void(const Address&, bool has_code)>& told) {
    std::vector<AccountPlace> places;
    if (alloc_at == 0) return places;
    const auto scope = reader.enter("alloc");
    JsonMembersView members{text, alloc_at};
    while (members.next() && !reader.failed()) {
        const auto account = read_account(reader, text, members.key_at());
        if (!account) return places;
        const auto inner = reader.enter(account->name);
        if (places.size() >= genesis_accounts_max)
            reader.fail("", "is one account too many", "a genesis has at most 1,000,000");
        places.push_back({.hashed = state::hashed_key(account->address),
                          .at = static_cast<std::uint32_t>(members.key_at())});
        if (account->storage_at != 0)
            each_slot(reader, text, account->storage_at, [](const U256&, const U256&) {});
        if (told) told(account->address, account->code != nullptr);
    }
    if (members.failed()) reader.fail_json(members.at());
    std::ranges::sort(places, {}, &AccountPlace::hashed);
    const auto twice = std::ranges::adjacent_find(places, {}, &AccountPlace::hashed);
    if (twice != places.end() && !reader.failed())
        reader.fail(std::string{json_member_at(text, twice->at)->raw_key}, "is given twice",
                    "remove one");
    return places;
}

bool each_part(std::string_view text, const std::vector<AccountPlace>& places, std::size_t rows_max,
               const TakePart& take) {
    Reader reader;
    Parts parts{rows_max, take};
    for (const AccountPlace& place : places) {
        const auto account = read_account(reader, text, place.at);
        MILLRACE_ASSERT(account.has_value());
        parts.begin(*account);
        if (account->storage_at != 0)
            each_slot(
                reader, text, account->storage_at,
                [&](const U256& slot, const U256& content) { parts.add_slot(slot, content); });
        MILLRACE_ASSERT(!reader.failed());
        if (parts.ended()) return false;
    }
    parts.hand_on(true);
    return !parts.ended();
}

Hash32 state_root(std::string_view text, const std::vector<AccountPlace>& places) {
    Reader reader;
    Bytes leaves;  // one behind the other
    std::vector<std::uint32_t> ends;
    ends.reserve(places.size());
    for (const AccountPlace& place : places) {
        const auto account = read_account(reader, text, place.at);
        MILLRACE_ASSERT(account.has_value());
        state::Storage slots;
        if (account->storage_at != 0)
            each_slot(reader, text, account->storage_at,
                      [&](const U256& slot, const U256& content) {
                          slots.insert_or_assign(slot, content);
                      });
        MILLRACE_ASSERT(!reader.failed());
        const Bytes leaf = state::account_leaf(account->account, state::storage_root_of(slots));
        leaves.insert(leaves.end(), leaf.begin(), leaf.end());
        ends.push_back(static_cast<std::uint32_t>(leaves.size()));
    }
    std::vector<trie::PairView> pairs;
    pairs.reserve(places.size());
    for (std::size_t index = 0; index < places.size(); ++index) {
        const std::size_t first = index == 0 ? 0 : ends[index - 1];
        pairs.push_back(
            {places[index].hashed.view(), ByteView{leaves}.subspan(first, ends[index] - first)});
    }
    return trie::root_of(pairs);
}

}  // namespace millrace::node::genesis_values

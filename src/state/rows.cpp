// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/rows.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "codec/rlp.hpp"
#include "trie/node.hpp"

namespace millrace::state {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

constexpr std::size_t height_size = 8;

/// Into eight bytes.
void write_height(std::span<std::uint8_t> into, Height height) noexcept {
    for (std::size_t index = 0; index < height_size; ++index)
        into[height_size - 1 - index] = static_cast<std::uint8_t>(height.value >> (8 * index));
}

/// A hash whose usual value `usual` is written as an empty string.
void write_hash(RlpWriter& writer, const Hash32& hash, const Hash32& usual) {
    writer.write(hash == usual ? ByteView{} : hash.view());
}

Result<Hash32, RlpError> read_hash(RlpReaderView& reader, const Hash32& usual) {
    MILLRACE_TRY(const ByteView bytes, reader.read_string());
    if (bytes.empty()) return usual;
    const auto hash = Hash32::from(bytes);
    if (!hash || *hash == usual) return Err{RlpError::non_canonical};
    return *hash;
}

Result<AccountRow, RlpError> read_account(ByteView row) {
    RlpReaderView reader{row};
    MILLRACE_TRY(RlpReaderView items, reader.read_list());
    MILLRACE_TRY_VOID(reader.finish());
    AccountRow result;
    MILLRACE_TRY(result.account.nonce, items.read_u64());
    MILLRACE_TRY(result.account.balance, items.read_u256());
    MILLRACE_TRY(result.account.code_hash, read_hash(items, evm::empty_code_hash));
    MILLRACE_TRY(result.storage_root, read_hash(items, trie::empty_root));
    MILLRACE_TRY_VOID(items.finish());
    return result;
}

bool is_changed_table(std::uint64_t number) noexcept {
    const auto is = [&](Table table) { return number == static_cast<std::uint64_t>(table); };
    return is(Table::accounts) || is(Table::storage) || is(Table::nodes) || is(Table::codes);
}

Result<std::vector<ChangedKey>, RlpError> read_changes(ByteView row) {
    RlpReaderView reader{row};
    MILLRACE_TRY(RlpReaderView items, reader.read_list());
    MILLRACE_TRY_VOID(reader.finish());
    std::vector<ChangedKey> keys;
    while (!items.at_end()) {
        MILLRACE_TRY(RlpReaderView item, items.read_list());
        MILLRACE_TRY(const std::uint64_t table, item.read_u64());
        MILLRACE_TRY(const ByteView key, item.read_string());
        MILLRACE_TRY_VOID(item.finish());
        if (!is_changed_table(table)) return Err{RlpError::bad_value};
        keys.push_back({static_cast<Table>(table), to_bytes(key)});
    }
    return keys;
}

Result<Height, RlpError> read_height(ByteView row) {
    RlpReaderView reader{row};
    MILLRACE_TRY(RlpReaderView items, reader.read_list());
    MILLRACE_TRY_VOID(reader.finish());
    MILLRACE_TRY(const std::uint64_t format, items.read_u64());
    if (format != state_format) return Err{RlpError::bad_value};
    MILLRACE_TRY(const std::uint64_t height, items.read_u64());
    MILLRACE_TRY_VOID(items.finish());
    return Height{height};
}

}  // namespace

void stop_on_damage(Table table, ByteView key, std::string_view why) noexcept {
    std::fprintf(stderr,
                 "level=fatal msg=\"the chain's store is damaged\" table=%u key=%s why=\"%.*s\" "
                 "remedy=\"run 'millrace node verify', then import the chain again\"\n",
                 static_cast<unsigned>(table), to_hex(key).c_str(), static_cast<int>(why.size()),
                 why.data());
    std::abort();
}

Bytes encode_account_row(const AccountRow& row) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(row.account.nonce);
    writer.write(row.account.balance);
    write_hash(writer, row.account.code_hash, evm::empty_code_hash);
    write_hash(writer, row.storage_root, trie::empty_root);
    writer.end_list(list);
    return std::move(writer).take();
}

std::optional<AccountRow> decode_account_row(ByteView row) {
    auto result = read_account(row);
    if (!result) return std::nullopt;
    return std::move(result).value();
}

Bytes encode_storage_row(const U256& value) {
    MILLRACE_ASSERT(!value.is_zero());
    const Hash32 word = to_word(value);
    const auto first =
        std::ranges::find_if(word.bytes, [](std::uint8_t byte) { return byte != 0; });
    return {first, word.bytes.end()};
}

std::optional<U256> decode_storage_row(ByteView row) {
    if (row.empty() || row[0] == 0) return std::nullopt;
    return u256_from_big_endian(row);
}

Bytes height_key(Height height) {
    Bytes key(height_size);
    write_height(key, height);
    return key;
}

std::optional<Height> decode_height_key(ByteView key) {
    if (key.size() != height_size) return std::nullopt;
    Height height;
    for (const std::uint8_t byte : key)
        height.value = (height.value << 8) | byte;
    return height;
}

Bytes storage_key(const Address& address, const U256& slot) {
    const Hash32 word = to_word(slot);
    Bytes key;
    key.reserve(Address::size + Hash32::size);
    key.insert(key.end(), address.bytes.begin(), address.bytes.end());
    key.insert(key.end(), word.bytes.begin(), word.bytes.end());
    return key;
}

Bytes history_key(ByteView key, Height height) {
    Bytes result(key.size() + height_size);
    std::ranges::copy(key, result.begin());
    write_height(std::span{result}.subspan(key.size()), height);
    return result;
}

TrieName TrieName::storage_of(const Hash32& hashed_address) {
    Bytes prefix{1};
    prefix.insert(prefix.end(), hashed_address.bytes.begin(), hashed_address.bytes.end());
    return TrieName{std::move(prefix)};
}

Bytes TrieName::node_key(const trie::Nibbles& path) const {
    Bytes key;
    key.reserve(prefix_.size() + 1 + (path.size() + 1) / 2);
    key.insert(key.end(), prefix_.begin(), prefix_.end());
    key.push_back(static_cast<std::uint8_t>(path.size()));
    for (std::size_t index = 0; index < path.size(); index += 2) {
        const std::uint8_t low = index + 1 < path.size() ? path[index + 1] : std::uint8_t{0};
        key.push_back(static_cast<std::uint8_t>((path[index] << 4) | low));
    }
    return key;
}

Table history_of(Table table) noexcept {
    if (table == Table::accounts) return Table::account_history;
    if (table == Table::storage) return Table::storage_history;
    MILLRACE_ASSERT(table == Table::nodes);
    return Table::node_history;
}

void write_changed(RlpWriter& items, Table table, ByteView key) {
    const auto item = items.begin_list();
    items.write(static_cast<std::uint64_t>(table));
    items.write(key);
    items.end_list(item);
}

Bytes encode_changes(const std::vector<ChangedKey>& keys) {
    RlpWriter items;
    for (const ChangedKey& changed : keys)
        write_changed(items, changed.table, changed.key);
    return changes_row(items.view());
}

Bytes changes_row(ByteView items) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_raw(items);
    writer.end_list(list);
    return std::move(writer).take();
}

std::optional<std::vector<ChangedKey>> decode_changes(ByteView row) {
    auto result = read_changes(row);
    if (!result) return std::nullopt;
    return std::move(result).value();
}

ByteView state_head_key() noexcept {
    return as_bytes("state.head");
}

ByteView state_pruned_key() noexcept {
    return as_bytes("state.pruned");
}

Bytes encode_state_height(Height height) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(state_format);
    writer.write(height.value);
    writer.end_list(list);
    return std::move(writer).take();
}

std::optional<Height> decode_state_height(ByteView row) {
    const auto result = read_height(row);
    if (!result) return std::nullopt;
    return *result;
}

std::optional<Height> read_state_height(const KeyValueView& view, ByteView key) {
    const auto row = view.get(Table::meta, key);
    if (!row) return std::nullopt;
    const auto height = decode_state_height(*row);
    if (!height) stop_on_damage(Table::meta, key, "not a height in the state's format 1");
    return height;
}

std::optional<AccountRow> read_account_row(ByteView key, const std::optional<Bytes>& row) {
    if (!row) return std::nullopt;
    auto account = decode_account_row(*row);
    if (!account) stop_on_damage(Table::accounts, key, "not an account");
    return account;
}

U256 read_storage_row(ByteView key, const std::optional<Bytes>& row) {
    if (!row) return U256{};
    const auto value = decode_storage_row(*row);
    if (!value) stop_on_damage(Table::storage, key, "not a slot's value");
    return *value;
}

std::optional<Bytes> read_at(const KeyValueView& view, Table table, ByteView key, Height height) {
    const auto cursor = view.cursor(history_of(table));
    cursor->seek(history_key(key, Height{height.value + 1}));
    if (cursor->valid()) {
        const ByteView found = cursor->key();
        const bool is_ours = found.size() == key.size() + height_size &&
                             std::ranges::equal(found.first(key.size()), key);
        if (is_ours) {
            if (cursor->value().empty()) return std::nullopt;
            return to_bytes(cursor->value());
        }
    }
    return view.get(table, key);
}

}  // namespace millrace::state

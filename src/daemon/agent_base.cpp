// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/agent_base.hpp"

#include "chain/wallet_store.hpp"
#include "codec/rlp.hpp"
#include "io/crash_point.hpp"
#include "io/log.hpp"

namespace millrace::daemon {

namespace {

constexpr const char* journal_table = "attempts";
constexpr Duration receipt_interval{150};

Bytes attempt_key(const chain::SignedAttempt& attempt) {
    Bytes key(8);
    for (std::size_t index = 0; index < 8; ++index) {
        key[index] = static_cast<std::uint8_t>(attempt.nonce >> (56 - 8 * index));
    }
    key.insert(key.end(), attempt.hash.bytes.begin(), attempt.hash.bytes.end());
    return key;
}

Bytes encode_attempt(const chain::SignedAttempt& attempt) {
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(std::uint64_t{1});
    writer.write(attempt.nonce);
    writer.write(attempt.hash);
    writer.write(ByteView{attempt.raw});
    writer.write_text(attempt.purpose);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<chain::SignedAttempt, codec::RlpError> decode_attempt(ByteView wire) {
    codec::RlpReaderView outer{wire};
    MILLRACE_TRY(codec::RlpReaderView reader, outer.read_list());
    MILLRACE_TRY(const std::uint64_t version, reader.read_u64());
    if (version != 1) return Err{codec::RlpError::bad_value};
    chain::SignedAttempt attempt;
    MILLRACE_TRY(attempt.nonce, reader.read_u64());
    MILLRACE_TRY(attempt.hash, reader.read_fixed<Hash32>());
    MILLRACE_TRY(attempt.raw, reader.read_bytes(1u << 20));
    MILLRACE_TRY(attempt.purpose, reader.read_text(1024));
    MILLRACE_TRY_VOID(reader.finish());
    return attempt;
}

Outcome<std::vector<chain::SignedAttempt>> load_journal(store::RecordStore& journal) {
    MILLRACE_TRY(const auto records, journal.load(journal_table));
    std::vector<chain::SignedAttempt> attempts;
    for (const auto& record : records) {
        auto attempt = decode_attempt(record.value);
        if (!attempt) {
            return Err{Failure{"the journal of transactions is damaged", journal_table,
                               "restore db/transactions.sqlite from a backup"}};
        }
        attempts.push_back(std::move(*attempt));
    }
    return attempts;
}

chain::TransactionSender::Journal make_journal(store::RecordStore& journal) {
    return {.persist =
                [&journal](const chain::SignedAttempt& attempt) {
                    return journal.commit(
                        {{journal_table, attempt_key(attempt), encode_attempt(attempt)}});
                },
            .forget =
                [&journal](std::uint64_t nonce) {
                    const auto records = journal.load(journal_table);
                    if (!records) return;
                    std::vector<store::Change> batch;
                    for (const auto& record : *records) {
                        const auto attempt = decode_attempt(record.value);
                        if (attempt && attempt->nonce == nonce) {
                            batch.push_back({journal_table, record.key, std::nullopt});
                        }
                    }
                    // Keeping one too long only means sending the same bytes once more.
                    if (const auto done = journal.commit(batch); !done) {
                        io::log_failure("an old transaction stays in the journal", done.error());
                    }
                }};
}

}  // namespace

Outcome<std::unique_ptr<AgentBase>> AgentBase::open(const Options& options) {
    std::unique_ptr<AgentBase> base{new AgentBase};
    MILLRACE_TRY(base->network_, chain::read_network_file(
                                     chain::network_file_path(options.home_root, options.network)));
    base->domain_ = base->network_.domain;
    MILLRACE_TRY(auto home, io::RoleHome::open(options.home_root, options.network, options.role));
    base->home_root_ = options.home_root;
    base->home_ = std::make_unique<io::RoleHome>(std::move(home));
    MILLRACE_TRY(const auto level, io::parse_log_level(options.log_level));
    MILLRACE_TRY_VOID(io::open_log({.role = options.role,
                                    .file = base->home_->log() + "/" + options.role + ".log",
                                    .level = level,
                                    .to_stderr = true}));
    base->loop_.on_hangup([] {
        if (const auto opened = io::reopen_log(); !opened) {
            io::log_failure("the log file could not be opened anew", opened.error());
        }
    });
    io::enable_crash_points(base->network_.dev);
    MILLRACE_TRY(const auto key,
                 chain::load_or_create_key(
                     base->home_->keys() + "/account.json", options.password,
                     base->network_.dev ? crypto::scrypt_light : crypto::ScryptCost{}));
    base->key_ = std::make_unique<crypto::SecretKey>(key);
    MILLRACE_TRY(const auto node_key,
                 io::NodeKey::load_or_create(base->home_->keys() + "/node.pem"));
    base->node_key_ = std::make_unique<io::NodeKey>(node_key);
    MILLRACE_TRY(base->records_, store::RecordStore::open(base->home_->db() + "/records.sqlite"));
    MILLRACE_TRY(base->transactions_,
                 store::RecordStore::open(base->home_->db() + "/transactions.sqlite"));
    MILLRACE_TRY(base->blobs_, store::BlobStore::open(base->home_->blobs(), options.cache_bytes));
    MILLRACE_TRY(base->client_, chain::connect_to_network(base->network_));
    base->sender_ = std::make_unique<chain::TransactionSender>(*base->client_, key,
                                                               make_journal(*base->transactions_),
                                                               chain::TransactionSender::Options{});
    MILLRACE_TRY(auto attempts, load_journal(*base->transactions_));
    base->sender_->resume(std::move(attempts));
    base->chain_thread_ = std::make_unique<ChainThread>(base->loop_);
    return base;
}

void AgentBase::transact(Submit submit, std::function<void(Outcome<Hash32>)> done) {
    on_chain(std::move(submit), [this, done = std::move(done)](Outcome<Hash32> sent) {
        if (!sent || sent->is_zero()) return done(std::move(sent));
        await_receipt(*sent, done);
    });
}

void AgentBase::await_receipt(const Hash32& transaction,
                              std::function<void(Outcome<Hash32>)> done) {
    on_chain([transaction](chain::ChainClient&,
                           chain::TransactionSender& sender) { return sender.poll(transaction); },
             [this, transaction,
              done = std::move(done)](Outcome<std::optional<chain::TransactionReceipt>> receipt) {
                 if (!receipt) return done(Err{receipt.error()});
                 if (!receipt->has_value()) {
                     loop_.call_after(receipt_interval, [this, transaction, done] {
                         await_receipt(transaction, done);
                     });
                     return;
                 }
                 if (!(*receipt)->succeeded) {
                     return done(Err{Failure{"the transaction was mined and reverted",
                                             to_hex0x((*receipt)->transaction.view()),
                                             "look at it with a block explorer or `cast run`"}});
                 }
                 done((*receipt)->transaction);
             });
}

std::optional<Hash32> AgentBase::open_attempt(const chain::TransactionSender& sender,
                                              const std::string& purpose) {
    for (const auto& attempt : sender.open()) {
        if (attempt.purpose == purpose) return attempt.hash;
    }
    return std::nullopt;
}

}  // namespace millrace::daemon

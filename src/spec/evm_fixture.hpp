// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "io/fixture_json.hpp"
#include "ledger/transition.hpp"
#include "state/state_view.hpp"

// How the JSON files of ethereum/execution-spec-tests write things; included by .cpp files only.
// Anything in another form throws std::runtime_error, which run_files() reports.
namespace millrace::spec {

using io::fixture::read_bytes;
using io::fixture::read_fixed;
using io::fixture::read_number;
using io::fixture::read_u64;
using nlohmann::json;

json read_json(const std::filesystem::path& file);

/// "" stands for no destination.
std::optional<Address> destination_of(const json& text);

/// An object of accounts as a whole state.
state::StateDiff state_of(const json& accounts);
/// "" when `state` holds exactly these accounts, else the first difference in words.
std::string difference(const json& accounts, const state::StateDiff& state);

/// Nothing at all; what a whole state is laid over.
class EmptyView final : public state::StateView {
  public:
    std::optional<state::Account> account(const Address&) const override { return {}; }
    U256 storage(const Address&, const U256&) const override { return {}; }
    bool has_storage(const Address&) const override { return false; }
    evm::CodePtr code(const Hash32&) const override { return evm::Code::empty(); }
};

/// "Istanbul", "ConstantinopleFix", "EIP158"…; null for names not known.
std::optional<evm::Revision> revision_of(const std::string& name);

/// The chain of a fixture: `network` is a fork, or two as in "CancunToPragueAtTime15k"; `config` is
/// its "config". Null for names not known.
std::optional<ledger::ChainConfig> chain_config_of(const std::string& network, const json& config);

/// Whether `expected` ("TransactionException.A|BlockException.B") has the name of this error.
bool is_expected(const std::string& expected, ledger::TransactionError error);
bool is_expected(const std::string& expected, const ledger::BlockFailure& failure);

}  // namespace millrace::spec

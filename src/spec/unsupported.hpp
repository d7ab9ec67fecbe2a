// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <vector>

#include "evm/machine.hpp"

namespace millrace::spec {

/// Watches a run again that ended in not_supported, to name what was missing.
class MissingPrecompile final : public evm::Tracer {
  public:
    void on_enter(const evm::Message& message) override {
        targets_.push_back(message.code_address);
    }
    void on_step(const Step&) override {}
    void on_leave(const evm::CallResult& result) override {
        if (result.status == evm::Status::not_supported && first_.empty()) {
            first_ = name_of(targets_.back());
        }
        targets_.pop_back();
    }
    /// "not supported: BLS12-381 pairing 0x0f".
    [[nodiscard]] std::string cause() const {
        return "not supported: " + (first_.empty() ? "in a system call" : first_);
    }

  private:
    static std::string name_of(const Address& address);

    std::vector<Address> targets_;  ///< as deep as the calls
    std::string first_;
};

}  // namespace millrace::spec

// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/send_status.hpp"

#include <array>
#include <string>

namespace millrace::chain {
namespace {

struct Phrase {
    std::string_view text;  ///< lower case
    SendStatus status;
};

/// Searched in order: "replacement" comes before what a longer message may also contain.
constexpr std::array phrases = {
    Phrase{"already known", SendStatus::accepted},            // geth, Erigon
    Phrase{"alreadyknown", SendStatus::accepted},             // Nethermind
    Phrase{"known transaction", SendStatus::accepted},        // hardhat, Besu
    Phrase{"already imported", SendStatus::accepted},         // anvil
    Phrase{"already in the pool", SendStatus::accepted},      //
    Phrase{"nonce too low", SendStatus::nonce_too_low},       // geth, anvil, hardhat
    Phrase{"oldnonce", SendStatus::nonce_too_low},            // Nethermind
    Phrase{"nonce is too low", SendStatus::nonce_too_low},    //
    Phrase{"nonce too high", SendStatus::nonce_too_high},     // hardhat
    Phrase{"nonce is too high", SendStatus::nonce_too_high},  //
    Phrase{"noncegap", SendStatus::nonce_too_high},           // Nethermind
    Phrase{"insufficient funds", SendStatus::insufficient_funds},
    Phrase{"insufficientfunds", SendStatus::insufficient_funds},
    Phrase{"enough funds", SendStatus::insufficient_funds},          // hardhat
    Phrase{"upfront cost exceeds", SendStatus::insufficient_funds},  // Besu
    Phrase{"underpriced", SendStatus::underpriced},                  // geth, anvil
    Phrase{"fee too low", SendStatus::underpriced},
    Phrase{"feetoolow", SendStatus::underpriced},  // Nethermind
    Phrase{"price too low", SendStatus::underpriced},
    Phrase{"less than block base fee", SendStatus::underpriced},
    Phrase{"too low for the next block", SendStatus::underpriced},  // hardhat
    Phrase{"below current minimum", SendStatus::underpriced},       // Besu
};

}  // namespace

SendStatus classify_send_error(std::string_view message) {
    std::string lower{message};
    for (char& symbol : lower) {
        if (symbol >= 'A' && symbol <= 'Z') symbol = static_cast<char>(symbol - 'A' + 'a');
    }
    for (const Phrase& phrase : phrases) {
        if (lower.find(phrase.text) != std::string::npos) return phrase.status;
    }
    return SendStatus::refused;
}

}  // namespace millrace::chain
